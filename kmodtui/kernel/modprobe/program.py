"""The program that loads modules: whether it applies the rules of modprobe.d as kmod does.

Sources: `modutils/modprobe.c` in BusyBox, which knows no `install` rules; `kmodloader.c` of
OpenWrt's ubox; `libmodprobe` in Android's system/core.
"""

from __future__ import annotations

import os.path

from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import loads_by_box
from kmodtui.model.modprobe_rules import CommandEffect, command_effect
from kmodtui.model.storage import Storage
from kmodtui.model.text import clean, decode


def other_program(host: Host, storage: Storage) -> str:
    """Return that a system does not load modules with kmod's modprobe, in a phrase; else nothing.

    Args:
        host: the system.
        storage: who provides its module files.
    """
    if storage is Storage.OPENWRT:
        return "OpenWrt's kmodloader does not apply the rules of modprobe.d"
    if storage is Storage.PARTITIONS:
        return "Android's modprobe does not apply rules as kmod's does"
    if box := loads_by_box(host):
        return f"modprobe is {box}, which has no install rules"
    try:
        program = decode(host.read("/proc/sys/kernel/modprobe")).strip()
    except OSError:
        return ""
    known = os.path.basename(program) == "modprobe"
    if known or not program or command_effect(program) is not CommandEffect.UNKNOWN:
        return ""
    return f"the kernel runs {clean(program)} to load modules (kernel.modprobe), not modprobe"
