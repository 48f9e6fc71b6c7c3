"""What the cross-check found, and what else than a hidden module can cause it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DECEIVED = (
    "Everything here is what the running kernel says. A kernel that was taken over can answer "
    "every question consistently: finding nothing proves nothing. To be certain, examine the "
    "disk from another system, or memory from outside the machine."
)
"""What the result cannot prove."""


class Kind(StrEnum):
    """What a difference is about."""

    HIDDEN = "hidden"
    NOT_IN_SYSFS = "not-in-sysfs"
    NO_SYMBOLS = "no-symbols"
    HOLDERS = "holders"
    REFCOUNT = "refcount"
    MEMORY = "memory"
    FUNCTIONS = "functions"
    TAINT = "taint"
    LOG = "log"
    FILE = "file"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Sign:
    """One place that shows a difference.

    Attributes:
        source: the file, or another place.
        says: what it says, in a few words.
    """

    source: str
    says: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference within one reading.

    Attributes:
        kind: what it is about.
        subject: the module, taint flag or address.
        words: what differs, in a sentence.
        signs: the places that show it.
        identity: what stays the same as long as nothing is loaded again; empty if that is
            unknown.
    """

    kind: Kind
    subject: str
    words: str
    signs: tuple[Sign, ...]
    identity: str = ""

    @property
    def causes(self) -> tuple[str, ...]:
        """What can cause it without any harm, in sentences."""
        return CAUSES[self.kind]


CAUSES: dict[Kind, tuple[str, ...]] = {
    Kind.HIDDEN: (
        "A module whose load or unload hangs can be in some places and not in others: see the "
        "kernel log.",
        "A container or a security module may hide lines of /proc/modules.",
        "Rootkits take themselves out of the list of modules and forget other places.",
    ),
    Kind.NOT_IN_SYSFS: (
        "A container may show another /sys.",
        "An unload that failed half-way removes the directory first.",
    ),
    Kind.NO_SYMBOLS: (
        "A module without functions or data of its own has no symbols.",
        "A security module or a container may filter /proc/kallsyms.",
    ),
    Kind.HOLDERS: (
        "The kernel ignores an error when it creates a link in holders.",
        "A module that was taken out of the list is still among the users of what it imports.",
    ),
    Kind.REFCOUNT: (
        "A count that changes all the time can differ in each reading by chance.",
        "A driver that counts its references wrongly, which the kernel does not notice.",
    ),
    Kind.MEMORY: (
        "Memory of a module that is unloaded is freed a little later.",
        "Tracing, kprobes and BPF allocate memory in the same range; those are left out where "
        "the kernel says who allocated it.",
    ),
    Kind.FUNCTIONS: (
        "Functions of an init section that has been freed may have no name any more.",
        "Functions that are not exported to /proc/kallsyms have no name.",
    ),
    Kind.TAINT: (
        "The module was unloaded since: a taint stays until reboot.",
        "A module whose load was refused can have set the flag.",
        "The flag F is also set by insmod -f, the flags O and E by a module that has ended.",
    ),
    Kind.LOG: (
        "The module was unloaded since, and its file was removed.",
        "It was inserted from a file elsewhere, such as a build directory.",
        "The log can be written to by root: /dev/kmsg.",
    ),
    Kind.FILE: (
        "The package was updated, or DKMS has built it again, since the module was loaded.",
        "The module was loaded from the initramfs, which has an older file.",
        "It was inserted from another file.",
    ),
    Kind.PACKAGE: (
        "DKMS, a signing tool or an administrator has replaced or signed the file.",
        "The disk or the memory is damaged.",
    ),
}
"""What can cause each kind of difference; what an attacker would do comes last."""
