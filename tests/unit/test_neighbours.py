"""Dependencies and dependents: from the kernel for loaded modules, else from the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import NoModuleSupportError, UnknownModuleError, UnreadableError
from kmodtui.services.neighbours import Neighbours, read_neighbours
from tests.support.simulated import make_simulated
from tests.support.small_recording import RELEASE


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


def neighbours(kernel: SimulatedKernel, release: str | None = None) -> Neighbours:
    return read_neighbours(kernel.host, release)


def test_modules_that_are_not_loaded_use_the_index(kernel: SimulatedKernel) -> None:
    found = neighbours(kernel)
    assert found.needs("btrfs") == ("libcrc32c", "raid6_pq", "xor", "zstd_compress")
    assert found.users("xor") == ("btrfs",)
    assert found.users("btrfs") == ()
    assert not found.loaded & {"btrfs", "xor"}


def test_loaded_modules_use_the_kernel(kernel: SimulatedKernel) -> None:
    # One of ext4's users has no module file, but the kernel lists it.
    kernel.folder.write(
        "/proc/modules", b"ext4 1 1 mystery, Live 0x0\nmystery 1 0 - Live 0x0\nfat 1 0 - Live 0x0\n"
    )
    found = neighbours(kernel)
    assert found.users("ext4") == ("mystery",)
    assert found.needs("mystery") == ("ext4",)
    assert found.needs("ext4") == ()
    # vfat depends on fat but is not loaded; fat is loaded and unused.
    assert found.users("fat") == ()
    assert found.needs("vfat") == ("fat",)


def test_indirect_dependents_are_not_included(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/modules", b"")
    found = neighbours(kernel)
    assert found.users("failover") == ("net_failover",)
    assert found.needs("virtio_net") == ("net_failover",)


def test_an_unknown_module_is_reported_with_suggestions(kernel: SimulatedKernel) -> None:
    found = neighbours(kernel)
    assert found.knows("btrfs")
    assert found.knows("hello")
    assert not found.knows("btrsf")
    error = found.unknown("btrsf")
    assert isinstance(error, UnknownModuleError)
    assert "btrfs" in error.hint


def test_without_an_index_there_are_loaded_modules_and_the_reason(
    kernel: SimulatedKernel,
) -> None:
    kernel.folder.write("/proc/sys/kernel/osrelease", b"9.9.9\n")
    found = neighbours(kernel)
    assert found.needs("virtio_net") == ("net_failover",)
    assert found.needs("btrfs") == found.users("xor") == ()
    assert not found.knows("btrfs")
    error = found.unknown("bt\x1brfs")
    assert error.message == "No module bt\\x1brfs is loaded."
    assert "9.9.9" in error.hint


def test_without_loadable_modules_the_index_is_used(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/modules")
    found = neighbours(kernel)
    assert found.loaded == frozenset()
    assert "xor" in found.needs("btrfs")


def test_without_both_the_kernels_problem_is_reported(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/modules")
    kernel.folder.write("/proc/sys/kernel/osrelease", b"9.9.9\n")
    with pytest.raises(NoModuleSupportError):
        neighbours(kernel)


def test_a_release_other_than_the_running_one(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/sys/kernel/osrelease")
    kernel.folder.remove("/proc/version")
    assert neighbours(kernel, RELEASE).knows("btrfs")
    assert not neighbours(kernel).knows("btrfs")


def test_without_module_unload_the_index_is_used(kernel: SimulatedKernel) -> None:
    """Without CONFIG_MODULE_UNLOAD, /proc/modules has dashes for the count and the users."""
    kernel.folder.write("/proc/modules", b"btrfs 1 - - Live 0x0\nxor 1 - - Live 0x0\n")
    found = neighbours(kernel)
    assert found.loaded == {"btrfs", "xor"}
    assert found.needs("btrfs") == ("libcrc32c", "raid6_pq", "xor", "zstd_compress")
    assert found.users("xor") == ("btrfs",)


def test_loaded_modules_are_ignored_for_another_release(kernel: SimulatedKernel) -> None:
    # virtio_net is loaded, mystery is in no index.
    kernel.append("/proc/modules", b"mystery 1 0 - Live 0x0\n")
    kernel.folder.write("/proc/sys/kernel/osrelease", b"7.0.0\n")
    found = neighbours(kernel, RELEASE)
    assert found.loaded == frozenset()
    assert found.needs("virtio_net") == ("net_failover",)
    assert found.users("crc16") == ("ext4",)
    assert not found.knows("mystery")


def test_another_release_without_an_index_is_an_error(
    kernel: SimulatedKernel,
) -> None:
    with pytest.raises(UnreadableError, match=r"9\.9\.9"):
        neighbours(kernel, "9.9.9")
