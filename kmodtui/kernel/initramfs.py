"""Reader of the names of the modules in an initramfs.

Format: `Documentation/driver-api/early-userspace/buffer-format.rst`: one or more cpio
archives (newc), each of which may be compressed. The file names are near the beginning only
of their own entries, so the whole archive has to be unpacked. Python cannot unpack LZ4 (in
the legacy frames that the kernel understands) and LZO; their programs do.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.zstandard import zstandard
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

PATHS = {
    "/boot/initrd.img-{0}": "update-initramfs -u -k {0}",
    "/boot/initramfs-{0}.img": "dracut --force --kver {0}",
    "/boot/initrd-{0}": "dracut --force --kver {0}",
    "/boot/initramfs-linux.img": "mkinitcpio -P",
}
"""Where distributions put it, for a kernel release, and the command that builds it again."""

_PROGRAMS = {b"\x02\x21\x4c\x18": "lz4", b"\x89LZO": "lzop"}
"""The program that unpacks a format, by the first bytes."""

_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
_HEAD = 110
_MAGIC = (b"070701", b"070702")
_MAX_NAME = 4096
_PIECE = 1024 * 1024
_MAX_SIZE = 2 * 1024 * 1024 * 1024


class UnreadableInitramfsError(Exception):
    """The archive is damaged, or what unpacks it is missing; the message says which."""


def find_initramfs(host: Host, release: str) -> str:
    """Return the path of a release's initramfs; empty if there is none at the usual places."""
    for pattern in PATHS:
        path = pattern.format(release)
        if host.exists(path):
            return path
    return ""


def rebuild_command(path: str, release: str) -> str:
    """Return the command that builds an initramfs of `find_initramfs` again."""
    return next(c.format(release) for p, c in PATHS.items() if p.format(release) == path)


def read_initramfs_modules(host: Host, path: str) -> dict[str, str]:
    """Return the path of each module's file in an initramfs, by module. Takes some seconds.

    Raises:
        OSError: the file cannot be read.
        UnreadableInitramfsError: it cannot be unpacked.
    """
    found: dict[str, str] = {}
    with host.open(path) as file:
        try:
            for name in _file_names(io.BufferedReader(cast(io.RawIOBase, file))):
                base = name.rsplit("/", 1)[-1]
                if ".ko" in base and base.split(".ko", 1)[1] in ("", ".gz", ".xz", ".zst"):
                    found[canonical(clean(base))] = clean(name)
        except _damage() as error:
            raise UnreadableInitramfsError(str(error)) from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise UnreadableInitramfsError(str(error)) from None  # from gzip and bz2
    return found


def _file_names(file: BinaryIO) -> Iterator[str]:
    """Yield the names in all archives: plain ones first, as microcode is, then a packed one."""
    while True:
        start = _skip_zeros(file)
        if not start:
            return
        file.seek(-len(start), 1)
        if start in _MAGIC:
            yield from _names(file)
        elif program := _PROGRAMS.get(start[:4]):
            with _unpacked_by(program, file) as unpacked:
                yield from _names(unpacked)
            return
        else:
            yield from _names(_unpacked(file, start))
            return


def _skip_zeros(file: BinaryIO) -> bytes:
    """Return the next 6 bytes that do not begin with padding; empty at the end of the file."""
    while (word := file.read(4)) == b"\0\0\0\0":
        pass
    return word + file.read(2)


def _unpacked(file: BinaryIO, start: bytes) -> BinaryIO:
    if start[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if start[:3] == b"BZh":
        return cast(BinaryIO, bz2.BZ2File(file))
    if start[:6] == b"\xfd7zXZ\0" or start[:3] == b"]\0\0":
        return cast(BinaryIO, lzma.LZMAFile(file))
    if start[:4] == b"\x28\xb5\x2f\xfd":
        return cast(BinaryIO, _zstd().ZstdFile(file))
    raise UnreadableInitramfsError("it is compressed in a way that kmodtui cannot unpack")


@contextmanager
def _unpacked_by(name: str, file: BinaryIO) -> Iterator[BinaryIO]:
    """Run a program that unpacks the rest of a file, for as long as its output is read."""
    program = shutil.which(name, path=_ENVIRONMENT["PATH"])
    if program is None:
        raise UnreadableInitramfsError(
            f"it is compressed with {name}, which is not installed: install {name} to read it"
        )
    os.lseek(file.fileno(), file.tell(), os.SEEK_SET)  # Python has read ahead
    with subprocess.Popen(
        [program, "-d", "-c"],
        env=_ENVIRONMENT,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            if process.stdout is not None:
                yield cast(BinaryIO, process.stdout)
        finally:
            process.kill()


def _zstd() -> Any:
    try:
        return zstandard()
    except UnreadableError as error:
        raise UnreadableInitramfsError(
            f"it is compressed with Zstandard. {error} {error.hint}".rstrip()
        ) from None


def _damage() -> tuple[type[Exception], ...]:
    """Return the exceptions of the decompressors for damaged data."""
    found: tuple[type[Exception], ...] = (
        EOFError,
        ValueError,
        lzma.LZMAError,
        zlib.error,
    )
    try:
        return (*found, _zstd().ZstdError)
    except UnreadableInitramfsError:
        return found


def _names(archive: BinaryIO) -> Iterator[str]:
    """Yield the names in one newc archive, and leave the file behind its end."""
    total = 0
    while True:
        head = archive.read(_HEAD)
        if len(head) < _HEAD or head[:6] not in _MAGIC:
            raise UnreadableInitramfsError("it is not a cpio archive")
        size, length = int(head[54:62], 16), int(head[94:102], 16)
        if length > _MAX_NAME:
            raise UnreadableInitramfsError("it has a name that is too long")
        name = archive.read(length + -(_HEAD + length) % 4)[:length].rstrip(b"\0")
        if name == b"TRAILER!!!":
            return
        left = size + -size % 4
        total += left
        if total > _MAX_SIZE:
            raise UnreadableInitramfsError("it is too large")
        while left > 0:
            piece = archive.read(min(left, _PIECE))
            if not piece:
                raise UnreadableInitramfsError("it is truncated")
            left -= len(piece)
        yield decode(name)
