"""Captured trees that an audit is made of: a few modules, and what makes each tree special."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kmodtui.kernel.host import LocalHost

RUNNING, OTHER = "6.1.0-a", "6.12.0-b"
A, Z = "/etc/modprobe.d/a.conf", "/etc/modprobe.d/z.conf"
LINK = "-> "

INDEX = {
    "modules.dep": "kernel/fs/udf/udf.ko.xz: kernel/lib/crc-itu-t.ko.xz\n"
    "kernel/lib/crc-itu-t.ko.xz:\n"
    "kernel/fs/udf/udf2.ko.xz:\n"
    "kernel/drivers/usb/usb-storage.ko.xz:\n"
    "kernel/fs/uses_udf.ko.xz: kernel/fs/udf/udf.ko.xz kernel/lib/crc-itu-t.ko.xz\n",
    "modules.alias": "alias fs-udf udf\nalias usb:v*p*d*dc*ic08isc*ip*in* usb_storage\n",
    "modules.softdep": "# none\n",
    "modules.symbols": "# none\n",
    "modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/crypto/algif_aead.ko\n",
}
"""The files of a kernel release, of which udf is the module that is mostly audited."""


@dataclass(frozen=True)
class Captured:
    """One tree.

    Attributes:
        files: its special files by path; a text that begins with LINK is a symbolic link.
        kernels: the releases that have modules.
        index: files of each release instead of those of INDEX; None for one that is missing.
        loaded: lines of /proc/modules; None if there is no such file.
        running: the release that runs; empty for a tree that does not run.
        removed: files of INDEX that are not there.
    """

    files: dict[str, str] = field(default_factory=dict)
    kernels: tuple[str, ...] = (RUNNING,)
    index: dict[str, dict[str, str | None]] = field(default_factory=dict)
    loaded: tuple[str, ...] | None = ("udf2", "ext5")
    running: str = RUNNING
    removed: tuple[str, ...] = ()


def capture(tree: Captured, root: Path) -> LocalHost:
    """Write a tree, and return its host."""
    files = dict(tree.files)
    for release in tree.kernels:
        folder = f"/lib/modules/{release}"
        index = {**INDEX, **tree.index.get(release, {})}
        files |= {f"{folder}/{name}": text for name, text in index.items() if text is not None}
        for line in (index["modules.dep"] or "").splitlines():
            files.setdefault(f"{folder}/{line.partition(':')[0]}", "")
    if tree.running:
        files["/proc/sys/kernel/osrelease"] = f"{tree.running}\n"
        files.setdefault("/proc/cmdline", "quiet\n")
        if tree.loaded is not None:
            lines = (f"{name} 4096 0 - Live 0x0\n" for name in tree.loaded)
            files["/proc/modules"] = "".join(lines)
    for path, text in files.items():
        there = root / path.lstrip("/")
        if path.rpartition("/")[2] in tree.removed:
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith(LINK):
            there.symlink_to(text.removeprefix(LINK))
        elif text == "a pipe":
            os.mkfifo(there)
        else:
            there.write_bytes(text.encode())
    return LocalHost(root)
