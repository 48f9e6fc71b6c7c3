"""Reader of /sys/module/NAME (`kernel/module/sysfs.c`, `kernel/params.c`).

A module can go at any moment, and its files with it: each of them may be gone
(ENOENT), going (ENODEV), not for this user (EACCES) or refused by the module
itself. None of that is an error here: what cannot be read is left out.
"""

from __future__ import annotations

import errno
import os
import stat

from kmodtui.kernel.host import Host
from kmodtui.model.live_module import LiveModule, ParameterValue
from kmodtui.model.text import clean, decode

FOLDER = "/sys/module"

# sysfs hands out a page at most; on some machines that has 64 KiB.
_MAX_ATTRIBUTE = 64 * 1024


def read_live_module(host: Host, name: str) -> LiveModule | None:
    """Return what the kernel shows of a module; None if it shows no module of that name."""
    folder = _folder(name)
    if not folder or not host.exists(folder):
        return None
    initstate = _text(host, f"{folder}/initstate")
    return LiveModule(
        name=name,
        loadable=bool(initstate),
        coresize=_number(host, f"{folder}/coresize"),
        initsize=_number(host, f"{folder}/initsize"),
        initstate=initstate,
        refcount=_number(host, f"{folder}/refcnt"),
        taint=_text(host, f"{folder}/taint"),
        version=_text(host, f"{folder}/version"),
        srcversion=_text(host, f"{folder}/srcversion"),
        holders=_names(host, f"{folder}/holders"),
        drivers=_names(host, f"{folder}/drivers"),
        parameters=read_parameters(host, name),
    )


def read_parameters(host: Host, name: str) -> tuple[ParameterValue, ...]:
    """Return the parameters that the kernel shows of a module, sorted by name.

    A parameter without a file (permission 0 in the source) is not among them.
    """
    folder = _folder(name)
    if not folder:
        return ()
    found = (
        _parameter(host, f"{folder}/parameters/{entry}", entry)
        for entry in _listed(host, f"{folder}/parameters")
    )
    return tuple(parameter for parameter in found if parameter)


def read_sections(host: Host, name: str) -> dict[str, int] | None:
    """Return the address of each section of a module; None where they are root's alone.

    Addresses are 0 where the kernel hides them.
    """
    folder = _folder(name)
    if not folder:
        return None
    addresses = {}
    for entry in _listed(host, f"{folder}/sections"):
        try:
            text = host.read(f"{folder}/sections/{entry}", _MAX_ATTRIBUTE)
            addresses[clean(entry)] = int(text, 16)
        except (OSError, ValueError):
            continue
    return addresses or None


def initsize(host: Host, name: str) -> int | None:
    """Return the bytes of init memory that a module still has; None if it shows none."""
    folder = _folder(name)
    return _number(host, f"{folder}/initsize") if folder else None


def _folder(name: str) -> str:
    """Return a module's folder; empty for a name that would lead out of /sys/module."""
    return f"{FOLDER}/{name}" if name and "/" not in name and name not in (".", "..") else ""


def _parameter(host: Host, path: str, name: str) -> ParameterValue | None:
    try:
        mode = host.stat(path).st_mode
    except OSError:
        return None
    value, why = None, ""
    # Root may open anything, but a file without a read bit has no way to show a value.
    if not mode & 0o444:
        why = "can only be written"
    else:
        try:
            value = clean(decode(host.read(path, _MAX_ATTRIBUTE)).removesuffix("\n"))
        except PermissionError:
            why = "only root may read it"
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return None
            why = f"the kernel refuses to show it: {os.strerror(error.errno or 0)}"
    return ParameterValue(clean(name), value, why, bool(mode & stat.S_IWUSR))


def _text(host: Host, path: str) -> str:
    try:
        return clean(decode(host.read(path, _MAX_ATTRIBUTE)).strip())
    except OSError:
        return ""


def _number(host: Host, path: str) -> int | None:
    try:
        return int(host.read(path, _MAX_ATTRIBUTE))
    except (OSError, ValueError):
        return None


def _listed(host: Host, path: str) -> list[str]:
    try:
        return host.listdir(path)
    except OSError:
        return []


def _names(host: Host, path: str) -> tuple[str, ...]:
    return tuple(clean(name) for name in _listed(host, path))
