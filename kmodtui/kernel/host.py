"""Host: the only way to a file of the observed system.

The real machine, a captured tree, a fixture of a test and the demo differ by a
Host and by nothing else. Paths are absolute as the observed system sees them
(`/proc/modules`); the Host knows below which folder that system lies.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from kmodtui.kernel.kmsg import KernelLog
    from kmodtui.kernel.uevents import UeventSource


MAX_READ = 256 * 1024 * 1024
"""Bytes of the largest file that is read whole; /proc/kallsyms has 20 MB."""

_PIECE = 64 * 1024
_NULL_DEVICE = os.makedev(1, 3)
_KERNELS_FOLDERS = ("/proc/", "/sys/")


class Host(Protocol):
    """Read, list and follow links below one system's root.

    Every reading method raises OSError as the system does: FileNotFoundError
    for what is not there (or just vanished), PermissionError for what may not
    be read, OSError(ENODEV) for a module's file while the module goes. A tree
    that was captured can hold anything: OSError(EINVAL) for what is no regular
    file, OSError(EFBIG) for one that is too large to be read whole.
    """

    @property
    def badge(self) -> str:
        """A word for the header that says what is looked at: "", DEMO, or a root folder."""
        ...

    @property
    def live(self) -> bool:
        """Whether this is a kernel that changes, not a tree that was captured once."""
        ...

    def locate(self, path: str) -> str:
        """Return where the file lies on this machine, for whoever watches or names it."""
        ...

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file, at most `limit` of them if that is not negative."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Return the file opened for reading, unbuffered, for whoever reads in pieces."""
        ...

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        ...

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points, as it stands in the link."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether there is something at `path`; False also where it may not be seen."""
        ...

    def stat(self, path: str) -> os.stat_result:
        """Return the status of what is at `path`, links followed."""
        ...

    def uevents(self) -> UeventSource:
        """Return a source of module uevents of this system; one that stays silent if none."""
        ...

    def kernel_log(self) -> KernelLog:
        """Return the kernel's log as this process may read it, to be closed again.

        FileNotFoundError where there is none, PermissionError where it is root's.
        """
        ...


class LocalHost:
    """The system below a folder of this machine: `/`, or a tree with /proc, /sys and /lib."""

    def __init__(self, root: str | Path = "/", *, badge: str | None = None) -> None:
        self.root = Path(root)
        self._is_this_machine = self.root == Path("/")
        self._prefix = "" if self._is_this_machine else str(self.root).rstrip("/")
        self._badge = badge

    @property
    def badge(self) -> str:
        """Empty for this machine; the folder's name for a captured tree."""
        if self._badge is not None:
            return self._badge
        return "" if self._is_this_machine else self._prefix

    @property
    def live(self) -> bool:
        """Only the machine itself changes by itself."""
        return self._is_this_machine

    def locate(self, path: str) -> str:
        """Return the path on this machine of a path of the observed system."""
        return self._prefix + path

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the bytes of a file; see `Host.read`."""
        # Once a second for as long as a dashboard is open: `open` asks the system twice
        # for what a file of /proc never says.
        file = self._descriptor(path, whole=limit < 0)
        try:
            if limit >= 0:
                return os.read(file, limit)
            data = os.read(file, _PIECE)
            while more := os.read(file, max(_PIECE, len(data))):
                data += more
                if len(data) > MAX_READ:
                    raise _too_large(path)
            return data
        finally:
            os.close(file)

    def open(self, path: str) -> BinaryIO:
        """Return the file opened unbuffered; see `Host.open`."""
        # What is copied of /proc is read whole by whoever opens it.
        whole = path.startswith(_KERNELS_FOLDERS)
        return open(
            self.locate(path),
            "rb",
            buffering=0,
            opener=lambda _path, _flags: self._descriptor(path, whole=whole),
        )

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        return sorted(os.listdir(self.locate(path)))

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points."""
        return os.readlink(self.locate(path))

    def exists(self, path: str) -> bool:
        """Return whether there is something at `path`."""
        return os.path.exists(self.locate(path))

    def stat(self, path: str) -> os.stat_result:
        """Return the status of what is at `path`; see `Host.stat`."""
        return os.stat(self.locate(path))

    def uevents(self) -> UeventSource:
        """Return the kernel's own uevents for this machine, none for a captured tree."""
        # Listening needs asyncio, which takes longer to import than a verb does to answer.
        from kmodtui.kernel.uevents import NetlinkUevents, NoUevents

        return NetlinkUevents.open() if self._is_this_machine else NoUevents()

    def kernel_log(self) -> KernelLog:
        """Return the log of this machine; a captured tree has none, whatever is in it."""
        from kmodtui.kernel.kmsg import PATH, Kmsg

        if not self._is_this_machine:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.locate(PATH))
        return Kmsg.open()

    def _descriptor(self, path: str, *, whole: bool) -> int:
        # A named pipe would wait for its other end.
        file = os.open(self.locate(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # The kernel itself puts nothing else there, and knows no sizes.
        if not (self._is_this_machine and path.startswith(_KERNELS_FOLDERS)):
            try:
                _check_fit(path, os.fstat(file), whole=whole)
            except OSError:
                os.close(file)
                raise
        return file


def _check_fit(path: str, status: os.stat_result, *, whole: bool) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # A link to /dev/null is how a file of modprobe.d is switched off.
    if not stat.S_ISREG(mode) and not (stat.S_ISCHR(mode) and status.st_rdev == _NULL_DEVICE):
        raise OSError(errno.EINVAL, "No regular file", path)
    if whole and status.st_size > MAX_READ:
        raise _too_large(path)


def _too_large(path: str) -> OSError:
    return OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
