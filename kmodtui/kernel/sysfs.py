"""Reader of /sys/module/NAME (`kernel/module/sysfs.c`, `kernel/params.c`).

A module can be unloaded at any moment, and its files disappear with it: reading one can fail
with ENOENT, with ENODEV during the unload, with EACCES, or with an error of the module
itself. None of these is an error here: what cannot be read is omitted.
"""

from __future__ import annotations

import errno
import os
import stat

from kmodtui.kernel.host import Host
from kmodtui.model.live_module import LiveModule, ParameterValue
from kmodtui.model.text import clean, decode

FOLDER = "/sys/module"

# An attribute is at most a page, which is 64 KiB on some architectures.
_MAX_ATTRIBUTE = 64 * 1024


def read_live_module(host: Host, name: str) -> LiveModule | None:
    """Return what /sys shows about a module; None if it has no module of that name."""
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
    """Return the parameters in /sys of a module, sorted by name.

    Parameters that are declared with permission 0 have no file, so they are not included.
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
    """Return the address of each section of a module; None if only root may read them.

    Addresses are 0 if the kernel hides them.
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
    """Return the size of a module's init memory in bytes; None if /sys does not show it."""
    folder = _folder(name)
    return _number(host, f"{folder}/initsize") if folder else None


def _folder(name: str) -> str:
    """Return a module's directory; empty for a name that would lead out of /sys/module."""
    return f"{FOLDER}/{name}" if name and "/" not in name and name not in (".", "..") else ""


def _parameter(host: Host, path: str, name: str) -> ParameterValue | None:
    try:
        mode = host.stat(path).st_mode
    except OSError:
        return None
    value, why = None, ""
    # Root may open any file, but one without a read bit has no function to show a value.
    if not mode & 0o444:
        why = "write-only"
    else:
        try:
            value = clean(decode(host.read(path, _MAX_ATTRIBUTE)).removesuffix("\n"))
        except PermissionError:
            why = "readable only by root"
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return None
            why = f"cannot be read: {os.strerror(error.errno or 0)}"
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
