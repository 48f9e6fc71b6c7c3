"""The uses of a module are found in the system's files, and reported with their evidence."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.kernel.routes import connection_interfaces
from kmodtui.kernel.usage import read_usage
from kmodtui.model.usage import (
    NO_USAGE,
    Usage,
    Use,
    UseKind,
    held_by,
    unload_warnings,
    used_by,
    users_of,
)

ALIASES = {
    "fs-fuse": ("fuse",),
    "fs-ext4": ("ext4",),
    "block-major-7-0": ("loop",),
    "block-major-253-0": ("dm_mod",),
    "rtnl-link-dummy": ("dummy",),
    "rtnl-link-bridge": ("bridge",),
    "char-major-1-3": ("nothingness",),
}

ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    "tun0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)

Tree = Callable[..., LocalHost]


def resolve(alias: str) -> tuple[str, ...]:
    return ALIASES.get(alias, ())


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a function that creates a system from files; content with `->` makes a link."""

    def make(files: Mapping[str, str]) -> LocalHost:
        for path, content in files.items():
            file = tmp_path / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("->"):
                file.symlink_to(content.removeprefix("->"))
            else:
                file.write_text(content)
        return LocalHost(tmp_path)

    return make


def uses(host: LocalHost, module: str, connection: str = "") -> list[tuple[UseKind, str, str]]:
    found = read_usage(host, [module], resolve, connection).by_module.get(module, ())
    return [(use.kind, use.what, use.evidence) for use in found]


def test_a_mount_is_found_by_its_file_systems_type(tree: Tree) -> None:
    host = tree(
        {
            "/proc/self/mountinfo": "22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n"
            "30 22 0:25 / /mnt/my\\040data rw,nosuid - fuse.sshfs me@there: rw\n"
            "31 22 0:26 / /proc rw - proc proc rw\nhalf a line\n"
        }
    )
    assert uses(host, "fuse") == [
        (
            UseKind.MOUNT,
            "/mnt/my data (fuse.sshfs)",
            "/proc/self/mountinfo: me@there: on /mnt/my data type fuse.sshfs",
        )
    ]
    assert uses(host, "ext4")[0][1] == "/ (ext4)"
    assert uses(host, "btrfs") == []


def test_only_block_devices_in_use_are_reported(tree: Tree) -> None:
    host = tree(
        {
            "/proc/self/mountinfo": "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n",
            "/proc/swaps": "Filename Type Size Used Priority\n/dev/vda2 partition 1 0 -2\n",
            "/sys/block/vda/device/driver/module": "->../../../../module/virtio_blk",
            "/sys/block/vda/vda1/dev": "254:1\n",
            "/sys/block/vda/vda2/dev": "254:2\n",
            "/sys/block/vda/vda3/holders/dm-0": "",
            "/sys/block/vda/vda10/holders/dm-10": "",
            "/sys/block/vda/vda10/holders/dm-9": "",
            "/sys/block/loop0/dev": "7:0\n",
            "/sys/block/loop0/loop/backing_file": "/tmp/image\x1b[2J\n",
            "/sys/block/loop1/dev": "7:0\n",
        }
    )
    assert [what for _, what, _ in uses(host, "virtio_blk")] == [
        "vda1, mounted at /",
        "vda2, used as swap",
        "vda3, used by dm-0",
        "vda10, used by dm-9",
        "vda10, used by dm-10",
    ]
    assert uses(host, "loop") == [
        (
            UseKind.BLOCK_DEVICE,
            "loop0, backed by /tmp/image\\x1b[2J",
            "/sys/block/loop0/loop/backing_file: loop0 backed by /tmp/image\\x1b[2J",
        )
    ]


def test_the_module_of_an_interface_is_known_by_driver_kind_or_name(tree: Tree) -> None:
    net = "/sys/class/net"
    host = tree(
        {
            f"{net}/eth0/device/driver/module": "->../../../module/virtio_net",
            f"{net}/eth0/flags": "0x1003\n",
            f"{net}/br0/uevent": "DEVTYPE=bridge\nINTERFACE=br0\n",
            f"{net}/br0/flags": "0x1002\n",
            f"{net}/tun7/tun_flags": "0x1001\n",
            f"{net}/dummy0/uevent": "INTERFACE=dummy0\n",
            f"{net}/lo/uevent": "INTERFACE=lo\n",
        }
    )
    assert uses(host, "virtio_net") == [
        (UseKind.INTERFACE, "eth0, up", f"{net}/eth0/device/driver/module: virtio_net")
    ]
    assert uses(host, "bridge")[0][1] == "br0, down"
    assert uses(host, "tun")[0][1] == "tun7, down"
    assert uses(host, "dummy") == [
        (UseKind.INTERFACE, "dummy0, down", f"{net}/dummy0: inferred from the name")
    ]


def test_warnings_about_interfaces_start_with_the_users_own_connection(
    tree: Tree,
) -> None:
    net = "/sys/class/net"
    host = tree(
        {
            "/proc/net/route": ROUTES,
            f"{net}/eth0/device/driver/module": "->../../../module/virtio_net",
            f"{net}/eth0/flags": "0x1003\n",
            f"{net}/eth1/device/driver/module": "->../../../module/virtio_net",
        }
    )
    usage = read_usage(host, ["virtio_net"], resolve, "203.0.113.9 51111 10.0.2.15 22")
    assert unload_warnings(usage, ["virtio_net", "failover"]) == (
        "You are connected through eth0, from 203.0.113.9: unloading virtio_net cuts this "
        "connection, and you may not be able to reconnect.",
        "The network interface eth1 (down) disappears with virtio_net.",
    )
    assert usage.holders("virtio_net") == ()


@pytest.mark.parametrize(
    ("connection", "interfaces"),
    [
        ("203.0.113.9 51111 10.0.2.15 22", {"eth0"}),
        ("192.168.3.4 51111 192.168.0.1 22", {"tun0"}),
        ("fe80::1%wlan0 51111 fe80::2%wlan0 22", {"wlan0"}),
        ("2001:db8::9 51111 2001:db8::1 22", {"bond0", "eth2", "eth3"}),
        ("::ffff:192.168.3.4 1 ::ffff:192.168.3.4 22", {"tun0"}),
        ("2001:db8::9 51111 2001:db8::77 22", set()),
        ("", set()),
        ("nonsense", set()),
        ("a b c d", set()),
    ],
)
def test_the_interface_of_the_users_ssh_connection(
    tree: Tree, connection: str, interfaces: set[str]
) -> None:
    host = tree(
        {
            "/proc/net/route": ROUTES,
            "/proc/net/if_inet6": "20010db8000000000000000000000001 03 40 00 80    bond0\n",
            "/sys/class/net/bond0/lower_eth2/x": "",
            "/sys/class/net/bond0/lower_eth3/x": "",
        }
    )
    assert connection_interfaces(host, connection) == interfaces


def test_an_open_device_file_is_reported_with_the_process(tree: Tree) -> None:
    host = tree(
        {
            "/proc/4711/fd/3": "->/dev/null",
            "/proc/4711/fd/4": "->/dev/null",
            "/proc/4711/fd/5": "->/etc/passwd",
            "/proc/4711/fd/6": "->socket:[815]",
            "/proc/4711/comm": "qemu\n",
            "/proc/4711/status": "Name:\tqemu\nUid:\t1000\t0\t0\t0\n",
            "/proc/4712/fd/0": "->/dev/null",
            "/proc/4712/comm": "cat\n",
            "/proc/4712/status": "Name:\tcat\nUid:\t7\t7\t7\t7\n",
            "/etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:\n",
        }
    )
    null = "/dev/null, opened by"
    assert [(what, evidence) for _, what, evidence in uses(host, "nothingness")] == [
        (f"{null} qemu (4711, user alice)", "/proc/4711/fd/3: /dev/null"),
        (f"{null} cat (4712, user 7)", "/proc/4712/fd/0: /dev/null"),
    ]


def test_a_console_holds_its_own_module_and_may_hold_the_framebuffers(tree: Tree) -> None:
    host = tree(
        {
            "/sys/class/vtconsole/vtcon0/name": "(S) dummy device\n",
            "/sys/class/vtconsole/vtcon0/bind": "0\n",
            "/sys/class/vtconsole/vtcon1/name": "(M) frame buffer device\n",
            "/sys/class/vtconsole/vtcon1/bind": "1\n",
            "/proc/fb": "0 bochs-drmdrmfb\n",
            "/sys/class/graphics/fb0/device/driver/module": "->../../../../module/bochs",
        }
    )
    usage = read_usage(host, ["bochs", "fb"], resolve)
    assert held_by(usage, "fb", 1) == "Held by console vtcon1, shown on a framebuffer."
    (use,) = usage.holders("bochs")
    assert use.evidence == "/proc/fb: 0 bochs-drmdrmfb, /sys/class/vtconsole/vtcon1/bind: 1"
    assert held_by(usage, "bochs", 1).startswith("Probably held by console vtcon1, shown on fb0")


def test_a_kprobe_holds_nothing_and_a_bpf_program_possibly_something(tree: Tree) -> None:
    tracing = "/sys/kernel/tracing/enabled_functions"
    host = tree(
        {
            "/sys/kernel/debug/kprobes/list": "ffffffffc0a01000  k  tun_get_user+0x0  tun\n"
            "ffffffffc0a01100  k  tun_old+0x0  tun [GONE]\nffffffff81000000  r  vfs_read+0x0    \n"
            "half a line\n",
            tracing: "vfs_read (1) R   D   M  \n\tdirect-->bpf_trampoline_1+0x0/0x1\n"
            "tun_net_xmit [tun] (2) R   D   M  \ttramp: ftrace_regs_caller+0x0/0x65\n"
            "\tdirect-->bpf_trampoline_6442453466+0x0/0x1f2\n"
            "tun_free [tun] (1) R I \tkprobe_ftrace_handler+0x0/0x1\n",
        }
    )
    usage = read_usage(host, ["tun"], resolve)
    assert [str(use) for use in usage.by_module["tun"]] == [
        "kprobe on 1 function: tun_get_user",
        "BPF program on 1 function: tun_net_xmit",
    ]
    (program,) = usage.holders("tun")
    assert program.possible
    assert program.evidence == f"{tracing}: tun_net_xmit [tun] direct-->bpf_trampoline"
    assert held_by(usage, "tun", 2).startswith("Probably held by BPF program on 1 function")
    module = parse_modules(b"tun 1 2 - Live 0x0\n").by_name["tun"]
    assert users_of(module, usage) == "kprobe on 1 function: tun_get_user +2"


def test_what_only_root_may_inspect_is_said() -> None:
    usage = Usage(unseen=1, hooks_unseen=True)
    assert held_by(usage, "tun", 1).endswith(
        "1 process of other users and BPF programs attached to it cannot be inspected without "
        "root privileges."
    )


def test_a_device_file_below_a_device_belongs_to_its_driver(tree: Tree) -> None:
    host = tree(
        {
            "/proc/12/fd/3": "->/dev/null",
            "/sys/dev/char/1:3/device/device/driver/module": "->../../module/snd_hda_intel",
        }
    )
    assert uses(host, "snd_hda_intel")[0][1] == "/dev/null, opened by process (12)"
    assert uses(host, "nothingness") == []


def test_an_open_block_device_belongs_to_its_driver_or_number(tmp_path: Path, tree: Tree) -> None:
    host = tree(
        {
            "/proc/12/fd/3": "->/dev/loop0",
            "/proc/12/fd/4": "->/dev/vda1",
            "/proc/12/comm": "blkid\n",
            "/sys/devices/vda/device/driver/module": "->../../../../module/virtio_blk",
            "/sys/devices/vda/vda1/dev": "254:1\n",
            "/sys/dev/block/254:1": "->../../devices/vda/vda1",
            "/dev/x": "",
        }
    )
    try:
        os.mknod(tmp_path / "dev/loop0", stat.S_IFBLK | 0o600, os.makedev(7, 0))
        os.mknod(tmp_path / "dev/vda1", stat.S_IFBLK | 0o600, os.makedev(254, 1))
    except PermissionError:
        pytest.skip("only root can create device files")
    assert uses(host, "loop")[0][1] == "/dev/loop0, opened by blkid (12)"
    assert uses(host, "virtio_blk")[0][1] == "/dev/vda1, opened by blkid (12)"


@pytest.mark.parametrize(("release", "opens"), [("6.1.0-57-amd64", 2), ("6.12.1", 1), ("", 1)])
def test_older_kernels_open_a_device_twice_for_swap(tree: Tree, release: str, opens: int) -> None:
    host = tree(
        {
            "/proc/sys/kernel/osrelease": f"{release}\n",
            "/proc/swaps": "Filename Type Size Used Priority\n/dev/loop0 partition 1 0 -2\n",
            "/sys/block/loop0/dev": "7:0\n",
            "/sys/block/loop0/loop/backing_file": "/swap\n",
        }
    )
    swap, file = read_usage(host, ["loop"], resolve).by_module["loop"]
    assert (swap.what, swap.references) == ("loop0, used as swap", opens)
    assert (file.what, file.references) == ("loop0, backed by /swap", 1)


def test_sockets_and_algorithms(tree: Tree) -> None:
    host = tree(
        {
            "/proc/net/protocols": "protocol  size sockets  memory press maxhdr  slab module   cl\n"
            "SCTP      1664      2       0   no       0   yes  sctp          y\n"
            "CAN_RAW   1024      0      -1   NI       0   yes  can_raw       y\n"
            "TCP       2496      9       3   no     240   yes  kernel        y\n",
            "/proc/crypto": "name : crc32c\ndriver : crc32c-generic\nmodule : crc32c_generic\n"
            "refcnt : 3\n\nname : aes\ndriver : aes-aesni\nmodule : aesni-intel\nrefcnt : 1\n",
        }
    )
    assert uses(host, "sctp") == [
        (UseKind.SOCKET, "SCTP, 2 sockets", "/proc/net/protocols: SCTP 2 sockets")
    ]
    assert uses(host, "crc32c_generic")[0][2] == "/proc/crypto: crc32c-generic refcnt 3"
    for module in ("can_raw", "kernel", "aesni_intel"):
        assert uses(host, module) == []


def test_a_system_without_these_files_has_no_usage(tree: Tree) -> None:
    assert read_usage(tree({}), ["ext4"], resolve, "1.2.3.4 1 5.6.7.8 22") == NO_USAGE


def test_holders_are_named_and_counted() -> None:
    many = tuple(Use(UseKind.MOUNT, f"/{n} (ext4)", "") for n in range(5))
    usage = Usage({"ext4": many, "e1000": (Use(UseKind.INTERFACE, "eth0, up", ""),)})
    named = "mount /0 (ext4); mount /1 (ext4); mount /2 (ext4); and 2 more"
    assert held_by(usage, "ext4", 5) == f"Held by {named}."
    assert held_by(usage, "ext4", 7) == (
        f"5 of 7 references not held by modules were found: {named}."
    )
    assert used_by(usage, "e1000") == "network interface eth0, up"
    assert used_by(usage, "xfs") == ""
    nothing = "and kmodtui found no mount, open file, device or socket that does."
    assert held_by(usage, "e1000", 1) == f"No module holds its reference, {nothing}"
    hidden = replace(usage, unseen=3)
    unseen = "3 processes of other users cannot be inspected without root privileges."
    assert held_by(hidden, "xfs", 2) == f"No module holds its 2 references, {nothing} {unseen}"
    assert held_by(hidden, "ext4", 6).endswith(unseen)
    assert held_by(hidden, "ext4", 5) == f"Held by {named}."


def test_a_file_system_mounted_in_several_places_holds_one_reference(tree: Tree) -> None:
    host = tree(
        {
            "/proc/self/mountinfo": "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
            "23 22 254:1 /srv /mnt rw - ext4 /dev/vda1 rw\n"
            "24 22 254:2 / /home rw - ext4 /dev/vda2 rw\n",
            "/sys/block/vda/device/driver/module": "->../../../../module/virtio_blk",
            "/sys/block/vda/vda1/dev": "254:1\n",
            "/sys/block/vda/vda2/dev": "254:2\n",
        }
    )
    usage = read_usage(host, ["ext4", "virtio_blk"], resolve)
    assert held_by(usage, "ext4", 2) == (
        "Held by mount / (ext4); mount /mnt (ext4); mount /home (ext4)."
    )
    assert held_by(usage, "virtio_blk", 3).startswith(
        "2 of 3 references not held by modules were found"
    )


def test_devices_lose_their_driver_with_the_module(tree: Tree) -> None:
    drivers = "/sys/bus/pci/drivers"
    host = tree(
        {
            "/sys/module/e1000/drivers/pci:e1000": "->../../../bus/pci/drivers/e1000",
            f"{drivers}/e1000/0000:00:03.0": "->../../../../devices/pci0000:00/0000:00:03.0",
            f"{drivers}/e1000/0000:00:04.0": "->../../../../devices/pci0000:00/0000:00:04.0",
            f"{drivers}/e1000/module": "->../../../../module/e1000",
            f"{drivers}/e1000/bind": "",
            "/sys/class/net/eth0/device": "->../../../0000:00:03.0",
        }
    )
    usage = read_usage(host, ["e1000"], resolve)
    assert unload_warnings(usage, ["e1000"]) == (
        "The device 0000:00:04.0 (pci) loses its driver with e1000.",
    )
    assert usage.holders("e1000") == ()


def test_the_column_used_by_names_modules_then_others_then_counts_the_unknown() -> None:
    row = "ext4 983040 {} {} Live 0x0000000000000000\n"
    mount = Use(UseKind.MOUNT, "/ (ext4)", "")
    usage = Usage({"ext4": (mount,)})

    def words(references: int, users: str, usage: Usage) -> str:
        (module,) = parse_modules(row.format(references, users).encode())
        return users_of(module, usage)

    assert words(0, "-", NO_USAGE) == ""
    interface = Use(UseKind.INTERFACE, "eth0, up", "")
    assert words(0, "-", Usage({"ext4": (interface,)})) == "eth0, up"
    assert words(1, "-", usage) == "mount / (ext4)"
    assert words(2, "overlay,", usage) == "overlay; mount / (ext4)"
    assert words(4, "overlay,[permanent],", usage) == "[permanent] overlay; mount / (ext4) +2"
    assert words(3, "-", NO_USAGE) == ""  # the count stands in the column `refs`
    assert words(3, "overlay,", NO_USAGE) == "overlay +2"
