"""kmodtui in a real terminal, on captured trees and on the demo."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support import debian
from tests.support.simulated import make_simulated
from tests.support.terminal import Terminal

KMODTUI = [sys.executable, "-m", "kmodtui"]

Open = Callable[..., Terminal]


def needs(program: str) -> None:
    """Have a program that is a Debian package of the same name, or skip the test."""
    if missing := debian.install({program: program}):
        if os.environ.get("CI") == "true":
            pytest.fail(f"missing: {missing[0]}", pytrace=False)
        pytest.skip(f"missing: {missing[0]}")


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    """Return a small captured tree; give `tree` of it to --root."""
    return make_simulated(tmp_path)


@pytest.fixture
def tree(kernel: SimulatedKernel) -> str:
    return str(kernel.folder.root)


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    """Return what opens kmodtui with arguments in a terminal of its own.

    Whatever a test is about: no traceback is ever seen, and none is in the log file.
    """
    opened: list[Terminal] = []
    state = tmp_path / "state"

    def open_one(
        *arguments: str, environment: dict[str, str] | None = None, **options: object
    ) -> Terminal:
        environment = {
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(state),
            "TMPDIR": str(tmp_path),
            **(environment or {}),
        }
        terminal = Terminal(
            [*KMODTUI, *arguments],
            environment=environment,
            cwd=Path.cwd(),
            **options,  # type: ignore[arg-type]
        )
        opened.append(terminal)
        return terminal

    yield open_one
    for terminal in opened:
        terminal.close()
        assert b"Traceback" not in terminal.raw, terminal.raw.decode(errors="backslashreplace")
    for log in state.rglob("*.log"):
        assert "Traceback" not in log.read_text()
