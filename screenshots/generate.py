"""Draws the pictures of the README, from the demo.

    python -m screenshots.generate                      what is in this directory
    python -m screenshots.generate DIRECTORY [SCENE...]    scenes in every size, as PNG too

The demo's machine, a clock that stands still and loads that always take as long
give the same pictures every time, for as long as kmodtui looks the same.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from textual.pilot import Pilot

from kmodtui.demo import Demo, open_demo
from kmodtui.kernel.host import LocalHost
from kmodtui.model.result import Result
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services import live
from kmodtui.services.machine import Machine
from kmodtui.services.monitor import Changed, Monitor, MonitorEvent
from kmodtui.services.planning import reports
from kmodtui.services.root.access import RootAccess
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.timeline import live_events
from kmodtui.ui import app as application
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.widgets.lines import events as lines
from kmodtui.ui.widgets.panes.modules import FLASH_SECONDS
from tests.support.elf import make_module
from tests.support.picture import png

HERE = Path(__file__).parent
SIZES = ((80, 24), (120, 40), (200, 50))
NOW = 1_764_504_000.0
"""The moment of every picture: 12:00:00 UTC on 30 November 2025."""
TOOK = 0.21
"""Seconds that everything takes in every picture."""
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
"""Nothing is fetched to look at a picture."""

Scene = Callable[["Stage"], Awaitable[None]]


class StillMonitor(Monitor):
    """A monitor for which every change happens at the same moment and takes as long."""

    async def watch(self) -> AsyncIterator[MonitorEvent]:
        async for event in super().watch():
            if isinstance(event, Changed):
                change = replace(event.change, when=NOW, took=TOOK)
                yield replace(event, change=change)
            else:
                yield event


class StillClient:
    """A session with the demo's helper for which everything takes as long."""

    def __init__(self, client: HelperClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def load(self, *arguments: object, **options: object) -> Result:
        return replace(await self._client.load(*arguments, **options), took=TOOK)  # type: ignore[arg-type]

    async def unload(self, *arguments: object, **options: object) -> Result:
        return replace(await self._client.unload(*arguments, **options), took=TOOK)  # type: ignore[arg-type]


class StillRoot(DemoRoot):
    """The way to such a session."""

    async def open(self, foreground: Foreground, scope: Scope) -> StillClient:  # type: ignore[override]
        return StillClient(await super().open(foreground, scope))  # type: ignore[arg-type]


class Stage:
    """A running dashboard: keys go in, a picture comes out."""

    def __init__(self, app: KmodtuiApp, pilot: Pilot[str], demo: Demo | None) -> None:
        self.app, self.demo = app, demo
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def until(self, pattern: str) -> None:
        """Wait until a pattern is in the words on the screen."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, words(self.svg())):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{pattern!r} is not on:\n{words(self.svg())}")
            await self._pilot.pause(0.05)
        await self._pilot.pause(0.3)

    async def settle(self) -> None:
        """Wait until nothing changes for a while, flashes included."""
        before = ""
        while before != (before := self.svg()):
            await self._pilot.pause(FLASH_SECONDS + 0.2)

    def svg(self) -> str:
        svg = self.app.export_screenshot(title="kmodtui", simplify=True)
        # Each export has an id of its own.
        svg = re.sub(r"terminal-\d+-", "kmodtui-", svg)
        svg = re.sub(r"@font-face\s*{[^}]*}\s*", "", svg)
        svg = re.sub(r"font-family: [^;]*monospace;", f"font-family: {FONTS};", svg)
        return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def words(svg: str) -> str:
    """Return the text of a picture, line by line."""
    lines: dict[str, str] = {}
    for y, text in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>([^<]*)</text>', svg):
        lines[y] = lines.get(y, "") + html.unescape(text).replace("\xa0", " ")
    return "\n".join(lines.values())


# Scenes. Each begins where the dashboard has just been opened.


async def begin(stage: Stage) -> None:
    await stage.until("size ")
    await stage.until(r"[0-9] modules [\d.]+ MiB")


async def ask_to_load(stage: Stage) -> None:
    await begin(stage)
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.press(*"btrfs")
    await stage.until(r" of [\d,]+ modules")


async def plan_to_load(stage: Stage) -> None:
    await ask_to_load(stage)
    await stage.press("enter")
    await stage.until("privilege")


async def loaded(stage: Stage) -> None:
    await plan_to_load(stage)
    await stage.press("y")
    await stage.until("symbols in")


async def dashboard(stage: Stage) -> None:
    await loaded(stage)
    await stage.press("enter")
    await find(stage, "btrfs")


async def find(stage: Stage, name: str) -> None:
    """Put the cursor on a module, the way a person does."""
    await stage.press("1", "slash", *name, "enter")
    await stage.press("escape")
    await stage.until(f"3 Info|{name}")


async def change(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("4", "slash", *"ioctl", "enter", "z")
    await stage.until("ioctl")


async def symbols(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("v", "4")
    await stage.until("Symbols of")


async def information(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("3", "z")


async def why_loaded(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("slash", *"ext4", "enter", "w")
    await stage.until("Why it is loaded")


async def modinfo(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("I", "3", "z")
    await stage.until("vermagic")


async def plan_to_unload(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("minus")
    await stage.until("y unload")


async def unloaded(stage: Stage) -> None:
    await plan_to_unload(stage)
    await stage.press("y")
    await stage.until("symbols in")


async def refused(stage: Stage) -> None:
    await begin(stage)
    await find(stage, "ext4")
    await stage.press("minus")
    await stage.until("Unload ext4")


async def failed(stage: Stage) -> None:
    await begin(stage)
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.press(*"nbd", "space", *"max_part", "equals_sign", *"100000", "enter")
    await stage.until("privilege")
    await stage.press("y")
    await stage.until("Enter +close")


async def picker(stage: Stage) -> None:
    await begin(stage)
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.press(*"crc32")
    await stage.until(r"crc32c_generic|crc32_generic")
    await stage.press("down")


async def parameters(stage: Stage) -> None:
    await begin(stage)
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.press(*"nbd")
    await stage.until(r"[0-9] of [\d,]+ modules")
    await stage.press("ctrl+e")
    await stage.until("max_part")
    await stage.press(*"1o")


async def browser(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("B")
    await stage.until("symbols")
    await stage.press(*"ioctl", "space", "m", "colon", *"btrfs")
    await stage.until("btrfs_ioctl")


async def legend(stage: Stage) -> None:
    await begin(stage)
    await stage.press("a")
    await stage.until("kallsyms")


async def block(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("b")
    await stage.until("Log only")
    await stage.press("k")
    await stage.until("y block")


async def blocked(stage: Stage) -> None:
    await block(stage)
    await stage.press("y")
    await stage.until("Enter +close")


async def keep(stage: Stage) -> None:
    """What can be kept of a module for the next boot."""
    await find(stage, "ext4")
    await stage.press("K")
    await stage.until("Keep for the next boot")


async def plan_to_keep(stage: Stage) -> None:
    """A plan that loads a module and keeps it."""
    await begin(stage)
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.press(*"dummy", "space", *"numdummies=2", "enter")
    await stage.until("keep as well")
    await stage.press("K")
    await stage.until("do not keep")


async def rules(stage: Stage) -> None:
    await blocked(stage)
    await stage.press("enter", "M")
    await stage.until("in effect")


async def exposure(stage: Stage) -> None:
    await begin(stage)
    await stage.press("E")
    await stage.until("can be loaded by any user")


async def catalog_reach(stage: Stage) -> None:
    await begin(stage)
    await stage.press("c")
    await stage.until("namespace|device")
    await stage.press("ctrl+r")
    await stage.until("loadable by any user")


async def crosscheck(stage: Stage) -> None:
    await begin(stage)
    await stage.press("V")
    await stage.until("No difference was found")


async def profile(stage: Stage) -> None:
    await exposure(stage)
    await stage.press("p")
    await stage.until("left out")


async def profile_plan(stage: Stage) -> None:
    await profile(stage)
    await stage.press("p")
    await stage.until("y block")


async def profile_done(stage: Stage) -> None:
    await profile_plan(stage)
    await stage.press("y")
    await stage.until("Enter +close")


async def devices(stage: Stage) -> None:
    stage.demo.kernel.unload("i2c_i801")
    await begin(stage)
    await stage.press("P")
    await stage.until("Devices without a driver")


async def doctor(stage: Stage) -> None:
    await begin(stage)
    await stage.press("X")
    await stage.until("What the running kernel permits")


async def linkage(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("o")
    await stage.until("(?i)imports")


async def timeline(stage: Stage) -> None:
    await unloaded(stage)
    await stage.press("enter")
    await stage.press("t")
    await stage.until("(?i)timeline")
    await stage.press("up", "up", "tab")
    await stage.until("file ")


async def command_log(stage: Stage) -> None:
    await unloaded(stage)
    await stage.press("enter", "@")
    await stage.until("2 commands")


async def experiment(stage: Stage) -> None:
    await begin(stage)
    await stage.press("x")
    await stage.until(r" of [\d,]+ modules")
    await stage.press(*"btrfs", "enter")
    await stage.until("y ")
    await stage.press("y")
    await stage.until("Enter +close")


WATCHED = "/home/me/hello/hello_dev.ko"


def build(parameters: tuple[str, ...], sizes: dict[str, int]) -> bytes:
    """Return a build of a module that is being developed."""
    magic = b"vermagic=6.1.0-56-amd64 SMP preempt mod_unload modversions"
    declared = (f"parmtype={each}:int".encode() for each in parameters)
    return make_module(
        [b"license=GPL", b"name=hello_dev", *declared, magic],
        defined={
            name: (".rodata" if name.isupper() else ".text", size) for name, size in sizes.items()
        },
        extra={".gnu.linkonce.this_module": bytes(896)},
    )


async def watch(stage: Stage) -> None:
    assert stage.demo
    old = {"hello_open": 64, "hello_read": 160, "hello_old": 48, "hello_exit": 12, "GREETING": 14}
    new = {
        "hello_open": 96,
        "hello_read": 144,
        "hello_write": 112,
        "hello_exit": 12,
        "GREETING": 21,
    }
    stage.demo.kernel.folder.write(WATCHED, build(("loud",), old))
    await begin(stage)
    await stage.press("W")
    await stage.until(r" of [\d,]+ modules")
    await stage.press(*WATCHED, "enter")
    await stage.until("p: plan")
    await stage.press("p")
    await stage.until("y +load")
    await stage.press("y")
    await stage.until("Rebuild 1: loaded")
    stage.demo.kernel.folder.write(WATCHED, build(("loud", "times"), new))
    await stage.until("Rebuild 2: a new build")
    stage.app.clear_notifications()


async def kernel_log(stage: Stage) -> None:
    await begin(stage)
    await stage.press("L")
    await stage.until("y read")
    await stage.press("y")
    await stage.until("following")
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.press(*"btrfs")
    await stage.until(r" of [\d,]+ modules")
    await stage.press("enter")
    await stage.until("privilege")
    await stage.press("y")
    await stage.until("Enter +close")
    await stage.press("enter", "tab")
    await stage.until("Btrfs loaded")


async def several(stage: Stage) -> None:
    await dashboard(stage)
    await stage.press("g", "space", "j", "space", "j", "space")


async def menu(stage: Stage) -> None:
    await begin(stage)
    await find(stage, "jbd2")
    await stage.press("enter")
    await stage.until("Enter +choose")


async def copy(stage: Stage) -> None:
    await begin(stage)
    await find(stage, "jbd2")
    await stage.press("y")
    await stage.until("path +/lib")


async def help_(stage: Stage) -> None:
    await begin(stage)
    await stage.press("question_mark")
    await stage.until("keys, columns and flags")


async def no_modules(stage: Stage) -> None:
    await stage.until("Symbols of the kernel")
    await stage.until("[0-9] symbols")


SCENES: dict[str, Scene] = {
    "begin": begin,
    "load": ask_to_load,
    "plan-load": plan_to_load,
    "loaded": loaded,
    "dashboard": dashboard,
    "change": change,
    "symbols": symbols,
    "information": information,
    "why": why_loaded,
    "modinfo": modinfo,
    "plan-unload": plan_to_unload,
    "unloaded": unloaded,
    "refused": refused,
    "failed": failed,
    "picker": picker,
    "parameters": parameters,
    "browser": browser,
    "legend": legend,
    "plan-block": block,
    "blocked": blocked,
    "keep": keep,
    "plan-keep": plan_to_keep,
    "rules": rules,
    "exposure": exposure,
    "catalog-reach": catalog_reach,
    "crosscheck": crosscheck,
    "profile": profile,
    "profile-plan": profile_plan,
    "profile-done": profile_done,
    "devices": devices,
    "doctor": doctor,
    "linkage": linkage,
    "timeline": timeline,
    "experiment": experiment,
    "command-log": command_log,
    "watch": watch,
    "log": kernel_log,
    "several": several,
    "menu": menu,
    "copy": copy,
    "help": help_,
    "no-modules": no_modules,
}

KEPT = {
    **dict.fromkeys(SCENES, ((120, 40),)),
    "dashboard": SIZES,
    "no-modules": ((80, 24),),
}
"""The pictures that are kept in this directory."""


async def draw(name: str, size: tuple[int, int]) -> str:
    """Return one scene as SVG."""
    demo = open_demo(pace=0, clock=still_clock())
    access: RootAccess = StillRoot(demo)
    host: LocalHost = demo.host
    with TemporaryDirectory() as directory:
        if name == "no-modules":
            host = without_modules(demo, Path(directory))
        app = KmodtuiApp(Machine(host, access))
        async with app.run_test(size=size, notifications=True) as pilot:
            stage = Stage(app, pilot, demo)
            await SCENES[name](stage)
            await stage.settle()
            return stage.svg()


def still_clock() -> Callable[[], float]:
    """Return a clock for the kernel's log: a record a millisecond, in every picture."""
    times = chain([0.0], (91.8230005 + number / 1000 for number in count()))
    return lambda: next(times)


def without_modules(demo: Demo, directory: Path) -> LocalHost:
    """Return the demo's machine as a kernel without modules would be."""
    (directory / "proc").mkdir()
    for path in ("version", "sys"):
        (directory / "proc" / path).symlink_to(demo.kernel.folder.root / "proc" / path)
    rows = demo.host.read("/proc/kallsyms").splitlines(keepends=True)
    (directory / "proc/kallsyms").write_bytes(b"".join(row for row in rows if b"\t[" not in row))
    return LocalHost(directory, badge="")


def main(arguments: list[str]) -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    application.Monitor = StillMonitor  # type: ignore[misc]
    live.time = SimpleNamespace(time=lambda: NOW - 90)  # type: ignore[assignment]
    still = SimpleNamespace(time=lambda: NOW, monotonic=lambda: 0.0)
    reports.time = live_events.time = still  # type: ignore[assignment]
    lines.time = SimpleNamespace(  # type: ignore[assignment]
        time=lambda: NOW, strftime=time.strftime, localtime=time.localtime
    )
    directory = Path(arguments[0]) if arguments else HERE
    wanted = dict.fromkeys(arguments[1:] or SCENES, SIZES) if arguments else KEPT
    directory.mkdir(exist_ok=True)
    for name, sizes in wanted.items():
        for size in sizes:
            path = directory / f"{name}-{size[0]}x{size[1]}.svg"
            path.write_text(svg := asyncio.run(draw(name, size)), encoding="utf-8")
            if arguments:
                path.with_suffix(".png").write_bytes(png(svg))
            print(f"{path.name}  {len(svg.encode()) / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
