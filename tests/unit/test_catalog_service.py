"""The catalog: its entries, its cache, and what is read again."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.release import read_index
from kmodtui.model.catalog_entry import Catalog, CatalogStatus
from kmodtui.model.module_info import Parameter
from kmodtui.services.catalog.cache import MOST_FILES, CatalogCache
from kmodtui.services.catalog.catalog import ReadingStoppedError, names_of, read_catalog
from kmodtui.services.catalog.live import CatalogState, LiveCatalog
from tests.support.elf import make_module

RELEASE = "6.1.0-test"


class CountingHost(LocalHost):
    """A host that records which module files were opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened: list[str] = []

    def open(self, path: str):  # type: ignore[no-untyped-def]
        self.opened.append(path.rpartition("/")[2])
        return super().open(path)


@pytest.fixture
def host(tmp_path: Path) -> CountingHost:
    host = CountingHost(tmp_path / "root")
    put(
        host,
        "kernel/fs/btrfs/btrfs.ko",
        b"license=GPL",
        b"description=Btrfs  \x1b[31m[red]\n",
        b"alias=fs-btrfs",
        b"intree=Y",
        b"version=7",
    )
    put(
        host,
        "kernel/arch/x86/crypto/crc32c-intel.ko",
        b"license=GPL",
        b"alias=crc32c",
        b"alias=cpu:type:x86*",
        b"intree=Y",
    )
    put(
        host,
        "updates/dkms/nvidia.ko",
        b"license=NVIDIA",
        b"firmware=nvidia/gsp.bin",
        b"firmware=nvidia/two.bin",
        b"parmtype=modeset:bool",
        b"parm=modeset:Enable it",
    )
    folder = folder_of(host)
    (folder / "kernel/broken.ko").write_bytes(b"no module")
    (folder / "modules.alias").write_text(
        "alias fs-btrfs btrfs\nalias crc32c crc32c_intel\nalias cpu:type:x86* crc32c_intel\n"
    )
    (folder / "modules.builtin").write_text("kernel/net/unix/unix.ko\nkernel/lib/xz/xz_dec.ko\n")
    (folder / "modules.builtin.modinfo").write_bytes(
        b"unix.alias=net-pf-1\0unix.license=GPL\0unix.description=UNIX sockets\0"
    )
    run_depmod(host)
    return host


@pytest.fixture
def cache(tmp_path: Path) -> CatalogCache:
    return CatalogCache(tmp_path / "cache/kmodtui/catalog")


def folder_of(host: LocalHost) -> Path:
    return host.root / "lib/modules" / RELEASE


def put(host: LocalHost, place: str, *modinfo: bytes) -> None:
    file = folder_of(host) / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(make_module(modinfo))


def run_depmod(host: LocalHost) -> None:
    folder = folder_of(host)
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.ko"))
    index = folder / "modules.dep"
    before = index.stat().st_mtime_ns if index.exists() else 0
    index.write_text("".join(f"{file}:\n" for file in files))
    # Within a tick of the clock, two timestamps would be equal.
    os.utime(index, ns=(before + 10**9, before + 10**9))


def read(host: LocalHost, cache: CatalogCache | None = None) -> Catalog:
    return read_catalog(host, RELEASE, cache, worth_keeping=0)


def test_it_has_all_available_built_in_and_external_modules(host: CountingHost) -> None:
    catalog = read(host)
    assert [(entry.name, entry.standing({"btrfs"})) for entry in catalog.entries] == [
        ("broken", CatalogStatus.AVAILABLE),
        ("btrfs", CatalogStatus.LOADED),
        ("crc32c_intel", CatalogStatus.AVAILABLE),
        ("nvidia", CatalogStatus.AVAILABLE),
        ("unix", CatalogStatus.BUILTIN),
        ("xz_dec", CatalogStatus.BUILTIN),
    ]
    assert [entry.name for entry in catalog.entries if entry.external] == ["nvidia"]
    assert catalog.with_file == 4
    assert catalog.complete


def test_entries_have_the_modinfo_of_their_files(host: CountingHost) -> None:
    by_name = read(host).by_name
    btrfs = by_name["btrfs"]
    assert btrfs.description == r"Btrfs \x1b[31m[red]"
    assert (btrfs.license, btrfs.version, btrfs.intree, btrfs.signer) == ("GPL", "7", True, "")
    assert (btrfs.category, btrfs.path) == ("file system", "kernel/fs/btrfs/btrfs.ko")
    assert btrfs.aliases == ("fs-btrfs",)
    nvidia = by_name["nvidia"]
    assert nvidia.firmware == ("nvidia/gsp.bin", "nvidia/two.bin")
    assert nvidia.parameters == (Parameter("modeset", "bool", "Enable it"),)
    assert not nvidia.intree


def test_a_built_in_module_has_the_modinfo_that_the_kernel_recorded(host: CountingHost) -> None:
    by_name = read(host).by_name
    unix, bare = by_name["unix"], by_name["xz_dec"]
    assert (unix.description, unix.license, unix.aliases) == ("UNIX sockets", "GPL", ("net-pf-1",))
    assert (unix.category, bare.category) == ("network protocol", "library")
    assert unix.intree
    assert not unix.problem
    assert bare.file == ""


def test_the_file_name_is_an_alias_if_it_differs(host: CountingHost) -> None:
    by_name = read(host).by_name
    assert by_name["crc32c_intel"].other_name == "crc32c-intel.ko"
    assert by_name["btrfs"].other_name == ""
    assert by_name["unix"].other_name == ""


def test_patterns_for_hardware_are_not_names(host: CountingHost) -> None:
    assert read(host).by_name["crc32c_intel"].aliases == ("crc32c",)


def test_an_invalid_file_is_reported_in_its_entry(host: CountingHost) -> None:
    broken = read(host).by_name["broken"]
    assert "is not a kernel module" in broken.problem
    assert broken.read


def test_names_are_available_before_any_file_is_read(host: CountingHost) -> None:
    names = names_of(read_index(host, RELEASE))
    assert [entry.name for entry in names.entries] == list(read(host).by_name)
    assert not names.complete
    assert names.by_name["crc32c_intel"].aliases == ("crc32c",)


def test_the_second_time_no_module_file_is_opened(host: CountingHost, cache: CatalogCache) -> None:
    (folder_of(host) / "kernel/broken.ko").unlink()
    run_depmod(host)
    first = read(host, cache)
    host.opened.clear()
    assert read(host, cache) == first
    assert host.opened == []


def test_unreadable_files_are_tried_again_each_time(
    host: CountingHost, cache: CatalogCache
) -> None:
    read(host, cache)
    host.opened.clear()
    read(host, cache)
    assert host.opened == ["broken.ko"]
    put(host, "kernel/broken.ko", b"license=GPL", b"description=Mended")
    assert read(host, cache).by_name["broken"].description == "Mended"


def test_after_depmod_only_changed_files_are_read(host: CountingHost, cache: CatalogCache) -> None:
    (folder_of(host) / "kernel/broken.ko").unlink()
    run_depmod(host)
    read(host, cache)
    put(host, "updates/dkms/nvidia.ko", b"license=NVIDIA", b"description=A longer one by now")
    put(host, "extra/new.ko", b"license=GPL", b"description=New")
    (folder_of(host) / "kernel/fs/btrfs/btrfs.ko").unlink()
    (folder_of(host) / "modules.alias").write_text("alias crc-c crc32c_intel\n")
    run_depmod(host)
    host.opened.clear()
    by_name = read(host, cache).by_name
    assert sorted(host.opened) == ["new.ko", "nvidia.ko"]
    assert by_name["nvidia"].description == "A longer one by now"
    assert by_name["new"].external
    assert "btrfs" not in by_name
    assert by_name["crc32c_intel"].aliases == ("crc-c",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\n",
        lambda data: b"\0" * len(data),
        lambda data: data.replace(b"NVIDIA", b"nvidia"),
        lambda data: data.replace(b'"version": 1', b'"version": 99'),
        lambda data: data.replace(b'"checksum": ', b'"checksum": 1'),
        lambda data: b"[]\n" + data.partition(b"\n")[2],
        lambda data: b"[" * 100_000,
    ],
)
def test_a_damaged_cache_is_replaced(host: CountingHost, cache: CatalogCache, damage) -> None:  # type: ignore[no-untyped-def]
    whole = read(host, cache)
    file = cache.path_of(read_index(host, RELEASE))
    file.write_bytes(damage(file.read_bytes()))
    host.opened.clear()
    assert read(host, cache) == whole
    assert len(host.opened) == 4
    host.opened.clear()
    assert read(host, cache) == whole
    assert host.opened == ["broken.ko"]


def test_the_cache_is_private_and_written_atomically(
    host: CountingHost, cache: CatalogCache
) -> None:
    read(host, cache)
    [file] = cache.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_without_a_writable_cache_everything_is_read(host: CountingHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert read(host, CatalogCache(tmp_path / "file" / "catalog")) == read(host)


def test_a_fast_read_is_not_cached(host: CountingHost, cache: CatalogCache) -> None:
    read_catalog(host, RELEASE, cache, worth_keeping=3600)
    assert not cache.folder.exists()


def test_old_catalogs_are_removed(host: CountingHost, cache: CatalogCache) -> None:
    cache.folder.mkdir(parents=True)
    for number in range(MOST_FILES + 3):
        old = cache.folder / f"old-{number}.json"
        old.write_text("{}")
        os.utime(old, (number, number))
    read(host, cache)
    left = sorted(file.name for file in cache.folder.iterdir())
    assert len(left) == MOST_FILES
    assert cache.path_of(read_index(host, RELEASE)).name in left
    assert "old-0.json" not in left


def test_changes_by_depmod_during_a_read_are_read_next_time(
    host: CountingHost, cache: CatalogCache
) -> None:
    def depmod_meanwhile(done: int) -> bool:
        if done == 2:
            put(host, "extra/late.ko", b"license=GPL")
            run_depmod(host)
        return True

    names = read_catalog(host, RELEASE, cache, depmod_meanwhile, worth_keeping=0).by_name
    assert "late" not in names
    assert "late" in read(host, cache).by_name


def test_two_trees_with_the_same_release_have_separate_caches(
    host: CountingHost, cache: CatalogCache, tmp_path: Path
) -> None:
    read(host, cache)
    other = CountingHost(tmp_path / "other")
    put(other, "kernel/x.ko", b"license=GPL")
    run_depmod(other)
    assert list(read(other, cache).by_name) == ["x"]
    assert "btrfs" in read(host, cache).by_name
    assert len(list(cache.folder.iterdir())) == 2


def test_reading_can_be_cancelled(host: CountingHost) -> None:
    with pytest.raises(ReadingStoppedError):
        read_catalog(host, RELEASE, None, lambda done: done < 2)
    assert len(host.opened) == 2


def test_a_missing_release_is_reported_with_the_installed_ones(
    host: CountingHost,
) -> None:
    with pytest.raises(UnreadableError, match=r"no directory in /lib/modules") as told:
        read_catalog(host, "6.0-gone")
    assert RELEASE in told.value.hint
    assert "reboot" in told.value.hint


# In the background of a dashboard


@asynccontextmanager
async def looking(live: LiveCatalog) -> AsyncIterator[AsyncIterator[CatalogState]]:
    states = live.states()
    try:
        yield states
    finally:
        await states.aclose()  # type: ignore[attr-defined]
        live.close()


async def until_read(states: AsyncIterator[CatalogState]) -> list[CatalogState]:
    seen = []
    async with asyncio.timeout(10):
        async for state in states:
            seen.append(state)
            if (state.catalog or state.problem) and not state.reading:
                break
    return seen


async def test_names_come_first_and_then_the_modinfo(host: CountingHost) -> None:
    live = LiveCatalog(host, RELEASE, lambda: None)
    async with looking(live) as states:
        seen = await until_read(states)
    assert seen[0] == CatalogState()
    last = seen[-1].catalog
    assert last is not None
    assert last.complete
    assert seen[-1].done == 6


async def test_subscribers_get_the_new_catalog_after_depmod(host: CountingHost) -> None:
    live = LiveCatalog(host, RELEASE, lambda: None)
    async with looking(live) as states:
        await until_read(states)
        put(host, "extra/late.ko", b"license=GPL")
        run_depmod(host)
        live.forget()
        async with asyncio.timeout(10):
            async for state in states:
                assert state.catalog is not None, "the previous catalog is shown meanwhile"
                if "late" in state.catalog.by_name:
                    break


async def test_nothing_is_read_without_subscribers(host: CountingHost) -> None:
    live = LiveCatalog(host, RELEASE, lambda: None)
    live.forget()
    await asyncio.sleep(0)
    assert live.state == CatalogState()
    async with looking(live) as states:
        await until_read(states)
    live = LiveCatalog(host, RELEASE, lambda: None)
    async with looking(live) as states:
        await until_read(states)
        async with looking(live) as more:
            await anext(more)
            with pytest.raises(
                TimeoutError
            ):  # a second subscriber reads nothing, so nothing changes
                await asyncio.wait_for(anext(more), 0.2)


async def test_a_missing_index_is_reported(tmp_path: Path) -> None:
    live = LiveCatalog(LocalHost(tmp_path), RELEASE, lambda: None)
    async with looking(live) as states:
        seen = await until_read(states)
    assert f"Kernel {RELEASE} has no directory in /lib/modules" in seen[-1].problem
    assert seen[-1].catalog is None


async def test_closing_stops_the_reading(host: CountingHost) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    class Waiting(CountingHost):
        def open(self, path: str):  # type: ignore[no-untyped-def]
            begun.set()
            assert goes_on.wait(10)
            return super().open(path)

    waiting = Waiting(host.root)
    live = LiveCatalog(waiting, RELEASE, lambda: None)
    async with looking(live) as states:
        await anext(states)
        assert await asyncio.to_thread(begun.wait, 10)
        live.close()
    goes_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert len(waiting.opened) == 1
