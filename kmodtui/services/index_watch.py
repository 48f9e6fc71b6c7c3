"""Notices when depmod rewrites the module index, after a package or a module was installed.

inotify does not work for /proc and /sys, but /lib/modules is an ordinary directory, which
is cheap to watch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator

from kmodtui.kernel.host import Host

STEP = 400
"""Milliseconds between two checks of inotify's events; quitting waits for one of them."""

log = logging.getLogger("kmodtui")


async def index_changes(host: Host, folder: str) -> AsyncIterator[None]:
    """Yield after each change of the index files in `folder`.

    Return if the directory does not exist or cannot be watched.
    """
    # Imported late, because this takes longer than everything else until the first screen.
    from watchfiles import awatch

    path = host.locate(folder)

    def is_index(_change: object, file: str) -> bool:
        return os.path.basename(file).startswith("modules.")

    try:
        # It wakes up at every step. Its default of 20 per second would cost more than the
        # rest of an idle dashboard. A timeout of 0 means that it never returns without a change.
        async for _ in awatch(
            path, watch_filter=is_index, recursive=False, step=STEP, rust_timeout=0
        ):
            yield
    except (OSError, RuntimeError) as error:
        log.info("%s is not watched: %s", path, error)
