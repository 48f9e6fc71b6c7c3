"""A captured system with two kernel releases, which differ in every way that matters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.elf import make_module
from tests.support.layouts import Link, captured

RUNNING, NEXT = "6.1.0-9-amd64", "6.1.0-10-amd64"
RULES = "/etc/modprobe.d/a.conf"
DKMS = "/var/lib/dkms/drv/1.2"

_DISK = "virtio:d00000002v*"
_CARD = "pci:v00001AF4d00001041sv*sd*bc*sc*i*"


def module(name: str, release: str, **parameters: str) -> bytes:
    strings = [f"name={name}", "license=GPL", f"vermagic={release} SMP "]
    for parameter, kind in parameters.items():
        strings += [f"parmtype={parameter}:{kind}", f"parm={parameter}:Something"]
    return make_module([text.encode() for text in strings])


def release(name: str, paths: Mapping[str, bytes], aliases: str, builtin: str) -> dict[str, bytes]:
    """Return the files of a release by path: modules, and depmod's index."""
    folder = f"/lib/modules/{name}"
    files = {f"{folder}/{path}": data for path, data in paths.items()}
    index = {
        "dep": "".join(f"{path}:\n" for path in paths),
        "alias": aliases,
        "builtin": builtin,
        "symbols": "",
        "softdep": "",
    }
    return files | {f"{folder}/modules.{kind}": text.encode() for kind, text in index.items()}


def upgraded(folder: Path, **changed: str | None) -> str:
    """Write the tree and return its directory.

    Args:
        folder: where.
        changed: `rules`, other lines of modprobe.d; `aliases`, other ones of the next release.
    """
    now = {
        "kernel/same.ko": module("same", RUNNING),
        "kernel/gone.ko": module("gone", RUNNING),
        "kernel/oldcard.ko": module("oldcard", RUNNING),
        "kernel/inside.ko": module("inside", RUNNING, x="int"),
        "kernel/para.ko": module("para", RUNNING, a="int", b="int", c="int"),
        "kernel/disk.ko": module("disk", RUNNING),
        "updates/dkms/drv.ko": module("drv", RUNNING),
    }
    then = {
        "kernel/same.ko": module("same", NEXT),
        "kernel/newcard.ko": module("newcard", NEXT),
        "kernel/para.ko": module("para", NEXT, a="bool", c="int"),
        "kernel/disk.ko": module("disk", NEXT),
    }
    aliases = changed.get("aliases") or f"alias {_CARD} newcard\nalias {_DISK} disk\n"
    rules = changed.get("rules") or (
        "options para a=5 b=2 c=3\noptions inside x=1\nblacklist oldcard\nblacklist inside\n"
    )
    device = "/sys/devices/pci0/virtio0"
    files: dict[str, bytes | str | Link] = {
        **release(RUNNING, now, f"alias {_CARD} oldcard\nalias {_DISK} disk\n", ""),
        **release(NEXT, then, aliases, "kernel/inside.ko\n"),
        f"{DKMS}/source/": "",
        f"{DKMS}/{RUNNING}/x86_64/module/drv.ko": b"",
        f"/var/lib/dkms/drv/kernel-{RUNNING}-x86_64": Link(f"1.2/{RUNNING}/x86_64"),
        RULES: rules,
        "/proc/self/mountinfo": "22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n",
        f"{device}/modalias": "virtio:d00000002v00001AF4\n",
        f"{device}/block/vda/vda1/partition": "1\n",
        "/sys/dev/block/254:1": Link("../../devices/pci0/virtio0/block/vda/vda1"),
    }
    names = ("same", "gone", "oldcard", "inside", "para", "disk", "drv")
    return captured(folder, RUNNING, files, [f"{name} 16384 0 -" for name in names])
