"""Opener of files that may be compressed: plain, gzip, xz or Zstandard.

The first bytes decide and the name does not, as in kmod: a `.ko.xz` that was
unpacked in place is read all the same. Distributions ship .ko, .ko.xz and
.ko.zst; gzip is left from older ones.
"""

from __future__ import annotations

import errno
import io
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from kmodtui.errors import ModuleFileError, TooLargeFileError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, human_size

MAX_SIZE = 512 * 1024 * 1024
"""Bytes that a file may unpack to; the largest modules with debug information have 400 MB."""

REINSTALL = "Install the package that it belongs to again."

_BELIEVABLE_RATIO = 100
"""Times its packed size that a file may unpack to: modules have 3 to 10."""

_BELIEVABLE_SIZE = 32 * 1024 * 1024
"""Bytes that any file may unpack to, however small it is packed."""

_MAX_MEMORY = 256 * 1024 * 1024
_GZIP = b"\x1f\x8b\x08"
_XZ = b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def open_unpacked(host: Host, path: str, limit: int = MAX_SIZE) -> BinaryIO:
    """Return the file at `path`, unpacked if it was packed, at its first byte, for seeking.

    Args:
        host: the system to read.
        path: a file of that system.
        limit: bytes that it may unpack to.

    Raises:
        UnreadableError: it is not there, may not be read, or unpacking needs what is missing:
            memory, or a Python that knows the format.
        ModuleFileError: it is no regular file, is empty or damaged.
        TooLargeFileError: it unpacks to more than `limit`.
    """
    try:
        # Opening a pipe would wait for its other end, so look before opening.
        status = host.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ModuleFileError(f"{clean(path)} is no regular file.")
        file = host.open(path)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        start = file.read(len(_XZ))
        if not start:
            raise ModuleFileError(f"{clean(path)} is empty.", REINSTALL)
        if not start.startswith((_GZIP, _XZ, _ZSTD)):
            file.seek(0)
            return file
        with file:
            return io.BytesIO(_unpacked(path, start, file, status.st_size, limit))
    except MemoryError:
        file.close()
        raise UnreadableError(
            f"{clean(path)} cannot be unpacked: there is not enough memory for it."
        ) from None
    except OSError as error:
        file.close()
        raise unreadable(path, error) from None
    except BaseException:
        file.close()
        raise


def packing_of(host: Host, path: str) -> str:
    """Return how a file is packed: `gzip`, `xz`, `zstd`, or empty if it is not.

    Raises:
        UnreadableError: it is not there, or may not be read.
    """
    try:
        start = host.read(path, len(_XZ))
    except OSError as error:
        raise unreadable(path, error) from None
    kinds = {_GZIP: "gzip", _XZ: "xz", _ZSTD: "zstd"}
    return next((kind for magic, kind in kinds.items() if start.startswith(magic)), "")


def unreadable(path: str, error: OSError) -> UnreadableError:
    """Return the error that says why the file at `path` cannot be read."""
    shown = clean(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UnreadableError(f"There is no file {shown}.")
    if isinstance(error, PermissionError):
        return UnreadableError(f"{shown} may not be read by this user.")
    why = clean(error.strerror or str(error))
    again = REINSTALL if error.errno in (errno.EIO, errno.EBADMSG) else ""
    return UnreadableError(f"{shown} cannot be read: {why}.", again)


def _unpacked(path: str, start: bytes, file: BinaryIO, size_packed: int, limit: int) -> bytes:
    # Unpacking takes twice the memory of what comes out, so a bomb ends early.
    limit = min(limit, max(_BELIEVABLE_SIZE, size_packed * _BELIEVABLE_RATIO))
    # An unbuffered file takes memory for all that is asked for, however short it is.
    # Nothing that unpacks to `limit` bytes is much longer than that when packed.
    packed = start + (file.read(min(limit, size_packed) + 1) or b"")
    pieces: list[bytes] = []
    size = 0
    # Tools that work in parallel write several streams, one after another.
    while packed.startswith((_GZIP, _XZ, _ZSTD)):
        decompressor, damage = _decompressor(packed)
        try:
            piece = decompressor.decompress(packed, limit + 1 - size)
        except (damage, EOFError, ValueError) as error:
            raise ModuleFileError(
                f"{clean(path)} is damaged: it cannot be unpacked ({clean(str(error))}).",
                REINSTALL,
            ) from None
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise TooLargeFileError(
                f"{clean(path)} has {human_size(size_packed)} and unpacks to more than "
                f"{human_size(limit)}, which no module does.",
                "Do not load it: files like this are made to fill the memory.",
            )
        if not decompressor.eof:
            raise ModuleFileError(f"{clean(path)} is cut off: its end is missing.", REINSTALL)
        packed = decompressor.unused_data
    if not size:
        raise ModuleFileError(f"{clean(path)} is empty when unpacked.", REINSTALL)
    return b"".join(pieces)


def unpacked_pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield what the rest of a file unpacks to, in pieces of at most `size` bytes.

    Nothing is kept, so that a kernel's image can be searched. It ends where the packed
    data end, or where the file does.

    Raises:
        UnreadableError: this Python does not know the format.
        ValueError: the data are not packed in a way that is known here, or are damaged.
    """
    packed = file.read(size)
    if not packed.startswith((_GZIP, _XZ, _ZSTD)):
        raise ValueError("not packed, or in another way")
    decompressor, damage = _decompressor(packed)
    while not decompressor.eof:
        try:
            piece = decompressor.decompress(packed, size)
        except (damage, EOFError) as error:
            raise ValueError(str(error)) from None
        yield piece
        # zlib gives back what it had no room for; the others keep it themselves.
        packed = getattr(decompressor, "unconsumed_tail", b"")
        wants = getattr(decompressor, "needs_input", not packed)
        if wants and not (packed := file.read(size)):
            return


def _decompressor(start: bytes) -> tuple[_Decompressor, type[Exception]]:
    """Return what unpacks a file that begins with `start`, and what it raises at damage."""
    if start.startswith(_GZIP):
        import zlib

        return zlib.decompressobj(31), zlib.error
    if start.startswith(_XZ):
        import lzma

        # A header can ask for a dictionary of 4 GiB.
        unxz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY)
        return unxz, lzma.LZMAError
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise UnreadableError(
            "This Python cannot unpack Zstandard (.zst) files.",
            "Install the package backports.zstd beside kmodtui.",
        ) from None
    window: dict[int, int] = {
        zstd.DecompressionParameter.window_log_max: _MAX_MEMORY.bit_length() - 1
    }
    return zstd.ZstdDecompressor(options=window), zstd.ZstdError
