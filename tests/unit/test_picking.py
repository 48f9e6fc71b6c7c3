"""What can be chosen for a text typed into the module picker: by device, alias or path."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kmodtui.errors import UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.device import names_device, read_device
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.model.fuzzy import SearchIndex
from kmodtui.model.load_line import query_of, split_line
from kmodtui.services.catalog.catalog import names_of
from kmodtui.services.picker.matching import (
    InputKind,
    answer_device,
    answer_modules,
    answer_path,
    completed,
    kind_of,
)

RELEASE = "6.1.0-test"


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    host = LocalHost(tmp_path)
    write(
        host,
        f"/lib/modules/{RELEASE}/modules.dep",
        "kernel/drivers/ata/ahci.ko:\nkernel/drivers/usb/storage/usb-storage.ko:\n"
        "kernel/net/e1000.ko:\nkernel/net/e1000e.ko:\n",
    )
    write(
        host,
        f"/lib/modules/{RELEASE}/modules.alias",
        "alias pci:v00008086d00002922sv*sd*bc*sc*i* ahci\n"
        "alias usb:v*p*d*dc*dsc*dp*ic08isc06ip50in* usb_storage\n"
        "alias pci:v00008086d00001000sv*sd*bc*sc*i* e1000e\n"
        "alias pci:v00008086d00001000sv*sd*bc*sc*i* e1000\n",
    )
    return host


@pytest.fixture
def index(host: LocalHost) -> ModuleIndex:
    return read_index(host, RELEASE)


@pytest.fixture
def haystack(index: ModuleIndex) -> SearchIndex:
    return SearchIndex(names_of(index).entries)


def write(host: LocalHost, path: str, text: str = "") -> None:
    file = Path(host.locate(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def card(host: LocalHost, address: str, modalias: str, module: str = "") -> str:
    """A PCI card in sysfs: a directory, and a link to it."""
    folder = f"/sys/devices/pci0000:00/{address}"
    write(host, f"{folder}/modalias", modalias + "\n")
    links = Path(host.locate("/sys/bus/pci/devices"))
    links.mkdir(parents=True, exist_ok=True)
    (links / address).symlink_to(f"../../../devices/pci0000:00/{address}")
    if module:
        write(host, f"/sys/bus/pci/drivers/{module}/bind")
        driver = Path(host.locate(f"{folder}/driver"))
        driver.symlink_to(f"../../../bus/pci/drivers/{module}")
        write(host, f"/sys/module/{module}/refcnt")
        (driver / "module").symlink_to(f"../../../../module/{module}")
    return folder


AHCI = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0000:00:1f.2", InputKind.DEVICE),
        ("00:1f.2", InputKind.DEVICE),
        ("10000:e1:00.0", InputKind.DEVICE),
        ("00:1f.9", InputKind.MODULE),
        ("1-1", InputKind.DEVICE),
        ("1-1.4:1.0", InputKind.DEVICE),
        ("/sys/bus/pci/devices/0000:00:1f.2", InputKind.DEVICE),
        ("/dev/sda", InputKind.DEVICE),
        (AHCI, InputKind.MODULE),
        ("e1000", InputKind.MODULE),
        ("8250", InputKind.MODULE),
        ("fs-ext4", InputKind.MODULE),
        ("md-level-5", InputKind.MODULE),
        ("/lib/x.ko", InputKind.PATH),
        ("./x.ko", InputKind.PATH),
        ("../", InputKind.PATH),
        ("~/x.ko", InputKind.PATH),
        ("~", InputKind.PATH),
        ("x.ko", InputKind.MODULE),
        ("", InputKind.MODULE),
    ],
)
def test_the_form_of_a_text_decides_its_kind(text: str, kind: InputKind) -> None:
    assert kind_of(text) is kind
    assert names_device(text) is (kind is InputKind.DEVICE)


def test_a_device_has_modaliases_and_a_driver(host: LocalHost) -> None:
    folder = card(host, "0000:00:1f.2", AHCI, "ahci")
    for text in ("0000:00:1f.2", "00:1F.2", folder, f"{folder}/", f"{folder}/modalias"):
        device = read_device(host, text)
        assert device.modaliases == (AHCI,)
        assert device.module == "ahci"


def test_a_class_device_has_the_modalias_of_its_parent(host: LocalHost) -> None:
    folder = card(host, "0000:00:03.0", "pci:v00008086d00001000sv0sd0bc0sc0i0")
    write(host, f"{folder}/net/eth0/mtu", "1500")
    Path(host.locate(f"{folder}/net/eth0/device")).symlink_to("../..")
    assert (
        read_device(host, f"{folder}/net/eth0").modaliases[0].startswith("pci:v00008086d00001000")
    )


def test_a_usb_device_has_the_modaliases_of_its_interfaces(host: LocalHost) -> None:
    alias = "usb:v0781p5581d0100dc00dsc00dp00ic08isc06ip50in00"
    write(host, "/sys/bus/usb/devices/1-1/1-1:1.0/modalias", alias)
    write(host, "/sys/bus/usb/devices/1-1/bNumInterfaces", "1")
    assert read_device(host, "1-1").modaliases == (alias,)


def test_a_device_file_is_found_by_major_and_minor_number(host: LocalHost) -> None:
    class WithDeviceFile(LocalHost):
        def stat(self, path: str) -> os.stat_result:
            if path == "/dev/sda":
                mode = stat.S_IFBLK | 0o660
                values = (mode, 0, 0, 1, 0, 6, 0, 0, 0, 0)
                return os.stat_result(values, {"st_rdev": os.makedev(8, 0)})
            return super().stat(path)

    write(host, "/sys/dev/block/8:0/device/modalias", "scsi:t-0x00")
    assert read_device(WithDeviceFile(host.root), "/dev/sda").modaliases == ("scsi:t-0x00",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("00:1f.7", "There is no device 00:1f.7."),
        ("/sys/nothing", "There is no device /sys/nothing."),
        ("/dev/nothing", "There is no device file /dev/nothing."),
        ("/dev/file", "/dev/file is not a device file."),
    ],
)
def test_a_missing_device_is_reported(host: LocalHost, text: str, words: str) -> None:
    write(host, "/dev/file")
    with pytest.raises(UnreadableError, match=words):
        read_device(host, text)


def test_the_current_driver_of_a_device_comes_first(
    host: LocalHost, haystack: SearchIndex, index: ModuleIndex
) -> None:
    card(host, "0000:00:03.0", "pci:v00008086d00001000sv0sd0bc0sc0i0", "e1000")
    answer = answer_device(host, haystack, index, "00:03.0")
    assert [entry.name for entry in answer.entries] == ["e1000", "e1000e"]
    assert answer.words.startswith("2 modules for pci:v00008086d00001000")
    assert answer.words.endswith("; its current driver is e1000")


def test_a_device_without_a_module_is_reported(
    host: LocalHost, haystack: SearchIndex, index: ModuleIndex
) -> None:
    card(host, "0000:00:04.0", "pci:v0000FFFFd00000001sv0sd0bc0sc0i0")
    write(host, "/sys/devices/quiet/uevent")
    assert "No module of this kernel matches pci:v0000FFFF" in (
        answer_device(host, haystack, index, "00:04.0").words
    )
    assert "has no modalias" in (answer_device(host, haystack, index, "/sys/devices/quiet").words)


def test_the_modules_of_a_hardware_alias_are_in_kmods_order(
    haystack: SearchIndex, index: ModuleIndex
) -> None:
    answer = answer_modules(haystack, index, "pci:v00008086d00001000sv0sd0bc0sc0i0")
    assert [entry.name for entry in answer.entries] == list(
        index.resolve("pci:v00008086d00001000sv0sd0bc0sc0i0")
    )
    assert len(answer.entries) == 2
    assert "is an alias of 2 modules, in this order" in answer.words


def test_a_file_name_finds_its_module(haystack: SearchIndex, index: ModuleIndex) -> None:
    for text in ("usb-storage", "usb_storage", "usb-storage.ko", "USB-Storage.ko.xz"):
        assert answer_modules(haystack, index, text).entries[0].name == "usb_storage", text


@pytest.fixture
def home(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("one.ko", "one-more.ko.xz", "notes.txt", ".hidden.ko", "dir/two.ko", "odd\n.ko"):
        write(host, f"/home/me/{name}", "123")
    return host


def test_a_path_offers_directories_and_module_files(home: LocalHost) -> None:
    answer = answer_path(home, "/home/me/")
    assert [choice.path for choice in answer.paths] == [
        "/home/me/dir/",
        "/home/me/one-more.ko.xz",
        "/home/me/one.ko",
    ]
    assert [(choice.name, choice.size) for choice in answer.paths][:2] == [
        ("dir/", None),
        ("one-more.ko.xz", 3),
    ]
    assert [c.path for c in answer_path(home, "~/.").paths] == ["~/.hidden.ko"]


def test_a_path_is_completed_to_the_common_prefix(home: LocalHost) -> None:
    for typed, longer in (
        ("/ho", "/home/"),
        ("~/d", "~/dir/"),
        ("~/dir/", "~/dir/two.ko"),
        ("~/o", "~/one"),
        ("~/one", "~/one"),
        ("~/one.", "~/one.ko"),
        ("~", "~/"),
        ("~/x", "~/x"),
    ):
        assert completed(typed, answer_path(home, typed)) == longer, typed


def test_a_relative_path_starts_at_the_current_directory(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.ko").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert [c.path for c in answer_path(LocalHost(), "./m").paths] == ["./mine.ko"]


def test_a_path_that_cannot_be_completed_is_reported(home: LocalHost) -> None:
    assert "No such file" in answer_path(home, "/nowhere/x").words
    assert (
        answer_path(home, "/home/me/zzz").words == "/home/me has no directory or module file zzz…"
    )
    write(home, "/empty/readme")
    assert "has no directories and no module files" in answer_path(home, "/empty/").words


@pytest.mark.parametrize(
    ("line", "query", "parameters"),
    [
        ("btrfs", "btrfs", ()),
        ("  dummy   numdummies=3  ", "dummy", ("numdummies=3",)),
        ("intel wireless", "intel wireless", ()),
        ("./a.ko x=1 y='2 3'", "./a.ko", ("x=1", "y=2 3")),
        ("./my module.ko", "./my module.ko", ()),
        ("", "", ()),
    ],
)
def test_a_line_is_a_name_and_parameters(
    line: str, query: str, parameters: tuple[str, ...]
) -> None:
    assert query_of(line) == query
    assert split_line(line) == (query, parameters)


@pytest.mark.parametrize(
    ("line", "why"),
    [("dummy a=1 three", "“three” is not a parameter"), ('dummy a="1', "Unbalanced quotes")],
)
def test_an_invalid_line_is_reported(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        split_line(line)
