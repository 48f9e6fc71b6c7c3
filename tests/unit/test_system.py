"""Facts about the system and this process."""

from __future__ import annotations

import os
from pathlib import Path

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.system import read_process, read_system
from kmodtui.model.system import CAP_SYSLOG, ProcessFacts, SystemFacts

VERSION = "Linux version 6.1.0-56-amd64 (someone@example) (gcc-12) #1 SMP\n"


def write(root: Path, files: dict[str, str]) -> LocalHost:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return LocalHost(root)


def test_an_empty_tree_shows_nothing(tmp_path: Path) -> None:
    assert read_system(LocalHost(tmp_path)) == SystemFacts()


def test_all_facts_of_a_system(tmp_path: Path) -> None:
    host = write(
        tmp_path,
        {
            "proc/version": VERSION,
            "proc/cmdline": "quiet x=\x1b[31m\n",
            "proc/sys/kernel/hostname": "vm\n",
            "proc/sys/kernel/osrelease": "6.1.0-56-amd64\n",
            "proc/sys/kernel/arch": "x86_64\n",
            "proc/sys/kernel/tainted": "12288\n",
            "proc/sys/kernel/kptr_restrict": "0\n",
            "proc/sys/kernel/perf_event_paranoid": "3\n",
            "proc/sys/kernel/dmesg_restrict": "1\n",
            "proc/sys/kernel/modules_disabled": "0\n",
            "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
            "sys/module/module/parameters/sig_enforce": "N\n",
        },
    )
    facts = read_system(host)
    assert facts == SystemFacts(
        hostname="vm",
        release="6.1.0-56-amd64",
        machine="x86_64",
        version=VERSION.strip(),
        cmdline=r"quiet x=\x1b[31m",
        tainted=12288,
        lockdown="integrity",
        kptr_restrict=0,
        perf_event_paranoid=3,
        dmesg_restrict=1,
        modules_disabled=0,
        sig_enforce=False,
    )
    assert facts.taints == "OE"
    assert facts.addresses_hidden_by == ("perf_event_paranoid=3",)


def test_the_release_is_also_in_the_version(tmp_path: Path) -> None:
    assert read_system(write(tmp_path, {"proc/version": VERSION})).release == "6.1.0-56-amd64"
    assert read_system(write(tmp_path, {"proc/version": "Linux\n"})).release is None


def test_malformed_values_are_none(tmp_path: Path) -> None:
    host = write(
        tmp_path,
        {
            "proc/sys/kernel/tainted": "much\n",
            "sys/kernel/security/lockdown": "\n",
            "sys/module/module/parameters/sig_enforce": "?\n",
        },
    )
    facts = read_system(host)
    assert facts.tainted is facts.lockdown is facts.sig_enforce is None


def test_the_setting_that_hides_addresses() -> None:
    assert SystemFacts(kptr_restrict=2).addresses_hidden_by == ("kptr_restrict=2",)
    assert SystemFacts(kptr_restrict=0, perf_event_paranoid=1).addresses_hidden_by == ()
    assert SystemFacts().addresses_hidden_by == ()


def test_this_machine_names_its_architecture() -> None:
    facts = read_system(LocalHost())
    assert (facts.machine, facts.release) == (os.uname().machine, os.uname().release)


def test_root_of_the_machine_may_load(tmp_path: Path) -> None:
    host = write(
        tmp_path,
        {
            "proc/self/status": "Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n",
            "proc/self/uid_map": "         0          0 4294967295\n",
        },
    )
    process = read_process(host)
    assert process.may_load
    assert process.has(CAP_SYSLOG)
    assert process.uid == os.geteuid()


def test_root_of_a_container_may_not(tmp_path: Path) -> None:
    host = write(
        tmp_path,
        {
            "proc/self/status": "CapEff:\t000001ffffffffff\n",
            "proc/self/uid_map": "0 100000 65536\n65536 200000 10\n",
        },
    )
    process = read_process(host)
    assert process.initial_user_namespace is False
    assert not process.may_load


def test_an_ordinary_user_may_not(tmp_path: Path) -> None:
    host = write(tmp_path, {"proc/self/status": "CapEff:\t0000000000000000\n"})
    assert not read_process(host).may_load
    assert not ProcessFacts(uid=0).may_load
