"""How a system stores its kernel modules, and the advice that fits it.

depmod writes an index where a package manager installs modules one by one. Elsewhere they are
part of an image, of the host of a container, or of the kernel itself: there, `run depmod` and
`reboot` would only mislead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never


class Storage(Enum):
    """Who provides the module files of a system."""

    PACKAGES = auto()
    """Packages in /lib/modules, with depmod's index."""
    HOST = auto()
    """The host of a container."""
    GVISOR = auto()
    """Nobody: the kernel of a gVisor sandbox imitates Linux and has no modules."""
    WINDOWS = auto()
    """WSL: the kernel comes with Windows, with nearly everything built in."""
    NIXOS = auto()
    """A store; each generation of the system has its own directory with an index."""
    OPENWRT = auto()
    """Packages in one flat directory, without an index."""
    PARTITIONS = auto()
    """Android's read-only partitions, each with an index."""
    IMAGE = auto()
    """A read-only /usr that is replaced as a whole: ostree, MicroOS, SteamOS."""


_NO_MODULES = "This is gVisor, whose kernel imitates Linux and has no modules."
_OTHER_RUNTIME = (
    "Run what needs the module outside gVisor: use another container runtime, such as runc, and "
    "load the module on the host."
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about module files and their index on one system.

    Attributes:
        storage: who provides the files.
        release: the kernel release.
        folder: the directory of its modules; empty if there is none.
        private: whether only root may read that directory.
        captured: whether it is a captured tree, which may lack files that the system has.
    """

    storage: Storage = Storage.PACKAGES
    release: str = ""
    folder: str = ""
    private: bool = False
    captured: bool = False

    @property
    def rebuild(self) -> str:
        """How to bring the index up to date."""
        match self.storage:
            case Storage.PACKAGES | Storage.WINDOWS:
                return f"Run depmod {self.release} as root."
            case Storage.HOST:
                return f"Run depmod {self.release} as root on the host."
            case Storage.GVISOR:
                return _NO_MODULES
            case Storage.NIXOS:
                return "NixOS makes the index: run nixos-rebuild boot, then reboot."
            case Storage.OPENWRT:
                return "OpenWrt needs no index: its modprobe reads the files."
            case Storage.PARTITIONS:
                return "The index is part of the partition's image: build the image again."
            case Storage.IMAGE:
                return f"{self.folder or '/usr'} is read-only, so {self._change_the_image}."
        assert_never(self.storage)

    def restore(self, name: str) -> str:
        """How to get the missing file of a module."""
        match self.storage:
            case Storage.PACKAGES | Storage.WINDOWS:
                return (
                    f"Reinstall the package that contains {name}, or run depmod {self.release} "
                    "as root if it was removed on purpose."
                )
            case Storage.HOST:
                return f"The files belong to the host: install {name} there."
            case Storage.GVISOR:
                return _OTHER_RUNTIME
            case Storage.NIXOS:
                return (
                    f"Add the package that contains {name} to boot.extraModulePackages, run "
                    "nixos-rebuild boot, then reboot."
                )
            case Storage.OPENWRT:
                return f"Install the package kmod-{name.replace('_', '-')}."
            case Storage.PARTITIONS:
                return f"{name} has to be part of the partition's image."
            case Storage.IMAGE:
                return f"To get {name}, {self._change_the_image}."
        assert_never(self.storage)

    def restore_target(self, name: str, target: str) -> str:
        """How to get what the file of a module links to."""
        if not self.captured:
            return self.restore(name)
        return (
            f"If the system has {target}, copy it into this tree. Otherwise: {self.restore(name)}"
        )

    @property
    def reinstall(self) -> str:
        """How to get the files of all modules of the kernel."""
        match self.storage:
            case Storage.PACKAGES | Storage.OPENWRT | Storage.WINDOWS:
                return "Reinstall the kernel package."
            case Storage.HOST:
                return "The files belong to the host: mount its /lib/modules in the container."
            case Storage.GVISOR:
                return _NO_MODULES
            case Storage.NIXOS:
                return "Run nixos-rebuild boot, then reboot."
            case Storage.PARTITIONS:
                return "The files are part of the partition's image."
            case Storage.IMAGE:
                return "The files are part of the image: boot another deployment, or update it."
        assert_never(self.storage)

    @property
    def _change_the_image(self) -> str:
        return (
            "change the image: with rpm-ostree, transactional-update or bootc, or in the recipe "
            "of the image"
        )

    def no_files(self, others: tuple[str, ...], *, loaded: bool | None) -> tuple[str, str]:
        """Return that a release has no module files, as a sentence and what to do about it.

        Args:
            others: releases that have module files.
            loaded: whether this kernel has loaded modules, from wherever; None if unknown.
        """
        installed = f"Installed: {', '.join(others)}." if others else ""
        no_directory = f"Kernel {self.release} has no directory in /lib/modules."
        match self.storage:
            case Storage.HOST:
                return (
                    f"The module files of kernel {self.release} are not visible in this "
                    "container: they belong to the host.",
                    "Mount the host's /lib/modules read-only in the container to see them, and "
                    "load modules on the host.",
                )
            case Storage.GVISOR:
                return f"{_NO_MODULES} It cannot load any.", _OTHER_RUNTIME
            case Storage.WINDOWS:
                unused = f" {installed} They are for other kernels." if others else ""
                return (
                    f"Kernel {self.release} comes with Windows (WSL) and has no module files "
                    f"here: nearly everything is built in.{unused}",
                    "/sys/module lists what is built in and has parameters. "
                    "For more, update it with wsl --update, or build a kernel.",
                )
            case Storage.NIXOS:
                return (
                    f"Neither /run/booted-system nor /run/current-system has modules of kernel "
                    f"{self.release}.",
                    installed or "Check boot.kernelPackages in the configuration of NixOS.",
                )
            case Storage.PARTITIONS:
                return (
                    f"No partition has modules of kernel {self.release}.",
                    "They are looked for in lib/modules of /vendor_dlkm, /system_dlkm, "
                    "/odm_dlkm, /vendor, /odm and /system.",
                )
            case Storage.PACKAGES | Storage.OPENWRT | Storage.IMAGE:
                variants = [other for other in others if _are_variants(self.release, other)]
                if variants and loaded is not False:
                    return no_directory, (
                        f"Installed: {', '.join(variants)}, which are other variants of the same "
                        "version: install the modules of this one, or boot one of those."
                    )
                if others and loaded is not False:
                    return no_directory, f"{installed} If the kernel was upgraded, reboot."
                if others:
                    return (
                        f"{no_directory} It has loaded no module either: its drivers are "
                        "probably built in.",
                        f"{installed} They are for other kernels.",
                    )
                if loaded:
                    return (
                        f"No module files are installed for kernel {self.release}, although it "
                        "has loaded modules.",
                        "In a container, mount the host's /lib/modules read-only and load "
                        "modules on the host. Otherwise, install the package of this kernel.",
                    )
                if loaded is None:
                    return no_directory, "No kernel modules are installed here."
                return (
                    f"{no_directory} No kernel modules are installed here.",
                    "It has loaded none either: its drivers are probably built in, as in a "
                    "container or a micro-VM.",
                )
        assert_never(self.storage)


def _are_variants(release: str, other: str) -> bool:
    """Return whether two releases are builds of one version: `6.1.21-v7+` and `6.1.21-v8+`.

    `6.1.0-12-amd64` and `6.1.0-13-amd64` are not: the second one is an upgrade of the first.
    """
    version = re.match(r"\d+(?:\.\d+)*(?![.\d])", release)
    if version is None or not re.match(re.escape(version[0]) + r"(?![.\d])", other):
        return False
    tails = [each[len(version[0]) :] for each in (release, other)]
    packages = [re.match(r"-(\d+)", tail) for tail in tails]
    if any(packages) or any(re.search(r"-\d", tail) for tail in tails):
        numbers = {found[1] if found else "" for found in packages}
        names = {re.sub(r"\d+", "", tail) for tail in tails}
        return len(numbers) == 1 and len(names) == 2
    return True
