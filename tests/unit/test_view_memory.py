"""The dashboard begins as the last session ended; a damaged file is only a line in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.kernel.host import LocalHost
from kmodtui.model.layout import LAYOUTS, Layout
from kmodtui.services.view_memory import View, ViewMemory, view_key
from tests.support.simulated import make_demo

OTHER = View("size", True, "ext", "info", "list", Layout(25, 20, 12, 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "views.json"


def test_each_machine_has_its_own_view(path: Path) -> None:
    memory = ViewMemory(path, "machine one")
    assert memory.view == View()
    memory.view = OTHER
    memory.note("load")
    memory.save()
    other = ViewMemory(path, "machine two")
    assert other.view == View()
    assert other.used == {"load"}
    other.save()
    assert ViewMemory(path, "machine one").view == OTHER
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["views.json"]


def test_demo_and_captured_trees_do_not_share_the_entry_of_the_machine(tmp_path: Path) -> None:
    demo: Demo = make_demo(tmp_path)
    hosts = (LocalHost(), LocalHost(tmp_path), LocalHost(tmp_path / "b"), demo.host)
    assert len({view_key(host, "debian") for host in hosts}) == len(hosts)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"machines": 3, "used": 4}',
        b'{"machines": {"m": 3}, "used": [1]}',
        b'{"machines": {"m": {"order": 3, "layout": "no", "sizes": {"left": 0}, "pane": []}}}',
        b'{"machines": {"m": {"sizes": {"left": 39, "top_left": 1}}}}',
        b"\xff" * 9,
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_ignored_and_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    memory = ViewMemory(path, "m")
    assert memory.view == View()
    memory.view = OTHER
    memory.save()
    assert ViewMemory(path, "m").view == OTHER


def test_a_file_that_cannot_be_written_is_a_line_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.write_text("not a directory")
    with caplog.at_level(logging.WARNING, logger="kmodtui"):
        memory = ViewMemory(path, "m")
        memory.save()
    assert memory.view == View(sizes=LAYOUTS["balanced"])
    assert "cannot be written" in caplog.text


def test_what_was_not_used_for_long_is_dropped(path: Path) -> None:
    for number in range(50):
        ViewMemory(path, f"machine {number}").save()
    text = path.read_text()
    assert "machine 49" in text
    assert 'machine 9"' not in text
