"""Finds the certificate of a key that signed a module, where tools keep those to be enrolled."""

from __future__ import annotations

from kmodtui.kernel.host import Host

PATHS = (
    "/var/lib/dkms/mok.pub",
    "/var/lib/shim-signed/mok/MOK.der",
    "/etc/pki/akmods/certs/public_key.der",
    "/root/mok.der",
)
"""Certificates in DER format: of DKMS, Ubuntu's shim-signed, akmods."""

_MAX_SIZE = 64 * 1024
_INTEGER = 2


def find_certificate(host: Host, serial: bytes) -> str:
    """Return the path of the certificate with this serial number; empty if none is found.

    A module's signature names its key by the serial number of the certificate (PKCS#7).
    """
    if not serial or len(serial) > 20:  # the most that RFC 5280 permits
        return ""
    number = bytes((_INTEGER, len(serial))) + serial
    for path in PATHS:
        try:
            data = host.read(path, _MAX_SIZE)
        except OSError:
            continue
        if data[:1] == b"0" and number in data:
            return path
    return ""
