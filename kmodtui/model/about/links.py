"""Links to the kernel's documentation and source, only where they are certain.

A module of the kernel's own tree is built from the directory that its path mirrors, so the
source is known. The documentation of a few modules is known by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodtui.model.about.facts import ModuleFacts
from kmodtui.model.about.page import Statement
from kmodtui.model.category import TREE

_SOURCE = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/{0}?h=v{1}"
_DOCUMENTS = "https://docs.kernel.org/{0}.html"
_RELEASE = re.compile(r"(\d+\.\d+)\.")

_PAGES = {
    "9p": "filesystems/9p",
    "adfs": "filesystems/adfs",
    "affs": "filesystems/affs",
    "afs": "filesystems/afs",
    "bareudp": "networking/bareudp",
    "batman_adv": "networking/batman-adv",
    "befs": "filesystems/befs",
    "bfs": "filesystems/bfs",
    "binder_linux": "admin-guide/binderfs",
    "bonding": "networking/bonding",
    "brd": "admin-guide/blockdev/ramdisk",
    "bridge": "networking/bridge",
    "btrfs": "filesystems/btrfs",
    "can": "networking/can",
    "cdc_mbim": "networking/cdc_mbim",
    "ceph": "filesystems/ceph",
    "coda": "filesystems/coda",
    "cramfs": "filesystems/cramfs",
    "dm_cache": "admin-guide/device-mapper/cache",
    "dm_clone": "admin-guide/device-mapper/dm-clone",
    "dm_crypt": "admin-guide/device-mapper/dm-crypt",
    "dm_delay": "admin-guide/device-mapper/delay",
    "dm_dust": "admin-guide/device-mapper/dm-dust",
    "dm_era": "admin-guide/device-mapper/era",
    "dm_flakey": "admin-guide/device-mapper/dm-flakey",
    "dm_integrity": "admin-guide/device-mapper/dm-integrity",
    "dm_log_writes": "admin-guide/device-mapper/log-writes",
    "dm_raid": "admin-guide/device-mapper/dm-raid",
    "dm_snapshot": "admin-guide/device-mapper/snapshot",
    "dm_thin_pool": "admin-guide/device-mapper/thin-provisioning",
    "dm_unstripe": "admin-guide/device-mapper/unstriped",
    "dm_verity": "admin-guide/device-mapper/verity",
    "dm_writecache": "admin-guide/device-mapper/writecache",
    "dm_zoned": "admin-guide/device-mapper/dm-zoned",
    "drbd": "admin-guide/blockdev/drbd/index",
    "e100": "networking/device_drivers/ethernet/intel/e100",
    "e1000": "networking/device_drivers/ethernet/intel/e1000",
    "e1000e": "networking/device_drivers/ethernet/intel/e1000e",
    "ecryptfs": "filesystems/ecryptfs",
    "efivarfs": "filesystems/efivarfs",
    "ena": "networking/device_drivers/ethernet/amazon/ena",
    "erofs": "filesystems/erofs",
    "ext2": "filesystems/ext2",
    "ext4": "admin-guide/ext4",
    "f2fs": "filesystems/f2fs",
    "floppy": "admin-guide/blockdev/floppy",
    "fm10k": "networking/device_drivers/ethernet/intel/fm10k",
    "gve": "networking/device_drivers/ethernet/google/gve",
    "hinic": "networking/device_drivers/ethernet/huawei/hinic",
    "i40e": "networking/device_drivers/ethernet/intel/i40e",
    "i915": "gpu/i915",
    "iavf": "networking/device_drivers/ethernet/intel/iavf",
    "ice": "networking/device_drivers/ethernet/intel/ice",
    "idpf": "networking/device_drivers/ethernet/intel/idpf",
    "igb": "networking/device_drivers/ethernet/intel/igb",
    "igbvf": "networking/device_drivers/ethernet/intel/igbvf",
    "ipvlan": "networking/ipvlan",
    "isofs": "filesystems/isofs",
    "ixgbe": "networking/device_drivers/ethernet/intel/ixgbe",
    "ixgbevf": "networking/device_drivers/ethernet/intel/ixgbevf",
    "md_mod": "admin-guide/md",
    "mlx5_core": "networking/device_drivers/ethernet/mellanox/mlx5/index",
    "nbd": "admin-guide/blockdev/nbd",
    "null_blk": "block/null_blk",
    "overlay": "filesystems/overlayfs",
    "pktgen": "networking/pktgen",
    "ppp_generic": "networking/ppp_generic",
    "ramoops": "admin-guide/ramoops",
    "snd_aloop": "sound/alsa-configuration",
    "snd_dummy": "sound/alsa-configuration",
    "squashfs": "filesystems/squashfs",
    "tun": "networking/tuntap",
    "ubifs": "filesystems/ubifs",
    "vcan": "networking/can",
    "vfat": "filesystems/vfat",
    "vrf": "networking/vrf",
    "vxlan": "networking/vxlan",
    "xfs": "admin-guide/xfs",
    "zram": "admin-guide/blockdev/zram",
}
"""Pages of the kernel's documentation that are about one module."""


def links(facts: ModuleFacts) -> Iterator[Statement]:
    """Yield links to documentation and source; none for a module from elsewhere."""
    place = facts.place
    if not (facts.intree or facts.builtin) or not place.startswith(TREE):
        return
    if page := _PAGES.get(facts.name):
        text = "documentation of the kernel"
        yield Statement("documentation", text, link=_DOCUMENTS.format(page))
    release = _RELEASE.match(facts.release)
    directory = place.removeprefix(TREE).rpartition("/")[0]
    if release and directory:
        text = f"source in {directory} of Linux {release[1]}"
        file = "modules.builtin" if facts.builtin else "modules.dep"
        link = _SOURCE.format(directory, release[1])
        yield Statement("source", text, (f"{facts.index}/{file}: {place}",), link=link)
