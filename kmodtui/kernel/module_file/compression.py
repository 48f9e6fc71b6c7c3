"""Opens files that may be compressed with gzip, xz or Zstandard.

As in kmod, the first bytes decide and not the name, so a `.ko.xz` that was decompressed in
place is read as well. Distributions ship .ko, .ko.xz and .ko.zst; older ones used gzip.
"""

from __future__ import annotations

import errno
import io
import stat
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from kmodtui.errors import ModuleFileError, TooLargeFileError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.zstandard import zstandard
from kmodtui.model.text import clean, human_size

MAX_SIZE = 512 * 1024 * 1024
"""Most bytes of a decompressed file; the largest modules with debug information have 400 MB."""

REINSTALL = "Reinstall the package that it belongs to."

_PLAUSIBLE_RATIO = 100
"""Most times its compressed size that a file may decompress to: modules have 3 to 10."""

_PLAUSIBLE_SIZE = 32 * 1024 * 1024
"""Bytes that any file may decompress to, however small it is."""

_MAX_MEMORY = 256 * 1024 * 1024
_GZIP = b"\x1f\x8b\x08"
_XZ = b"\xfd7zXZ\x00"
_XZ_DELTA = 3
_ZSTD = b"\x28\xb5\x2f\xfd"


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def open_unpacked(host: Host, path: str, limit: int = MAX_SIZE) -> BinaryIO:
    """Open the file at `path`, decompressed if it is compressed; the result is seekable.

    Args:
        host: the observed system.
        path: a file of that system.
        limit: most bytes that it may decompress to.

    Raises:
        UnreadableError: it does not exist, is not readable, or cannot be decompressed for
            lack of memory or because this Python does not support the format.
        ModuleFileError: it is not a regular file, or is empty or damaged.
        TooLargeFileError: it decompresses to more than `limit`.
    """
    try:
        # Opening a named pipe would block, so check first.
        status = host.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ModuleFileError(f"{clean(path)} is not a regular file.")
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
        raise UnreadableError(f"There is not enough memory to decompress {clean(path)}.") from None
    except OSError as error:
        file.close()
        raise unreadable(path, error) from None
    except BaseException:
        file.close()
        raise


def packing_of(host: Host, path: str) -> str:
    """Return how a file is compressed: `gzip`, `xz`, `zstd`, or empty if it is not.

    Raises:
        UnreadableError: it does not exist or is not readable.
    """
    try:
        start = host.read(path, len(_XZ))
    except OSError as error:
        raise unreadable(path, error) from None
    kinds = {_GZIP: "gzip", _XZ: "xz", _ZSTD: "zstd"}
    return next((kind for magic, kind in kinds.items() if start.startswith(magic)), "")


def unpacked_by_kernel(host: Host) -> str | None:
    """Return the compression that the running kernel decompresses itself; empty for none.

    None if that is unknown.
    """
    try:
        return host.read("/sys/module/compression", 64).decode(errors="replace").strip()
    except OSError:
        # The file appears only in a kernel that decompresses modules itself.
        return "" if host.exists("/sys/module") else None


def xz_check_of(host: Host, path: str) -> str:
    """Return the checksum that an xz file uses: `CRC32`, `CRC64`, `SHA-256`, `none`, or its number.

    It is in the stream header (section 2.1.1.2 of the file format).
    """
    number = host.read(path, 8)[7] & 15
    return {0: "none", 1: "CRC32", 4: "CRC64", 10: "SHA-256"}.get(number, f"check {number}")


def unknown_xz_filter(host: Host, path: str) -> str:
    """Return a filter of an xz file that no kernel decompresses; empty if there is none.

    The filters are in the header of the first block (section 3.1 of the file format). Kernels
    know LZMA2 and those for machine code (`lib/xz/xz_dec_stream.c`).
    """
    header = host.read(path, 12 + 1024)[12:]
    size = (header[0] + 1) * 4 if header else 0
    block = header[:size]
    if len(block) < 6 or size == 4:
        return ""
    flags, position = block[1], 2
    for _ in range((flags >> 6 & 1) + (flags >> 7 & 1)):  # sizes of variable length
        while position < len(block) and block[position] & 0x80:
            position += 1
        position += 1
    for _ in range((flags & 3) + 1):
        if position + 1 >= len(block):
            break
        if block[position] == _XZ_DELTA:
            return "delta"
        position += 2 + block[position + 1]
    return ""


def unreadable(path: str, error: OSError) -> UnreadableError:
    """Return the error for a file that cannot be read, with the reason."""
    shown = clean(path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UnreadableError(f"There is no file {shown}.")
    if isinstance(error, PermissionError):
        return UnreadableError(f"{shown} is not readable by this user.")
    why = clean(error.strerror or str(error))
    again = REINSTALL if error.errno in (errno.EIO, errno.EBADMSG) else ""
    return UnreadableError(f"{shown} cannot be read: {why}.", again)


def _unpacked(path: str, start: bytes, file: BinaryIO, size_packed: int, limit: int) -> bytes:
    # Decompressing takes twice the memory of its output, so stop at an implausible size early.
    limit = min(limit, max(_PLAUSIBLE_SIZE, size_packed * _PLAUSIBLE_RATIO))
    # Reading from an unbuffered file allocates all that is requested, even for a short file.
    # No file that decompresses to `limit` bytes is much larger than that itself.
    packed = start + (file.read(min(limit, size_packed) + 1) or b"")
    pieces: list[bytes] = []
    size = 0
    # Parallel compressors write several streams, one after another.
    while packed.startswith((_GZIP, _XZ, _ZSTD)):
        decompressor, damage = _decompressor(packed)
        try:
            piece = decompressor.decompress(packed, limit + 1 - size)
        except (damage, EOFError, ValueError) as error:
            raise ModuleFileError(
                f"{clean(path)} is damaged: it cannot be decompressed ({clean(str(error))}).",
                REINSTALL,
            ) from None
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise TooLargeFileError(
                f"{clean(path)} is {human_size(size_packed)} and decompresses to more than "
                f"{human_size(limit)}, unlike any kernel module.",
                "Do not load it: files like this are made to exhaust memory.",
            )
        if not decompressor.eof:
            raise ModuleFileError(f"{clean(path)} is truncated: its end is missing.", REINSTALL)
        packed = decompressor.unused_data
    if not size:
        raise ModuleFileError(f"{clean(path)} is empty when decompressed.", REINSTALL)
    return b"".join(pieces)


def unpacked_pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Decompress the rest of a file and yield it in pieces of at most `size` bytes.

    Nothing is kept in memory, so that a kernel image can be searched. Stops at the end of the
    compressed data or of the file.

    Raises:
        UnreadableError: this Python does not support the format.
        ValueError: the data are damaged, or not compressed in a supported format.
    """
    packed = file.read(size)
    if not packed.startswith((_GZIP, _XZ, _ZSTD)):
        raise ValueError("not compressed in a supported format")
    decompressor, damage = _decompressor(packed)
    while not decompressor.eof:
        try:
            piece = decompressor.decompress(packed, size)
        except (damage, EOFError) as error:
            raise ValueError(str(error)) from None
        yield piece
        # zlib returns the input that it has not used yet; the others keep it.
        packed = getattr(decompressor, "unconsumed_tail", b"")
        needs_input = getattr(decompressor, "needs_input", not packed)
        if needs_input and not (packed := file.read(size)):
            return


def _decompressor(start: bytes) -> tuple[_Decompressor, type[Exception]]:
    """Return the decompressor for a file that starts with `start`, and its exception."""
    if start.startswith(_GZIP):
        import zlib

        return zlib.decompressobj(31), zlib.error
    if start.startswith(_XZ):
        import lzma

        # A header can ask for a dictionary of 4 GiB.
        unxz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY)
        return unxz, lzma.LZMAError
    zstd = zstandard()
    window: dict[int, int] = {
        zstd.DecompressionParameter.window_log_max: _MAX_MEMORY.bit_length() - 1
    }
    return zstd.ZstdDecompressor(options=window), zstd.ZstdError
