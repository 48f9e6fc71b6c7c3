"""Reading .ko files of any architecture, compression and damage."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from kmodtui.errors import KmodtuiError, ModuleFileError, UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.compression import open_unpacked
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.module_file.symbols import read_module_symbols
from kmodtui.model.linkage import Import
from kmodtui.model.module_info import Signature
from tests.support.elf import AARCH64, I386, S390, SIGNATURE_MAGIC, make_module, sign

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MODINFO = (b"license=GPL", b"description=Says hello", b"name=hello")

PACKERS = {
    ".ko": lambda data: data,
    ".ko.gz": gzip.compress,
    ".ko.xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    ".ko.zst": zstd.compress,
}


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path)


def write(host: LocalHost, data: bytes, name: str = "hello.ko") -> str:
    (host.root / name).write_bytes(data)
    return f"/{name}"


@pytest.mark.parametrize("extension", PACKERS)
def test_compression_makes_no_difference(host: LocalHost, extension: str) -> None:
    data = make_module(MODINFO, imports=["printk"], signature=sign(bytes(30)))
    path = write(host, PACKERS[extension](data), f"hello-world{extension}")
    info = read_module_file(host, path)
    assert info.name == "hello_world"
    assert info.filename == path
    assert [(field.key, field.value) for field in info.fields] == [
        ("license", "GPL"),
        ("description", "Says hello"),
        ("name", "hello"),
    ]
    assert info.signature
    assert read_module_symbols(host, path).imports == (Import("printk", weak=False),)


@pytest.mark.parametrize("extension", PACKERS)
def test_the_content_decides_the_compression_and_not_the_name(
    host: LocalHost, extension: str
) -> None:
    path = write(host, PACKERS[extension](make_module(MODINFO)), "hello.ko.xz")
    assert read_module_file(host, path).license == "GPL"


def test_concatenated_streams_are_one_file(host: LocalHost) -> None:
    data = make_module(MODINFO)
    path = write(host, zstd.compress(data[:100]) + zstd.compress(data[100:]))
    assert read_module_file(host, path).license == "GPL"


@pytest.mark.parametrize(
    ("bits", "order", "machine", "shown"),
    [(64, "<", AARCH64, "aarch64"), (32, "<", I386, "386"), (64, ">", S390, "s390")],
)
def test_modules_of_other_architectures_are_read(
    host: LocalHost, bits: int, order: str, machine: int, shown: str
) -> None:
    data = make_module(
        MODINFO, bits=bits, order=order, machine=machine, build_id=b"\xab\xcd", imports=["f"]
    )
    path = write(host, data)
    info = read_module_file(host, path)
    assert (info.machine, info.build_id, info.license) == (shown, "abcd", "GPL")
    assert read_module_symbols(host, path).imports == (Import("f", weak=False),)


# -- signatures ---------------------------------------------------------------------


def der(tag: int, *parts: bytes) -> bytes:
    data = b"".join(parts)
    if len(data) < 0x80:
        return bytes([tag, len(data)]) + data
    length = len(data).to_bytes(2, "big")
    return bytes([tag, 0x82]) + length + data


def oid(hexadecimal: str) -> bytes:
    return der(0x06, bytes.fromhex(hexadecimal))


def pkcs7(value: bytes = b"\x5a" * 256, *, serial: bytes = b"\x00\xab\xcd") -> bytes:
    """A SignedData with one signer, like those of the kernel's scripts/sign-file."""
    organisation = der(0x31, der(0x30, oid("55040a"), der(0x0C, b"Org")))
    common_name = der(0x31, der(0x30, oid("550403"), der(0x0C, b"Build key")))
    email = der(0x31, der(0x30, oid("2a864886f70d010901"), der(0x16, b"a@b")))
    sha512 = der(0x30, oid("608648016503040203"), der(0x05))
    signer = der(
        0x30,
        der(0x02, b"\1"),
        der(0x30, der(0x30, organisation, common_name, email), der(0x02, serial)),
        sha512,
        der(0x30, oid("2a864886f70d010101"), der(0x05)),
        der(0x04, value),
    )
    data = der(0x30, oid("2a864886f70d010701"))
    signed = der(0x30, der(0x02, b"\1"), der(0x31, sha512), data, der(0x31, signer))
    return der(0x30, oid("2a864886f70d010702"), der(0xA0, signed))


def signature_of(host: LocalHost, tail: bytes) -> Signature | None:
    return read_module_file(host, write(host, make_module(signature=tail))).signature


def test_a_pkcs7_signature_is_parsed(host: LocalHost) -> None:
    signature = signature_of(host, sign(pkcs7()))
    assert signature == Signature("PKCS#7", b"Build key", b"\xab\xcd", "sha512", b"\x5a" * 256)
    assert signature.readable


def test_an_old_signature_has_its_signer_outside(host: LocalHost) -> None:
    tail = sign(b"SIG", id_type=1, hashing=4, signer=b"Me", key_id=b"\1\2")
    assert signature_of(host, tail) == Signature("X509", b"Me", b"\1\2", "sha256", b"SIG")


def test_a_damaged_pkcs7_signature_is_reported_as_not_readable(host: LocalHost) -> None:
    signature = signature_of(host, sign(pkcs7()[:-40]))
    assert signature == Signature("PKCS#7")
    assert not signature.readable


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        SIGNATURE_MAGIC,
        sign(b"SIG")[:-1],
        sign(b""),
        sign(b"SIG", length=10**6),
        sign(b"SIG", id_type=7),
        sign(b"SIG", hashing=99),
    ],
)
def test_an_invalid_signature_record_is_not_a_signature(host: LocalHost, tail: bytes) -> None:
    assert signature_of(host, tail) is None


# -- invalid module files --------------------------------------------------------------


def refusal(host: LocalHost, data: bytes, name: str = "hello.ko") -> str:
    with pytest.raises(ModuleFileError) as caught:
        read_module_file(host, write(host, data, name))
    return str(caught.value)


def test_an_empty_file(host: LocalHost) -> None:
    assert refusal(host, b"").startswith("/hello.ko is empty.")
    assert "empty when decompressed" in refusal(host, gzip.compress(b""))


@pytest.mark.parametrize("data", [b"x", b"#!/bin/sh\n", b"<html>", b"\0" * 100])
def test_a_file_that_is_not_elf(host: LocalHost, data: bytes) -> None:
    assert "not an ELF file" in refusal(host, data)
    assert data[:8].hex(" ") in refusal(host, data)


def test_an_elf_file_that_is_not_a_module(host: LocalHost) -> None:
    with open(sys.executable, "rb") as file:
        assert "no .modinfo section" in refusal(host, file.read())


def test_every_truncation_is_reported(host: LocalHost) -> None:
    data = make_module(MODINFO, imports=["printk"])
    for length in range(1, len(data)):
        assert refusal(host, data[:length])
    assert "truncated" in refusal(host, data[:-1])


@pytest.mark.parametrize("extension", [".ko.gz", ".ko.xz", ".ko.zst"])
def test_every_truncation_of_a_compressed_file_is_reported(host: LocalHost, extension: str) -> None:
    data = PACKERS[extension](make_module(MODINFO))
    for length in range(1, len(data)):
        assert refusal(host, data[:length], f"hello{extension}")


@pytest.mark.parametrize("extension", [".ko.gz", ".ko.xz", ".ko.zst"])
def test_a_decompression_bomb_is_refused_before_it_exhausts_the_memory(
    host: LocalHost, extension: str
) -> None:
    path = write(host, PACKERS[extension](bytes(50_000_000)), f"bomb{extension}")
    with pytest.raises(ModuleFileError, match=r"decompresses to more than 1\.0 MiB"):
        open_unpacked(host, path, limit=1024 * 1024)


@pytest.mark.parametrize("extension", [".ko.gz", ".ko.xz", ".ko.zst"])
def test_an_implausible_compression_ratio_is_refused(host: LocalHost, extension: str) -> None:
    path = write(host, PACKERS[extension](bytes(40_000_000)), f"bomb{extension}")
    with pytest.raises(ModuleFileError, match=r"decompresses to more than 32\.0 MiB"):
        open_unpacked(host, path)
    random = os.urandom(2_000_000)
    path = write(host, PACKERS[extension](random + bytes(32_000_000)), f"large{extension}")
    with open_unpacked(host, path) as file:
        assert len(file.read()) == 34_000_000


def test_many_small_streams_are_refused_as_well(host: LocalHost) -> None:
    path = write(host, gzip.compress(bytes(300_000)) * 4)
    with pytest.raises(ModuleFileError, match="decompresses to more than"):
        open_unpacked(host, path, limit=1024 * 1024)


def test_a_section_with_a_huge_size_is_not_read(host: LocalHost) -> None:
    data = bytearray(make_module(MODINFO))
    table = int.from_bytes(data[40:48], "little")
    size = table + 64 + 32  # of the first real section
    data[size : size + 8] = (1 << 62).to_bytes(8, "little")
    assert "truncated" in refusal(host, bytes(data))
    # A sparse file can be that large without using disk space.
    data[size : size + 8] = (1 << 36).to_bytes(8, "little")
    path = write(host, bytes(data))
    os.truncate(host.root / "hello.ko", 1 << 40)
    with pytest.raises(ModuleFileError, match="too large"):
        read_module_file(host, path)


def test_a_directory_a_pipe_and_a_missing_file(host: LocalHost) -> None:
    (host.root / "folder.ko").mkdir()
    os.mkfifo(host.root / "pipe.ko")
    for name in ("/folder.ko", "/pipe.ko"):
        with pytest.raises(ModuleFileError, match="not a regular file"):
            read_module_file(host, name)
    with pytest.raises(UnreadableError, match=r"There is no file /gone\.ko"):
        read_module_file(host, "/gone.ko")
    write(host, b"x", "file")
    with pytest.raises(UnreadableError, match="There is no file"):
        read_module_file(host, "/file/below.ko")


class FailingHost(LocalHost):
    """A host whose files fail with a given error: when opened, or at a given read."""

    def __init__(self, root: Path, code: int, reads: int) -> None:
        super().__init__(root)
        self.code = code
        self.reads = reads

    def open(self, path: str) -> BinaryIO:
        if self.reads == 0:
            raise OSError(self.code, os.strerror(self.code))
        host = self

        class Failing(io.FileIO):
            def read(self, size: int | None = -1, /) -> bytes:
                host.reads -= 1
                if host.reads == 0:
                    raise OSError(host.code, os.strerror(host.code))
                return super().read(size)

        return Failing(self.locate(path))


@pytest.mark.parametrize("reads", range(8))
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.EACCES, "is not readable by this user"),
        (errno.ENOENT, "There is no file"),
        (errno.EIO, "Input/output error"),
        (errno.ESTALE, "Stale file handle"),
    ],
)
def test_errors_while_reading_are_reported(
    host: LocalHost, code: int, says: str, reads: int
) -> None:
    path = write(host, make_module(MODINFO, signature=sign(bytes(30))))
    with pytest.raises(UnreadableError, match=says):
        read_module_file(FailingHost(host.root, code, reads), path)


class ScarceHost(LocalHost):
    """A host with a limited amount of memory for each read."""

    def __init__(self, root: Path, memory: int) -> None:
        super().__init__(root)
        self.memory = memory

    def open(self, path: str) -> BinaryIO:
        host = self

        class Scarce(io.FileIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if size is None or not 0 <= size <= host.memory:
                    raise MemoryError
                return super().read(size)

        return Scarce(self.locate(path))


@pytest.mark.parametrize("extension", [".ko.gz", ".ko.xz", ".ko.zst"])
def test_decompressing_allocates_memory_for_this_file_only(host: LocalHost, extension: str) -> None:
    packed = PACKERS[extension](make_module(MODINFO))
    path = write(host, packed, f"hello{extension}")
    scarce = ScarceHost(host.root, len(packed) + 100)
    assert read_module_file(scarce, path) == read_module_file(host, path)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(UnreadableError, match="not enough memory"):
        read_module_file(ScarceHost(host.root, 64), path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_names_in_messages_are_safe_for_a_terminal(host: LocalHost) -> None:
    message = refusal(host, b"", "\x1b[31mred.ko")
    assert "\x1b" not in message
    assert r"\x1b[31mred.ko is empty" in message


def test_reading_modules_closes_their_files(host: LocalHost) -> None:
    good = write(host, make_module(MODINFO))
    bad = write(host, b"\x7fELF", "bad.ko")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        read_module_file(host, good)
        with pytest.raises(KmodtuiError):
            read_module_file(host, bad)
    assert len(os.listdir("/proc/self/fd")) == before
