"""The file format of a recording: lines in Zstandard frames that survive any cut and damage.

The file begins with `kmodtui-record 1`. Each line is the CRC-32 of a JSON object in 8
hexadecimal digits, a blank, and the object. Lines are flushed as blocks of a frame, so that
whoever reads after the writer was killed gets all of them; a frame ends after FRAME_LINES, so
that damage costs the rest of one frame at most. A later writer appends its own frames, also
behind one that is cut.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from kmodtui.kernel.zstandard import zstandard

MAGIC = b"kmodtui-record 1\n"

FRAME_LINES = 1000
"""Lines of a frame."""

FRAME_BYTES = 4 * 1024 * 1024
"""Bytes of lines after which a frame ends earlier."""

FRAME_LIMIT = 32 * 1024 * 1024
"""Most bytes that are decompressed of one frame."""

UNPACKED_LIMIT = 256 * 1024 * 1024
"""Most bytes that are decompressed of one file; 8 MiB of events have about 100 MiB."""

_FRAME = b"\x28\xb5\x2f\xfd"
_LEVEL = 6
_STEP = 64 * 1024
_SMALL_STEP = 32
_EFFORT = 8
"""How often the bytes of a damaged file are tried, as a multiple of its size."""


class FrameWriter:
    """Turns lines into the bytes to append to a file."""

    def __init__(self) -> None:
        self._compressor: Any = None
        self._lines = 0
        self._bytes = 0

    def lines(self, lines: list[bytes]) -> bytes:
        """Return the bytes of some lines; they can be read as soon as they are in the file."""
        zstd = zstandard()
        packed = b""
        for line in lines:
            if self._compressor is None:
                self._compressor = zstd.ZstdCompressor(_LEVEL)
            packed += self._compressor.compress(b"%08x %b\n" % (zlib.crc32(line), line))
            self._lines += 1
            self._bytes += len(line)
            if self._lines == FRAME_LINES or self._bytes >= FRAME_BYTES:
                packed += self.end()
        if self._compressor is not None:
            packed += self._compressor.flush(zstd.ZstdCompressor.FLUSH_BLOCK)
        return packed

    def end(self) -> bytes:
        """Return the bytes that end the frame."""
        if self._compressor is None:
            return b""
        compressor, self._compressor = self._compressor, None
        self._lines = self._bytes = 0
        packed: bytes = compressor.flush(zstandard().ZstdCompressor.FLUSH_FRAME)
        return packed


class FrameReader:
    """The lines in the bytes of a file.

    Attributes:
        damaged: whether something other than the end of the file is missing.
        cut: whether the last frame has no end, as of a writer that still runs or was killed.
    """

    def __init__(self, data: bytes) -> None:
        self.damaged = False
        self.cut = False
        self._data = data
        self._unpacked = 0
        self._effort = _EFFORT * len(data)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that are whole, in order."""
        data = self._data
        place = data.find(_FRAME)
        self.damaged = place > 0 or (place < 0 and len(data) >= len(_FRAME))
        while place >= 0 and self._unpacked < UNPACKED_LIMIT and self._effort > 0:
            text, end, _ = self._frame(place, len(data), _STEP)
            if end is None:
                following = data.find(_FRAME, place + len(_FRAME))
                stop = following if following >= 0 else len(data)
                text, end, failed = self._frame(place, stop, _STEP)
                if failed:
                    # A step whose end is damaged yields nothing: take smaller steps.
                    text, end, _ = self._frame(place, stop, _SMALL_STEP)
                self.cut = True
                self.damaged = self.damaged or failed
            else:
                following = data.find(_FRAME, end)
                self.damaged = self.damaged or end not in (following, len(data))
            yield from self._whole(text, complete=end is not None)
            place = following

    def _frame(self, start: int, stop: int, step: int) -> tuple[bytes, int | None, bool]:
        """Return what can be decompressed of a frame, its end, and whether it is malformed.

        The end is None if it is missing.
        """
        zstd = zstandard()
        decompressor = zstd.ZstdDecompressor()
        found: list[bytes] = []
        size, limit = 0, min(FRAME_LIMIT, UNPACKED_LIMIT - self._unpacked)
        end, failed = None, False
        for place in range(start, stop, step):
            piece = self._data[place : min(place + step, stop)]
            self._effort -= len(piece)
            try:
                found.append(decompressor.decompress(piece, limit - size))
            except (zstd.ZstdError, EOFError, ValueError, MemoryError):
                failed = True
                break
            size += len(found[-1])
            if decompressor.eof:
                end = place + len(piece) - len(decompressor.unused_data)
                break
            if size >= limit:
                break
        self._unpacked += size
        return b"".join(found), end, failed

    def _whole(self, text: bytes, *, complete: bool) -> Iterator[bytes]:
        *lines, rest = text.split(b"\n")
        self.damaged = self.damaged or bool(complete and rest)
        for line in lines:
            checksum, _, content = line.partition(b" ")
            if checksum == b"%08x" % zlib.crc32(content) and content:
                yield content
            else:
                self.damaged = True
