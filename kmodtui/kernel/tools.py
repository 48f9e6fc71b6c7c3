"""Finds the tools that load modules: kmod with its version and features, or BusyBox.

kmod's program contains what `kmod --version` prints (`kmod_version` in `tools/kmod.c`), so
nothing has to be run, and the tools of a captured tree can be examined, too.
"""

from __future__ import annotations

import re

from kmodtui.kernel.host import Host
from kmodtui.model.doctor.facts import Tool
from kmodtui.model.text import clean, decode

PROGRAMS = ("/sbin/modprobe", "/usr/sbin/modprobe", "/usr/bin/modprobe", "/bin/modprobe")
_KMOD = ("/usr/bin/kmod", "/bin/kmod", "/usr/sbin/kmod", "/sbin/kmod")
_MAX_PROGRAM = 16 * 1024 * 1024
_MAX_LINKS = 8
_VERSION = re.compile(rb"\bkmod version (\d[\w.+~-]*)")
_FEATURES = re.compile(rb"(?:[+-][A-Z]\w+ ){2,}[+-][A-Z]\w+")


def read_tool(host: Host) -> Tool | None:
    """Return the program that is run as modprobe; None if there is none."""
    modprobe = next((path for path in PROGRAMS if _is_there(host, path)), "")
    if not modprobe:
        return None
    program = _followed(host, modprobe)
    name = program.rsplit("/", 1)[-1]
    if name.startswith("busybox") or (name == "modprobe" and _contains(host, modprobe, b"BusyBox")):
        return Tool("BusyBox", modprobe, clean(program))
    for path in (modprobe, *_KMOD):
        try:
            data = host.read(path, _MAX_PROGRAM)
        except OSError:
            continue
        if found := _VERSION.search(data):
            features = _FEATURES.search(data)
            words = tuple(decode(features[0]).split()) if features else ()
            return Tool("kmod", modprobe, clean(program), clean(decode(found[1])), words)
    return Tool("", modprobe, clean(program))


def _is_there(host: Host, path: str) -> bool:
    return host.exists(path) or bool(_target(host, path))


def _followed(host: Host, path: str) -> str:
    """Return where a link leads to in the end, as far as it can be followed."""
    for _ in range(_MAX_LINKS):
        target = _target(host, path)
        if not target:
            break
        path = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
    return path


def _target(host: Host, path: str) -> str:
    try:
        return host.readlink(path)
    except OSError:
        return ""


def _contains(host: Host, path: str, words: bytes) -> bool:
    try:
        return words in host.read(path, _MAX_PROGRAM)
    except OSError:
        return False
