"""The dashboard in the guest, and what a person does there with keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import START_SECONDS, open_terminal
from tests.kernel.vm import VM
from tests.kernel.watching import HELPER, await_in_guest
from tests.support.terminal import Terminal

PATIENCE = 180
"""Seconds that a step may take under emulation on a busy machine; most take two."""

POLLING_SECONDS = 60
"""The interval of the shared dashboard of `guest`: what it shows sooner, an event reported."""

SUDO_PROMPT = "password for admin:"

_FILTER = re.compile(r"/\S+ ·")
"""The filter that is set, in the frame of the modules pane."""

_answered_at: WeakKeyDictionary[Terminal, int] = WeakKeyDictionary()
"""By terminal, how many bytes it had received when a password was last typed there."""


def open_dashboard(vm: VM, user: str, *options: str, own_connection: bool = False) -> Terminal:
    """The dashboard of a user, in a terminal of 120 x 40."""
    # Another test may have left a filter or another layout.
    command = ["kmodtui", "--no-remember", *options]
    return open_terminal(vm, user, command, columns=120, rows=40, own_connection=own_connection)


def await_readings(terminal: Terminal) -> None:
    """Wait until modules are listed and the symbols to compare with have been read."""
    terminal.wait_for(r"\d+ modules \d", timeout=START_SECONDS)
    terminal.wait_for(r"Info: \S+", timeout=PATIENCE)
    terminal.press("v")
    terminal.wait_for(r"Symbols of [\s\S]* [1-9][\d,]* symbols", timeout=PATIENCE)
    terminal.press("v")
    terminal.wait_for("Waiting for a module", timeout=PATIENCE)


class SharedDashboard:
    """One dashboard that tests use one after another.

    Starting one takes ten seconds of emulation. A test gets it at rest: the modules pane has the
    focus, no filter is set, and there is no root session. After a test that failed, and where
    another user or other options are wanted, it is started anew.
    """

    def __init__(self, vm: VM) -> None:
        self._vm = vm
        self._wanted: tuple[str, ...] = ()
        self._terminal: Terminal | None = None

    def close(self) -> None:
        """End it; the next test that wants one starts another."""
        if self._terminal:
            self._terminal.close()
        self._terminal = None

    @contextmanager
    def at_rest(self, user: str, *options: str) -> Iterator[Terminal]:
        """The dashboard for one test; an exception in the block ends it."""
        if self._wanted != (user, *options) or self._terminal is None:
            self.close()
            self._wanted = (user, *options)
            self._terminal = open_dashboard(self._vm, user, *options, own_connection=True)
            await_readings(self._terminal)
        terminal = self._terminal
        try:
            count = len(loaded(self._vm))
            terminal.wait_for(rf"\b{count} modules ", timeout=PATIENCE)
            yield terminal
            if terminal.process.poll() is None:
                self._bring_to_rest(terminal)
            else:
                self.close()
        except BaseException:
            self.close()
            raise

    def _bring_to_rest(self, terminal: Terminal) -> None:
        if re.search("root: (on|reading)", terminal.text()):
            terminal.press("D")
            terminal.wait_for("root: off", timeout=PATIENCE)
        terminal.press("1")
        if _FILTER.search(terminal.text()):
            clear_filter(terminal)
        await_in_guest(self._vm, f"! pgrep -f '{HELPER}'")
        # Otherwise sudo would remember the password.
        self._vm.run("root", "rm -rf /run/sudo/ts/*", check=True)


def open_filter(terminal: Terminal) -> None:
    """Open the filter of the modules; what is typed replaces the one that is set."""
    terminal.press("/")
    terminal.wait_for("filter modules:", timeout=PATIENCE)


def clear_filter(terminal: Terminal) -> None:
    """Show all modules again."""
    open_filter(terminal)
    terminal.press("Esc")
    terminal.wait_for(
        lambda t: "filter modules:" not in t.text() and not _FILTER.search(t.text()),
        timeout=PATIENCE,
    )


def select(terminal: Terminal, name: str) -> None:
    """Bring the cursor onto a module by filtering."""
    open_filter(terminal)
    terminal.press(name)
    terminal.wait_for(rf"/{name} ·", timeout=PATIENCE)
    terminal.press("Enter")
    terminal.wait_for(rf"Info: {name}", timeout=PATIENCE)


def plan_load(terminal: Terminal, *words: str) -> None:
    """Ask for a module with parameters, and wait for the plan."""
    terminal.press("+")
    terminal.wait_for(r"[\d,]+ of [\d,]+ modules", timeout=PATIENCE)
    terminal.press(" ".join(words), "Enter")
    terminal.wait_for(r"\by load", timeout=PATIENCE)


def load(terminal: Terminal, *words: str) -> None:
    """Ask for a module with parameters, and confirm the plan."""
    plan_load(terminal, *words)
    terminal.press("y")


def give_password(terminal: Terminal, prompt: str = SUDO_PROMPT) -> None:
    """Type what admin has to type."""
    answer_prompt(terminal, ADMIN_PASSWORD, "Enter", prompt=prompt)


def answer_prompt(terminal: Terminal, *keys: str, prompt: str = SUDO_PROMPT) -> None:
    """Press keys when the program asks for a password since the last time that it was answered.

    Earlier requests are still on the screen, so only what was written since then counts.
    """
    pattern, start = re.compile(prompt.encode()), _answered_at.get(terminal, 0)
    terminal.wait_for(lambda seen: pattern.search(seen.raw, start), timeout=PATIENCE)
    _answered_at[terminal] = len(terminal.raw)
    terminal.press(*keys)


def close(terminal: Terminal, words: str) -> None:
    """Close the dialog that says this. A key that comes before it has gone would be lost."""
    terminal.press("Enter")
    terminal.wait_for(lambda t: words not in t.text(), timeout=PATIENCE)


def loaded(vm: VM) -> set[str]:
    """Names of the modules in the guest's kernel."""
    return {line.split()[0] for line in vm.read("guest", "/proc/modules").decode().splitlines()}
