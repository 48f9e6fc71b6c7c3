"""A simulated kernel for tests: small, without delays, a new one each time.

    kernel = make_simulated(tmp_path)
    kernel.load("btrfs")            as another shell would; `load("dummy", "numdummies=2")`
    kernel.unload("btrfs")          returns an Outcome: exit, errno, output, log
    kernel.hold("ext4", 2)          references that no module holds; negative gives back
    kernel.append("/proc/modules", b"garbage\\n")   stays at the end, through every load
    kernel.folder.write("/proc/version", b"...")   any other file, replaced as a whole
    kernel.folder.remove("/proc/modules")          until the next load
    kernel.host                     what the readers take

To stop in the middle of a load, take its steps one by one:

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
    """Return a kernel that has booted the small recording below `tmp_path`.

    Args:
        tmp_path: an empty folder, or one in which there is no folder `simulated` yet.
        parts: other modules than `small_recording.PARTS`.
    """
    recording = _small_recording() if parts is None else small_recording(parts)
    return SimulatedKernel(recording, tmp_path / "simulated")


_small_recording = functools.cache(small_recording)


@pytest.fixture
def simulated_kernel(tmp_path: Path) -> SimulatedKernel:
    """Return a small simulated kernel of the test's own."""
    return make_simulated(tmp_path)


def make_demo(tmp_path: Path, *, parts: Mapping[str, Part] | None = None) -> Demo:
    """Return a demo on the small recording, without delays: `.host`, `.kernel`, `.start_channel`.

    What `kmodtui.demo.open_demo` returns, for whoever wants to load with keys.
    """
    kernel = make_simulated(tmp_path, parts=parts)
    return Demo(kernel.host, kernel, pace=0)
