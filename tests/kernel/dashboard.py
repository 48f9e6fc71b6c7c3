"""The dashboard in the guest, and what a person does there with keys."""

from __future__ import annotations

from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import START_SECONDS, open_terminal
from tests.kernel.vm import VM
from tests.support.terminal import Terminal

PATIENCE = 60
"""Seconds that a step may take under emulation; most take two."""


def open_dashboard(vm: VM, user: str, *options: str) -> Terminal:
    """The dashboard of a user, in a terminal of 120 x 40."""
    return open_terminal(vm, user, ["kmodtui", *options], columns=120, rows=40)


def await_readings(terminal: Terminal) -> None:
    """Wait until modules are listed and the symbols to compare with have been read."""
    terminal.wait_for(r"\d+ modules \d", timeout=START_SECONDS)
    terminal.wait_for(r"Info: \S+", timeout=PATIENCE)
    terminal.press("v")
    terminal.wait_for(r"Symbols of [\s\S]* [1-9][\d,]* symbols", timeout=PATIENCE)
    terminal.press("v")
    terminal.wait_for("Waiting for a module", timeout=PATIENCE)


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


def select(terminal: Terminal, name: str) -> None:
    """Bring the cursor onto a module by filtering."""
    terminal.press("/", name)
    terminal.wait_for(rf"/{name} ·", timeout=PATIENCE)
    terminal.press("Enter")
    terminal.wait_for(rf"Info: {name}", timeout=PATIENCE)


def give_password(terminal: Terminal, prompt: str = "password for admin:") -> None:
    """Type what admin has to type."""
    terminal.wait_for(prompt, timeout=PATIENCE)
    terminal.press(ADMIN_PASSWORD, "Enter")


def close(terminal: Terminal, words: str) -> None:
    """Close the dialog that says this. A key that comes before it has gone would be lost."""
    terminal.press("Enter")
    terminal.wait_for(lambda t: words not in t.text(), timeout=PATIENCE)


def loaded(vm: VM) -> set[str]:
    """Names of the modules in the guest's kernel."""
    return {line.split()[0] for line in vm.read("guest", "/proc/modules").decode().splitlines()}
