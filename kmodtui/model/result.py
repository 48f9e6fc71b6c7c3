"""What the privileged helper answered to a request, and why it ended so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kmodtui.model.log.record import LogRecord


class ResultCode(StrEnum):
    """Why a request ended as it did; `model.explain` puts it into sentences."""

    DONE = "done"
    INVALID = "invalid"  # the request itself was refused, nothing was run
    UNKNOWN_MODULE = "unknown-module"  # not in the running kernel's index, nothing was run
    BUILT_IN = "built-in"  # in the kernel's image, nothing was run
    ALREADY_LOADED = "already-loaded"  # before the request, nothing was run
    NOT_LOADED = "not-loaded"  # before the request to unload it, nothing was run
    NO_MODULES = "no-modules"  # no /proc/modules, or no index of the running kernel
    BUSY = "busy"  # too many requests wait, or an earlier one still runs in the background
    FAILED = "failed"  # it ran, and the kernel or modprobe refused
    NOT_DONE = "not-done"  # exit status 0, and yet the kernel does not show it
    TIMEOUT = "timeout"  # still running when the time was up; it goes on in the background
    NO_MODPROBE = "no-modprobe"  # no usable modprobe where it should be (BusyBox's is not usable)
    STOPPED = "stopped"  # by a request to stop
    CHANGED_FILE = "changed-file"  # not the SHA-256 that was confirmed, nothing was run
    COMPRESSED = "compressed"  # this kernel cannot decompress the file itself, nothing was run


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that was inserted, or a directory above it, as the helper found it.

    Attributes:
        path: absolute.
        uid: of its owner.
        mode: permission bits; 0o022 of them let others write.
    """

    path: str
    uid: int
    mode: int


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended.

    Attributes:
        ok: whether the system shows afterwards what was asked for.
        code: why it ended.
        message: the helper's reason, in a sentence; not safe to show as it is.
        errno: of the system call that failed; None if none failed, or if it is unknown.
        subject: the module at which it stopped, or the last one; empty if there is none.
        command: the command line that ran last; empty if no program ran.
        exit: its exit status; None if no program ran.
        output: what it printed.
        before: what the system showed before, by module, parameter or blacklisted name.
        after: the same afterwards.
        took: seconds.
        file: of an inserted file, itself and each directory above it.
        log: records of the kernel log that came meanwhile; none if the log was followed.
        data: a file that was read.
    """

    ok: bool
    code: ResultCode
    message: str = ""
    errno: int | None = None
    subject: str = ""
    command: tuple[str, ...] = ()
    exit: int | None = None
    output: str = ""
    before: Mapping[str, str | None] = field(default_factory=dict)
    after: Mapping[str, str | None] = field(default_factory=dict)
    took: float = 0.0
    file: tuple[FilePart, ...] = ()
    log: tuple[LogRecord, ...] = ()
    data: bytes = b""
