"""Whatever was opened can be collected once it is closed, and a long session keeps no more."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen
from textual.strip import Strip

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.symbols.table import SymbolRows
from kmodtui.services import experiment as experiment_service
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.dialogs.check_first import InsertCheckDialog
from kmodtui.ui.dialogs.path import PathDialog
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.dialogs.symbol import SymbolDialog
from kmodtui.ui.dialogs.type_name import TypeNameDialog
from kmodtui.ui.screens.dashboard import DashboardScreen
from kmodtui.ui.screens.experiment import ExperimentScreen
from kmodtui.ui.screens.no_modules import NoModulesScreen
from kmodtui.ui.screens.profile import ProfileScreen
from kmodtui.ui.screens.watch import WatchScreen
from tests.support.elf import make_module
from tests.ui.stage import Stage, opened

STAYING = {DashboardScreen, NoModulesScreen}
"""Screens that are not closed before the program ends."""

KO = "/home/me/mine.ko"


class Opened:
    """The screens that were opened, held weakly."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._screens: list[weakref.ref[Screen[Any]]] = []
        self.classes: set[type[Screen[Any]]] = set()

    async def note(self, *kinds: type[Screen[Any]]) -> None:
        """Wait until a screen of one of these classes, or any other one, has opened."""
        stage = self._stage
        if kinds:
            await stage.until(lambda: isinstance(stage.screen, kinds))
        await stage.until(lambda: stage.screen is not stage.dashboard)
        await stage.until(lambda: stage.screen.is_current and stage.screen.size)
        await stage.handled()
        self._screens.append(weakref.ref(stage.screen))
        self.classes.add(type(stage.screen))

    async def by(self, *keys: str) -> None:
        """Open a screen with keys."""
        await self._stage.press(*keys)
        await self.note()

    async def close(self) -> None:
        """Go back to the dashboard."""
        stage = self._stage
        while stage.screen is not stage.dashboard:
            await stage.press("escape")

    async def collected(self) -> None:
        """Wait until none of the screens exists any more."""
        try:
            await self._stage.until(lambda: not self._kept())
        except AssertionError:
            kept = self._kept()
            held = {type(each) for screen in kept for each in gc.get_referrers(screen)}
            raise AssertionError(f"{kept} held by {held}") from None

    def _kept(self) -> list[Screen[Any]]:
        gc.collect()
        return [screen for ref in self._screens if (screen := ref()) is not None]


async def open_them_all(stage: Stage) -> Opened:
    """Open and close each kind of screen that a session with root privileges has."""
    opened = Opened(stage)
    for key in (
        "B",
        "t",
        "question_mark",
        "a",
        "c",
        "A",
        "e",
        "minus",
        "C",
        "ctrl+s",
        "colon",
        "b",
        "K",
        "F",
        "M",
        "E",
        "V",
        "at",
        "X",
        "P",
    ):
        await opened.by(key)
        await opened.close()
    await opened.by("E")
    await stage.press("p")
    await opened.note(ProfileScreen)
    await opened.close()
    await opened.by("C")
    await stage.press("o")
    await opened.note(PathDialog)
    await opened.close()
    await stage.press("v", "4")
    await opened.by("enter")
    await stage.press("enter")
    await opened.note(SymbolDialog)
    await opened.close()
    for key in ("y", "greater_than_sign"):
        await opened.by(key)
        await opened.close()
    await stage.press("v", "1")
    await opened.by("o")
    await opened.close()
    await stage.dashboard.run_action("idle")
    await opened.note()
    await opened.close()
    stage.app.push_screen(TypeNameDialog("hello", "Nothing else is found here."))
    await opened.note(TypeNameDialog)
    await opened.close()
    await plus(stage, opened)
    await experiment(stage, opened)
    await watch(stage, opened)
    return opened


async def plus(stage: Stage, opened: Opened) -> None:
    """Check a file, plan to insert it, load a module and unload it."""
    await opened.by("plus")
    await stage.type(KO)
    await stage.press("enter")
    await opened.note(InsertCheckDialog)
    await opened.close()
    for key, name in (("plus", "dummy"), ("minus", "")):
        await stage.press(key)
        if name:
            await opened.note(ModulePicker)
            await stage.type(name)
            await stage.until(name)
            await stage.press("enter")
        await opened.note(PlanDialog)
        await stage.press("y")
        await stage.until("Enter close")
        await opened.close()


async def experiment(stage: Stage, opened: Opened) -> None:
    await opened.by("x")
    await stage.type("dummy")
    await stage.until("dummy")
    await stage.press("enter")
    await opened.note(ExperimentScreen)
    await stage.until("y start")
    await stage.press("y")
    await stage.until("Enter close")
    await opened.close()


async def watch(stage: Stage, opened: Opened) -> None:
    await opened.by("W")
    await stage.type(KO)
    await stage.press("enter")
    await opened.note(InsertCheckDialog)
    await stage.press("p")
    await opened.note(WatchScreen)
    await opened.close()


def leaves(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield the screens of kmodtui that no other screen inherits from."""
    inheriting = kind.__subclasses__()
    for other in inheriting:
        yield from leaves(other)
    if not inheriting and kind.__module__.startswith("kmodtui."):
        yield kind


@pytest.fixture
def prepared(demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """A machine with a module file, and an empty current directory."""
    # A timer that is cancelled keeps what started it until its time.
    monkeypatch.setattr(experiment_service, "NOTICE_LIMIT", 1.0)
    monkeypatch.setattr(experiment_service, "_STEP", 0.01)
    kernel.folder.write(KO, make_module((b"license=GPL", b"name=mine")))
    here = Path(demo.host.locate("/here"))
    here.mkdir()
    monkeypatch.chdir(here)
    return demo


async def test_each_kind_of_screen_is_collected_once_it_is_closed(prepared: Demo) -> None:
    async with opened(prepared) as stage:
        them = await open_them_all(stage)
        await them.collected()
    async with opened(prepared, root=NoRoot("--read-only was given.")) as stage:
        denied = Opened(stage)
        await denied.by("A")
        await denied.close()
        await denied.collected()
    never = set(leaves(Screen)) - them.classes - denied.classes - STAYING
    assert not never, "this test opens no screen of these classes"


@pytest.mark.full
async def test_a_session_that_is_repeated_keeps_no_more(prepared: Demo) -> None:
    async with opened(prepared) as stage:
        sizes = []
        for _ in range(2):
            them = await open_them_all(stage)
            await them.collected()
            # Looking at all objects breaks a tuple that a thread is building just now.
            await stage.calm()
            sizes.append((strips(), symbol_bytes()))
        first, last = sizes
        assert last[0] <= 1.1 * first[0]
        # The timeline keeps the symbols of the newest changes.
        assert last[1] <= 1.1 * first[1]


def strips() -> int:
    """Return how many drawn lines are kept."""
    return sum(type(thing) is Strip for thing in gc.get_objects())


def symbol_bytes() -> int:
    """Return how many bytes of symbols are kept."""
    kept = {id(t.raw): len(t.raw) for t in gc.get_objects() if type(t) is SymbolRows}
    return sum(kept.values())
