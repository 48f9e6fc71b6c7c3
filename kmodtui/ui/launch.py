"""From arguments to a running dashboard: the machine, and what comes after."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TypeVar

from kmodtui.demo import open_demo
from kmodtui.kernel.host import LocalHost
from kmodtui.privileged.elevation import LADDER
from kmodtui.services.config import Config, config_path, read_config
from kmodtui.services.log_file import open_log
from kmodtui.services.machine import Machine
from kmodtui.services.root import DemoRoot, NoRoot, RootAccess, chosen_root
from kmodtui.ui.app import KmodtuiApp
from kmodtui.ui.driver import PatientDriver

INTERVAL = 1.0
"""Seconds between two readings, unless told otherwise."""

_T = TypeVar("_T")


def open_dashboard(options: argparse.Namespace, root: str | None, *, demo: bool) -> int:
    """Run the dashboard until the person leaves; return the exit status.

    Args:
        options: the parsed arguments.
        root: the folder of a captured tree; None for this machine.
        demo: whether to begin with the recorded system.
    """
    config = read_config(config_path(), LADDER)
    log_file = open_log()
    while True:
        app = KmodtuiApp(
            _demo_machine(options, config) if demo else _machine(options, config, root),
            interval=_first(options.interval, config.interval, INTERVAL),
            theme="kmodtui-light" if _first(options.light, config.light, False) else "kmodtui",
        )
        app.driver_class = PatientDriver
        following = app.run(mouse=_first(options.mouse, config.mouse, True))
        if app.return_code:
            where = f" {log_file} has the details." if log_file else ""
            fault = "kmodtui failed; this is a fault of kmodtui, not of your machine."
            print(f"{fault}{where}", file=sys.stderr)  # noqa: T201
            return app.return_code
        if following != "demo":
            return 0
        demo = True


def _first(typed: _T | None, kept: _T | None, usual: _T) -> _T:
    """Return what was typed, else what stands in the configuration, else what is usual."""
    return typed if typed is not None else kept if kept is not None else usual


def _machine(options: argparse.Namespace, config: Config, root: str | None) -> Machine:
    access: RootAccess
    host = LocalHost(root) if root is not None else LocalHost()
    release = getattr(options, "kernel", None) or ""
    as_root = os.geteuid() == 0
    if root is not None:
        access = NoRoot(
            "This is a captured tree: there is no kernel that could change.", as_root=as_root
        )
    elif release not in ("", os.uname().release):
        access = NoRoot(
            f"--kernel {release} looks at the modules of a kernel that is not running.",
            "Start kmodtui without --kernel to load and unload.",
            as_root=as_root,
        )
    else:
        access = _no_root_wanted(options, config, as_root=as_root) or chosen_root(
            options.elevate, config
        )
    machine = Machine(host, access, release=release)
    machine.idle_minutes = config.idle_minutes
    return machine


def _demo_machine(options: argparse.Namespace, config: Config) -> Machine:
    demo = open_demo()
    return Machine(demo.host, _no_root_wanted(options, config) or DemoRoot(demo))


def _no_root_wanted(
    options: argparse.Namespace, config: Config, *, as_root: bool = False
) -> NoRoot | None:
    """Return the refusal of everything that needs root, where the person wants it refused."""
    if options.read_only:
        return NoRoot(
            "kmodtui was started with --read-only.",
            "Start kmodtui without it to load and unload.",
            as_root=as_root,
        )
    if config.read_only and options.read_only is None:
        return NoRoot(
            f"{config.path} says read_only = true.",
            "Start kmodtui with --no-read-only to load and unload.",
            as_root=as_root,
        )
    return None
