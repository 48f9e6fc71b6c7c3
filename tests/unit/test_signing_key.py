"""Signatures are verified with the key from the kernel's image."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import struct
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.signing_key import (
    PublicKey,
    can_verify,
    read_built_in_key,
    signature_fits,
)
from kmodtui.model.check.check import Mark, Verdict
from kmodtui.model.module_info import Signature
from kmodtui.services.check import check_file
from tests.support.elf import make_module, sign
from tests.support.tiny_system import RELEASE, STRUCT, modinfo, tiny_system, write
from tests.unit.test_module_file import der, oid, pkcs7

# Two Mersenne primes: an insecure key that need not be generated.
P, Q = 2**607 - 1, 2**1279 - 1
KEY = PublicKey(P * Q, 65537)
SECRET = pow(KEY.exponent, -1, (P - 1) * (Q - 1))
WIDTH = (KEY.modulus.bit_length() + 7) // 8
SERIAL = b"\xab\xcd\x01"
DIGEST_INFO = bytes.fromhex("3051300d060960864801650304020305000440")  # SHA-512


def integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def certificate(key: PublicKey = KEY, serial: bytes = SERIAL, kind: str = "010101") -> bytes:
    algorithm = der(0x30, oid("2a864886f70d01010d"), der(0x05))
    name = der(0x30, der(0x31, der(0x30, oid("550403"), der(0x0C, b"Build key"))))
    bits = der(0x03, b"\0" + der(0x30, integer(key.modulus), integer(key.exponent)))
    about = der(
        0x30,
        bytes.fromhex("a003020102"),
        der(0x02, b"\0" + serial),
        algorithm,
        name,
        der(0x30),
        name,
        der(0x30, der(0x30, oid(f"2a864886f70d{kind}"), der(0x05)), bits),
    )
    return der(0x30, about, algorithm, der(0x03, b"\0" * 200))


def signed(content: bytes, key: PublicKey = KEY) -> bytes:
    told = DIGEST_INFO + hashlib.sha512(content).digest()
    padded = b"\0\1" + b"\xff" * (WIDTH - len(told) - 3) + b"\0" + told
    value = pow(int.from_bytes(padded, "big"), SECRET, key.modulus).to_bytes(WIDTH, "big")
    return content + sign(pkcs7(value, serial=b"\0" + SERIAL))


def x86_image(kernel: bytes) -> bytes:
    """A boot sector, two setup sectors, and the compressed kernel."""
    head = bytearray(3 * 512 + 100)
    head[0x1F1] = 2
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<I", head, 0x248, 100)
    return bytes(head) + kernel + b"\0\0\1\0"


PLAIN = bytes(3_000_000) + certificate() + bytes(2_000_000)
MODULE = make_module(modinfo("fresh"), versions={"module_layout": 1}, extra=STRUCT)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    other = make_module(modinfo("other"), versions={"module_layout": 1}, extra=STRUCT)
    host = tiny_system(tmp_path, {"other": other})
    write(host, f"/boot/config-{RELEASE}", "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\n")
    write(host, f"/boot/vmlinuz-{RELEASE}", x86_image(lzma.compress(PLAIN)))
    return host


@pytest.mark.parametrize(
    "image",
    [x86_image(lzma.compress(PLAIN)), gzip.compress(PLAIN), x86_image(gzip.compress(PLAIN))],
)
def test_the_key_is_found_in_the_kernels_image(host: LocalHost, image: bytes) -> None:
    write(host, f"/boot/vmlinuz-{RELEASE}", image)
    assert read_built_in_key(host, RELEASE, SERIAL) == KEY
    assert read_built_in_key(host, RELEASE, b"\xab\xcd\x02") is None
    assert read_built_in_key(host, "9.9", SERIAL) is None


@pytest.mark.parametrize("offset", [1024 * 1024 - 100, 1024 * 1024 - 5, 1024 * 1024, 0])
def test_a_certificate_across_two_chunks_is_found(host: LocalHost, offset: int) -> None:
    plain = bytes(offset) + certificate() + bytes(100)
    write(host, f"/boot/vmlinuz-{RELEASE}", gzip.compress(plain))
    assert read_built_in_key(host, RELEASE, SERIAL) == KEY


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"MZ" + bytes(5000),
        x86_image(lzma.compress(PLAIN)[:500]),
        x86_image(b"\xfd7zXZ\0" + bytes(1000)),
        x86_image(lzma.compress(certificate(kind="010102"))),
        x86_image(lzma.compress(certificate()[:60])),
    ],
)
def test_an_image_without_the_certificate_has_no_key(host: LocalHost, image: bytes) -> None:
    write(host, f"/boot/vmlinuz-{RELEASE}", image)
    assert read_built_in_key(host, RELEASE, SERIAL) is None


def test_a_signed_file_and_a_changed_one(host: LocalHost) -> None:
    check = check_file(host, write(host, "/tmp/fresh.ko", signed(MODULE)))
    assert check.verdict is Verdict.LOADS, check.because
    assert "and unmodified" in check.findings[0].text
    changed = signed(MODULE).replace(b"license=GPL", b"license=gpl")
    check = check_file(host, write(host, "/tmp/fresh.ko", changed))
    assert (check.verdict, check.errno) == (Verdict.REFUSED, "EKEYREJECTED")
    assert "It was modified after Build key signed it" in check.sentence


def test_the_decompressed_content_is_verified(host: LocalHost) -> None:
    path = write(host, "/tmp/fresh.ko.xz", lzma.compress(signed(MODULE)))
    assert "and unmodified" in check_file(host, path).findings[1].text


def test_without_the_image_the_result_is_unknown(host: LocalHost) -> None:
    write(host, f"/boot/vmlinuz-{RELEASE}", "")
    check = check_file(host, write(host, "/tmp/fresh.ko", signed(MODULE)), release=RELEASE)
    assert {f.mark for f in check.findings if f.topic == "signature"} == {Mark.NOTE}


def test_unsupported_kinds_of_signatures_are_unknown() -> None:
    known = Signature("PKCS#7", b"x", SERIAL, "sha256", b"value")
    assert can_verify(known)
    for kind in (
        Signature("PKCS#7"),
        Signature("X509", b"x", SERIAL, "sha256", b"value"),
        Signature("PKCS#7", b"x", SERIAL, "sha3-256", b"value"),
        Signature("PKCS#7", b"x", SERIAL, "sha256", b"value", attributes=True),
    ):
        assert not can_verify(kind)


def test_another_hash_or_key_is_invalid(host: LocalHost) -> None:
    path = write(host, "/tmp/fresh.ko", signed(MODULE))
    signature = Signature("PKCS#7", b"x", SERIAL, "sha512", b"\1" * WIDTH)
    assert not signature_fits(host, path, len(MODULE), signature, KEY)
    assert not signature_fits(host, path, len(MODULE), signature, PublicKey(P, 3))
