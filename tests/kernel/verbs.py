"""kmodtui's verbs in the guest, each in a fork of a process that has imported them already.

A verb that is started as a program spends nine tenths of its time importing: two seconds under
emulation. A fork of such a process does what the program does from there on, with its own
arguments, output and exit status. That the program itself starts is tested by `test_boot` and
`test_command_line`.
"""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Sequence

SCRIPT = """
import gc, json, os, pkgutil, sys, tempfile
from importlib import import_module
import kmodtui.verbs
from kmodtui.__main__ import main
for module in pkgutil.iter_modules(kmodtui.verbs.__path__):
    import_module("kmodtui.verbs." + module.name)
gc.freeze()
while line := sys.stdin.readline():
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if not (child := os.fork()):
            status = 1
            try:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["kmodtui", *json.loads(line)]
                try:
                    status = main()
                except SystemExit as end:
                    status = end.code or 0
                sys.stdout.flush()
                sys.stderr.flush()
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode(errors="backslashreplace"))
    print(json.dumps([status, *printed]), flush=True)
"""

PYTHON = "/opt/kmodtui/bin/python"


class VerbServer:
    """One process in the guest that runs verbs for one user."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it; `command` are the words that run SCRIPT in the guest."""
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def run(self, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end.

        Raises:
            AssertionError: the server has ended, or the verb has not after `timeout` seconds.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            self.close()
            raise AssertionError(f"kmodtui {' '.join(arguments)}: no answer after {timeout:.0f} s")
        answer = self._process.stdout.readline()
        assert answer, "the process that runs verbs in the guest has ended"
        status, out, err = json.loads(answer)
        return subprocess.CompletedProcess(["kmodtui", *arguments], status, out, err)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
