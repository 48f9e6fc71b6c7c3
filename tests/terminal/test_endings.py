"""Every way to end kmodtui: the terminal is restored, and neither it nor its helper stays.

The helper is a process of its own, as it is with sudo. How long each end takes is recorded.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.ui.driver import RESIZE_LONGEST, RESIZE_QUIET
from tests.support.helper_folder import HelperFolder
from tests.support.terminal import Terminal
from tests.terminal.conftest import KMODTUI

DASHBOARD = [sys.executable, "tests/support/dashboard_with_helper.py"]

Record = Callable[[str, object], None]


def processes(*words: str) -> list[int]:
    """The processes with these words in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (path / "cmdline").read_bytes().decode(errors="replace")
            if all(word in line for word in words):
                found.append(int(path.name))
    return found


def await_none(question: Callable[[], list[int]]) -> None:
    """Wait until there is no such process; nothing tells of the end of a stranger."""
    deadline = time.monotonic() + 15
    while left := question():
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)


class Scene:
    """A dashboard in a terminal, with or without a helper."""

    def __init__(self, tree: str, folder: HelperFolder, home: Path, *, root: bool) -> None:
        self._folder = folder
        self._tree = tree
        self._root = root
        self._command = [*DASHBOARD, tree, str(folder.root)] if root else [*KMODTUI, "--root", tree]
        self._environment = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}

    def open(self, *before: str) -> Terminal:
        self.terminal = terminal = Terminal(
            [*before, *self._command], environment=self._environment, cwd=Path.cwd()
        )
        self.attributes = terminal.attributes()
        terminal.wait_for("1 Modules", timeout=60)
        terminal.wait_for("Waiting for a module", timeout=60)
        return terminal

    def go_to(self, situation: str) -> None:
        """Have a helper, if there is to be one, and be there."""
        terminal = self.terminal
        if self._root:
            during = situation == "during a load"
            self._folder.behave({"dummy": {"block": "gate"} if during else {"exit": 1}})
            terminal.press("+")
            terminal.wait_for(r"of \d+ modules")
            terminal.press("dummy", "Enter")
            terminal.wait_for("y load")
            terminal.press("y")
            terminal.wait_for("Loading dummy" if during else "Enter close", timeout=30)
            while during and not self._folder.calls:
                time.sleep(0.01)
            if not during:
                terminal.press("Enter")
                terminal.wait_for("root: on")
            assert len(self.helpers()) == 1
        if situation == "in a dialog":
            terminal.press("?")
            terminal.wait_for("keys, columns and flags")

    def helpers(self) -> list[int]:
        return processes("helper_on_folder.py", str(self._folder.root))

    def all(self) -> list[int]:
        dashboards = (
            number
            for program in ("dashboard_with_helper.py", "kmodtui")
            for number in processes(program, self._tree)
        )
        return [*dashboards, *self.helpers()]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[HelperFolder]:
    folder = HelperFolder(tmp_path / "helper")
    folder.modules_dep("kernel/dummy.ko:")
    folder.close_gate()
    yield folder
    for process in processes("modprobe", str(folder.root)):
        # The helper has left it behind on purpose: a load that hangs is never killed.
        os.kill(process, signal.SIGKILL)


Act = Callable[[Terminal], None]


@dataclass(frozen=True)
class Ending:
    """One way to end it.

    Attributes:
        act: what happens.
        status: the exit status, negative for a signal.
        then: keys that end it afterwards, if `act` alone must not; it has been repainted then.
        stalls: whether the terminal has not read any more before.
        restores: whether there is still a terminal to be restored.
    """

    act: Act
    status: int
    then: str = ""
    stalls: bool = False
    restores: bool = True


def sent(*numbers: signal.Signals) -> Act:
    def act(terminal: Terminal) -> None:
        for number in numbers:
            terminal.process.send_signal(number)

    return act


def stopped_and_continued(number: signal.Signals) -> Act:
    def act(terminal: Terminal) -> None:
        terminal.process.send_signal(number)
        status = Path(f"/proc/{terminal.process.pid}/stat")
        while status.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        if number == signal.SIGTSTP:
            terminal.wait_for(lambda t: t.is_as_before)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for("1 Modules")

    return act


def pressed(key: str) -> Act:
    return lambda terminal: terminal.press(key)


def stall(terminal: Terminal) -> None:
    """Stop to read, and have the dashboard paint more than a terminal takes."""
    terminal.stall()
    for number in range(80):
        terminal.press("z")
        terminal.resize(100 + number % 2 * 20, 40)
        time.sleep(0.02)


def closed(terminal: Terminal) -> None:
    """The window is closed, or the connection lost."""
    terminal.hang_up()


ENDINGS = {
    "q": Ending(pressed("q"), 0),
    "Ctrl+q": Ending(pressed("Ctrl+q"), 0),
    "TERM": Ending(sent(signal.SIGTERM), 143),
    "HUP": Ending(sent(signal.SIGHUP), 129),
    "INT": Ending(sent(signal.SIGINT), 130),
    "PIPE": Ending(sent(signal.SIGPIPE), 0, then="Ctrl+q"),
    "CONT": Ending(sent(signal.SIGCONT), 0, then="Ctrl+q"),
    "STOP and CONT": Ending(stopped_and_continued(signal.SIGSTOP), 0, then="Ctrl+q"),
    "TSTP and CONT": Ending(stopped_and_continued(signal.SIGTSTP), 0, then="Ctrl+q"),
    "QUIT": Ending(sent(signal.SIGQUIT), -signal.SIGQUIT),
    "ABRT": Ending(sent(signal.SIGABRT), -signal.SIGABRT),
    "closed": Ending(closed, 129, restores=False),
    "stalled and closed": Ending(closed, 129, stalls=True, restores=False),
    "stalled and TERM": Ending(sent(signal.SIGTERM), 143, stalls=True),
    "stalled and Ctrl+q": Ending(pressed("Ctrl+q"), 0, stalls=True),
}

HARDEST = ("with root", "during a load")
SITUATIONS = [
    HARDEST,
    ("with root", "at rest"),
    ("with root", "in a dialog"),
    ("without root", "at rest"),
    ("without root", "in a dialog"),
]


def cases() -> Iterator[object]:
    for situation in SITUATIONS:
        for name in ENDINGS:
            if name == "q":
                if situation[1] != "at rest":
                    continue  # it closes the dialog, or does nothing
                in_short = situation[0] == "with root"
            else:
                in_short = situation == HARDEST
            marks = () if in_short else (pytest.mark.full,)
            yield pytest.param(name, *situation, id=", ".join((name, *situation)), marks=marks)


@pytest.mark.parametrize(("name", "root", "where"), list(cases()))
def test_it_ends_with_its_helper_and_restores_the_terminal(
    tree: str, folder: HelperFolder, tmp_path: Path, record_property: Record,
    name: str, root: str, where: str,
) -> None:  # fmt: skip
    ending = ENDINGS[name]
    scene = Scene(tree, folder, tmp_path, root=root == "with root")
    with scene.open() as terminal:
        scene.go_to(where)
        if ending.stalls:
            stall(terminal)
        began = time.monotonic()
        ending.act(terminal)
        if ending.then:
            terminal.settle(0.3)
            assert terminal.is_full_screen
            began = time.monotonic()
            terminal.press(ending.then)
        assert terminal.process.wait(15) == ending.status
        await_none(scene.all)
        record_property("seconds until all had ended", round(time.monotonic() - began, 2))
        if ending.restores:
            if ending.stalls:
                terminal.read_on()
            terminal.wait_for_exit()
            assert terminal.attributes() == scene.attributes
            assert terminal.is_as_before
        assert b"Traceback" not in terminal.raw
    log = tmp_path / "state" / "kmodtui" / "log" / "kmodtui.log"
    assert not log.exists() or "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("root", "where"),
    [HARDEST, *(pytest.param(*other, marks=pytest.mark.full) for other in SITUATIONS[1:])],
)
def test_it_ends_with_a_terminal_that_sends_it_no_signal(
    tree: str, folder: HelperFolder, tmp_path: Path, record_property: Record,
    root: str, where: str,
) -> None:  # fmt: skip
    """As in the session of `su -c`, which has no controlling terminal."""
    scene = Scene(tree, folder, tmp_path, root=root == "with root")
    with scene.open("setsid", "--wait") as terminal:
        scene.go_to(where)
        began = time.monotonic()
        terminal.hang_up()
        await_none(scene.all)
        record_property("seconds until all had ended", round(time.monotonic() - began, 2))


def test_a_terminal_that_reads_again_shows_what_is_there_now(
    kernel: SimulatedKernel, tmp_path: Path
) -> None:
    """Most of what was painted meanwhile has been skipped."""
    with Terminal([*KMODTUI, "--root", str(kernel.folder.root), "--interval", "0.2"]) as terminal:
        terminal.wait_for("Waiting for a module", timeout=60)
        terminal.settle()
        stall(terminal)
        kernel.unload("hello")
        time.sleep(1)
        terminal.read_on()
        terminal.wait_for(lambda t: "hello" not in "\n".join(t.lines()[1:12]))
        for last_of_a_pane in ("unloaded hello", "source in drivers/input", "no dependencies"):
            terminal.wait_for(last_of_a_pane, timeout=30)
        terminal.settle()
        shown = terminal.lines()[1:]
        terminal.press("Ctrl+l")
        terminal.settle()
        assert terminal.lines()[1:] == shown


def test_three_hundred_sizes_in_a_second_are_drawn_once(tree: str, record_property: Record) -> None:
    with Terminal([*KMODTUI, "--root", tree], columns=80, rows=24) as terminal:
        terminal.wait_for("1 Modules", timeout=60)
        terminal.settle()

        def drawn() -> int:
            return bytes(terminal.raw).count(b"2 Dependencies")

        before = drawn()
        terminal.resize(140, 40)
        terminal.wait_for("3 Info")
        terminal.settle()
        once, before = max(1, drawn() - before), drawn()
        times = [time.monotonic()]
        for number in range(300):
            terminal.resize(100 + number % 50, 40)
            time.sleep(max(0.0, times[0] + (number + 1) / 300 - time.monotonic()))
            times.append(time.monotonic())
        terminal.resize(120, 40)
        terminal.settle()
        assert "3 Info" in terminal.text()
        # On a busy machine, the sizes may take longer, and there may be pauses among them,
        # also some that only the dashboard sees.
        pauses = 2 + sum(b - a > RESIZE_QUIET / 2 for a, b in itertools.pairwise(times))
        layouts = (drawn() - before) / once
        took = times[-1] - times[0]
        record_property(f"layouts for 300 sizes in {took:.2f} s", round(layouts, 1))
        assert layouts <= 1 + pauses + took // RESIZE_LONGEST


BLOCKED = """
import asyncio, time
from kmodtui.ui.widgets.panes.modules import ModulesPane
from kmodtui.cli import run
def in_a_thread(self):
    loop = asyncio.get_running_loop()
    self.waiting = [loop.run_in_executor(None, time.sleep, 600)]
ModulesPane.sort_next = {blocked}
raise SystemExit(run(["--root", {root!r}]))
"""


def blocked(tree: str, home: Path, by: str) -> Terminal:
    command = [sys.executable, "-c", BLOCKED.format(root=tree, blocked=by)]
    environment = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    return Terminal(command, environment=environment, cwd=Path.cwd())


@pytest.mark.parametrize(
    "ending", ["TERM", "closed", pytest.param("Ctrl+q", marks=pytest.mark.full)]
)
def test_it_ends_though_the_event_loop_is_blocked_and_keys_are_queued(
    tree: str, tmp_path: Path, record_property: Record, ending: str
) -> None:
    """Keys that nobody takes would fill the pipe through which asyncio learns of signals."""
    with blocked(tree, tmp_path, "lambda _: time.sleep(600)") as terminal:
        terminal.wait_for("Waiting for a module", timeout=60)
        terminal.press("s")
        terminal.settle()
        for _ in range(3000):
            terminal.send(b"\x1b[B")
        began = time.monotonic()
        ENDINGS[ending].act(terminal)
        assert terminal.process.wait(15) == ENDINGS[ending].status
        record_property("seconds until all had ended", round(time.monotonic() - began, 2))
        if ENDINGS[ending].restores:
            terminal.wait_for_exit()
            assert terminal.is_as_before
    (log,) = (tmp_path / "state").rglob("kmodtui.log")
    assert "did not end in time" in log.read_text()
    assert "action_sort_next" in log.read_text()


def test_a_thread_that_hangs_does_not_keep_it(tree: str, tmp_path: Path) -> None:
    """As one that reads a file of a device that does not answer."""
    with blocked(tree, tmp_path, "in_a_thread") as terminal:
        terminal.wait_for("Waiting for a module", timeout=60)
        terminal.press("s")
        terminal.settle()
        terminal.press("q")
        assert terminal.wait_for_exit(30) == 0
        assert terminal.is_as_before
