"""From arguments to a running dashboard: the machine, the log file, and what comes after."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from copy import copy
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from kmodtui.demo import open_demo
from kmodtui.kernel.host import LocalHost
from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.services.root import DemoRoot, LocalRoot, NoRoot, RootAccess
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.driver import PatientDriver

LOG_SIZE = 256 * 1024
"""Bytes of the log file before it is turned over; one older one is kept."""


def open_dashboard(options: argparse.Namespace, root: str | None, *, demo: bool) -> int:
    """Run the dashboard until the person leaves; return the exit status.

    Args:
        options: the parsed arguments.
        root: the folder of a captured tree; None for this machine.
        demo: whether to begin with the recorded system.
    """
    log_file = _open_log()
    while True:
        app = KmodtuiApp(
            _demo_machine(options) if demo else _machine(options, root),
            interval=options.interval,
            theme="kmodtui-light" if options.light else "kmodtui",
        )
        app.driver_class = PatientDriver
        following = app.run(mouse=not options.no_mouse)
        if app.return_code:
            where = f" {log_file} has the details." if log_file else ""
            fault = "kmodtui failed; this is a fault of kmodtui, not of your machine."
            print(f"{fault}{where}", file=sys.stderr)  # noqa: T201
            return app.return_code
        if following != "demo":
            return 0
        demo = True


def _machine(options: argparse.Namespace, root: str | None) -> Machine:
    access: RootAccess
    host = LocalHost(root) if root is not None else LocalHost()
    release = getattr(options, "kernel", None) or ""
    if root is not None:
        access = NoRoot("This is a captured tree: there is no kernel that could change.")
    elif release not in ("", os.uname().release):
        access = NoRoot(
            f"--kernel {release} looks at the modules of a kernel that is not running.",
            "Start kmodtui without --kernel to load and unload.",
        )
    elif options.read_only:
        access = NoRoot(
            "kmodtui was started with --read-only.", "Start kmodtui without it to load and unload."
        )
    else:
        access = LocalRoot(options.elevate)
    return Machine(host, access, release=release)


def _demo_machine(options: argparse.Namespace) -> Machine:
    demo = open_demo()
    access: RootAccess = DemoRoot(demo)
    if options.read_only:
        access = NoRoot(
            "kmodtui was started with --read-only.", "Start kmodtui without it to load and unload."
        )
    return Machine(demo.host, access)


class _OneLineEach(logging.Formatter):
    """Each record on a line of its own, and nothing in it that a terminal obeys.

    What was typed and what the kernel says goes into the log, and must not
    look like a record itself. A traceback follows its record, indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        told = copy(record)
        told.msg, told.args, told.exc_text = clean(record.getMessage()), (), None
        first, *traceback = super().format(told).split("\n")
        return "\n".join((first, *(f"    {clean(line)}" for line in traceback)))


def _open_log() -> Path | None:
    """Send what the log gets to its file; None where no file can be written."""
    log = logging.getLogger("kmodtui")
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        path = platformdirs.user_log_path("kmodtui", appauthor=False, ensure_exists=True)
        path = path / "kmodtui.log"
        handler = RotatingFileHandler(
            path, maxBytes=LOG_SIZE, backupCount=1, delay=True, encoding="utf-8"
        )
    except OSError:
        log.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(_OneLineEach("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    return path
