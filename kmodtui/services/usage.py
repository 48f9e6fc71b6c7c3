"""What uses modules beside other modules, on any observed system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kmodtui.kernel.host import Host
from kmodtui.kernel.usage import read_usage
from kmodtui.model.usage import Usage

if TYPE_CHECKING:
    from kmodtui.kernel.index.modules import ModuleIndex


def usage_of(
    host: Host, index: ModuleIndex | None, modules: Sequence[str], *, open_files: bool = True
) -> Usage:
    """Return what uses modules beside other modules. Reads many files: not for the event loop.

    Args:
        host: the system.
        index: resolves the aliases of file systems and devices; None finds fewer uses.
        modules: names of loaded modules.
        open_files: whether to read the open files of all processes, which takes longest.
    """
    # Only a session on this machine itself is connected through one of its interfaces.
    here = host.live and not host.badge
    connection = os.environ.get("SSH_CONNECTION", "") if here else ""
    resolve = index.resolve if index else lambda _: ()
    return read_usage(host, modules, resolve, connection, open_files=open_files)
