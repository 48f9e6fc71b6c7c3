"""The doctor: each check with what proves it, on models and on the files of small systems."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.kernel.debugfs import read_statistics, read_unloaded_taints
from kmodtui.kernel.dkms import read_dkms
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.protection import SECURE_BOOT, read_protection
from kmodtui.kernel.tools import read_tool
from kmodtui.model.doctor.doctor import diagnose
from kmodtui.model.doctor.facts import (
    BuildConfig,
    DkmsModule,
    DoctorFacts,
    LoadStatistics,
    Protection,
    TaintTrace,
    Tool,
    UnloadedTaint,
    User,
)
from kmodtui.model.doctor.finding import Finding, Level
from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.symbols.address import Hiding
from kmodtui.model.system import ProcessFacts, SystemFacts
from kmodtui.services.doctor import examine
from tests.support.tiny_system import RELEASE, tiny_system, write

CONFIG = BuildConfig(
    "/boot/config-6.1",
    {"MODULES": "y", "MODULE_UNLOAD": "y", "MODULE_SIG": "y", "MODULE_SIG_FORCE": "y"},
)
STATISTICS = """\
         Mods ever loaded\t71
     Mods failed on kread\t0
Mods failed on decompress\t0
  Mods failed on becoming\t5
      Mods failed on load\t1
        Total module size\t10000
Duplicate failed modules:
              Module-name\t How-many-times\t                   Reason
                kvm_intel\t              4\t          Becoming & Load
                     sctp\t              1\t                 Becoming
"""
DEBUGFS = "/sys/kernel/debug/modules"


def finding(facts: DoctorFacts, key: str) -> Finding:
    return next(each for each in diagnose(facts).findings if each.key == key)


def test_an_option_has_the_words_of_the_menu_and_the_line_that_proves_it() -> None:
    facts = DoctorFacts("6.1", config=CONFIG)
    unload = finding(facts, "MODULE_UNLOAD")
    assert (unload.subject, unload.level) == ("Module unloading", Level.OK)
    assert unload.evidence == ("/boot/config-6.1: CONFIG_MODULE_UNLOAD=y",)
    forced = finding(facts, "MODULE_FORCE_UNLOAD")
    assert (forced.subject, forced.level) == ("Forced module unloading", Level.OFF)
    assert forced.evidence == ("/boot/config-6.1: CONFIG_MODULE_FORCE_UNLOAD is not set",)
    assert forced.remedy == "Use a kernel built with CONFIG_MODULE_FORCE_UNLOAD."
    required = finding(facts, "MODULE_SIG_FORCE")
    assert (required.level, required.remedy) == (
        Level.LIMITED,
        "Use a kernel built without CONFIG_MODULE_SIG_FORCE.",
    )


def test_without_the_configuration_an_option_is_unknown_unless_something_else_shows_it() -> None:
    facts = DoctorFacts("6.1", system=SystemFacts(sig_enforce=False))
    assert finding(facts, "MODULE_SIG").evidence == ("/sys/module/module/parameters/sig_enforce",)
    assert finding(facts, "MODVERSIONS").level is Level.UNKNOWN


def test_a_kernel_without_modules_is_not_examined_option_by_option() -> None:
    facts = DoctorFacts("6.1", config=BuildConfig("/proc/config.gz", {}), has_modules=False)
    keys = [each.key for each in diagnose(facts).findings]
    assert "MODULES" in keys
    assert not {"MODULE_SIG", "kernel.modprobe"}.intersection(keys)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"MODULE_COMPRESS_NONE": "y"}, "did not compress"),
        ({"MODULE_COMPRESS_XZ": "y"}, "compressed its modules with xz"),
        ({"MODULE_COMPRESS": "y", "MODULE_COMPRESS_ZSTD": "y", "MODULE_COMPRESS_ALL": "y"}, "zstd"),
    ],
)
def test_compression_is_recognised_in_old_and_new_configurations(
    options: dict[str, str], words: str
) -> None:
    facts = DoctorFacts("6.1", config=BuildConfig("/c", {"MODULES": "y", **options}))
    assert words in finding(facts, "MODULE_COMPRESS").reason
    assert finding(facts, "MODULE_DECOMPRESS").level is Level.OFF


@pytest.mark.parametrize(
    ("facts", "key", "level", "words"),
    [
        ({"system": SystemFacts(modules_disabled=1)}, "kernel.modules_disabled", "off", "root"),
        ({"modprobe": ""}, "kernel.modprobe", "off", "Autoloading is off"),
        ({"modprobe": "/x"}, "kernel.modprobe", "off", "there is no such file"),
        ({"modprobe": "/x", "modprobe_exists": True}, "kernel.modprobe", "ok", "runs /x"),
        ({"system": SystemFacts(sig_enforce=True)}, "module.sig_enforce", "limited", "trusted key"),
        ({"system": SystemFacts(lockdown="integrity")}, "lockdown", "limited", "Unsigned"),
        ({"protection": Protection(True, True)}, "secure_boot", "ok", "has not done so"),
        ({"protection": Protection(loadpin=True)}, "loadpin", "limited", "file system"),
        (
            {"why_no_namespaces": "user.max_user_namespaces = 0"},
            "user_namespaces",
            "limited",
            "cannot create",
        ),
        ({"system": SystemFacts(kptr_restrict=2)}, "kernel.kptr_restrict", "off", "even from root"),
        ({"system": SystemFacts(dmesg_restrict=1)}, "kernel.dmesg_restrict", "limited", "log"),
    ],
)
def test_a_setting_that_restricts_says_what_it_does_and_what_changes_it(
    facts: dict[str, object], key: str, level: str, words: str
) -> None:
    found = finding(replace(DoctorFacts("6.1"), **facts), key)  # type: ignore[arg-type]
    assert (found.level, words in found.reason) == (level, True), found
    assert (found.level is Level.OK) != bool(found.remedy)


def test_secure_boot_limits_only_if_the_kernel_is_locked_down() -> None:
    locked = DoctorFacts(
        "6.1", protection=Protection(True, True), system=SystemFacts(lockdown="integrity")
    )
    assert finding(locked, "secure_boot").level is Level.LIMITED


def test_each_taint_flag_has_its_modules_also_those_that_are_gone() -> None:
    facts = DoctorFacts(
        "6.1",
        system=SystemFacts(tainted=1 << 12 | 1),
        taints={"O": TaintTrace(("hello",), "hello: loading out-of-tree module taints kernel.")},
        unloaded=(UnloadedTaint("nvidia", "PO"),),
    )
    own = finding(facts, "taint O")
    assert "Set by: hello. Unloaded since: nvidia." in own.reason
    assert "loading out-of-tree module" in own.reason
    assert own.evidence[-1] == "kernel log"
    assert own.module == "hello"
    gone = finding(facts, "taint P")
    assert "Unloaded since: nvidia." in gone.reason
    assert gone.remedy.startswith("Reboot without nvidia")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"root_only": frozenset([f"{DEBUGFS}/unloaded_tainted"])}, "only root can see which"),
        ({"unloaded": None}, "does not remember"),
        ({"unloaded": ()}, "or failed to load"),
    ],
)
def test_a_flag_that_no_loaded_module_has_says_why_its_module_is_unknown(
    more: dict[str, object], words: str
) -> None:
    facts = DoctorFacts("6.1", system=SystemFacts(tainted=1))
    assert words in finding(replace(facts, **more), "taint P").reason  # type: ignore[arg-type]


def test_failed_and_duplicate_loads_are_read_as_the_kernel_prints_them(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    write(host, f"{DEBUGFS}/stats", STATISTICS)
    write(host, f"{DEBUGFS}/unloaded_tainted", "nvidia (PO) 2\n")
    statistics = read_statistics(host)
    assert statistics is not None
    facts = DoctorFacts("6.1", statistics=statistics, unloaded=read_unloaded_taints(host))
    assert facts.unloaded == (UnloadedTaint("nvidia", "PO"),)
    failed = finding(facts, "failed_loads")
    assert failed.reason.startswith("6 loads failed since boot: 5 when the kernel checked")
    assert "kvm_intel (4×) and sctp (1×)" in finding(facts, "duplicate_loads").reason
    fine = DoctorFacts("6.1", statistics=LoadStatistics({"load": 0}))
    assert finding(fine, "failed_loads").level is Level.OK


def test_statistics_that_only_root_may_read_say_so() -> None:
    facts = DoctorFacts("6.1", root_only=frozenset([f"{DEBUGFS}/stats"]))
    assert finding(facts, "failed_loads").remedy == "Run kmodtui doctor --as-root."
    without = replace(facts, config=CONFIG)
    assert finding(without, "failed_loads").level is Level.OFF


def test_dkms_modules_are_compared_with_the_installed_kernels(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    top = "/var/lib/dkms/zfs"
    write(host, f"{top}/2.1.11/6.1.0-1/x86_64/module/zfs.ko.xz", b"")
    write(host, f"{top}/2.1.11/6.1.0-1/x86_64/module/spl.ko.xz", b"")
    os.symlink("/usr/src/zfs-2.1.11", tmp_path / top[1:] / "2.1.11/source")
    os.symlink("2.1.11/6.1.0-1/x86_64", tmp_path / top[1:] / "kernel-6.1.0-1-x86_64")
    found = read_dkms(host)
    assert found == (
        DkmsModule(
            "zfs", "2.1.11", f"{top}/2.1.11", {"6.1.0-1": ("spl", "zfs")}, frozenset(["6.1.0-1"])
        ),
    )
    both = DoctorFacts("6.1.0-1", releases=("6.1.0-1", "6.1.0-2"), dkms=found)
    later = finding(both, "dkms")
    assert later.level is Level.LIMITED
    assert "spl and zfs for 6.1.0-1. It is not installed for 6.1.0-2." in later.reason
    assert "dkms install zfs/2.1.11 -k 6.1.0-2" in later.remedy
    now = finding(replace(both, release="6.1.0-2"), "dkms")
    assert (now.level, "the kernel examined here" in now.reason) == (Level.OFF, True)


def test_the_version_of_kmod_is_read_from_its_program(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    write(host, "/usr/bin/kmod", b"\0kmod version 34.2\0+ZSTD +XZ -ZLIB +LIBCRYPTO\0")
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/modprobe").symlink_to("/usr/bin/kmod")
    tool = read_tool(host)
    features = ("+ZSTD", "+XZ", "-ZLIB", "+LIBCRYPTO")
    assert tool == Tool("kmod", "/sbin/modprobe", "/usr/bin/kmod", "34.2", features)
    facts = DoctorFacts("6.1", tool=tool, packing="gzip", unpacks="")
    assert finding(facts, "decompression").level is Level.OFF
    assert finding(replace(facts, packing="xz"), "decompression").level is Level.OK
    assert finding(replace(facts, unpacks="gzip"), "decompression").level is Level.OK


def test_busybox_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/modprobe").symlink_to("/bin/busybox")
    tool = read_tool(LocalHost(tmp_path))
    assert tool is not None
    found = finding(DoctorFacts("6.1", tool=tool), "modprobe")
    assert (found.level, found.remedy) == (Level.LIMITED, "Install kmod.")


def test_secure_boot_is_read_from_its_efi_variable(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    assert read_protection(host).secure_boot is None
    write(host, SECURE_BOOT, b"\x06\0\0\0\x01")
    write(host, "/sys/kernel/security/lsm", "lockdown,capability,loadpin")
    found = read_protection(host)
    assert (found.efi, found.secure_boot, found.security_modules[-1]) == (True, True, "loadpin")


def test_problems_of_index_and_rules_are_lines_with_their_files() -> None:
    facts = DoctorFacts(
        "6.1",
        index_problems=(Problem("/lib/modules/6.1/modules.dep.bin", "It is missing."),),
        rule_problems=(Problem("/etc/modprobe.d/a.conf:3", "It has no effect.", ("nbd",)),),
    )
    assert finding(facts, "index").evidence == ("/lib/modules/6.1/modules.dep.bin",)
    rule = finding(facts, "modprobe.d")
    assert (rule.module, rule.evidence) == ("nbd", ("/etc/modprobe.d/a.conf:3",))


def test_what_the_user_may_do_depends_on_capabilities_and_ways_to_root() -> None:
    me = User("me", ProcessFacts(1000, 0, True), False, "kmodtui uses sudo.", True)
    facts = DoctorFacts("6.1", user=me, hiding=Hiding(1, 2, False))
    facts = replace(facts, system=SystemFacts(kptr_restrict=1))
    assert finding(facts, "load").level is Level.LIMITED
    assert finding(facts, "addresses").remedy == "In the dashboard, A reads them as root."
    assert finding(facts, "kernel_log").level is Level.LIMITED
    stuck = replace(me, can_become_root=False)
    assert finding(replace(facts, user=stuck), "load").level is Level.OFF
    root = replace(me, process=ProcessFacts(0, 1 << 16, True))
    assert finding(replace(facts, user=root), "load").level is Level.OK
    inside = replace(me, process=ProcessFacts(0, 1 << 16, False))
    assert "namespace" in finding(replace(facts, user=inside), "load").reason


def test_a_kernel_that_is_not_running_is_examined_by_its_files_only(tmp_path: Path) -> None:
    host = tiny_system(tmp_path, {"alpha": b"\x7fELF"})
    write(host, "/boot/config-6.9", "CONFIG_MODULES=y\n")
    report = diagnose(examine(host, "6.9"))
    keys = [group.key for group in report.groups]
    assert keys == ["index", "rules", "tools", "dkms", "options"]
    assert next(each for each in report.findings if each.key == "index").level is Level.OFF


def test_a_tree_without_a_proc_is_not_called_a_kernel_without_modules(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    write(host, f"/lib/modules/{RELEASE}/modules.dep", "kernel/alpha.ko:\n")
    keys = [group.key for group in diagnose(examine(host, RELEASE)).groups]
    assert "loading" not in keys
    assert "index" in keys


def test_the_verb_prints_the_report_and_ends_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = tiny_system(tmp_path, {"alpha": b"\x7fELF"}, loaded={"alpha": ()})
    write(host, f"/boot/config-{RELEASE}", "CONFIG_MODULES=y\n")
    write(host, "/proc/sys/kernel/tainted", "4096\n")
    write(host, "/proc/sys/kernel/modprobe", "/sbin/modprobe\n")
    write(host, "/etc/modprobe.d/a.conf", "optoins alpha x=1\n")
    assert run(["doctor", "--root", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Linux {RELEASE}: ")
    assert "limited  Taint O: out-of-tree\n" in text
    assert "[/etc/modprobe.d/a.conf:1]" in text
    assert f"[/boot/config-{RELEASE}: CONFIG_MODULES=y]" in text
    assert run(["doctor", "--root", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    levels = {each["key"]: each["level"] for g in answer["groups"] for each in g["findings"]}
    assert levels["load"] == "off"
    assert levels["MODULES"] == "ok"
