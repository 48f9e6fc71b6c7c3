"""Work in the background of a screen or widget, which never ends the program when it fails."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker

from kmodtui.ui.desk import desk

Work = Callable[[], Coroutine[Any, Any, object]]
"""A function, because a coroutine that is cancelled before it starts is never awaited, and
Python warns about that."""


def run_in_background(
    node: DOMNode,
    work: Work,
    group: str,
    *,
    exclusive: bool = True,
    failed: Callable[[Exception], None] | None = None,
) -> Worker[None]:
    """Run work in the background of a screen or widget; it is cancelled with it.

    An error is reported on the screen, and an unforeseen one also to the log file, with its
    traceback.

    Args:
        node: the screen or widget.
        work: what is done.
        group: the name of such work of this node.
        exclusive: whether it cancels earlier work of its group.
        failed: called with the error after it has been reported.
    """

    async def guarded() -> None:
        try:
            await work()
        except Exception as error:
            desk(node).report(error)
            if failed is not None:
                failed(error)

    return node.run_worker(guarded, group=group, exclusive=exclusive, exit_on_error=False)
