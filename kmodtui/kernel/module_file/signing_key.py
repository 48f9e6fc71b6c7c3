"""Verifies module signatures with the key that is built into the kernel.

The kernel's own modules are signed with a key whose certificate is part of the kernel image
(`.builtin_trusted_keys`). It is found in /boot/vmlinuz by its serial number, which is in the
signature. Keys from other sources, such as enrolled ones, are not read.

Formats: `Documentation/arch/x86/boot.rst` (payload_offset), X.509 (RFC 5280), RSA with
PKCS#1 v1.5 (RFC 8017, section 8.2.2).
"""

from __future__ import annotations

import hashlib
import struct
from typing import BinaryIO, NamedTuple

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import release_files
from kmodtui.kernel.module_file.compression import open_unpacked, unpacked_pieces
from kmodtui.kernel.module_file.der import Der, DerError
from kmodtui.model.module_info import Signature

_HEADER = 0x250  # bytes of the x86 boot header that are read
_CHUNK = 1024 * 1024
_MAX_SEARCHED = 512 * 1024 * 1024  # bytes of the decompressed kernel
_MAX_CERTIFICATE = 8192  # bytes
_BEFORE_VERSION = 8  # bytes of a certificate: two sequences with two-byte lengths

_INTEGER, _BITS, _OID, _SEQUENCE, _VERSION = 0x02, 0x03, 0x06, 0x30, 0xA0
_VERSION_3 = bytes.fromhex("a003020102")
_RSA = bytes.fromhex("2a864886f70d010101")

_DIGEST_INFO = {
    "sha1": "3021300906052b0e03021a05000414",
    "sha224": "302d300d06096086480165030402040500041c",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}


class PublicKey(NamedTuple):
    """An RSA key."""

    modulus: int
    exponent: int


def signature_fits(host: Host, path: str, size: int, signature: Signature, key: PublicKey) -> bool:
    """Return whether a signature is valid for the first `size` bytes of a file and a key.

    Args:
        host: the system that has the file.
        path: the file; if it is compressed, its decompressed content counts.
        size: bytes of the signed content.
        signature: one for which `can_verify` is true.
        key: the key to check it with.

    Raises:
        KmodtuiError: the file cannot be read.
    """
    digest = hashlib.new(signature.hash_algorithm)
    with open_unpacked(host, path) as file:
        while size > 0 and (chunk := file.read(min(size, _CHUNK))):
            digest.update(chunk)
            size -= len(chunk)
    width = (key.modulus.bit_length() + 7) // 8
    message = pow(int.from_bytes(signature.value, "big"), key.exponent, key.modulus)
    info = bytes.fromhex(_DIGEST_INFO[signature.hash_algorithm]) + digest.digest()
    padding = b"\xff" * (width - len(info) - 3)
    return message.to_bytes(width, "big") == b"\0\1" + padding + b"\0" + info


def can_verify(signature: Signature) -> bool:
    """Return whether this kind of signature is supported."""
    supported = signature.hash_algorithm in _DIGEST_INFO and not signature.attributes
    return signature.id_type == "PKCS#7" and signature.readable and supported


def read_built_in_key(host: Host, release: str, serial: bytes) -> PublicKey | None:
    """Return the key with this serial number from the image of a kernel. Takes about a second.

    None if the image is not readable, is compressed in an unsupported format or does not
    contain the key, or if it is not an RSA key.
    """
    for path in (f"/boot/vmlinuz-{release}", *release_files(release, "vmlinuz")):
        try:
            with host.open(path) as file:
                return _search(file, serial)
        except (OSError, KmodtuiError, ValueError):
            continue
    return None


def _search(file: BinaryIO, serial: bytes) -> PublicKey | None:
    number = b"\0" + serial if serial[:1] >= b"\x80" else serial
    # A certificate starts with two sequences, whose lengths take two bytes, and its version.
    wanted = _VERSION_3 + bytes([_INTEGER, len(number)]) + number
    window = b""
    searched = 0
    file.seek(_payload(file))
    for chunk in unpacked_pieces(file, _CHUNK):
        # A certificate can start in the previous chunk.
        window = window[-_MAX_CERTIFICATE:] + chunk
        position = window.find(wanted)
        while position >= 0:
            if (key := _key_in(window[max(0, position - _BEFORE_VERSION) :])) is not None:
                return key
            position = window.find(wanted, position + 1)
        searched += len(chunk)
        if searched > _MAX_SEARCHED:
            break
    return None


def _payload(file: BinaryIO) -> int:
    """Return the offset of the compressed kernel: on x86 it follows the boot header, else 0."""
    head = file.read(_HEADER)
    if head[0x202:0x206] != b"HdrS":
        return 0
    (offset,) = struct.unpack_from("<I", head, 0x248)
    return int(((head[0x1F1] or 4) + 1) * 512 + offset)


def _key_in(data: bytes) -> PublicKey | None:
    """Return the RSA key of the certificate at the start of `data`; None if there is none."""
    try:
        inside = Der(data).one(_SEQUENCE).one(_SEQUENCE)
        inside.take(_VERSION, _INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE)
        algorithm, bits = inside.one(_SEQUENCE).take(_SEQUENCE, _BITS)
        if algorithm.one(_OID).data != _RSA:
            return None
        modulus, exponent = Der(bits.data[1:]).one(_SEQUENCE).take(_INTEGER, _INTEGER)
    except DerError:
        return None
    return PublicKey(int.from_bytes(modulus.data, "big"), int.from_bytes(exponent.data, "big"))
