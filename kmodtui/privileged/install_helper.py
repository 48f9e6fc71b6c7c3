#!/usr/bin/python3 -IS
"""Installs the helper where only root can write, and uninstalls it completely.

`kmodtui helper install` and `kmodtui helper uninstall` run this program as root:

    /usr/bin/python3 -I -S install_helper.py install [--sudoers WHO] [--sudoers-read WHO]
    /usr/bin/python3 -I -S install_helper.py uninstall

Packagers run it without root privileges, to have the same files in a directory:

    /usr/bin/python3 -I -S install_helper.py stage DIRECTORY [--sudoers WHO] …

Like the helper it imports only the standard library and runs under Python 3.9. It only
ever writes the helper from this directory, actions for polkit and, on request, a rule
for sudo. Each file is written under a temporary name and renamed. Nothing is written
until all checks have passed.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated and sys.flags.no_site):
    sys.exit("Run this as: /usr/bin/python3 -I -S " + sys.argv[0])

import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator

HELPER = "/usr/local/libexec/kmodtui-helper"  # packagers change this line, see packaging/README.md
ACTION = "/usr/share/polkit-1/actions/org.kmodtui.helper.policy"
SUDOERS = "/etc/sudoers.d/kmodtui"

# No upper case, which sudoers uses for aliases and for ALL.
WHO = re.compile(r"%?[a-z_][a-z0-9_.-]{0,31}")
VERSION = re.compile(r'^VERSION = "([^"]{1,40})"$', re.MULTILINE)

# pkexec chooses the action by the path of the program and by its first argument.
ACTION_BY_SCOPE = """  <action id="org.kmodtui.helper.{scope}">
    <description>{what} with kmodtui</description>
    <message>Authentication is required to {lower}</message>
    <defaults>
      <allow_any>auth_admin</allow_any>
      <allow_inactive>auth_admin</allow_inactive>
      <allow_active>auth_admin</allow_active>
    </defaults>
    <annotate key="org.freedesktop.policykit.exec.path">{helper}</annotate>
    <annotate key="org.freedesktop.policykit.exec.argv1">{scope}</annotate>
  </action>
"""
SCOPES = {
    "read": "Read the kernel log and hidden kernel addresses",
    "change": "Load and unload kernel modules",
}
POLICY = (
    """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
<policyconfig>
"""
    + "".join(
        ACTION_BY_SCOPE.format(
            scope=scope, what=what, lower=what[0].lower() + what[1:], helper=HELPER
        )
        for scope, what in SCOPES.items()
    )
    + "</policyconfig>\n"
)

# --detach is for sudo-rs, which cannot run the helper in the background as sudo -b does.
RULES = f"""# Written by kmodtui helper install --sudoers, removed by kmodtui helper uninstall.
Cmnd_Alias KMODTUI_READ = {HELPER} read, {HELPER} read --detach
Cmnd_Alias KMODTUI_CHANGE = {HELPER} change, {HELPER} change --detach
"""


def sudoers(who: str, reader: str) -> str:
    """Return the rules for a user or %group who may change, and one who may only read."""
    rules = f"{who} ALL=(root) KMODTUI_READ, KMODTUI_CHANGE\n" if who else ""
    return RULES + rules + (f"{reader} ALL=(root) KMODTUI_READ\n" if reader else "")


class Unsafe(Exception):  # noqa: N818 - a refusal, not a bug of this program
    """Why the helper was not installed; nothing was changed."""


def path_parts(path: str) -> list[str]:
    """Return a path and its parent directories, as written and with symbolic links resolved."""
    parts: list[str] = []
    for part in (os.path.abspath(path), os.path.realpath(path)):
        while part not in parts:
            parts.append(part)
            part = os.path.dirname(part)
    return parts


def open_to_others(path: str) -> bool:
    """Return whether users other than root can change what is at `path`; OSError if missing."""
    status = os.stat(path)
    # In a sticky directory others can add files, but not replace root's.
    writable = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    return status.st_uid != 0 or bool(writable)


def writable_part(path: str) -> str:
    """Return the first part of a path that is missing or writable by others; empty if none is."""
    for part in path_parts(path):
        try:
            if open_to_others(part):
                return part
        except OSError:
            return part
    return ""


def version_in(helper: str) -> str:
    """Return the VERSION in the source of a helper; empty if there is none."""
    found = VERSION.search(helper)
    return found[1] if found else ""


def source() -> str:
    """Return the text of the helper in this directory; Unsafe if it is something else."""
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "helper.py")) as file:
        helper = file.read()
    if not helper.startswith("#!/usr/bin/python3 -IS\n") or not version_in(helper):
        raise Unsafe("helper.py in the directory of this program is not kmodtui's helper.")
    return helper


def stage(directory: str, who: str = "", reader: str = "") -> Iterator[str]:
    """Write the files below a directory for a package, and yield the path of each.

    Their owner is whoever runs this: a package says that they are root's.
    """
    files = [(HELPER, source(), 0o755), (ACTION, POLICY, 0o644)]
    if who or reader:
        files.append((SUDOERS, sudoers(who, reader), 0o440))
    for path, text, mode in files:
        os.makedirs(directory + os.path.dirname(path), 0o755, exist_ok=True)
        put(directory + path, text, mode)
        yield directory + path


def install(who: str = "", reader: str = "", root: str = "") -> Iterator[str]:
    """Install the helper and yield a line for each file.

    Args:
        who: a user or %group to be permitted to start the helper with sudo; empty for none.
        reader: the same for sessions that can only read.
        root: prefix of every path, for tests.

    Raises:
        Unsafe: nothing was installed; the message says why.
    """
    helper = source()
    libexec = root + os.path.dirname(HELPER)
    require_trusted(libexec if os.path.isdir(libexec) else os.path.dirname(libexec))
    polkit = root + os.path.dirname(ACTION)
    if os.path.isdir(polkit):
        require_trusted(polkit)
    if who or reader:
        visudo = find_visudo()
        for name in filter(None, (who, reader)):
            require_known(name)
        require_trusted(root + os.path.dirname(SUDOERS))
    if not os.path.isdir(libexec):
        os.mkdir(libexec)
        os.chmod(libexec, 0o755)  # noqa: S103 - whatever the umask is
    if who or reader:
        # First, because only this can still be refused. A rule may name a missing program.
        put(root + SUDOERS, sudoers(who, reader), 0o440, [visudo, "-c", "-f"])
        if who:
            yield f"{root}{SUDOERS}: {who} may start the helper with a password."
        if reader:
            yield f"{root}{SUDOERS}: {reader} may start it with a password, to read only."
    put(root + HELPER, helper, 0o755)
    yield f"{root}{HELPER}: version {version_in(helper)}, owned by root."
    if os.path.isdir(polkit):
        put(root + ACTION, POLICY, 0o644)
        yield f"{root}{ACTION}: pkexec asks an administrator to authenticate."
    else:
        yield "polkit is not installed, so no polkit action was added."


def uninstall(root: str = "") -> Iterator[str]:
    """Remove every file that `install` may have written, and yield a line for each."""
    for path in (root + SUDOERS, root + ACTION, root + HELPER):
        for name in (path, temporary_path(path)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
                yield f"{name}: removed."
    with contextlib.suppress(OSError):
        os.rmdir(root + os.path.dirname(HELPER))  # if it is empty


def require_trusted(directory: str) -> None:
    """Raise Unsafe if users other than root can write to a directory or a parent of it."""
    part = writable_part(directory)
    if part:
        raise Unsafe(f"{part} is missing or writable by users other than root.")


def require_known(who: str) -> None:
    """Raise Unsafe if `who` is neither a user nor, with a leading %, a group of this machine."""
    import grp
    import pwd

    if not WHO.fullmatch(who):
        raise Unsafe("--sudoers takes the name of a user, or of a group as %group.")
    try:
        grp.getgrnam(who[1:]) if who.startswith("%") else pwd.getpwnam(who)
    except KeyError:
        raise Unsafe(f"{who} does not exist on this machine.") from None


def find_visudo() -> str:
    """Return the path of visudo; Unsafe if it is not installed."""
    for path in ("/usr/sbin/visudo", "/usr/bin/visudo", "/usr/local/sbin/visudo"):
        if os.path.exists(path):
            return path
    raise Unsafe("--sudoers needs visudo to check the rule, but visudo is not installed.")


def temporary_path(path: str) -> str:
    """Return where a file is written before it is renamed; sudo ignores names with a dot."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def put(path: str, text: str, mode: int, check: list[str] | None = None) -> None:
    """Write a root-owned file atomically; Unsafe if the command `check PATH` rejects it."""
    new = temporary_path(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            if os.geteuid() == 0:
                os.fchown(descriptor, 0, 0)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if check:
            done = subprocess.run(
                [*check, new], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                timeout=30,
            )  # fmt: skip
            if done.returncode:
                raise Unsafe(f"{check[0]} refused: {done.stdout.decode('utf-8', 'replace')}")
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise


USAGE = "usage: install_helper.py install|uninstall|stage DIRECTORY [--sudoers[-read] WHO]"


def main(arguments: list[str]) -> None:
    """Install or uninstall as root; exit with a message if that is not possible."""
    verb, *rest = arguments or [""]
    directory = rest.pop(0) if verb == "stage" and rest else ""
    who = dict(zip(rest[::2], rest[1::2]))  # noqa: B905 - strict= is not in Python 3.9
    known = set(who) <= ({"--sudoers", "--sudoers-read"} if verb != "uninstall" else set())
    if verb not in ("install", "uninstall", "stage") or not known or len(rest) != 2 * len(who):
        sys.exit(USAGE)
    if verb == "stage" and not directory:
        sys.exit(USAGE)
    if verb != "stage" and os.geteuid() != 0:
        sys.exit("kmodtui: this must be run as root.")
    names = who.get("--sudoers", ""), who.get("--sudoers-read", "")
    try:
        if verb == "stage":
            lines = list(stage(directory, *names))
        elif verb == "install":
            lines = list(install(*names))
        else:
            lines = list(uninstall()) or ["Nothing was installed."]
    except (Unsafe, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"kmodtui: {error}")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
