#!/usr/bin/python3 -IS
"""Installs the helper where only root can write, and uninstalls it completely.

`kmodtui helper install` and `kmodtui helper uninstall` run this program as root:

    /usr/bin/python3 -I -S install_helper.py install [--sudoers WHO]
    /usr/bin/python3 -I -S install_helper.py uninstall

Like the helper it imports only the standard library and runs under Python 3.9. It only
ever writes the helper from this directory, an action for polkit and, on request, a rule
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

HELPER = "/usr/local/libexec/kmodtui-helper"
ACTION = "/usr/share/polkit-1/actions/kmodtui.helper.policy"
SUDOERS = "/etc/sudoers.d/kmodtui"

# No upper case, which sudoers uses for aliases and for ALL.
WHO = re.compile(r"%?[a-z_][a-z0-9_.-]{0,31}")
VERSION = re.compile(r'^VERSION = "([^"]{1,40})"$', re.MULTILINE)

POLICY = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
<policyconfig>
  <action id="kmodtui.helper">
    <description>Load and unload kernel modules with kmodtui</description>
    <message>Authentication is required to load and unload kernel modules</message>
    <defaults>
      <allow_any>auth_admin</allow_any>
      <allow_inactive>auth_admin</allow_inactive>
      <allow_active>auth_admin</allow_active>
    </defaults>
    <annotate key="org.freedesktop.policykit.exec.path">{HELPER}</annotate>
  </action>
</policyconfig>
"""

RULE = """# Written by kmodtui helper install --sudoers, removed by kmodtui helper uninstall.
# --detach is for sudo-rs, which cannot run the helper in the background as sudo -b does.
{who} ALL=(root) {helper} "", {helper} --detach
"""


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


def install(who: str = "", root: str = "") -> Iterator[str]:
    """Install the helper and yield a line for each file.

    Args:
        who: a user or %group to be permitted to start the helper with sudo; empty for none.
        root: prefix of every path, for tests.

    Raises:
        Unsafe: nothing was installed; the message says why.
    """
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "helper.py")) as file:
        helper = file.read()
    if not helper.startswith("#!/usr/bin/python3 -IS\n") or not version_in(helper):
        raise Unsafe("helper.py in the directory of this program is not kmodtui's helper.")
    libexec = root + os.path.dirname(HELPER)
    require_trusted(libexec if os.path.isdir(libexec) else os.path.dirname(libexec))
    polkit = root + os.path.dirname(ACTION)
    if os.path.isdir(polkit):
        require_trusted(polkit)
    if who:
        visudo = find_visudo()
        require_known(who)
        require_trusted(root + os.path.dirname(SUDOERS))
    if not os.path.isdir(libexec):
        os.mkdir(libexec)
        os.chmod(libexec, 0o755)  # noqa: S103 - whatever the umask is
    if who:
        # First, because only this can still be refused. A rule may name a missing program.
        put(root + SUDOERS, RULE.format(who=who, helper=HELPER), 0o440, [visudo, "-c", "-f"])
        yield f"{root}{SUDOERS}: {who} may start the helper with a password."
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


def main(arguments: list[str]) -> None:
    """Install or uninstall as root; exit with a message if that is not possible."""
    if os.geteuid() != 0:
        sys.exit("kmodtui: this must be run as root.")
    try:
        if arguments == ["uninstall"]:
            lines = list(uninstall()) or ["Nothing was installed."]
        elif arguments == ["install"]:
            lines = list(install())
        elif len(arguments) == 3 and arguments[:2] == ["install", "--sudoers"]:
            lines = list(install(arguments[2]))
        else:
            sys.exit("usage: install_helper.py install [--sudoers WHO] | uninstall")
    except (Unsafe, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"kmodtui: {error}")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
