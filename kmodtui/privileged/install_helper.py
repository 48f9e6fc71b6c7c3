#!/usr/bin/python3 -IS
"""Put the helper where only root can write, and take it away again without a trace.

Run as root, by `kmodtui helper install` and `uninstall`, as

    /usr/bin/python3 -I -S install_helper.py install [--sudoers WHO]
    /usr/bin/python3 -I -S install_helper.py uninstall

Like the helper it uses the standard library alone and runs under Python 3.9. What it
writes is fixed: the helper beside this file, an action for polkit, and on request a
rule for sudo. Each is written beside its place and renamed into it, and nothing is
written before everything was found in order.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated and sys.flags.no_site):
    sys.exit("This is to be run as: /usr/bin/python3 -I -S " + sys.argv[0])

import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator

HELPER = "/usr/local/libexec/kmodtui-helper"
ACTION = "/usr/share/polkit-1/actions/kmodtui.helper.policy"
SUDOERS = "/etc/sudoers.d/kmodtui"

# Upper case is left out: there sudoers has its aliases, and ALL.
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
# sudo takes the helper to the background; sudo-rs cannot, so there it detaches itself.
{who} ALL=(root) {helper} "", {helper} --detach
"""


class Unsafe(Exception):  # noqa: N818 - an answer, not a mistake of this program
    """Nothing was done, and why."""


def path_parts(path: str) -> list[str]:
    """Return a path and the folders above it: as it is written, and with links followed."""
    parts: list[str] = []
    for part in (os.path.abspath(path), os.path.realpath(path)):
        while part not in parts:
            parts.append(part)
            part = os.path.dirname(part)
    return parts


def open_to_others(path: str) -> bool:
    """Return whether others than root can change what is at this path; OSError if nothing is."""
    status = os.stat(path)
    # In a sticky folder others can add, but not replace what is root's.
    loose = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    return status.st_uid != 0 or bool(loose)


def writable_part(path: str) -> str:
    """Return the first part of a path that others than root can write, or that is missing."""
    for part in path_parts(path):
        try:
            if open_to_others(part):
                return part
        except OSError:
            return part
    return ""


def version_in(helper: str) -> str:
    """Return the version that the text of a helper claims; empty if there is none."""
    found = VERSION.search(helper)
    return found[1] if found else ""


def install(who: str = "", root: str = "") -> Iterator[str]:
    """Install, and tell line by line what was done.

    Args:
        who: a user or %group that sudo shall let start the helper; nobody if empty.
        root: stands before every path; for tests.

    Raises:
        Unsafe: nothing was done, and why.
    """
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "helper.py")) as file:
        helper = file.read()
    if not helper.startswith("#!/usr/bin/python3 -IS\n") or not version_in(helper):
        raise Unsafe("The helper.py beside this program is not kmodtui's helper.")
    libexec = root + os.path.dirname(HELPER)
    require_roots(libexec if os.path.isdir(libexec) else os.path.dirname(libexec))
    polkit = root + os.path.dirname(ACTION)
    if os.path.isdir(polkit):
        require_roots(polkit)
    if who:
        visudo = find_visudo()
        require_known(who)
        require_roots(root + os.path.dirname(SUDOERS))
    if not os.path.isdir(libexec):
        os.mkdir(libexec)
        os.chmod(libexec, 0o755)  # noqa: S103 - whatever the umask is
    if who:
        # First, because it alone can still be refused: a rule for what is not there yet.
        put(root + SUDOERS, RULE.format(who=who, helper=HELPER), 0o440, [visudo, "-c", "-f"])
        yield f"{root}{SUDOERS}: {who} may start the helper, with a password."
    put(root + HELPER, helper, 0o755)
    yield f"{root}{HELPER}: version {version_in(helper)}, owned by root."
    if os.path.isdir(polkit):
        put(root + ACTION, POLICY, 0o644)
        yield f"{root}{ACTION}: pkexec asks an administrator."
    else:
        yield "There is no polkit here, so it gets no action."


def uninstall(root: str = "") -> Iterator[str]:
    """Remove all that `install` may have put there, and tell line by line what there was."""
    for path in (root + SUDOERS, root + ACTION, root + HELPER):
        for name in (path, being_written(path)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
                yield f"{name}: removed."
    with contextlib.suppress(OSError):
        os.rmdir(root + os.path.dirname(HELPER))  # if nothing else is in it


def require_roots(folder: str) -> None:
    """Raise Unsafe if others than root can write to a folder or to one above it."""
    part = writable_part(folder)
    if part:
        raise Unsafe(f"{part} can be written by others than root, or is missing.")


def require_known(who: str) -> None:
    """Raise Unsafe if this is no user, and no group with % before it, of this machine."""
    import grp
    import pwd

    if not WHO.fullmatch(who):
        raise Unsafe("--sudoers wants the name of a user, or of a group with % before it.")
    try:
        grp.getgrnam(who[1:]) if who.startswith("%") else pwd.getpwnam(who)
    except KeyError:
        raise Unsafe(f"There is no {who} here.") from None


def find_visudo() -> str:
    """Return the path of visudo; Unsafe if there is none, and so no sudo."""
    for path in ("/usr/sbin/visudo", "/usr/bin/visudo", "/usr/local/sbin/visudo"):
        if os.path.exists(path):
            return path
    raise Unsafe("--sudoers needs visudo to check the rule, and it is not installed.")


def being_written(path: str) -> str:
    """Return where a file is written before it has its name. sudo reads no name with a dot."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def put(path: str, text: str, mode: int, check: list[str] | None = None) -> None:
    """Write a file of root's in one piece; Unsafe if `check PATH` finds fault with it."""
    new = being_written(path)
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
    """Do what the arguments say, as root; leave with a sentence where it cannot be."""
    if os.geteuid() != 0:
        sys.exit("kmodtui: root is needed for this.")
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
