"""The category of a module, by its directory."""

from __future__ import annotations

import pytest

from kmodtui.model.category import category, is_external


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("kernel/fs/btrfs/btrfs.ko", "file system"),
        ("kernel/fs/nls/nls_utf8.ko.xz", "character set"),
        ("kernel/drivers/net/dummy.ko", "network driver"),
        ("kernel/drivers/net/ethernet/intel/e1000/e1000.ko", "Ethernet driver"),
        ("kernel/drivers/net/wireless/ath/ath9k/ath9k.ko", "wireless driver"),
        ("kernel/arch/x86/crypto/crc32c-intel.ko", "cryptography"),
        ("kernel/arch/arm64/crypto/aes-ce-blk.ko", "cryptography"),
        ("kernel/arch/x86/kvm/kvm.ko", "virtual machines"),
        ("kernel/net/ipv4/netfilter/ip_tables.ko", "firewall"),
        ("kernel/net/ipv4/ip_gre.ko", "network protocol"),
        ("kernel/drivers/brandnew/x.ko", "driver"),
        ("kernel/lib/crc16.ko", "library"),
        ("kernel/ubuntu/thing/thing.ko", ""),
        ("updates/dkms/zfs.ko", "external"),
        ("extra/thing.ko.zst", "external"),
        ("/usr/local/vendor/thing.ko", "external"),
        ("", ""),
    ],
)
def test_category_by_directory(path: str, words: str) -> None:
    assert category(path) == words


@pytest.mark.parametrize("path", ["updates/a.ko", "weak-updates/a.ko", "misc/vmmon.ko", "/x/a.ko"])
def test_modules_outside_of_the_kernels_own_directory_are_external(path: str) -> None:
    assert is_external(path)
    assert not is_external("kernel/" + path)


def test_a_module_without_a_file_has_no_category() -> None:
    assert not is_external("")
