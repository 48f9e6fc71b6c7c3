"""A terminal in the guest, over SSH: what a person on another machine has in front of them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.kernel.vm import VM
from tests.support.terminal import Terminal

START_SECONDS = 300.0
"""How long the dashboard may take to show its first screen under emulation; 6 to 10 s are usual."""


def open_terminal(
    vm: VM,
    user: str,
    command: Sequence[str] | str = (),
    *,
    columns: int = 120,
    rows: int = 40,
    term: str = "xterm-256color",
    own_connection: bool = False,
) -> Terminal:
    """A terminal with a command of a user in it, or with their shell if there is none."""
    return Terminal(
        vm.ssh(user, command, terminal=True, own_connection=own_connection),
        columns=columns,
        rows=rows,
        term=term,
        witness=lambda: _guest(vm, user),
    )


def _guest(vm: VM, user: str) -> str:
    """What goes on in the guest: who waits for what, and the end of the user's log file."""
    threads = "ps -eLo pid,ppid,lwp,stat,pcpu,wchan:24,args --sort pid | grep -v '\\]$' | tail -40"
    log = f"tail -15 ~{user}/.local/state/kmodtui/log/kmodtui.log"
    try:
        seen = vm.run("root", f"uptime; {threads}; {log}", timeout=180)
    except subprocess.TimeoutExpired:
        return "the guest does not answer"
    return seen.stdout + seen.stderr
