"""Neighbours come from the kernel for what is loaded and from the index for the rest."""

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


def test_what_is_not_loaded_has_the_neighbours_of_the_index(kernel: SimulatedKernel) -> None:
    found = neighbours(kernel)
    assert found.needs("btrfs") == ("libcrc32c", "raid6_pq", "xor", "zstd_compress")
    assert found.users("xor") == ("btrfs",)
    assert found.users("btrfs") == ()
    assert not found.loaded & {"btrfs", "xor"}


def test_what_is_loaded_has_those_of_the_kernel(kernel: SimulatedKernel) -> None:
    # One of ext4's users is no module file; the kernel is right about it.
    kernel.folder.write(
        "/proc/modules", b"ext4 1 1 mystery, Live 0x0\nmystery 1 0 - Live 0x0\nfat 1 0 - Live 0x0\n"
    )
    found = neighbours(kernel)
    assert found.users("ext4") == ("mystery",)
    assert found.needs("mystery") == ("ext4",)
    assert found.needs("ext4") == ()
    # vfat needs fat, but is not loaded: fat is, and nobody uses it.
    assert found.users("fat") == ()
    assert found.needs("vfat") == ("fat",)


def test_far_users_are_not_direct_ones(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/modules", b"")
    found = neighbours(kernel)
    assert found.users("failover") == ("net_failover",)
    assert found.needs("virtio_net") == ("net_failover",)


def test_an_unknown_module_is_told_with_names_that_are_near(kernel: SimulatedKernel) -> None:
    found = neighbours(kernel)
    assert found.knows("btrfs")
    assert found.knows("hello")
    assert not found.knows("btrsf")
    error = found.unknown("btrsf")
    assert isinstance(error, UnknownModuleError)
    assert "btrfs" in error.hint


def test_without_an_index_there_is_what_the_kernel_shows_and_why_not_more(
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


def test_without_loadable_modules_there_is_the_index_still(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/modules")
    found = neighbours(kernel)
    assert found.loaded == frozenset()
    assert "xor" in found.needs("btrfs")


def test_without_either_the_kernels_reason_is_told(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/modules")
    kernel.folder.write("/proc/sys/kernel/osrelease", b"9.9.9\n")
    with pytest.raises(NoModuleSupportError):
        neighbours(kernel)


def test_another_release_than_the_running_one_can_be_asked(kernel: SimulatedKernel) -> None:
    kernel.folder.remove("/proc/sys/kernel/osrelease")
    kernel.folder.remove("/proc/version")
    assert neighbours(kernel, RELEASE).knows("btrfs")
    assert not neighbours(kernel).knows("btrfs")


def test_a_kernel_that_cannot_unload_leaves_it_to_the_index(kernel: SimulatedKernel) -> None:
    """Without CONFIG_MODULE_UNLOAD /proc/modules has a dash for the count and for the users."""
    kernel.folder.write("/proc/modules", b"btrfs 1 - - Live 0x0\nxor 1 - - Live 0x0\n")
    found = neighbours(kernel)
    assert found.loaded == {"btrfs", "xor"}
    assert found.needs("btrfs") == ("libcrc32c", "raid6_pq", "xor", "zstd_compress")
    assert found.users("xor") == ("btrfs",)


def test_what_is_loaded_says_nothing_of_another_release(kernel: SimulatedKernel) -> None:
    # virtio_net is loaded, and mystery is in no index.
    kernel.append("/proc/modules", b"mystery 1 0 - Live 0x0\n")
    kernel.folder.write("/proc/sys/kernel/osrelease", b"7.0.0\n")
    found = neighbours(kernel, RELEASE)
    assert found.loaded == frozenset()
    assert found.needs("virtio_net") == ("net_failover",)
    assert found.users("crc16") == ("ext4",)
    assert not found.knows("mystery")


def test_of_another_release_without_an_index_there_is_nothing_to_show(
    kernel: SimulatedKernel,
) -> None:
    with pytest.raises(UnreadableError, match=r"9\.9\.9"):
        neighbours(kernel, "9.9.9")
