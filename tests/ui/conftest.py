"""What every test of the dashboard stands on: a simulated kernel, and a terminal with colours."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.simulated import make_demo

_MEMORY = "/dev/shm"


@pytest.fixture(scope="package", autouse=True)
def _seldom_collected() -> Iterator[None]:
    """Look for garbage seldom: a third of the time went into that, with so many widgets."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 50)
    yield
    gc.set_threshold(*before)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the terminal be the same wherever the tests run, and leave nothing in a home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return a folder that is in memory where there is a place for it, and gone afterwards.

    A simulated machine is 200 files; to write and delete those of every test on a
    disk takes longer than the test.
    """
    with TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """Return a small simulated machine, without delays."""
    return make_demo(tmp_path)


@pytest.fixture
def kernel(demo: Demo) -> SimulatedKernel:
    """Return its kernel."""
    return demo.kernel
