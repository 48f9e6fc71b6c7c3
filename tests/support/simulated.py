"""A simulated kernel for tests: small, without delays, and a new one for each test.

    kernel = make_simulated(tmp_path)
    kernel.load("btrfs")            as another shell would; `load("dummy", "numdummies=2")`
    kernel.unload("btrfs")          returns an Outcome: exit, errno, output, log
    kernel.hold("ext4", 2)          other references; negative drops them
    kernel.append("/proc/modules", b"garbage\\n")   stays at the end after every load
    kernel.folder.write("/proc/version", b"...")   replaces any other file
    kernel.folder.remove("/proc/modules")          until the next load
    kernel.host                     the host for the readers

To stop in the middle of a load, run its steps one by one:

    steps = kernel.modprobe.load("btrfs")
    next(steps)     # Moment("xor", Point.LOADING), and everyone can see it

Import the fixture `simulated_kernel` in a conftest, or call `make_simulated`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.small_recording import Part, small_recording


def make_simulated(tmp_path: Path, *, parts: Mapping[str, Part] | None = None) -> SimulatedKernel:
    """Return a kernel that has booted the small recording in `tmp_path`.

    Args:
        tmp_path: a directory that does not contain `simulated` yet.
        parts: other modules than `small_recording.PARTS`.
    """
    recording = _small_recording() if parts is None else small_recording(parts)
    return SimulatedKernel(recording, tmp_path / "simulated")


_small_recording = functools.cache(small_recording)


@pytest.fixture
def simulated_kernel(tmp_path: Path) -> SimulatedKernel:
    """Return a small simulated kernel for one test."""
    return make_simulated(tmp_path)


def make_demo(tmp_path: Path, *, parts: Mapping[str, Part] | None = None) -> Demo:
    """Return a demo on the small recording, without delays: `.host`, `.kernel`, `.start_channel`.

    Like `kmodtui.demo.open_demo`, for tests that load with keys.
    """
    kernel = make_simulated(tmp_path, parts=parts)
    return Demo(kernel.host, kernel, pace=0)
