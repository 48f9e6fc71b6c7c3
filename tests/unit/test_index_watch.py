"""kmodtui notices that depmod has run."""

import asyncio
from pathlib import Path

from kmodtui.services.index_watch import index_changes
from tests.support.simulated import make_simulated


async def test_a_rewritten_index_is_reported_and_other_files_are_not(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    folder = f"/lib/modules/{kernel.release}"
    changes = index_changes(kernel.host, folder)
    told = asyncio.ensure_future(anext(changes))

    async def rewrite() -> None:
        # inotify does not report earlier writes: write until it reports one.
        while not told.done():
            kernel.folder.write(f"{folder}/unrelated", b"nothing")
            kernel.folder.write(f"{folder}/modules.dep", b"kernel/new.ko:\n")
            await asyncio.wait({told}, timeout=0.5)

    async with asyncio.timeout(20):
        await rewrite()
    assert told.result() is None
    await changes.aclose()


async def test_a_missing_directory_ends_the_watch(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    async with asyncio.timeout(20):
        assert [change async for change in index_changes(kernel.host, "/lib/modules/none")] == []
