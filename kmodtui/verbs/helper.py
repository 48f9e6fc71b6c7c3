"""`kmodtui helper install`, `status` and `uninstall`: the root-owned copy of the helper."""

from __future__ import annotations

import argparse
import os
import pwd
from typing import TYPE_CHECKING, Any

from kmodtui.errors import ElevationRefusedError, HelperError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean
from kmodtui.verbs.printing import print_json

if TYPE_CHECKING:
    from kmodtui.privileged.elevation import Elevation
    from kmodtui.privileged.installation import InstalledFile

SCHEMA = 1

_CALLER = ""
"""Value of --sudoers without a name: the user who runs the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `install`, `status` and `uninstall`."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, dest="helper_verb")
    install = verbs.add_parser(
        "install",
        help="install a copy that only root can write (asks for root privileges)",
        description="Install a root-owned copy of the helper in /usr/local/libexec, and polkit "
        "actions for it. Asks for root privileges.",
    )
    install.add_argument(
        "--sudoers",
        nargs="?",
        const=_CALLER,
        metavar="WHO",
        help="also allow this user, or %%group, to start it with sudo and a password "
        "(default: you)",
    )
    install.add_argument(
        "--sudoers-read",
        metavar="WHO",
        help="allow this user, or %%group, to start sessions that can only read",
    )
    status = verbs.add_parser("status", help="show what is installed and who can write to it")
    status.add_argument("--json", action="store_true", help="print JSON")
    verbs.add_parser("uninstall", help="remove the copy and its rules (asks for root privileges)")


def run(host: Host, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Install, show or remove the copy; return the exit status.

    Raises:
        KmodtuiError: it failed; the message says why.
    """
    if any(hasattr(options, name) for name in ("root", "kernel", "demo")):
        raise UsageError(
            "The helper is installed on this machine only.",
            "Leave out --root, --kernel and --demo.",
        )
    if options.helper_verb == "status":
        return _status(as_json=options.json)
    _refuse_read_only(options)
    from kmodtui.privileged.elevation import detect
    from kmodtui.privileged.install_helper import HELPER
    from kmodtui.privileged.installation import install_command, installed_files, is_installed

    if not HELPER.startswith("/usr/local/"):
        raise UsageError(
            f"This kmodtui comes from a package, and so does its helper, {HELPER}.",
            "Install or remove the package.",
        )
    way = detect(options.elevate, installing=True)
    if options.helper_verb == "uninstall":
        status = _as_root(way, install_command("uninstall"))
        if status == 0 and any(file.present for file in installed_files()):
            raise HelperError("Some files were not removed.", "See kmodtui helper status.")
        return status
    who, reader = _who(options.sudoers), options.sudoers_read
    rules = [*(("--sudoers", who) if who else ()), *(("--sudoers-read", reader) if reader else ())]
    status = _as_root(way, install_command("install", *rules))
    if status == 0 and not is_installed():
        raise HelperError("The installation is not complete.", "See kmodtui helper status.")
    return status


def _refuse_read_only(options: argparse.Namespace) -> None:
    """Refuse to ask for root in read-only mode.

    Raises:
        ElevationRefusedError: --read-only was given, or is set in the configuration.
    """
    from kmodtui.services.config import config_path, read_config
    from kmodtui.services.root.access import read_only

    refusal = read_only(options.read_only, read_config(config_path()))
    if refusal is not None:
        raise refusal.denied


def _who(asked: str | None) -> str:
    """Return the user or %group for the sudo rule; empty for no rule."""
    if asked is None or asked != _CALLER:
        return asked or ""
    name = os.environ.get("SUDO_USER", "root") if os.getuid() == 0 else _name(os.getuid())
    if name == "root":
        raise UsageError("root needs no sudo rule.", "Name a user: --sudoers WHO")
    return name


def _as_root(way: Elevation, command: tuple[str, ...]) -> int:
    hint = getattr(way, "hint", "")
    if not way.available:
        raise ElevationRefusedError(way.sentence, hint)
    print(f"Running as root ({way.name}): {' '.join(command)}", flush=True)
    return 1 if way.run(command) else 0


def _status(*, as_json: bool) -> int:
    """Print what is installed; return 0 if it is this version and only root can write to it."""
    from kmodtui.privileged.installation import (
        INSTALLED,
        caution,
        installed_files,
        interpreter,
        is_installed,
        version_of,
    )

    files = installed_files()
    python = interpreter()
    safe = not any(file.loose for file in (*files, python))
    status = 0 if is_installed() and safe else 1
    if as_json:
        print_json(
            SCHEMA,
            {
                "version": version_of(INSTALLED) or None,
                "up_to_date": bool(files[0].same),
                "only_root_can_write": safe,
                "files": [_file_json(file) for file in (*files, python)],
            },
        )
        return status
    for file in (*files, python):
        print(f"{file.kind:<8} {file.path}: {_status_words(file)}")
        for part in file.parts if file.present else ():
            loose = "  writable by users other than root!" if part.open_to_others else ""
            print(f"         {part.mode:04o} {_name(part.owner):<8} {clean(part.path)}{loose}")
    if not is_installed():
        print("No complete installation, so kmodtui starts its own copy: " + _own())
        if words := caution():
            print(words)
    return status


def _file_json(file: InstalledFile) -> dict[str, Any]:
    return {
        "kind": file.kind,
        "path": file.path,
        "present": file.present,
        "up_to_date": file.same,
        "path_components": [
            {
                "path": part.path,
                "owner": part.owner,
                "mode": f"{part.mode:04o}",
                "writable_by_others": part.open_to_others,
            }
            for part in file.parts
        ],
    }


def _status_words(file: InstalledFile) -> str:
    if file.kind == "python":
        return "runs the installed helper" if file.present else "missing: the helper cannot run"
    if file.present is None:
        return "only root can see whether it is installed"
    if not file.present:
        return "not installed"
    if file.kind != "helper":
        differs = "installed, but not the one of this kmodtui: install it again"
        return differs if file.same is False else "installed"
    from kmodtui import __version__
    from kmodtui.privileged.installation import INSTALLED, version_of

    version = clean(version_of(INSTALLED)) or "unknown"
    if version != __version__:
        return f"version {version}, but kmodtui is version {__version__}: install it again"
    same = "same file as in this kmodtui" if file.same else "not the same file as in this kmodtui"
    return f"version {version}, {same}"


def _own() -> str:
    from kmodtui.privileged.installation import OWN

    return clean(str(OWN))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
