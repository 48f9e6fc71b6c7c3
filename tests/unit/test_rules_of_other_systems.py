"""Rules that look like some, in places and spellings that modprobe does not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.load_lists import read_listings
from kmodtui.model.plan.verb import Verb
from kmodtui.services.planning.plans import read_plan
from kmodtui.services.rules import read_rules
from tests.support.layouts import Link, captured, indexed, module

RELEASE = "6.1.0-a"
TOP = f"/lib/modules/{RELEASE}"
INDEX = indexed(TOP, RELEASE, {"kernel/net.ko": (), "kernel/disk.ko": ()})
A = "/etc/modprobe.d/a.conf"
ANDROID = "5.10.1-android13-4"
VENDOR = "/vendor_dlkm/lib/modules"


def ignored(root: str, release: str = RELEASE) -> str:
    return "\n".join(map(str, read_rules(LocalHost(root), release).ignored))


def warnings(root: str, name: str, release: str = RELEASE) -> str:
    return "\n".join(read_plan(LocalHost(root), release, Verb.LOAD, [name]).warnings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_recognized(tmp_path: Path, encoding: str) -> None:
    root = captured(tmp_path, RELEASE, {**INDEX, A: "blacklist net\n".encode(encoding)})
    assert "byte order mark" in warnings(root, "net")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Blacklist net", "Did you mean blacklist?"),
        ("blacklist: net", "Did you mean blacklist?"),
        ("option net x=1", "Did you mean options?"),
        ("denylist net", "Did you mean blacklist?"),
        ("modprobe net", "unknown command modprobe: line ignored."),
        ("options net.x=1", "Write options net x=1"),
        ("options net x=“a b”", "“ is part of the value"),
    ],
)
def test_a_line_is_understood_as_it_was_meant(tmp_path: Path, line: str, said: str) -> None:
    root = captured(tmp_path, RELEASE, {**INDEX, A: f"unknown words\n{line}\n"})
    assert said in warnings(root, "net")
    assert said not in warnings(root, "disk")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/modprobe.conf", "it reads the files in /etc/modprobe.d only"),
        ("/etc/modprobe.d/local/a.conf", "it reads no subdirectories"),
    ],
)
def test_rules_elsewhere_are_not_read(tmp_path: Path, path: str, said: str) -> None:
    root = captured(tmp_path, RELEASE, {**INDEX, path: "blacklist net\n"})
    assert said in warnings(root, "net")
    assert said not in warnings(root, "disk")


def test_a_file_that_another_one_replaces_is_reported_in_plans(tmp_path: Path) -> None:
    files = {A: Link("/dev/null"), "/dev/null": "", "/usr/lib/modprobe.d/a.conf": "blacklist net\n"}
    root = captured(tmp_path, RELEASE, {**INDEX, **files})
    assert f"/usr/lib/modprobe.d/a.conf: {A} replaces it." in warnings(root, "net")
    assert "replaces" not in warnings(root, "disk")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rd.driver.blacklist=net", "counts in the initramfs only"),
        ("rdblacklist=net,disk", "use modprobe.blacklist=net,disk"),
        ("blacklist=net", "is unknown to modprobe and the kernel"),
    ],
)
def test_other_blacklists_of_the_command_line(tmp_path: Path, word: str, said: str) -> None:
    root = captured(tmp_path, RELEASE, {**INDEX, "/proc/cmdline": f"quiet {word} x=1\n"})
    assert said in warnings(root, "net")
    assert "kernel command line" in ignored(root)


def android(folder: Path) -> str:
    files = {
        f"{VENDOR}/gps.ko": module("gps", ANDROID),
        f"{VENDOR}/wlan.ko": module("wlan", ANDROID),
        f"{VENDOR}/antenna.ko": module("antenna", ANDROID, depends="gps"),
        f"{VENDOR}/modules.dep": f"{VENDOR}/gps.ko:\n{VENDOR}/wlan.ko:\n"
        f"{VENDOR}/antenna.ko: {VENDOR}/gps.ko\n",
        "/etc/modprobe.d/a.conf": "install wlan /bin/false\n",
        f"{VENDOR}/modules.load": "wlan.ko\n",
        f"{VENDOR}/modules.blocklist": "blocklist gps\n",
        f"{VENDOR}/modules.options": "options wlan country=DE\n",
    }
    return captured(folder, ANDROID, files, ["wlan 4096 0 -"])


def test_android_has_rules_beside_its_modules(tmp_path: Path) -> None:
    root = android(tmp_path)
    plan = read_plan(LocalHost(root), ANDROID, Verb.RELOAD, ["wlan"])
    options = [str(option) for step in plan.steps for option in step.options]
    assert any("country=DE" in option for option in options)
    effects = read_rules(LocalHost(root), ANDROID).rules
    assert {str(e.rule) for e in effects} == {
        f"{VENDOR}/modules.blocklist:1: blacklist gps",
        f"{VENDOR}/modules.options:1: options wlan country=DE",
    }
    assert "Android's init from loading it at boot" in warnings(root, "gps", ANDROID)
    assert "install rule" not in warnings(root, "antenna", ANDROID)
    (listing,) = read_listings(LocalHost(root), "wlan")
    assert listing.source == f"{VENDOR}/modules.load:1"


def test_android_does_not_read_modprobe_d(tmp_path: Path) -> None:
    root = android(tmp_path)
    plan = read_plan(LocalHost(root), ANDROID, Verb.RELOAD, ["wlan"])
    assert not plan.refused
    assert any("Android's reads modules.options" in words for words in plan.warnings)


def openwrt(folder: Path, **files: str) -> str:
    paths = {
        f"/{name.replace('__', '/').replace('_d', '.d')}": text for name, text in files.items()
    }
    flat = {f"{TOP}/net.ko": module("net", RELEASE), "/sbin/kmodloader": ""}
    return captured(folder, RELEASE, {**flat, **paths})


def test_openwrt_does_not_read_modprobe_d(tmp_path: Path) -> None:
    root = openwrt(tmp_path, **{"etc__modprobe_d__a.conf": "blacklist net\n"})
    assert "OpenWrt's reads /etc/modules.conf only" in warnings(root, "net")
    assert not read_rules(LocalHost(root), RELEASE).rules


def test_openwrt_refuses_what_its_file_blacklists(tmp_path: Path) -> None:
    root = openwrt(tmp_path, **{"etc__modules.conf": "blacklist net\n"})
    plan = read_plan(LocalHost(root), RELEASE, Verb.LOAD, ["net"])
    assert "OpenWrt's modprobe does not load it, by its name either" in plan.refused


def test_openwrt_loads_what_its_directory_lists(tmp_path: Path) -> None:
    root = openwrt(tmp_path, **{"etc__modules_d__30-net": "net x=1\n"})
    (listing,) = read_listings(LocalHost(root), "net")
    assert listing.source == "/etc/modules.d/30-net:1"


def test_a_block_is_refused_where_modprobe_would_not_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root, release, name in (
        (openwrt(tmp_path / "openwrt"), RELEASE, "net"),
        (android(tmp_path / "android"), ANDROID, "wlan"),
    ):
        words = ["--root", root, "--kernel", release, "block", name, "--dry-run"]
        assert run(words) == 1
        assert "reads no rules in /etc/modprobe.d" in capsys.readouterr().err
