"""Starts the dashboard with the machine that the arguments describe."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kmodtui.kernel.host import LocalHost
from kmodtui.model.theme import DARK, LIGHT, MONOCHROME, OWN_THEMES
from kmodtui.services.config import Config, config_path, read_config
from kmodtui.services.log_file import open_log
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot, RootAccess, read_only
from kmodtui.services.settings import BY_KEY
from kmodtui.services.view_memory import ViewMemory, view_key, view_path
from kmodtui.ui.keymap import use_keys
from kmodtui.ui.terminal.kinds import without_foreign_colors
from kmodtui.ui.terminal.supervisor import Supervisor

if TYPE_CHECKING:
    from kmodtui.services.timeline.recording import Recording

_T = TypeVar("_T")


def open_dashboard(options: argparse.Namespace, root: str | None, *, demo: bool) -> int:
    """Run the dashboard until the user quits; return the exit status.

    Args:
        options: the parsed arguments.
        root: the directory of a captured tree; None for this machine.
        demo: whether to start with the demo.
    """
    without_foreign_colors(os.environ)
    recording = _recording(options)
    config = read_config(config_path())
    use_keys(config)
    lite = _first(options.lite, config.lite, _default("lite"))
    theme = _theme(options, config, lite=lite)
    # Screens and widgets have the keys that the registry has when they are imported.
    from kmodtui.ui.app import KmodtuiApp
    from kmodtui.ui.driver import TerminalDriver

    log_file = open_log()
    assert sys.__stdin__ is not None
    supervisor = Supervisor(sys.__stdin__.fileno())
    while True:
        machine = _demo_machine(options, config) if demo else _machine(options, config, root)
        app = KmodtuiApp(
            machine,
            interval=_first(options.interval, config.interval, _default("interval")),
            theme=theme,
            recording=recording,
            memory=_memory(options, config, machine) if recording is None else None,
            named_filters=config.filters,
            lite=lite,
        )
        app.driver_class = partial(TerminalDriver, supervisor=supervisor)  # type: ignore[assignment]
        result = app.run(mouse=_first(options.mouse, config.mouse, _default("mouse")))
        if supervisor.is_ending:
            return supervisor.status
        if app.return_code:
            where = f" See {log_file}." if log_file else ""
            print(f"kmodtui: internal error (a bug in kmodtui).{where}", file=sys.stderr)  # noqa: T201
            return app.return_code
        if result != "demo":
            return 0
        demo = True
        supervisor.limit(None)


def _recording(options: argparse.Namespace) -> Recording | None:
    """Return the recording to show; None for a system."""
    if options.replay is None:
        return None
    from kmodtui.services.timeline.recording import read_recording

    return read_recording(Path(options.replay))


def _memory(options: argparse.Namespace, config: Config, machine: Machine) -> ViewMemory | None:
    """Return what the last session left; None if nothing is to be remembered."""
    if not _first(options.remember, config.remember, _default("remember")):
        return None
    key = view_key(machine.host, machine.facts.hostname or "")
    return ViewMemory(view_path(), key)


def _theme(options: argparse.Namespace, config: Config, *, lite: bool) -> str:
    """Return the name of the theme to begin with.

    Raises:
        ConfigError: there is none of that name, or its file is invalid.
    """
    if options.theme is None and options.light is not None:
        return LIGHT if options.light else DARK
    name = options.theme or config.theme
    if name is not None:
        if name not in OWN_THEMES:
            from kmodtui.services.theme_file import read_theme

            read_theme(config.path, name)
        return name
    if config.light and not lite:
        return LIGHT
    # Textual would replace the terminal's colours by greys, which are colours, too.
    return MONOCHROME if os.environ.pop("NO_COLOR", "") or lite else DARK


def _first(option: _T | None, configured: _T | None, default: _T) -> _T:
    """Return the command line's value if given, else the configuration's, else the default."""
    return option if option is not None else configured if configured is not None else default


def _default(key: str) -> Any:
    return BY_KEY[key].default


def _machine(options: argparse.Namespace, config: Config, root: str | None) -> Machine:
    access: RootAccess
    host = LocalHost(root) if root is not None else LocalHost()
    release = getattr(options, "kernel", None) or ""
    as_root = os.geteuid() == 0
    if root is not None:
        access = NoRoot(
            "This is a captured tree; there is no running kernel to change.", as_root=as_root
        )
    elif release not in ("", os.uname().release):
        access = NoRoot(
            f"--kernel {release} shows the modules of a kernel that is not running.",
            "To load and unload modules, start kmodtui without --kernel.",
            as_root=as_root,
        )
    else:
        from kmodtui.services.root.local import chosen_root

        access = read_only(options.read_only, config, as_root=as_root) or chosen_root(
            options.elevate, config
        )
    machine = Machine(host, access, release=release)
    machine.idle_minutes = config.idle_minutes
    return machine


def _demo_machine(options: argparse.Namespace, config: Config) -> Machine:
    from kmodtui.demo import open_demo
    from kmodtui.services.root.demo import DemoRoot

    demo = open_demo()
    return Machine(demo.host, read_only(options.read_only, config) or DemoRoot(demo))
