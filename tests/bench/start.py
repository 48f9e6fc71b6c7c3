"""How soon there is something to see: a verb's answer, the dashboard's first row."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.interleaved import Comparison, clocked, compare
from tests.bench.machine import RecordedMachine

KMODTUI = (str(Path(sys.executable).with_name("kmodtui")),)
TOO_LONG = 30.0  # seconds


def list_as_json(machine: RecordedMachine, rounds: int) -> Comparison:
    """Compare `kmodtui list --json` with a Python that does nothing."""
    return compare(
        "kmodtui list --json",
        clocked(lambda: _run([*KMODTUI, "list", "--json", "--root", str(machine.root)])),
        "python -c pass",
        clocked(lambda: _run([sys.executable, "-c", "pass"])),
        limit=3.0,
        rounds=rounds,
    )


def first_row(machine: RecordedMachine, rounds: int) -> Comparison:
    """Compare the dashboard's first painted module with importing what it is made with."""
    names = "|".join(re.escape(name) for name in machine.modules if len(name) > 5)
    row = re.compile(names.encode())
    return compare(
        "first module on the screen",
        lambda: _until(row, [*KMODTUI, "--root", str(machine.root)]),
        "python -c 'import textual.app, textual.widgets'",
        clocked(lambda: _run([sys.executable, "-c", "import textual.app, textual.widgets"])),
        limit=1.6,
        rounds=rounds,
    )


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=TOO_LONG)


def _until(pattern: re.Pattern[bytes], command: Sequence[str]) -> float:
    """Return the seconds until a program has written something to its terminal."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "TERM": "xterm-256color"}
        begin = time.perf_counter()
        process = subprocess.Popen(
            ["setsid", "--ctty", "--", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
        )
        os.close(slave)
        seen = b""
        try:
            while not pattern.search(seen):
                if time.perf_counter() - begin > TOO_LONG:
                    raise TimeoutError(f"no module on the screen after {TOO_LONG:.0f} s")
                try:
                    seen += os.read(master, 65536)
                except OSError:
                    raise RuntimeError(f"it ended early: {seen[-500:]!r}") from None
            return time.perf_counter() - begin
        finally:
            process.kill()
            process.wait()
            os.close(master)
