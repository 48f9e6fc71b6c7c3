"""Snapshots with keys: Ctrl+s saves one, C compares two of them, or one with now."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.services.snapshots import load, save, take
from kmodtui.ui.dialogs.path import PathDialog
from kmodtui.ui.screens.compare import CompareScreen, choices_in
from kmodtui.ui.widgets.lines.files import Choice, FileLines
from tests.ui.stage import SIZES, Stage, opened


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def saved(kernel: SimulatedKernel, path: Path, when: float) -> None:
    save(take(kernel.host), path)
    os.utime(path, (when, when))


async def comparison(stage: Stage) -> None:
    await stage.press("C")
    await stage.until(lambda: isinstance(stage.screen, CompareScreen))
    await stage.handled()


def words(stage: Stage) -> str:
    return stage.pane_words("change-pane")


async def test_a_snapshot_is_saved_in_the_current_folder(demo: Demo, here: Path) -> None:
    async with opened(demo) as stage:
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        await stage.press("enter")
        await stage.until(lambda: "Snapshot saved" in stage.toasts)
        (path,) = here.iterdir()  # noqa: ASYNC240
        assert path.name.startswith("debian-")
        assert path.suffix == ".kmodtui"
        assert {m.name for m in load(path).modules} == set(stage.kernel.loaded)
        # Twice in one second: the first stays.
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        await stage.press("enter")
        await stage.until(lambda: len(list(here.iterdir())) == 2)


async def test_a_snapshot_is_saved_in_another_directory(
    demo: Demo, here: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with opened(demo) as stage:
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot", "Enter save", "Tab complete", "Esc cancel")
        await stage.type(f"{tmp_path}/else")
        await stage.press("tab")
        await stage.until(f"{tmp_path}/elsewhere/")
        # A directory alone: the file has the name that was offered.
        await stage.press("enter")
        await stage.until(lambda: list(elsewhere.glob("debian-*.kmodtui")))
        (path,) = elsewhere.iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        assert not list(here.iterdir())  # noqa: ASYNC240
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        await stage.type(f"{tmp_path}/nowhere/x")
        await stage.press("enter")
        await stage.until("There is no directory")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_an_existing_file_is_only_overwritten_after_a_question(
    demo: Demo, here: Path
) -> None:
    path = here / "mine.kmodtui"
    path.write_text("precious")
    async with opened(demo) as stage:
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        await stage.type("mine.kmodtui")
        await stage.press("enter")
        await stage.until("mine.kmodtui already exists.", "Enter overwrite it")
        await stage.press("x")
        await stage.until("Enter save")
        await stage.press("backspace", "enter")
        await stage.until("already exists.", "Enter overwrite it")
        assert path.read_text() == "precious"
        await stage.press("enter")
        await stage.until(lambda: "Snapshot saved" in stage.toasts)
        assert {m.name for m in load(path).modules} == set(stage.kernel.loaded)
        assert path.stat().st_mode & 0o777 == 0o600


async def test_enter_pressed_twice_at_once_overwrites_nothing(demo: Demo, here: Path) -> None:
    path = here / "mine.kmodtui"
    path.write_text("precious")
    async with opened(demo) as stage:
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        stage.send(*"mine.kmodtui", "enter", "enter")
        await stage.until("Enter overwrite it")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert path.read_text() == "precious"


async def test_a_link_to_nowhere_is_only_replaced_after_a_question(demo: Demo, here: Path) -> None:
    path = here / "mine.kmodtui"
    path.symlink_to(here / "nowhere")
    async with opened(demo) as stage:
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        await stage.type("mine.kmodtui")
        await stage.press("enter")
        await stage.until("mine.kmodtui already exists.", "Enter overwrite it")
        assert path.is_symlink()
        await stage.press("enter")
        await stage.until(lambda: "Snapshot saved" in stage.toasts)
        assert load(path).modules


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_name_of_what_was_saved_stands_on_a_line_of_its_own(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    folder = tmp_path / "a folder with a name as long as some are"
    folder.mkdir()
    monkeypatch.chdir(folder)
    async with opened(demo, size=size) as stage:
        await stage.press("ctrl+s")
        await stage.until("Save a snapshot")
        await stage.press("enter")
        await stage.until(lambda: "Press C to compare it" in stage.toasts)
        (path,) = folder.iterdir()
        (toast,) = stage.screen.query("Toast").results()
        rows = [
            stage.terminal.row(row, toast.region.x, toast.region.right).strip(" ▌▐│┃▎▍")
            for row in range(toast.region.y, toast.region.bottom)
        ]
        assert path.name in rows


async def test_a_folder_that_is_gone_is_said(demo: Demo, here: Path) -> None:
    here.rmdir()  # noqa: ASYNC240  nobody waits for it
    async with opened(demo) as stage:
        await stage.press("ctrl+s")
        await stage.until(lambda: "no longer exists" in stage.toasts)
        await stage.press("C")
        await stage.calm()
        assert stage.screen is stage.dashboard


async def test_a_snapshot_is_compared_with_now(
    demo: Demo, kernel: SimulatedKernel, here: Path
) -> None:
    saved(kernel, here / "before.kmodtui", 1_000)
    kernel.load("btrfs")
    async with opened(demo) as stage:
        await comparison(stage)
        # What is known of the file under the cursor.
        await stage.until("10 modules, 1.3 MiB", "BOOT_IMAGE=")
        await stage.press("enter")
        await stage.until("before → now")
        await stage.until(lambda: "+369 symbols in 6 modules" in words(stage))
        await stage.until(lambda: "loaded btrfs" in words(stage))
        assert re.search(r" · [\d.]+ s apart ", words(stage))
        await stage.press("escape")
        await stage.until_gone("before → now")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_two_snapshots_are_compared_from_the_older_to_the_newer(
    demo: Demo, kernel: SimulatedKernel, here: Path
) -> None:
    saved(kernel, here / "old.kmodtui", 1_000)
    kernel.load("tun")
    kernel.folder.write("/proc/cmdline", b"ro debug\n")
    kernel.folder.write("/proc/sys/kernel/osrelease", b"6.1.0-57-amd64\n")
    saved(kernel, here / "new.kmodtui", 2_000)
    async with opened(demo, ready=False) as stage:
        await stage.until("tun")
        await comparison(stage)
        lines = [line.split()[0] for line in stage.part("#file-lines") if line.strip()]
        assert lines == ["now", "new", "old"]
        await stage.press("space", "j", "space", "c")
        await stage.until("old → new")
        for told in (
            "Different kernels, 6.1.0-56-amd64 and 6.1.0-57-amd64",
            "kernel command line −BOOT_IMAGE=",
            "+debug",
            "+35 symbols in 1 module",
        ):
            await stage.until(lambda told=told: told in words(stage))  # type: ignore[misc]


async def test_a_file_that_is_none_is_told_as_that(demo: Demo, here: Path) -> None:
    (here / "bad.kmodtui").write_bytes(b"\x1b[2J")
    async with opened(demo) as stage:
        await comparison(stage)
        await stage.until(lambda: "is not a kmodtui snapshot" in words(stage))
        await stage.press("enter")
        await stage.until(lambda: "is not a kmodtui snapshot" in stage.toasts)
        assert isinstance(stage.screen, CompareScreen)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_an_empty_folder_says_what_it_waits_for(
    demo: Demo, here: Path, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await comparison(stage)
        if size[0] >= 110:
            await stage.until(lambda: "There are no snapshots in this directory" in words(stage))
        await stage.press("c")
        await stage.until(lambda: "Choose a snapshot" in stage.toasts)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_where_nothing_differs_that_is_all_that_is_said(
    demo: Demo, kernel: SimulatedKernel, here: Path, size: tuple[int, int]
) -> None:
    for name, when in (("one", 1_000.0), ("two", 1_003.91)):
        save(take(kernel.host, clock=lambda when=when: when), here / f"{name}.kmodtui")  # type: ignore[misc]
        os.utime(here / f"{name}.kmodtui", (when, when))
    async with opened(demo, size=size) as stage:
        await comparison(stage)
        await stage.press("space", "j", "space", "c")
        await stage.until("one → two", "3.91 s apart")
        assert "Modules, symbols, kernel command line and taint flags are the same." in words(stage)
        assert "no symbols added or removed" not in stage.text
        assert "· 3.91 s" not in stage.text
        await stage.press("escape")
        await stage.until_gone("one → two")
        await stage.until("written")  # the list, where there is room for one pane
        assert isinstance(stage.screen, CompareScreen)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_a_snapshot_that_lies_elsewhere_is_opened_by_its_path(
    demo: Demo, kernel: SimulatedKernel, here: Path, tmp_path: Path
) -> None:
    saved(kernel, tmp_path / "else.where", 1_000)
    kernel.load("tun")
    async with opened(demo) as stage:
        await comparison(stage)
        await stage.press("o")
        await stage.until("Open a snapshot")
        await stage.type("nowhere")
        await stage.press("enter")
        await stage.until("No such file: nowhere")
        await stage.press(*["backspace"] * 7)
        await stage.type(f"{tmp_path}/else.where")
        await stage.press("enter")
        await stage.until("10 modules, 1.3 MiB")
        assert [line.split()[0] for line in stage.part("#file-lines")[:2]] == ["now", "else.where"]
        await stage.press("enter")
        await stage.until("else.where → now")
        await stage.until(lambda: "+35 symbols in 1 module" in words(stage))


@pytest.mark.parametrize("when", [1e17, -1e17, 1e30])
def test_a_file_of_a_year_that_no_calendar_knows_has_a_line_all_the_same(when: float) -> None:
    lines = FileLines()
    lines.choices = [Choice(), Choice(Path("odd.kmodtui"), when, 7)]
    assert "".join(text for text, _ in lines.line(1, 60)).split() == ["odd", "?", "7", "B"]


async def test_a_file_that_is_none_is_refused_when_it_is_opened(
    demo: Demo, here: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk")
    async with opened(demo) as stage:
        await comparison(stage)
        await stage.press("o")
        await stage.until("Open a snapshot")
        await stage.type(f"{tmp_path}/notes.txt")
        await stage.press("enter")
        await stage.until(lambda: "notes.txt is not a kmodtui snapshot" in stage.toasts)
        assert [line.split()[0] for line in stage.part("#file-lines") if line] == ["now"]


async def test_a_folder_that_answers_late_does_not_hold_up_the_rest(
    demo: Demo, kernel: SimulatedKernel, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(kernel, here / "one.kmodtui", 1_000)
    answer = threading.Event()
    iterdir = Path.iterdir

    def late(folder: Path) -> object:
        # Where everything waits for it, nothing would ever let it go on.
        assert folder != here or answer.wait(5), "nothing else went on meanwhile"
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", late)
    async with opened(demo) as stage:
        stage.send("C")
        await stage.until(lambda: isinstance(stage.screen, CompareScreen))
        stage.send("c")  # is meant for what is not there yet
        answer.set()
        await stage.until("one → now")


def test_one_file_that_cannot_be_looked_at_hides_no_other(
    kernel: SimulatedKernel, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        saved(kernel, here / f"{name}.kmodtui", 1_000)
    look = Path.stat

    def gone(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name == "b.kmodtui":
            raise PermissionError(13, "Permission denied")
        return look(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", gone)
    assert [choice.name for choice in choices_in(here)] == ["now", "a", "c"]


async def test_a_file_that_goes_while_it_is_opened_is_said(
    demo: Demo, kernel: SimulatedKernel, here: Path
) -> None:
    async with opened(demo) as stage:
        await comparison(stage)
        await stage.press("o")
        await stage.until(lambda: isinstance(stage.screen, PathDialog))
        stage.screen.dismiss(here / "gone.kmodtui")
        await stage.until(lambda: "gone.kmodtui" in stage.toasts)
        assert isinstance(stage.screen, CompareScreen)
