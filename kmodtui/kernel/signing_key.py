"""Verifier of module signatures, with the key that the kernel itself brings.

The kernel's own modules are signed with a key whose certificate is inside of the
kernel (`.builtin_trusted_keys`), and so in /boot/vmlinuz. It is found there by its
serial number, which the signature names. Keys that were enrolled otherwise are the
kernel's alone.

Formats: `Documentation/arch/x86/boot.rst` (payload_offset), X.509 (RFC 5280), RSA
with PKCS#1 v1.5 (RFC 8017, section 8.2.2).
"""

from __future__ import annotations

import hashlib
import struct
from typing import BinaryIO, NamedTuple

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.compression import open_unpacked, unpacked_pieces
from kmodtui.kernel.der import Der, DerError
from kmodtui.kernel.host import Host
from kmodtui.model.module_info import Signature

_PLACES = ("/boot/vmlinuz-{0}", "/lib/modules/{0}/vmlinuz", "/usr/lib/modules/{0}/vmlinuz")
_HEADER = 0x250  # bytes of the x86 boot header that are looked at
_PIECE = 1024 * 1024
_MOST = 512 * 1024 * 1024  # bytes of an unpacked kernel that are searched
_CERTIFICATE = 8192  # bytes that one may have
_BEFORE = 8  # of its bytes before the version: two sequences with lengths of two bytes

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
    """Return whether a signature was made with a key, over the first `size` bytes of a file.

    Args:
        host: the system that the file is of.
        path: the file, which may be packed: what counts is what it unpacks to.
        size: of what was signed.
        signature: with a hash algorithm of `can_verify`.
        key: whose signature it says that it is.

    Raises:
        KmodtuiError: the file cannot be read.
    """
    digest = hashlib.new(signature.hash_algorithm)
    with open_unpacked(host, path) as file:
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    width = (key.modulus.bit_length() + 7) // 8
    told = pow(int.from_bytes(signature.value, "big"), key.exponent, key.modulus)
    info = bytes.fromhex(_DIGEST_INFO[signature.hash_algorithm]) + digest.digest()
    padding = b"\xff" * (width - len(info) - 3)
    return told.to_bytes(width, "big") == b"\0\1" + padding + b"\0" + info


def can_verify(signature: Signature) -> bool:
    """Return whether the kind of signature is one that is known here."""
    known = signature.hash_algorithm in _DIGEST_INFO and not signature.attributes
    return signature.id_type == "PKCS#7" and signature.readable and known


def read_built_in_key(host: Host, release: str, serial: bytes) -> PublicKey | None:
    """Return the key with that serial number in a kernel's image.

    None if the image may not be read, is packed in a way that is not known here, or
    does not hold it, and for a key that is no RSA key. It takes a second.
    """
    for place in _PLACES:
        try:
            with host.open(place.format(release)) as file:
                return _search(file, serial)
        except (OSError, KmodtuiError, ValueError):
            continue
    return None


def _search(file: BinaryIO, serial: bytes) -> PublicKey | None:
    number = b"\0" + serial if serial[:1] >= b"\x80" else serial
    # A certificate begins with two sequences, whose lengths take two bytes, and its version.
    wanted = _VERSION_3 + bytes([_INTEGER, len(number)]) + number
    window = b""
    searched = 0
    file.seek(_payload(file))
    for piece in unpacked_pieces(file, _PIECE):
        # What is left of the piece before: a certificate can begin there.
        window = window[-_CERTIFICATE:] + piece
        place = window.find(wanted)
        while place >= 0:
            if (key := _key_in(window[max(0, place - _BEFORE) :])) is not None:
                return key
            place = window.find(wanted, place + 1)
        searched += len(piece)
        if searched > _MOST:
            break
    return None


def _payload(file: BinaryIO) -> int:
    """Return where the packed kernel begins: at once, but behind a boot sector on x86."""
    head = file.read(_HEADER)
    if head[0x202:0x206] != b"HdrS":
        return 0
    (offset,) = struct.unpack_from("<I", head, 0x248)
    return int(((head[0x1F1] or 4) + 1) * 512 + offset)


def _key_in(data: bytes) -> PublicKey | None:
    """Return the key of a certificate that begins with `data`; None if it is none."""
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
