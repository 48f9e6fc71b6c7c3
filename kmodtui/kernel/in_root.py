"""Opens files below a directory as a process would whose root directory it is.

A captured tree has absolute symbolic links, and links with too many `..`. The kernel resolves
them inside the directory with RESOLVE_IN_ROOT (`man 2 openat2`, Linux 5.6). Where that is not
available, each part of the path is opened by itself, with the same result: no link is ever
followed by the kernel, so nothing outside can be reached, even while the tree changes.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

MAX_LINKS = 40
"""Symbolic links that the kernel follows in one path (`MAXSYMLINKS` of include/linux/namei.h)."""

_SYS_OPENAT2 = 437  # on every architecture but alpha
_RESOLVE_IN_ROOT = 0x10
_UNAVAILABLE = frozenset({errno.ENOSYS, errno.EPERM, errno.EAGAIN, errno.EXDEV})
"""Errors after which each part is opened by itself: an older kernel, a filter of system calls
that answers with EPERM, a directory that was renamed during the call, a link of /proc."""


def open_in_root(root: str, path: str, flags: int) -> int:
    """Return a descriptor of `path`, with `root` as the root directory of every link.

    Args:
        root: a directory of this machine.
        path: below it; `..` does not leave it.
        flags: of open(2), without O_CREAT. O_CLOEXEC is added.

    Raises:
        OSError: as open(2).
    """
    if "\0" in path:
        raise ValueError("embedded null byte")  # as os.open
    flags |= os.O_CLOEXEC
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            return _openat2(directory, path, flags)
        except OSError as error:
            if error.errno not in _UNAVAILABLE:
                raise
        return walk(directory, path, flags)
    finally:
        os.close(directory)


def _openat2(directory: int, path: str, flags: int) -> int:
    import ctypes  # it takes longer than to read /proc/modules

    how = struct.pack("=QQQ", flags, 0, _RESOLVE_IN_ROOT)  # struct open_how
    descriptor: int = _syscall()(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_long(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return descriptor


@cache
def _syscall() -> Any:
    """Return syscall(2). To look it up takes longer than to open a file."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True).syscall


def walk(directory: int, path: str, flags: int) -> int:
    """Return what openat2 with RESOLVE_IN_ROOT returns, with openat and readlinkat alone."""
    left = _parts(path)
    opened = [os.dup(directory)]  # the directories from the root to the current one
    links = 0
    try:
        while left:
            part = left.pop()
            if part == "..":
                _leave(opened, keep=max(1, len(opened) - 1))
            if part in (".", ".."):
                continue
            found = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened[-1])
            opened.append(found)
            mode = os.fstat(found).st_mode
            if stat.S_ISLNK(mode) and (left or not flags & os.O_NOFOLLOW):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink("", dir_fd=found)
                _leave(opened, keep=1 if target.startswith("/") else len(opened) - 1)
                left += _parts(target)
            elif not left:
                # If a link has taken its place since, O_NOFOLLOW refuses it.
                return os.open(part, flags | os.O_NOFOLLOW, dir_fd=opened[-2])
            elif not stat.S_ISDIR(mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return os.open(".", flags, dir_fd=opened[-1])
    finally:
        _leave(opened, keep=0)


def _parts(path: str) -> list[str]:
    """Return the parts of a path, last one first; a slash at the end requires a directory."""
    parts = [part for part in path.split("/") if part]
    return [".", *reversed(parts)] if path.endswith("/") else parts[::-1]


def _leave(opened: list[int], *, keep: int) -> None:
    """Close all directories but the first ones."""
    for descriptor in opened[keep:]:
        os.close(descriptor)
    del opened[keep:]


def real_path(path: str, readlink: Callable[[str], str]) -> str:
    """Return an absolute path with its symbolic links resolved; missing parts are kept.

    Args:
        path: absolute.
        readlink: returns a link's target, and raises OSError if a path is not a link.

    Raises:
        OSError: ELOOP, there are too many links.
    """
    left = path.split("/")[::-1]
    parts: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            del parts[-1:]
        if part in ("", ".", ".."):
            continue
        try:
            target = readlink("/".join(("", *parts, part)))
        except OSError:
            parts.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            parts.clear()
        left += target.split("/")[::-1]
    return "/" + "/".join(parts)
