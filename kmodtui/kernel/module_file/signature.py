"""Reader of the signature that is appended to a signed module.

Such a file ends with: signer, key identifier, signature, a record of 12 bytes with their
lengths, and a magic line (`struct module_signature` in `include/linux/module_signature.h`).
Since Linux 4.3, signer and key are part of the signature, which is PKCS#7 (RFC 2315,
section 9) in DER.

The signature is only read here; see `signing_key` for its verification.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from kmodtui.kernel.module_file.der import Der, DerError
from kmodtui.model.check.check import SignatureBlock
from kmodtui.model.module_info import Signature

_MAGIC = b"~Module signature appended~\n"
_RECORD = struct.Struct(">BBBBB3xI")
_MAX_LENGTH = 1024 * 1024

_ID_TYPES = ("PGP", "X509", "PKCS#7")
_HASHES = ("md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224", "sm3")
_ALGORITHMS = 2

_HASH_OIDS = {
    "2a864886f70d0204": "md4",
    "2a864886f70d0205": "md5",
    "2b0e03021a": "sha1",
    "2b24030201": "rmd160",
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
    "608648016503040204": "sha224",
    "608648016503040208": "sha3-256",
    "608648016503040209": "sha3-384",
    "60864801650304020a": "sha3-512",
    "2a811ccf55018311": "sm3",
}
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_COMMON_NAME = bytes.fromhex("550403")

_INTEGER, _OCTETS, _OID, _SEQUENCE, _SET = 0x02, 0x04, 0x06, 0x30, 0x31
_CONTEXT_0, _CONTEXT_1 = 0xA0, 0xA1


def read_signature(file: BinaryIO, size: int) -> Signature | None:
    """Return the signature at the end of `file`, which has `size` bytes; None if it has none.

    A PKCS#7 signature that cannot be parsed is returned without a value, as kmod shows it
    since version 31.
    """
    end = size - len(_MAGIC) - _RECORD.size
    if end < 0:
        return None
    file.seek(end)
    tail = file.read(size - end)
    if not tail.endswith(_MAGIC) or len(tail) != size - end:
        return None
    algorithm, hashing, id_type, signer, key, length = _RECORD.unpack_from(tail)
    if algorithm >= _ALGORITHMS or hashing >= len(_HASHES) or id_type >= len(_ID_TYPES):
        return None
    start = end - signer - key - length
    if not length or start < 0:
        return None
    kind = _ID_TYPES[id_type]
    if length > _MAX_LENGTH:
        return Signature(kind)
    file.seek(start)
    data = file.read(end - start)
    if kind == "PKCS#7":
        return _parse_pkcs7(data[signer + key :]) or Signature(kind)
    return Signature(
        id_type=kind,
        signer=data[:signer].split(b"\0")[0],
        key_id=data[signer : signer + key],
        hash_algorithm=_HASHES[hashing],
        value=data[signer + key :],
    )


def read_seal(file: BinaryIO, size: int) -> SignatureBlock:
    """Return what the kernel checks at the end of `file` before it looks for a key.

    Source: `mod_check_sig` in `kernel/module_signature.c` and `module_sig_check` in
    `kernel/module/signing.c`. Any file with the magic line counts as signed, and is refused
    if its record or signature is invalid, even if signatures are not required.
    """
    end = size - len(_MAGIC)
    file.seek(max(0, end))
    if end < 0 or file.read(len(_MAGIC)) != _MAGIC:
        return SignatureBlock(content=size)
    if end <= _RECORD.size:
        return SignatureBlock(
            content=end, marked=True, fault="there is nothing before the magic line"
        )
    file.seek(end - _RECORD.size)
    record = file.read(_RECORD.size)
    *parameters, signer, key, length = _RECORD.unpack(record)
    content = end - _RECORD.size - length
    if content <= 0:
        fault = f"it claims to have {length:,} bytes, more than the file"
        return SignatureBlock(content=end, marked=True, fault=fault)
    if parameters[2] != _ID_TYPES.index("PKCS#7"):
        return SignatureBlock(content=content, marked=True, supported=False)
    if any((*parameters[:2], signer, key, *record[5:8])):
        fault = "its record has fields that must be 0 for PKCS#7"
        return SignatureBlock(content=content, marked=True, fault=fault)
    file.seek(content)
    try:
        Der(file.read(min(length, _MAX_LENGTH))).one(_SEQUENCE)
    except DerError:
        fault = "it is not a complete PKCS#7 message"
        return SignatureBlock(content=content, marked=True, fault=fault)
    return SignatureBlock(content=content, marked=True)


def _parse_pkcs7(data: bytes) -> Signature | None:
    """Return the first signature in a PKCS#7 SignedData; None if it cannot be parsed."""
    try:
        content_type, content = Der(data).one(_SEQUENCE).take(_OID, _CONTEXT_0)
        if content_type.data != _SIGNED_DATA:
            return None
        signed = content.one(_SEQUENCE)
        signed.take(_INTEGER, _SET, _SEQUENCE)
        signed.skip(_CONTEXT_0)  # certificates
        signed.skip(_CONTEXT_1)  # revocation lists
        (signers,) = signed.take(_SET)
        signer = signers.one(_SEQUENCE)
        _, identity, digest = signer.take(_INTEGER, _SEQUENCE, _SEQUENCE)
        attributes = signer.skip(_CONTEXT_0)
        _, value = signer.take(_SEQUENCE, _OCTETS)
        issuer, serial = identity.take(_SEQUENCE, _INTEGER)
        algorithm = digest.one(_OID).data.hex()
        return Signature(
            id_type="PKCS#7",
            signer=_common_name(issuer),
            key_id=_magnitude(serial.data),
            hash_algorithm=_HASH_OIDS.get(algorithm, "unknown"),
            value=value.data,
            attributes=attributes,
        )
    except DerError:
        return None


def _common_name(issuer: Der) -> bytes:
    """Return the common name in an X.501 name; without one, the last part as kmod does."""
    name = b""
    while issuer.more:
        (relative,) = issuer.take(_SET)
        while relative.more:
            (part,) = relative.take(_SEQUENCE)
            oid = part.one(_OID).data
            name = part.any().data.split(b"\0")[0]
            if oid == _COMMON_NAME:
                return name
    return name


def _magnitude(data: bytes) -> bytes:
    """Return the absolute value of a DER integer without leading zeros, as kmod prints it."""
    number = abs(int.from_bytes(data, "big", signed=True))
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
