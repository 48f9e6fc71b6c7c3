"""Modules are found wherever a system keeps them, and the advice fits that system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.kernel.build_config import read_build_config
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.places import find_places
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.module_file.symvers import read_symvers
from tests.support.layouts import ELF_32_BIG_ENDIAN, Link, captured, indexed, module

Output = pytest.CaptureFixture[str]

NIXOS = "6.12.9"
STORE = "/nix/store/0123-kernel-modules"
BOOTED, CURRENT = (f"/run/{which}-system/kernel-modules" for which in ("booted", "current"))


def said(capsys: Output, root: str, *words: str, status: int | None = None) -> str:
    """Return what a verb prints, with the errors."""
    found = run(["--root", root, *words])
    assert status is None or found == status
    captured_output = capsys.readouterr()
    return captured_output.out + captured_output.err


def not_advised(text: str, *words: str) -> None:
    for word in words:
        assert word not in text.lower(), text


# NixOS


def nixos(folder: Path, *, newer: bool = False) -> str:
    lib = f"lib/modules/{NIXOS}"
    files = {
        **indexed(f"{STORE}/{lib}", NIXOS, {"extra/probe-a.ko": (), "kernel/loop.ko": ()}),
        BOOTED: Link(STORE),
        CURRENT: Link(f"{STORE}-new" if newer else STORE),
    }
    if newer:
        files |= indexed(f"{STORE}-new/{lib}", NIXOS, {"extra/probe-b.ko": ()})
    return captured(folder, NIXOS, files, ["loop 4096 0 -"])


def test_nixos_keeps_modules_in_its_store(tmp_path: Path, capsys: Output) -> None:
    root = nixos(tmp_path)
    path = f"{BOOTED}/lib/modules/{NIXOS}/extra/probe-a.ko"
    assert f"filename:       {root}{path}" in said(capsys, root, "info", "probe-a", status=0)
    assert path in said(capsys, root, "plan", "load", "probe_a", status=0)
    assert "probe_a" in said(capsys, root, "catalog", status=0)


def test_nixos_tells_a_module_of_another_generation(tmp_path: Path, capsys: Output) -> None:
    root = nixos(tmp_path, newer=True)
    for words in (["info", "probe-b"], ["plan", "load", "probe-b"]):
        text = said(capsys, root, *words, status=1)
        assert f"probe-b is in {CURRENT}" in text
        assert "after a reboot into the current generation" in text
        not_advised(text, "depmod")


def test_nixos_keeps_what_belongs_to_the_kernel_beside_its_modules(tmp_path: Path) -> None:
    host = LocalHost(nixos(tmp_path))
    there = tmp_path / f"{STORE}/lib/modules/{NIXOS}"[1:]
    (there / "config").write_text("CONFIG_MODULE_SIG=y\n")
    (there / "build").mkdir()
    (there / "build/Module.symvers").write_text("0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\n")
    assert read_build_config(host, NIXOS) == {"MODULE_SIG": "y"}
    symvers = read_symvers(host, NIXOS)
    assert symvers is not None
    assert symvers.exports["printk"].export.crc == 0x12345678


def test_nixos_never_advises_depmod(tmp_path: Path, capsys: Output) -> None:
    root = nixos(tmp_path)
    os.unlink(f"{root}{STORE}/lib/modules/{NIXOS}/extra/probe-a.ko")
    os.unlink(f"{root}{STORE}/lib/modules/{NIXOS}/modules.softdep")
    for words in (["info", "probe-a"], ["plan", "load", "probe-a"], ["plan", "unload", "loop"]):
        text = said(capsys, root, *words)
        assert "nixos" in text.lower()
        not_advised(text, "depmod")


# OpenWrt


def openwrt(folder: Path, release: str = "4.14.72", *marks: str, loaded: bool = True) -> str:
    files = {
        f"/lib/modules/{release}/{name}.ko": module(
            name.replace("-", "_"), release, depends=needed, alias=f"x:{name}*", machine=8,
            **ELF_32_BIG_ENDIAN,
        )
        for name, needed in (("mac80211", "cfg80211"), ("cfg80211", "nf-one"), ("nf-one", ""))
    }  # fmt: skip
    rows = ["mac80211 4096 0 -", "cfg80211 4096 1 mac80211,", "nf_one 4096 1 cfg80211,"]
    return captured(folder, release, {**files, **dict.fromkeys(marks, "")}, rows if loaded else ())


@pytest.mark.parametrize("marks", [(), ("/etc/openwrt_release",), ("/sbin/kmodloader",)])
def test_openwrt_has_no_index(tmp_path: Path, capsys: Output, marks: tuple[str, ...]) -> None:
    root = openwrt(tmp_path, "5.15.150", *marks, loaded=False)
    text = said(capsys, root, "plan", "load", "mac80211", status=0)
    steps = [line.split()[2] for line in text.splitlines() if " insmod " in line]
    assert steps == ["nf_one", "cfg80211", "mac80211"]
    assert "dependencies are what the files themselves declare" in text
    not_advised(text, "run depmod")
    assert "cfg80211" in said(capsys, root, "info", "mac80211", status=0)
    assert "nf_one" in said(capsys, root, "catalog", status=0)
    assert "mac80211 is an alias" not in text
    assert "insmod   nf_one" in said(capsys, root, "plan", "load", "x:nf-one-and-more", status=0)


def test_openwrt_unloads_what_the_kernel_shows(tmp_path: Path, capsys: Output) -> None:
    root = openwrt(tmp_path)
    assert "in use by cfg80211" in said(capsys, root, "plan", "unload", "nf_one", status=1)
    text = said(capsys, root, "plan", "unload", "mac80211", status=0)
    assert "rmmod    mac80211" in text


def test_without_an_index_kmods_modprobe_finds_nothing(tmp_path: Path, capsys: Output) -> None:
    """Where kmod is installed, the plan shows the steps, and what is missing."""
    root = openwrt(tmp_path, "6.1.0-deb", "/usr/bin/kmod", loaded=False)
    text = said(capsys, root, "plan", "load", "mac80211", status=1)
    assert "insmod   nf_one" in text
    assert "modprobe finds no module without" in text
    assert "Run depmod 6.1.0-deb as root." in text


def test_modules_in_a_loop_of_depends_come_to_an_end(tmp_path: Path, capsys: Output) -> None:
    files = {
        f"/lib/modules/6.1/{name}.ko": module(name, "6.1", depends=other)
        for name, other in (("a", "b"), ("b", "a"), ("c", "c,nothing"))
    }
    root = captured(tmp_path, "6.1", files)
    text = said(capsys, root, "plan", "load", "a", status=0)
    assert "insmod   b" in text
    assert "nothing, a dependency of c, has no file" in said(
        capsys, root, "plan", "load", "c", status=1
    )


def test_an_index_without_a_line_is_none(tmp_path: Path, capsys: Output) -> None:
    """depmod leaves it where it has failed: the files are there all the same."""
    files: dict[str, bytes | str] = {
        "/lib/modules/6.1/kernel/a.ko": module("a", "6.1", depends="b"),
        "/lib/modules/6.1/kernel/b.ko": module("b", "6.1"),
        "/lib/modules/6.1/modules.dep": "",
    }
    root = captured(tmp_path, "6.1", files)
    text = said(capsys, root, "plan", "load", "a", status=0)
    assert "insmod   b" in text
    assert "Run depmod 6.1 as root." in text


def test_an_index_that_cannot_be_read_does_not_prevent_an_unload(
    tmp_path: Path, capsys: Output
) -> None:
    files = {"/lib/modules/6.1/modules.dep/": "", "/lib/modules/6.1/kernel/x.ko": b""}
    root = captured(tmp_path, "6.1", files, ["x 4096 0 -"])
    assert "rmmod -- x" in said(capsys, root, "plan", "unload", "x", status=0)
    assert "x is already loaded" in said(capsys, root, "plan", "load", "x", status=0)
    text = said(capsys, root, "plan", "reload", "x", status=1)
    assert "The file of x cannot be found. /lib/modules/6.1/modules.dep" in text
    assert "refcnt" in said(capsys, root, "info", "x", status=0)


# Android


ANDROID = "5.10.149-android13-4-00001-gabc"


def android(folder: Path) -> str:
    vendor, system = "/vendor_dlkm/lib/modules", "/system_dlkm/lib/modules"
    rfkill = f"{system}/{ANDROID}/kernel/net/rfkill.ko"
    files: dict[str, bytes | str] = {
        f"{vendor}/modules.dep": f"{vendor}/wlan.ko: {vendor}/common.ko {rfkill}\n"
        f"{vendor}/common.ko: {rfkill}\n",
        f"{vendor}/wlan.ko": module("wlan", ANDROID, depends="common"),
        f"{vendor}/common.ko": module("common", ANDROID, depends="rfkill"),
        f"{vendor}/modules.load": "common.ko\nwlan.ko\n",
        f"{system}/{ANDROID}/modules.dep": "kernel/net/rfkill.ko:\nkernel/net/bt.ko: "
        "kernel/net/rfkill.ko\n",
        f"{system}/{ANDROID}/kernel/net/rfkill.ko": module("rfkill", ANDROID),
        f"{system}/{ANDROID}/kernel/net/bt.ko": module("bt", ANDROID, depends="rfkill"),
        "/vendor/lib/modules": Link("/vendor_dlkm/lib/modules"),
    }
    return captured(folder, ANDROID, files, ["rfkill 4096 0 -"])


def test_android_has_an_index_on_each_partition(tmp_path: Path, capsys: Output) -> None:
    root = android(tmp_path)
    text = said(capsys, root, "plan", "load", "wlan", status=0)
    steps = [line.split()[1:3] for line in text.splitlines() if line[:3].strip().isdigit()]
    assert steps == [["skip", "rfkill"], ["insmod", "common"], ["insmod", "wlan"]]
    assert f"/system_dlkm/lib/modules/{ANDROID}/kernel/net/bt.ko" in said(
        capsys, root, "info", "bt", status=0
    )
    for name in ("wlan", "bt", "rfkill"):
        assert name in said(capsys, root, "catalog", status=0)
    not_advised(said(capsys, root, "plan", "load", "nothing"), "depmod", "reboot")


def test_a_partition_that_is_found_twice_counts_once(tmp_path: Path) -> None:
    host = LocalHost(android(tmp_path))
    assert find_places(host, ANDROID).folders == (
        "/vendor_dlkm/lib/modules",
        f"/system_dlkm/lib/modules/{ANDROID}",
    )


@pytest.mark.parametrize("name", ["5.10", "5.10-gki", "5.10.149"])
def test_a_partition_names_a_directory_after_the_version(
    tmp_path: Path, capsys: Output, name: str
) -> None:
    top = "/vendor/lib/modules"
    files = {
        **indexed(f"{top}/{name}", ANDROID, {"wlan.ko": ()}),
        **indexed(f"{top}/5.1", "5.1", {"other.ko": ()}),
        **indexed(f"{top}/5.100", "5.100", {"another.ko": ()}),
    }
    root = captured(tmp_path, ANDROID, files)
    assert f"{top}/{name}/wlan.ko" in said(capsys, root, "info", "wlan", status=0)
    assert "other" not in said(capsys, root, "catalog", status=0)


def test_guix_keeps_modules_with_the_kernel(tmp_path: Path, capsys: Output) -> None:
    store = "/gnu/store/0123-linux-libre-6.12"
    files = {
        **indexed(f"{store}/lib/modules/6.12", "6.12", {"kernel/loop.ko": ()}),
        "/run/booted-system/kernel": Link(store),
    }
    root = captured(tmp_path, "6.12", files)
    path = "/run/booted-system/kernel/lib/modules/6.12/kernel/loop.ko"
    assert path in said(capsys, root, "plan", "load", "loop", status=0)


# Containers, WSL, micro-VMs


HOSTS = "5.15.0-79-generic"
DOCKER = ["xt_addrtype 16384 4 -", "overlay 45056 0 -", "br_netfilter 32768 0 -"]


@pytest.mark.parametrize(
    "marks",
    [
        {},
        {"/.dockerenv": ""},
        {"/run/.containerenv": ""},
        {"/run/secrets/kubernetes.io/": ""},
        {"/proc/1/environ": "PATH=/bin\0container=lxc\0"},
        {"/proc/1/cgroup": "1:name=systemd:/kubepods/besteffort/pod1\n"},
        {"/proc/self/uid_map": "0 100000 65536\n"},
    ],
)
def test_a_container_does_not_see_the_hosts_files(
    tmp_path: Path, capsys: Output, marks: dict[str, str]
) -> None:
    root = captured(tmp_path, HOSTS, {"/lib/modules/": "", **marks}, DOCKER)
    assert "xt_addrtype is already loaded" in said(
        capsys, root, "plan", "load", "xt_addrtype", status=0
    )
    assert "rmmod -- overlay" in said(capsys, root, "plan", "unload", "overlay", status=0)
    for words in (["plan", "load", "wireguard"], ["info", "wireguard"], ["catalog"]):
        text = said(capsys, root, *words, status=1)
        assert "ount the host's /lib/modules read-only" in text
        assert "on the host" in text
        not_advised(text, "depmod", "reboot")


@pytest.mark.parametrize(
    "mark",
    [
        {"/proc/version": "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n"},
        {"/var/log/dmesg": "[    0.000000] Starting gVisor...\n"},
    ],
)
@pytest.mark.parametrize("has_proc", [True, False])
def test_gvisor_has_no_modules_at_all(
    tmp_path: Path, capsys: Output, mark: dict[str, str], has_proc: bool
) -> None:
    """Not even where a container's image has modules of some kernel."""
    files = indexed("/lib/modules/6.1.0-12-amd64", "6.1.0-12-amd64", {"kernel/loop.ko": ()})
    root = captured(
        tmp_path, "4.4.0", {**files, **mark, "/.dockerenv": ""}, () if has_proc else None
    )
    for words in (["plan", "load", "loop"], ["info", "loop"], ["catalog"]):
        text = said(capsys, root, *words, status=1)
        assert "This is gVisor, whose kernel imitates Linux and has no modules." in text
        assert "another container runtime" in text
        not_advised(text, "depmod", "reboot", "mount the host", "micro-vm", "built in")
    assert "gVisor" in said(capsys, root, "list")


WSL = "5.15.90.1-microsoft-standard-WSL2"


@pytest.mark.parametrize("has_proc", [True, False])
def test_wsl_has_nearly_everything_built_in(tmp_path: Path, capsys: Output, has_proc: bool) -> None:
    files = {
        **indexed("/lib/modules/6.1.0-12-amd64", "6.1.0-12-amd64", {"kernel/loop.ko": ()}),
        "/sys/module/fuse/parameters/max_user_bgreq": "1024\n",
    }
    root = captured(tmp_path, WSL, files, () if has_proc else None)
    for words in (["plan", "load", "loop"], ["info", "loop"], ["catalog"]):
        text = said(capsys, root, *words, status=1)
        assert "comes with Windows" in text
        not_advised(text, "depmod", "reboot")
    assert "fuse is built into this kernel" in said(capsys, root, "plan", "load", "fuse", status=0)


def test_a_kernel_that_has_loaded_nothing_is_not_to_be_rebooted(
    tmp_path: Path, capsys: Output
) -> None:
    """A micro-VM: the packages in its image are for another kernel."""
    files = indexed("/lib/modules/6.1.0-12-amd64", "6.1.0-12-amd64", {"kernel/loop.ko": ()})
    root = captured(tmp_path, "6.6.30-fc", files)
    text = said(capsys, root, "plan", "load", "loop", status=1)
    assert "probably built in" in text
    assert "6.1.0-12-amd64" in text
    not_advised(text, "reboot", "depmod")


def test_an_upgraded_kernel_advises_a_reboot(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/lib/modules/6.1.0-13-amd64", "6.1.0-13-amd64", {"kernel/loop.ko": ()})
    root = captured(tmp_path, "6.1.0-12-amd64", files, ["ext4 4096 1 -"])
    assert "reboot" in said(capsys, root, "plan", "load", "loop", status=1)


def test_another_release_is_not_to_be_booted(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/lib/modules/6.1.0", "6.1.0", {"kernel/loop.ko": ()})
    root = captured(tmp_path, "6.1.0", files, ["loop 4096 1 -"])
    text = said(capsys, root, "--kernel", "6.9.9", "catalog", status=1)
    assert "Installed: 6.1.0" in text
    not_advised(text, "reboot")


# Built in, by what /sys shows


def test_without_modules_builtin_sys_shows_what_is_built_in(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/lib/modules/4.14.295_1", "4.14.295_1", {"kernel/a.ko": ()})
    del files["/lib/modules/4.14.295_1/modules.builtin"]
    files["/sys/module/fuse/parameters/max_user_bgreq"] = "1024\n"
    files["/sys/module/gone/initstate"] = "live\n"
    root = captured(tmp_path, "4.14.295_1", files, ["a 4096 0 -"])
    text = said(capsys, root, "info", "fuse", status=0)
    assert "(builtin)" in text
    assert "max_user_bgreq" in text
    assert "built into this kernel" in said(capsys, root, "plan", "load", "fuse", status=0)
    assert "no module or alias gone" in said(capsys, root, "info", "gone", status=1)
    assert "built into this kernel" in said(capsys, root, "plan", "unload", "fuse", status=1)


# /lib and /usr/lib


@pytest.mark.parametrize(
    ("program", "first"),
    [(b"%s/lib/modules/%s\0", "/lib"), (b"%s/usr/lib/modules/%s\0", "/usr/lib"), (None, "/lib")],
)
def test_of_two_directories_kmods_own_counts(
    tmp_path: Path, capsys: Output, program: bytes | None, first: str
) -> None:
    files: dict[str, bytes | str] = {}
    for top in ("/lib", "/usr/lib"):
        files |= indexed(f"{top}/modules/6.1", "6.1", {f"kernel/{top[1]}-only.ko": ()})
    if program is not None:
        files["/usr/bin/kmod"] = b"\x7fELF" + program
    root = captured(tmp_path, "6.1", files)
    name = f"{first[1]}_only"
    text = said(capsys, root, "plan", "load", name, status=0)
    assert f"{first}/modules/6.1/kernel/{first[1]}-only.ko" in text
    other = {"/lib": "/usr/lib", "/usr/lib": "/lib"}[first]
    assert f"{other}/modules/6.1: kmod does not read it" in text


def test_one_directory_under_two_names_is_one(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/usr/lib/modules/6.1", "6.1", {"kernel/loop.ko": ()})
    for target in ("usr/lib", "/usr/lib"):
        root = captured(tmp_path / target.replace("/", "-"), "6.1", {**files, "/lib": Link(target)})
        text = said(capsys, root, "plan", "load", "loop", status=0)
        assert "/lib/modules/6.1/kernel/loop.ko" in text
        assert "does not read" not in text


# Images


@pytest.mark.parametrize(
    "marks",
    [
        {"/run/ostree-booted": ""},
        {"/proc/self/mounts": "/dev/a / btrfs ro 0 0\n/dev/a /var btrfs rw 0 0\n"},
        {"/proc/self/mounts": "/dev/a / ext4 rw 0 0\noverlay /usr overlay rw,ro 0 0\n"},
    ],
)
def test_an_image_is_not_changed_with_depmod(
    tmp_path: Path, capsys: Output, marks: dict[str, str]
) -> None:
    files = indexed("/usr/lib/modules/6.1", "6.1", {"kernel/loop.ko": (), "extra/gone.ko": ()})
    del files["/usr/lib/modules/6.1/extra/gone.ko"]
    del files["/usr/lib/modules/6.1/modules.softdep"]
    root = captured(tmp_path, "6.1", {**files, **marks, "/lib": Link("usr/lib")})
    for words in (["plan", "load", "loop"], ["plan", "load", "gone"], ["info", "gone"]):
        text = said(capsys, root, *words)
        assert "change the image" in text
        not_advised(text, "depmod")


def test_a_writable_system_is_no_image(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/lib/modules/6.1", "6.1", {"kernel/loop.ko": ()})
    del files["/lib/modules/6.1/modules.softdep"]
    files["/proc/self/mounts"] = "/dev/a / ext4 rw 0 0\n/dev/b /lib/firmware ext4 ro 0 0\n"
    root = captured(tmp_path, "6.1", files)
    assert "Run depmod 6.1 as root." in said(capsys, root, "plan", "load", "loop", status=0)


# Links to other releases


OLD, NEW = "5.14.0-362.el9.x86_64", "5.14.0-427.el9.x86_64"


@pytest.mark.parametrize(
    ("running", "other", "words"),
    [(NEW, OLD, "kABI"), (OLD, NEW, "of a newer kernel usually does not load")],
)
def test_weak_updates_are_shown_as_links(
    tmp_path: Path, capsys: Output, running: str, other: str, words: str
) -> None:
    files = {
        **indexed(f"/lib/modules/{running}", running, {"kernel/a.ko": ()}),
        f"/lib/modules/{other}/extra/x.ko": module("x", other),
        f"/lib/modules/{running}/weak-updates/x.ko": Link(f"/lib/modules/{other}/extra/x.ko"),
    }
    files[f"/lib/modules/{running}/modules.dep"] = "kernel/a.ko:\nweak-updates/x.ko:\n"
    root = captured(tmp_path, running, files)
    text = said(capsys, root, "plan", "load", "x", status=0)
    assert f"is a link to /lib/modules/{other}/extra/x.ko" in text
    assert words in text


def test_a_link_to_nothing_is_told_as_that(tmp_path: Path, capsys: Output) -> None:
    files = indexed(f"/lib/modules/{NEW}", NEW, {"weak-updates/x.ko": ()})
    files[f"/lib/modules/{NEW}/weak-updates/x.ko"] = Link(f"/lib/modules/{OLD}/extra/x.ko")
    root = captured(tmp_path, NEW, files)
    for words in (["plan", "load", "x"], ["info", "x"]):
        text = said(capsys, root, *words, status=1)
        assert f"is a link to /lib/modules/{OLD}/extra/x.ko, which does not exist" in text


# A file whose name is not the module's


def test_a_file_of_another_name_says_which_module_it_contains(
    tmp_path: Path, capsys: Output
) -> None:
    files = indexed("/lib/modules/6.1", "6.1", {"updates/wl-dkms.ko": ()})
    files["/lib/modules/6.1/updates/wl-dkms.ko"] = module("wl", "6.1")
    root = captured(tmp_path, "6.1", files, ["wl 4096 0 -"])
    text = said(capsys, root, "plan", "load", "wl-dkms", status=0)
    assert "The file of wl_dkms contains the module wl" in text
    assert "It is already loaded" in text
    assert "rmmod -- wl" in said(capsys, root, "plan", "unload", "wl", status=0)


# Directories that only root may read


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv"
)
def test_what_only_root_may_read_is_not_called_missing(tmp_path: Path) -> None:
    files = indexed("/lib/modules/6.1", "6.1", {"kernel/x.ko": (), "kernel/y.ko": ()})
    files["/sys/module/x/initstate"] = "live\n"
    root = captured(tmp_path, "6.1", files, ["x 4096 0 -", "y 4096 1 x,"])
    for folder in ("lib/modules", "sys"):
        os.chown(f"{root}/{folder}", 12345, 12345)
        os.chmod(f"{root}/{folder}", 0o700)

    def as_a_user(*words: str) -> subprocess.CompletedProcess[str]:
        lost = "-dac_override,-dac_read_search"
        return subprocess.run(
            ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}",
             sys.executable, "-m", "kmodtui", "--root", root, *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    for words in (["info", "z"], ["catalog"], ["plan", "load", "z"]):
        found = as_a_user(*words)
        assert found.returncode == 1
        assert "may not be read by you" in found.stderr, found.stderr
        assert "run kmodtui as root" in found.stderr
    assert "rmmod -- x" in as_a_user("plan", "unload", "x").stdout
    assert "y is already loaded" in as_a_user("plan", "load", "y").stdout


def test_an_index_is_read_from_the_directory_that_has_it(tmp_path: Path) -> None:
    files = indexed("/usr/lib/modules/6.1", "6.1", {"kernel/loop.ko": ()})
    root = captured(tmp_path, "6.1", {**files, "/lib/modules/6.1/kernel/": ""})
    index = read_index(LocalHost(root), "6.1")
    assert index.path_of("loop") == "/usr/lib/modules/6.1/kernel/loop.ko"


# Without a directory for each release


@pytest.mark.parametrize("indexed_by", ["depmod", ""])
def test_modules_directly_in_lib_modules_are_found(
    tmp_path: Path, capsys: Output, indexed_by: str
) -> None:
    files = {f"/lib/modules/{n}.ko": module(n, "4.4.180+", depends=d) for n, d in FLAT.items()}
    if indexed_by:
        files["/lib/modules/modules.dep"] = b"disk.ko: base.ko\nbase.ko:\n"
    root = captured(tmp_path, "4.4.180+", files, ["base 4096 0 -"])
    text = said(capsys, root, "plan", "load", "disk", status=0)
    assert "/lib/modules/disk.ko" in text
    assert "base  needed by disk; already loaded" in text
    not_advised(text, "depmod")


FLAT = {"disk": "base", "base": ""}


# Links that lead nowhere


@pytest.mark.parametrize(
    ("link", "target", "advice"),
    [
        ("/lib/modules", "/.modloop/modules", "rc-service modloop start"),
        ("/lib/modules/6.1.0-a", "/mnt/big/6.1.0-a", "copy it into this tree"),
    ],
)
def test_a_link_in_place_of_the_modules_is_named(
    tmp_path: Path, capsys: Output, link: str, target: str, advice: str
) -> None:
    root = captured(tmp_path, "6.1.0-a", {link: Link(target)}, ["base 4096 0 -"])
    for words in (["catalog"], ["plan", "load", "disk"]):
        text = said(capsys, root, *words, status=1)
        assert f"{link} is a link to {target}, which does not exist." in text
        assert advice in text
        not_advised(text, "container", "depmod")


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path, capsys: Output) -> None:
    root = captured(tmp_path, "6.1.0-a", {"/lib/modules/6.1.0-a": "text"}, ["base 4096 0 -"])
    assert "6.1.0-a is not a directory" in said(capsys, root, "catalog", status=1)


# A module that this kernel does not have


def test_a_module_of_another_installed_kernel_is_found_there(
    tmp_path: Path, capsys: Output
) -> None:
    files = {
        **indexed("/lib/modules/6.1.0-a", "6.1.0-a", {"kernel/disk.ko": ()}),
        **indexed("/lib/modules/6.1.0-b", "6.1.0-b", {"kernel/sound-x.ko.xz": ()}),
    }
    root = captured(tmp_path, "6.1.0-a", files)
    for words in (["info", "sound-x"], ["plan", "load", "sound_x"]):
        text = said(capsys, root, *words, status=1)
        assert "Of the installed kernels, 6.1.0-b has it." in text


def test_a_file_that_depmod_has_not_seen_is_found(tmp_path: Path, capsys: Output) -> None:
    top = "/lib/modules/6.1.0-a"
    files = {
        **indexed(top, "6.1.0-a", {"kernel/disk.ko": ()}),
        f"{top}/extra/sound-x.ko": module("sound_x", "6.1.0-a"),
    }
    text = said(capsys, captured(tmp_path, "6.1.0-a", files), "info", "sound_x", status=1)
    assert f"{top}/extra/sound-x.ko is not in its modules.dep. Run depmod" in text


@pytest.mark.parametrize(
    ("release", "distribution", "package"),
    [
        ("5.15.0-1034-aws", 'ID=ubuntu\nID_LIKE="debian"', "linux-modules-extra-5.15.0-1034-aws"),
        ("6.8.5-301.fc40.x86_64", "ID=fedora", "kernel-modules-6.8.5-301.fc40.x86_64"),
        ("5.14.0-427.el9.x86_64", 'ID="rocky"\nID_LIKE="rhel centos fedora"', "kernel-modules"),
        ("6.1.0-18-cloud-amd64", "ID=debian", "linux-image-amd64"),
    ],
)
def test_the_package_of_a_module_is_named(
    tmp_path: Path, capsys: Output, release: str, distribution: str, package: str
) -> None:
    index = indexed(f"/lib/modules/{release}", release, {"kernel/disk.ko": ()})
    root = captured(tmp_path, release, {**index, "/etc/os-release": f"{distribution}\n"})
    assert package in said(capsys, root, "plan", "load", "sctp", status=1)
    assert package not in said(capsys, root, "plan", "load", "dsk", status=1)


def test_other_variants_of_a_version_are_not_an_upgrade(tmp_path: Path, capsys: Output) -> None:
    index = indexed("/lib/modules/6.1.21-v7+", "6.1.21-v7+", {"kernel/disk.ko": ()})
    root = captured(tmp_path, "6.1.21-v8+", index, ["base 4096 0 -"])
    text = said(capsys, root, "plan", "load", "disk", status=1)
    assert "6.1.21-v7+, which are other variants of the same version" in text
    not_advised(text, "reboot")


def test_a_container_that_sees_the_files_leaves_loading_to_its_host(
    tmp_path: Path, capsys: Output
) -> None:
    index = indexed("/lib/modules/6.1.0-a", "6.1.0-a", {"kernel/disk.ko": ()})
    root = captured(tmp_path, "6.1.0-a", {**index, "/.dockerenv": ""}, ["base 4096 0 -"])
    for words in (["load", "disk"], ["unload", "base"]):
        text = said(capsys, root, "plan", *words, status=0)
        assert "This is a container, which shares the kernel of its host" in text
    assert "container" not in said(capsys, root, "plan", "load", "base", status=0)


def test_rules_are_not_judged_without_files(tmp_path: Path, capsys: Output) -> None:
    files = {"/.dockerenv": "", "/etc/modprobe.d/a.conf": "blacklist disk\noptions disk x=1\n"}
    text = said(capsys, captured(tmp_path, "6.1.0-a", files), "rules", status=0)
    assert "no module is named" not in text


def test_what_is_built_in_has_a_page_without_files(tmp_path: Path, capsys: Output) -> None:
    files = {"/sys/module/net/parameters/x": "1\n"}
    text = said(capsys, captured(tmp_path, "5.10.186", files, None), "about", "net", status=0)
    assert "net: built in" in text


def test_a_file_for_another_kernel_is_reported_before_a_load(
    tmp_path: Path, capsys: Output
) -> None:
    top = "/usr/lib/modules/6.1.0-a"
    files = {
        **indexed(top, "6.1.0-a", {"extra/old.ko": (), "kernel/own.ko": ()}),
        f"{top}/extra/old.ko": module("old", "6.0.0-b"),
        "/lib": Link("usr/lib"),
    }
    root = captured(tmp_path, "6.1.0-a", files)
    text = said(capsys, root, "plan", "load", "old", status=0)
    assert "extra/old.ko was built for kernel 6.0.0-b" in text
    assert "was built for" not in said(capsys, root, "plan", "load", "own", status=0)


def test_the_file_of_another_name_is_found(tmp_path: Path, capsys: Output) -> None:
    files = {
        **indexed("/lib/modules/6.1.0-a", "6.1.0-a", {"updates/dkms/net-current.ko": ()}),
        "/lib/modules/6.1.0-a/updates/dkms/net-current.ko": module("net", "6.1.0-a"),
    }
    root = captured(tmp_path, "6.1.0-a", files)
    for words in (["plan", "load", "net"], ["check", "net"]):
        text = said(capsys, root, *words, status=1)
        assert "net-current.ko contains it: modprobe knows it as net_current." in text


def test_what_a_lost_file_imports_is_unknown(tmp_path: Path, capsys: Output) -> None:
    files = {
        **indexed("/lib/modules/6.1.0-a", "6.1.0-a", {"extra/net.ko": ()}),
    }
    files["/lib/modules/6.1.0-a/extra/net.ko"] = Link("/lib/modules/6.0.0/net.ko")
    root = captured(tmp_path, "6.1.0-a", files)
    assert "imports 0" not in said(capsys, root, "linkage", "net", status=1)
    assert "is a link to /lib/modules/6.0.0/net.ko" in said(capsys, root, "check", "net", status=1)


# Reports of 2026, one of each kind


def test_what_is_not_loaded_needs_no_index_to_be_called_so(tmp_path: Path, capsys: Output) -> None:
    """Arch, after an upgrade removed the modules of the running kernel."""
    files = indexed("/usr/lib/modules/6.17.2-arch1-1", "6.17.2-arch1-1", {"kernel/loop.ko": ()})
    root = captured(
        tmp_path, "6.17.1-arch1-1", {**files, "/lib": Link("usr/lib")}, ["ext4 4096 1 -"]
    )
    for verb in ("unload", "reload"):
        assert "loop is not loaded" in said(capsys, root, "plan", verb, "loop", status=1)
    assert "If the kernel was upgraded, reboot" in said(capsys, root, "plan", "load", "loop")


@pytest.mark.parametrize(
    ("running", "installed", "variants"),
    [
        ("6.6.31+rpt-rpi-v8", "6.6.31+rpt-rpi-2712", True),
        ("6.1.0-12-amd64", "6.1.0-12-cloud-amd64", True),
        ("6.8.0-31-generic", "6.8.0-31-lowlatency", True),
        ("6.1.0-12-amd64", "6.1.0-13-amd64", False),
        ("6.17.1-arch1-1", "6.17.1-arch1-2", False),
        ("6.4.0-150600.21-default", "6.4.0-150600.23-default", False),
        ("6.6.3", "6.6.31+rpt-rpi-v8", False),
    ],
)
def test_a_variant_of_the_kernel_is_not_an_upgrade(
    tmp_path: Path, capsys: Output, running: str, installed: str, variants: bool
) -> None:
    files = indexed(f"/lib/modules/{installed}", installed, {"kernel/a.ko": ()})
    root = captured(tmp_path, running, files, ["b 4096 1 -"])
    text = said(capsys, root, "plan", "load", "a", status=1)
    assert ("other variants of the same version" in text) == variants
    assert ("reboot" in text) != variants


def test_a_kernel_with_everything_built_in_has_an_empty_index(
    tmp_path: Path, capsys: Output
) -> None:
    top = "/lib/modules/6.6.30-gentoo"
    files = {f"{top}/modules.dep": "", f"{top}/modules.builtin": "kernel/drivers/net/tun.ko\n"}
    root = captured(tmp_path, "6.6.30-gentoo", files)
    text = said(capsys, root, "plan", "load", "tun", status=0)
    assert "tun is built into this kernel" in text
    assert "There is no modules.dep" not in text


def test_busybox_runs_no_install_rules(tmp_path: Path, capsys: Output) -> None:
    """Alpine: the rule that blocks elsewhere does nothing there."""
    release = "6.6.31-0-lts"
    files = {
        **indexed(f"/lib/modules/{release}", release, {"kernel/loop.ko.gz": ()}),
        "/bin/busybox": "",
        "/sbin/modprobe": Link("/bin/busybox"),
        "/etc/modprobe.d/a.conf": "install loop /bin/false\n",
    }
    root = captured(tmp_path, release, files)
    text = said(capsys, root, "plan", "load", "loop", status=0)
    assert "install loop has no effect: modprobe is BusyBox's" in text
    assert "blocked" not in said(capsys, root, "rules", status=0)
    text = said(capsys, root, "block", "loop", "--dry-run", status=1)
    assert "BusyBox's modprobe has no install rules" in text


def test_rules_of_a_container_do_not_hold_for_the_kernel(tmp_path: Path, capsys: Output) -> None:
    root = captured(tmp_path, HOSTS, {"/lib/modules/": "", "/.dockerenv": ""}, DOCKER)
    text = said(capsys, root, "block", "overlay", "--dry-run", status=0)
    assert "applies to modprobe in the container only" in " ".join(text.split())
    text = said(capsys, root, "keep", "overlay", "--dry-run", status=1)
    assert "its file cannot be found" in text
    assert "install overlay there" in text


def test_without_rules_there_is_a_sentence(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/lib/modules/6.1", "6.1", {"a.ko": ()})
    root = captured(tmp_path, "6.1", files)
    assert said(capsys, root, "rules", status=0).startswith("No rule in modprobe.d")
    assert "No rule about a in" in said(capsys, root, "rules", "a", status=0)


def test_a_tree_without_proc_names_the_releases_that_it_has(tmp_path: Path, capsys: Output) -> None:
    root = captured(tmp_path, "", indexed("/lib/modules/6.1", "6.1", {"a.ko": ()}), None)
    assert "--kernel RELEASE. Installed: 6.1" in said(capsys, root, "rules", status=2)
    assert "it was not captured" in said(capsys, root, "list", status=1)


def test_a_line_of_the_index_without_a_file_is_no_module(tmp_path: Path, capsys: Output) -> None:
    files = indexed("/lib/modules/6.1", "6.1", {"a.ko": ()})
    files["/lib/modules/6.1/modules.dep"] = ": x\n:\na.ko:\n"
    root = captured(tmp_path, "6.1", files)
    assert len(said(capsys, root, "catalog", status=0).splitlines()) == 2
