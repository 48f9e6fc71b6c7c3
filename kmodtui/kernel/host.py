"""Host: the only access to the files of the observed system.

The local machine, a captured tree, a test fixture and the demo differ only in their Host.
Paths are absolute in the observed system (`/proc/modules`); the Host knows where its root
directory is on this machine.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from kmodtui.kernel.device_uevents import DeviceSource
    from kmodtui.kernel.kmsg import KernelLog
    from kmodtui.kernel.uevents import UeventSource


MAX_READ = 256 * 1024 * 1024
"""Bytes of the largest file that is read as a whole; /proc/kallsyms has 20 MB."""

_CHUNK = 64 * 1024
_NULL_DEVICE = os.makedev(1, 3)
_KERNEL_DIRECTORIES = ("/proc/", "/sys/")


class Host(Protocol):
    """Access to the files of a system.

    The methods that read raise OSError as the system calls do: FileNotFoundError for a file
    that does not exist or has just disappeared, PermissionError, and OSError(ENODEV) for the
    file of a module that is being unloaded. In a captured tree they also raise OSError(EINVAL)
    for a file that is not regular and OSError(EFBIG) for one that is too large to be read as
    a whole.
    """

    @property
    def badge(self) -> str:
        """What the header shows for this system: empty, DEMO, or a root directory."""
        ...

    @property
    def live(self) -> bool:
        """Whether this is a running kernel, whose state changes, and not a captured tree."""
        ...

    def locate(self, path: str) -> str:
        """Return the path on this machine, to watch the file; links in it are resolved."""
        ...

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the content of a file, at most `limit` bytes unless that is negative."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, without buffering."""
        ...

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory, sorted."""
        ...

    def readlink(self, path: str) -> str:
        """Return the target of a symbolic link, as it is stored."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether `path` exists; False also if that cannot be determined."""
        ...

    def stat(self, path: str) -> os.stat_result:
        """Return the status of a file; symbolic links are followed."""
        ...

    def uevents(self) -> UeventSource:
        """Return the source of this system's module uevents; it may be one without events."""
        ...

    def device_uevents(self) -> DeviceSource | None:
        """Return the source of this system's device uevents; None if there is none."""
        ...

    def kernel_log(self) -> KernelLog:
        """Open the kernel log with the privileges of this process; the caller closes it.

        Raises:
            FileNotFoundError: there is no log.
            PermissionError: only root may read it.
        """
        ...


class LocalHost:
    """The system below a directory of this machine: `/`, or a tree with /proc, /sys and /lib.

    Symbolic links are resolved inside that directory: nothing outside is ever read.
    """

    def __init__(self, root: str | Path = "/", *, badge: str | None = None) -> None:
        self._prefix = os.fspath(root).rstrip("/")
        self._is_this_machine = not self._prefix
        self._badge = badge

    @property
    def root(self) -> Path:
        """The directory."""
        from pathlib import Path

        return Path(self._prefix or "/")

    @property
    def badge(self) -> str:
        """Empty for this machine; the root directory of a captured tree."""
        if self._badge is not None:
            return self._badge
        return "" if self._is_this_machine else self._prefix

    @property
    def live(self) -> bool:
        """True for this machine, False for a captured tree."""
        return self._is_this_machine

    def locate(self, path: str) -> str:
        """Return the path on this machine; see `Host.locate`."""
        if self._is_this_machine:
            return path
        from kmodtui.kernel.in_root import real_path

        with suppress(OSError):  # links that lead in a circle
            path = real_path(path, self.readlink)
        return self._prefix + path

    def read(self, path: str, limit: int = -1) -> bytes:
        """Return the content of a file; see `Host.read`."""
        # The dashboard does this every second. `open` would make two more system calls, for
        # a size that files in /proc do not have.
        file = self._descriptor(path, whole=limit < 0)
        try:
            if limit >= 0:
                return os.read(file, limit)
            data = os.read(file, _CHUNK)
            while more := os.read(file, max(_CHUNK, len(data))):
                data += more
                if len(data) > MAX_READ:
                    raise _too_large(path)
            return data
        finally:
            os.close(file)

    def open(self, path: str) -> BinaryIO:
        """Open a file; see `Host.open`."""
        # Callers read a copied /proc file as a whole.
        whole = path.startswith(_KERNEL_DIRECTORIES)
        return open(
            path,
            "rb",
            buffering=0,
            opener=lambda _path, _flags: self._descriptor(path, whole=whole),
        )

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory; see `Host.listdir`."""
        if self._is_this_machine:
            return sorted(os.listdir(path))
        directory = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(directory))
        finally:
            os.close(directory)

    def readlink(self, path: str) -> str:
        """Return the target of a symbolic link; see `Host.readlink`."""
        if self._is_this_machine:
            return os.readlink(path)
        from kmodtui.kernel.in_root import open_in_root

        link = open_in_root(self._prefix, path, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.readlink("", dir_fd=link)
        except FileNotFoundError:  # which readlinkat(2) returns for what is not a link
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path) from None
        finally:
            os.close(link)

    def exists(self, path: str) -> bool:
        """Return whether `path` exists; see `Host.exists`."""
        try:
            self.stat(path)
        except (OSError, ValueError):
            return False
        return True

    def stat(self, path: str) -> os.stat_result:
        """Return the status of a file; see `Host.stat`."""
        if self._is_this_machine:
            return os.stat(path)
        file = self._open(path, os.O_PATH)
        try:
            return os.fstat(file)
        finally:
            os.close(file)

    def uevents(self) -> UeventSource:
        """Return the kernel's uevents for this machine; a captured tree has none."""
        # This imports asyncio, which takes longer than a whole verb of the command line.
        from kmodtui.kernel.uevents import NetlinkUevents, NoUevents

        return NetlinkUevents.open() if self._is_this_machine else NoUevents()

    def device_uevents(self) -> DeviceSource | None:
        """Return the kernel's uevents of devices for this machine; a captured tree has none."""
        from kmodtui.kernel.device_uevents import DeviceUevents

        return DeviceUevents.open() if self._is_this_machine else None

    def kernel_log(self) -> KernelLog:
        """Open the log of this machine; a captured tree never has one."""
        from kmodtui.kernel.kmsg import PATH, Kmsg

        if not self._is_this_machine:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), PATH)
        return Kmsg.open()

    def _open(self, path: str, flags: int) -> int:
        if self._is_this_machine:
            return os.open(path, flags | os.O_CLOEXEC)
        from kmodtui.kernel.in_root import open_in_root

        try:
            return open_in_root(self._prefix, path, flags)
        except FileNotFoundError:
            if self._is_disabled(path):
                return os.open(os.devnull, flags | os.O_CLOEXEC)
            raise

    def _is_disabled(self, path: str) -> bool:
        """Return whether a path is a link to /dev/null, as for a file in modprobe.d.

        A captured tree has such links, but rarely a /dev.
        """
        with suppress(OSError):
            self.readlink(path)
            return self.locate(path) == self._prefix + os.devnull
        return False

    def _descriptor(self, path: str, *, whole: bool) -> int:
        # Without O_NONBLOCK, opening a named pipe would block.
        file = self._open(path, os.O_RDONLY | os.O_NONBLOCK)
        # The kernel's own files are trusted, and do not report their sizes.
        if not (self._is_this_machine and path.startswith(_KERNEL_DIRECTORIES)):
            try:
                _check_type_and_size(path, os.fstat(file), whole=whole)
            except OSError:
                os.close(file)
                raise
        return file


def _check_type_and_size(path: str, status: os.stat_result, *, whole: bool) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # A link to /dev/null is the usual way to disable a file in modprobe.d.
    if not stat.S_ISREG(mode) and not (stat.S_ISCHR(mode) and status.st_rdev == _NULL_DEVICE):
        raise OSError(errno.EINVAL, "Not a regular file", path)
    if whole and status.st_size > MAX_READ:
        raise _too_large(path)


def _too_large(path: str) -> OSError:
    return OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
