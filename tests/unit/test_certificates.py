"""The certificate of the key that signed a module is found by its serial number."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.kernel.certificates import find_certificate
from kmodtui.kernel.host import LocalHost

SERIAL = bytes(range(1, 21))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"0\x82\x01\x00\xa0\x03\x02\x01\x02\x02\x14" + SERIAL, "/var/lib/dkms/mok.pub"),
        (b"0\x82\x01\x00\xa0\x03\x02\x01\x02\x02\x14" + SERIAL[::-1], ""),
        (b"-----BEGIN CERTIFICATE-----", ""),
        (b"", ""),
    ],
)
def test_it_is_the_one_with_the_serial_number_of_the_signature(
    tmp_path: Path, data: bytes, found: str
) -> None:
    (tmp_path / "var/lib/dkms").mkdir(parents=True)
    (tmp_path / "var/lib/dkms/mok.pub").write_bytes(data)
    assert find_certificate(LocalHost(tmp_path), SERIAL) == found
    assert find_certificate(LocalHost(tmp_path), b"") == ""
