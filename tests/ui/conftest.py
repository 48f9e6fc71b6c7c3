"""What every test of the dashboard stands on: a simulated kernel, and a terminal with colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.simulated import make_demo


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the terminal be the same wherever the tests run."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """Return a small simulated machine, without delays."""
    return make_demo(tmp_path)


@pytest.fixture
def kernel(demo: Demo) -> SimulatedKernel:
    """Return its kernel."""
    return demo.kernel
