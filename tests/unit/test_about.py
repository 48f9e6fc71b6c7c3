"""What a module does, why it is loaded and what holds it: each statement with its evidence."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel import initramfs
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.initramfs import UnreadableInitramfsError, read_initramfs_modules
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.about.about import about
from kmodtui.model.about.facts import (
    BusDevice,
    ClassDevice,
    ModuleFacts,
    ObservedLoad,
    RunningKernel,
)
from kmodtui.model.about.hardware import device_name, supported
from kmodtui.model.about.identifiers import identifier
from kmodtui.model.about.interfaces import provided_by_aliases
from kmodtui.model.about.page import Page, some
from kmodtui.model.about.why import why
from kmodtui.model.hardware_names import HardwareNames, IdNames
from kmodtui.model.modprobe_rules import Rule, RuleKind
from kmodtui.model.usage import Usage, Use, UseKind
from kmodtui.services.module_facts import SystemFacts
from tests.support.simulated import make_simulated
from tests.support.small_recording import RELEASE

PCI_IDS = """\
# a comment
10de  NVIDIA Corporation
8086  Intel Corporation
\t100e  82540EM Gigabit Ethernet Controller
\t\t8086 001e  PRO/1000 MT Desktop Adapter
\t100f  82545EM
C 01  Mass storage controller
\t06  SATA controller
\t\t01  AHCI 1.0
"""
NAMES = HardwareNames(pci=IdNames("/usr/share/hwdata/pci.ids", PCI_IDS))


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


def system(kernel: SimulatedKernel) -> SystemFacts:
    return SystemFacts(kernel.host, RELEASE, read_index(kernel.host, RELEASE))


def page_about(kernel: SimulatedKernel, name: str) -> Page:
    return about(system(kernel).about(name))


def page_why(kernel: SimulatedKernel, name: str, observed: ObservedLoad | None = None) -> Page:
    return why(system(kernel).why(name, observed))


def texts(page: Page, key: str) -> list[str]:
    return [statement.text for statement in page.section(key)]


def add_device(
    kernel: SimulatedKernel, address: str, modalias: str, driver: str = "", module: str = ""
) -> None:
    """Put a device on the virtio bus, with a driver of a module."""
    path = f"/sys/bus/virtio/devices/{address}"
    kernel.folder.write(f"{path}/modalias", f"{modalias}\n".encode())
    if driver:
        kernel.folder.write(f"/sys/bus/virtio/drivers/{driver}/uevent", b"")
        kernel.folder.link(f"{path}/driver", f"../../drivers/{driver}")
        kernel.folder.link(
            f"/sys/bus/virtio/drivers/{driver}/module", f"../../../../module/{module}"
        )


# Aliases in words


def test_aliases_say_what_a_module_provides() -> None:
    aliases = ["fs-ext4", "fs-ext3", "ext3", "net-pf-29", "net-pf-2-proto-132", "rtnl-link-dummy"]
    found, others = provided_by_aliases(aliases, "/m.ko")
    assert [statement.text for statement in found] == [
        "file system ext4 and ext3",
        "socket family AF_CAN",
        "protocol SCTP over IPv4",
        "network interfaces of type dummy",
    ]
    assert found[0].evidence == ("/m.ko: alias fs-ext4", "/m.ko: alias fs-ext3")
    assert others == ["ext3"]


def test_ranges_of_devices_are_counted_and_named() -> None:
    aliases = [
        "pci:v00008086d0000100Esv*sd*bc*sc*i*",
        "pci:v00008086d0000100Fsv*sd*bc*sc*i*",
        "pci:v000010DEd*sv*sd*bc*sc*i*",
        "pci:v*d*sv*sd*bc01sc06i01*",
        "virtio:d00000001v*",
        "fs-ext4",
    ]
    pci, virtio = supported(aliases, "/m.ko", NAMES)
    assert pci.text == (
        "PCI: 2 devices of Intel Corporation, such as 82540EM Gigabit Ethernet Controller "
        "(8086:100e); every device of NVIDIA Corporation; every device of class AHCI 1.0 (010601)"
    )
    assert pci.evidence == (
        "/m.ko: 4 aliases, such as pci:v00008086d0000100Esv*sd*bc*sc*i*",
        "/usr/share/hwdata/pci.ids",
    )
    assert virtio.text == "virtio: network device"


def test_without_hwdata_the_numbers_are_shown() -> None:
    (pci,) = supported(["pci:v00008086d0000100Esv*sd*bc*sc*i*"], "/m.ko", HardwareNames())
    assert pci.text == "PCI: 1 device of vendor 8086: 8086:100e"
    assert len(pci.evidence) == 1


@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ("of:N*T*Cdynaimage,al3320aC*", "dynaimage,al3320a"),
        ("of:N*T*Cdynaimage,al3320a", "dynaimage,al3320a"),
        ("pnp:dPNP0400*", "PNP0400"),
        ("mdio:0010000000000000101000100011????", "PHY 2000a23?"),
        ("serio:ty02pr08id*ex*", "RS-232, protocol 0x08"),
        ("serio:ty05pr*id*ex*", "i8042 port (XL)"),
        ("cpu:type:x86,ven0009fam0018mod*:feature:*", "Hygon family 0x18"),
        ("cpu:type:x86,ven*fam*mod*:feature:*00E3*", "with feature 00E3"),
        ("hid:b0003g*v00000C70p0000F003", "0c70:f003 on USB"),
        ("hid:b0005g*v*p*", "*:* on Bluetooth"),
        ("scsi:t-0x14*", "zoned disk"),
        ("dmi*:svn*DellInc.*:ct*31*:", "made by DellInc., chassis type 31"),
        ("dmi:*:", ""),
        ("i2c:al3320a", "al3320a"),
    ],
)
def test_an_alias_of_a_bus_without_names_is_decoded(alias: str, words: str) -> None:
    assert identifier(alias) == words


def test_the_same_device_is_counted_once() -> None:
    (tree,) = supported(["of:N*T*Cx,yC*", "of:N*T*Cx,y"], "/m.ko", HardwareNames())
    assert tree.text == "device tree: 1 id: x,y"


def test_a_device_has_the_name_of_its_numbers() -> None:
    alias = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"
    assert device_name(alias, NAMES) == "Intel Corporation 82540EM Gigabit Ethernet Controller"
    assert device_name(alias, HardwareNames()) == ""


def test_long_lists_are_counted() -> None:
    assert some(["a"]) == "a"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c, d and e"
    assert some(list("abcdef")) == "a, b, c, d and 2 more"


# About


def test_every_module_has_a_page_that_says_something(kernel: SimulatedKernel) -> None:
    facts = system(kernel)
    index = read_index(kernel.host, RELEASE)
    for name in (*index.names, *index.builtin_names):
        page = about(facts.about(name))
        assert page.status in ("loaded", "not loaded", "built in")
        assert page.category
        assert any(page.section(key) for key in ("provides", "supports", "matches")), name
        assert page.section("used_by") or page.status == "built in", name


def test_the_page_of_a_file_system_has_what_it_provides_needs_and_who_uses_it(
    kernel: SimulatedKernel,
) -> None:
    mount = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
    kernel.folder.write("/proc/self/mountinfo", mount)
    page = page_about(kernel, "ext4")
    assert (page.status, page.category) == ("loaded", "file system")
    assert texts(page, "provides")[0] == "file system ext4, ext3 and ext2"
    assert "crc16, mbcache" in texts(page, "needs")[0]
    assert texts(page, "used_by")[0] == "mount / (ext4)"
    assert page.section("used_by")[0].evidence == (
        "/proc/self/mountinfo: /dev/vda1 on / type ext4",
    )
    assert any("tree/fs/ext4?h=v" in statement.link for statement in page.section("links"))


def test_a_module_from_elsewhere_has_no_link(kernel: SimulatedKernel) -> None:
    assert page_about(kernel, "hello").section("links") == ()


def test_the_devices_of_a_driver_are_on_its_page(kernel: SimulatedKernel) -> None:
    add_device(kernel, "virtio0", "virtio:d00000001v00001AF4", "virtio_net", "virtio_net")
    add_device(kernel, "virtio1", "virtio:d00000001v00001AF4")
    page = page_about(kernel, "virtio_net")
    assert texts(page, "present") == [
        "virtio network device (virtio device virtio0): driven by this module",
        "virtio network device (virtio device virtio1): no driver is bound to it",
    ]


# Why


def test_a_bound_device_is_a_reason_and_its_driver_would_go(kernel: SimulatedKernel) -> None:
    add_device(kernel, "virtio0", "virtio:d00000001v00001AF4", "virtio_net", "virtio_net")
    kernel.folder.write("/sys/devices/pci0/virtio0/net/eth0/uevent", b"")
    kernel.folder.link("/sys/class/net/eth0", "../../devices/pci0/virtio0/net/eth0")
    kernel.folder.link("/sys/devices/pci0/virtio0/driver", "../../../bus/virtio/drivers/virtio_net")
    page = page_why(kernel, "virtio_net")
    (reason,) = page.section("reasons")
    assert not reason.possible
    assert reason.text == (
        "virtio network device (virtio device virtio0) matches one of its aliases, and uses its "
        "driver virtio_net"
    )
    assert "/sys/bus/virtio/devices/virtio0/modalias: virtio:d00000001v00001AF4" in reason.evidence
    assert "network interface eth0" in texts(page, "losses")


def test_a_blacklisted_alias_makes_the_reason_only_possible(kernel: SimulatedKernel) -> None:
    add_device(kernel, "virtio0", "virtio:d00000001v00001AF4", "virtio_net", "virtio_net")
    kernel.folder.write("/etc/modprobe.d/a.conf", b"blacklist virtio_net\n")
    (reason,) = page_why(kernel, "virtio_net").section("reasons")
    assert reason.possible
    assert "/etc/modprobe.d/a.conf:1: blacklist virtio_net" in reason.evidence


def test_a_device_that_another_module_drives_is_no_proof(kernel: SimulatedKernel) -> None:
    add_device(kernel, "virtio0", "virtio:d00000001v00001AF4", "other", "other")
    (reason,) = page_why(kernel, "virtio_net").section("reasons")
    assert reason.possible
    assert "but other drives it" in reason.text


def test_a_holder_is_a_proven_reason(kernel: SimulatedKernel) -> None:
    (reason,) = page_why(kernel, "crc16").section("reasons")
    assert not reason.possible
    assert reason.text == "ext4 needs it, and cannot be loaded without it"


def test_configuration_is_a_reason_with_file_and_line(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    kernel.folder.write("/etc/modules", b"# at boot\ndummy numdummies=2\n")
    kernel.folder.write("/etc/modules-load.d/x.conf", b"; no\ndummy\n")
    kernel.folder.link("/etc/modules-load.d/modules.conf", "../modules")
    kernel.folder.write("/proc/cmdline", b"quiet modules_load=tun,dummy\n")
    kernel.folder.write(
        "/usr/lib/systemd/system/d.service", b"[Service]\nExecStart=/sbin/modprobe dummy\n"
    )
    found = page_why(kernel, "dummy").section("reasons")
    assert [(reason.evidence[0], reason.possible) for reason in found] == [
        ("kernel command line: modules_load=tun,dummy", False),
        ("/etc/modules:2: dummy numdummies=2", False),
        ("/etc/modules-load.d/x.conf:2: dummy", False),
        ("/usr/lib/systemd/system/d.service:2: ExecStart=/sbin/modprobe dummy", True),
    ]


def test_a_listed_module_that_is_blacklisted_may_have_another_reason(
    kernel: SimulatedKernel,
) -> None:
    kernel.load("dummy")
    kernel.folder.write("/etc/modules", b"dummy\n")
    kernel.folder.write("/etc/modprobe.d/a.conf", b"blacklist dummy\n")
    (reason,) = page_why(kernel, "dummy").section("reasons")
    assert reason.possible


def test_the_first_file_of_a_name_counts(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/etc/modules-load.d/x.conf", b"# nothing\n")
    kernel.folder.write("/usr/lib/modules-load.d/x.conf", b"dummy\n")
    kernel.load("dummy")
    (reason,) = page_why(kernel, "dummy").section("reasons")
    assert reason.kind == "unknown"


def test_a_softdep_is_a_possible_reason(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/etc/modprobe.d/a.conf", b"softdep ext4 pre: dummy\n")
    kernel.load("dummy")
    (reason,) = page_why(kernel, "dummy").section("reasons")
    assert reason.possible
    assert reason.evidence == ("/etc/modprobe.d/a.conf:1: softdep ext4 pre: dummy",)


def test_a_load_that_was_seen_comes_first(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    kernel.folder.write("/etc/modules", b"dummy\n")
    seen = ObservedLoad("12:03:05", "modprobe -- dummy")
    first = page_why(kernel, "dummy", seen).section("reasons")[0]
    assert first.text == (
        "kmodtui saw it being loaded at 12:03:05, by its own command modprobe -- dummy"
    )


def test_without_any_evidence_the_reason_is_unknown(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    (reason,) = page_why(kernel, "dummy").section("reasons")
    assert (reason.kind, reason.possible) == ("unknown", True)


def test_a_module_that_is_not_loaded_has_what_would_load_it(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/etc/modprobe.d/a.conf", b"blacklist nbd\ninstall nbd /bin/false\n")
    page = page_why(kernel, "nbd")
    assert page.sections[0].title == "What would load it"
    assert [statement.kind for statement in page.section("obstacles")] == ["install", "blacklist"]


# Why it cannot be unloaded


def holders(kernel: SimulatedKernel, name: str) -> list[tuple[str, bool]]:
    return [(one.text, one.possible) for one in page_why(kernel, name).section("holders")]


def test_references_are_modules_and_others_and_the_rest_is_unknown(
    kernel: SimulatedKernel,
) -> None:
    kernel.folder.write("/proc/self/mountinfo", b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
    kernel.hold("ext4")
    count, mount, unknown = holders(kernel, "ext4")
    assert count == ("2 references: 0 from modules, 2 other", False)
    assert mount == ("mount / (ext4). Unmount it first.", False)
    assert unknown[0].startswith("1 reference of unknown users")
    assert unknown[1]


def test_more_uses_than_references_are_each_only_possible(kernel: SimulatedKernel) -> None:
    kernel.folder.write(
        "/proc/self/mountinfo",
        b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n23 1 254:2 / /a rw - ext4 /dev/vda2 rw\n",
    )
    _, *uses = holders(kernel, "ext4")
    assert [possible for _, possible in uses] == [True, True]


def test_a_module_without_references_can_be_unloaded(kernel: SimulatedKernel) -> None:
    assert holders(kernel, "virtio_net") == [
        ("nothing holds a reference: it can be unloaded", False)
    ]


def test_a_live_patch_holds_itself(kernel: SimulatedKernel) -> None:
    row = b"livepatch_demo 16384 1 - Live 0x0000000000000000 (OEK)\n"
    kernel.folder.write("/proc/modules", row)
    kernel.folder.write("/sys/kernel/livepatch/livepatch_demo/enabled", b"1\n")
    kernel.folder.write("/sys/kernel/livepatch/livepatch_demo/transition", b"1\n")
    _, (text, possible) = holders(kernel, "livepatch_demo")
    assert text.startswith("live patch livepatch_demo, in transition. Disable the live patch")
    assert not possible


def test_a_function_that_hangs_is_named_with_the_program_that_waits(
    kernel: SimulatedKernel,
) -> None:
    row = b"procfs3 16384 -1 - Unloading 0x0000000000000000 (OE-)\n"
    kernel.folder.write("/proc/modules", row)
    kernel.folder.write("/proc/812/cmdline", b"rmmod\0procfs3\0")
    page = page_why(kernel, "procfs3")
    assert page.status == "unloading"
    state, process = texts(page, "holders")
    assert "its exit function has not returned" in state
    assert process == "rmmod procfs3 (process 812) waits for it"


def test_what_hangs_on_a_bus_goes_with_its_driver_first_of_all_the_connection() -> None:
    uses = {
        "virtio_net": (Use(UseKind.INTERFACE, "eth0, up", "/sys/x", connection="10.0.0.9"),),
        "virtio_blk": (Use(UseKind.BLOCK_DEVICE, "vda, mounted at /", "/proc/self/mountinfo"),),
    }
    devices = (
        ClassDevice("block device", "vda", "/sys/class/block/vda", ("virtio_blk", "virtio_pci")),
        ClassDevice("input device", "input0", "/sys/class/input/input0", ("other",)),
        ClassDevice(
            "network interface", "eth0", "/sys/class/net/eth0", ("virtio_net", "virtio_pci")
        ),
    )
    (module,) = parse_modules(b"virtio_pci 24576 0 - Live 0x0000000000000000\n")
    facts = ModuleFacts(
        "virtio_pci",
        loaded=module,
        usage=Usage(uses),
        kernel=RunningKernel(class_devices=devices),
    )
    assert texts(why(facts), "losses") == [
        "YOUR CONNECTION from 10.0.0.9, which goes through eth0",
        "network interface eth0 (up)",
        "block device vda (mounted at /)",
    ]


def test_a_disk_without_hardware_goes_with_its_module() -> None:
    uses = tuple(Use(UseKind.BLOCK_DEVICE, f"loop0, {words}", "/x") for words in ("swap", "file"))
    (module,) = parse_modules(b"loop 24576 2 - Live 0x0000000000000000\n")
    facts = ModuleFacts("loop", loaded=module, usage=Usage({"loop": uses}))
    assert texts(why(facts), "losses") == ["block device loop0 (swap)"]


def test_what_is_not_loaded_names_what_would_request_it() -> None:
    aliases = ("fs-adfs", "adfs", "usb:v0E41p4156d*dc*dsc*dp*ic*isc*ip*in*", "i2c:x", "spi:x")
    facts = ModuleFacts("m", file="/m.ko", aliases=aliases, kernel=RunningKernel())
    mount, device = why(facts).section("reasons")
    assert mount.text == "a mount of file system adfs"
    assert mount.evidence == ("/m.ko: alias fs-adfs",)
    assert device.text == (
        "a device that it supports: USB: 1 device of vendor 0e41: 0e41:4156; I²C: 1 id: x; "
        "SPI: 1 id: x"
    )
    bus = (BusDevice("usb", "1-1", "/sys/bus/usb/devices/1-1"),)
    here = replace(facts, kernel=RunningKernel(bus_devices=bus))
    assert (
        why(here)
        .section("reasons")[1]
        .text.startswith("a device that it supports (this machine has none): USB")
    )
    blacklisted = replace(facts, blacklist=Rule(RuleKind.BLACKLIST, "m", "", "/x.conf", 1))
    (only,) = why(blacklisted).section("reasons")
    assert only.kind == "unknown"


# The initramfs


def newc(*names: str) -> bytes:
    """Return a cpio archive with files of four bytes."""
    data = b""
    for name in (*names, "TRAILER!!!"):
        size = 0 if name == "TRAILER!!!" else 4
        numbers = [0, 0, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name) + 1, 0]
        entry = b"070701" + b"".join(b"%08X" % number for number in numbers)
        entry += name.encode() + b"\0"
        entry += b"\0" * (-len(entry) % 4) + b"data"[:size]
        data += entry
    return data


@pytest.mark.parametrize("packing", ["gzip", "bz2", "lzma", "backports.zstd", ""])
def test_the_modules_in_an_initramfs_are_found(kernel: SimulatedKernel, packing: str) -> None:
    import importlib

    main = newc("usr/lib/modules/x/kernel/drivers/net/dummy.ko.xz", "init")
    packed = importlib.import_module(packing).compress(main) if packing else main
    microcode = newc("kernel/x86/microcode/GenuineIntel.bin")
    path = f"/boot/initrd.img-{RELEASE}"
    kernel.folder.write(path, microcode + b"\0" * (-len(microcode) % 512) + packed)
    kernel.load("dummy")
    (reason,) = page_why(kernel, "dummy").section("reasons")
    assert reason.possible
    assert reason.evidence == (f"{path}: usr/lib/modules/x/kernel/drivers/net/dummy.ko.xz",)


LZ4_MAGIC = bytes.fromhex("02214c18")


def lz4_legacy(content: bytes) -> bytes:
    """Return a legacy frame, as `lz4 -l` writes it, with a block of literals for each 8 MiB."""
    frame = LZ4_MAGIC
    for start in range(0, len(content), 8 << 20):
        literals = content[start : start + (8 << 20)]
        extra, rest = divmod(len(literals) - 15, 255)
        block = b"\xf0" + b"\xff" * extra + bytes([rest]) + literals
        frame += len(block).to_bytes(4, "little") + block
    return frame


@pytest.mark.skipif(shutil.which("lz4") is None, reason="lz4 is not installed")
def test_the_modules_in_an_lz4_initramfs_are_found_by_its_program(kernel: SimulatedKernel) -> None:
    path = f"/boot/initrd.img-{RELEASE}"
    microcode = newc("kernel/x86/microcode/GenuineIntel.bin")
    main = newc(*(f"lib/modules/x/m{number}.ko" for number in range(2000)), "lib/dummy.ko")
    plain = microcode + b"\0" * (-len(microcode) % 512)
    kernel.folder.write(path, plain + lz4_legacy(main))
    found = read_initramfs_modules(kernel.host, path)
    assert len(found) == 2001
    assert found["dummy"] == "lib/dummy.ko"
    for damaged in (LZ4_MAGIC, LZ4_MAGIC + b"\5\0\0\0garbage", lz4_legacy(main)[:-500]):
        kernel.folder.write(path, plain + damaged)
        with pytest.raises(UnreadableInitramfsError):
            read_initramfs_modules(kernel.host, path)


def test_a_missing_program_is_said_with_the_remedy(
    kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(initramfs._ENVIRONMENT, "PATH", "/nowhere")
    path = f"/boot/initrd.img-{RELEASE}"
    kernel.folder.write(path, lz4_legacy(newc("lib/dummy.ko")))
    kernel.load("dummy")
    (reason,) = page_why(kernel, "dummy").section("reasons")
    assert reason.text.endswith(
        f"no other reason was found. {path} cannot be read: it is compressed with lz4, which is "
        "not installed: install lz4 to read it"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"BZh9garbage",
        b"\x1f\x8bgarbage",
        gzip.compress(newc("x"))[:20],
        gzip.compress(newc("x"))[:10] + b"garbage, and more of it",
        b"garbage",
        newc("x")[:60],
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfdgarbage",
        b"070701" + b"no digits" * 20,
    ],
)
def test_a_damaged_initramfs_says_nothing(kernel: SimulatedKernel, data: bytes) -> None:
    kernel.folder.write(f"/boot/initrd.img-{RELEASE}", data)
    with pytest.raises(UnreadableInitramfsError):
        read_initramfs_modules(kernel.host, f"/boot/initrd.img-{RELEASE}")
    kernel.load("dummy")
    assert page_why(kernel, "dummy").section("reasons")[0].kind == "unknown"


# The verbs


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


def test_about_prints_the_files_and_why_the_lines(
    kernel: SimulatedKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(kernel.folder.root)
    out = printed(capsys, "about", "ext4", "--root", root)
    assert out.startswith("ext4: file system, loaded\n  Fourth Extended Filesystem\n")
    assert f"[/lib/modules/{RELEASE}/kernel/fs/ext4/ext4.ko]" in out
    out = printed(capsys, "why", "crc16", "--root", root)
    assert "  - ext4 needs it, and cannot be loaded without it\n      [/proc/modules: crc16 " in out


def test_an_alias_and_several_names_are_taken(
    kernel: SimulatedKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(kernel.folder.root)
    out: Any = json.loads(printed(capsys, "about", "fs-ext4", "crc16", "--root", root, "--json"))
    assert [module["name"] for module in out["modules"]] == ["ext4", "crc16"]


def test_an_unknown_name_is_an_error_and_the_others_are_printed(
    kernel: SimulatedKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["why", "ext5", "crc16", "--root", str(kernel.folder.root)]) == 1
    captured = capsys.readouterr()
    assert "ext5" in captured.err
    assert captured.out.startswith("crc16: ")


def test_text_of_files_cannot_control_the_terminal(
    kernel: SimulatedKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.load("dummy")
    kernel.folder.write("/etc/modules", b"dummy \x1b[31m\n")
    out = printed(capsys, "why", "dummy", "--root", str(kernel.folder.root))
    assert "\x1b" not in out
    assert "\\x1b[31m" in out
