"""Notices when depmod has written the index of modules anew: a package came, or a module was built.

inotify knows nothing of /proc and /sys, where the monitor reads; /lib/modules is
an ordinary folder, and costs nothing to watch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator

from kmodtui.kernel.host import Host

STEP = 400
"""Milliseconds from one look at what inotify has gathered to the next; quitting waits for one."""

log = logging.getLogger("kmodtui")


async def index_changes(host: Host, folder: str) -> AsyncIterator[None]:
    """Yield after each time that files of the index in `folder` were written.

    Ends where the folder is not there or cannot be watched: the index is then
    read once, as it would be without this.
    """
    # Only now: the import takes longer than everything else that is done before
    # the first module is on the screen.
    from watchfiles import awatch

    path = host.locate(folder)

    def is_index(_change: object, file: str) -> bool:
        return os.path.basename(file).startswith("modules.")

    try:
        # It wakes at every step, whether anything happened or not; its own choice of
        # twenty a second would be most of what an idle dashboard costs. Without the
        # time limit of 0 it would also come back every five seconds with nothing.
        async for _ in awatch(
            path, watch_filter=is_index, recursive=False, step=STEP, rust_timeout=0
        ):
            yield
    except (OSError, RuntimeError) as error:
        log.info("%s is not watched: %s", path, error)
