"""Audits of captured systems: every state of a module, and everything that looks like another."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.errors import UsageError
from kmodtui.model.audit.policy import (
    ModuleRequirement,
    Policy,
    Switch,
    SwitchRequirement,
    Wanted,
    accepted,
)
from kmodtui.model.audit.report import Outcome, Report
from kmodtui.model.audit.state import State
from kmodtui.model.block.lines import BLOCK_FILE, LINES, BlockState
from kmodtui.services.audit import ALL, audit
from tests.support.captured import LINK, OTHER, RUNNING, A, Captured, Z, capture

FOLDER = f"/lib/modules/{RUNNING}"
DEP = f"{FOLDER}/modules.dep"
FILE = f"{FOLDER}/kernel/fs/udf/udf.ko.xz"
CMDLINE = "kernel command line"
BLOCK = "install udf /bin/false\n"
DENY = "blacklist udf\n"
UNKNOWN = "unknown"


def policy(*names: str, wanted: Wanted = Wanted.BLOCKED, initcall: str = "") -> Policy:
    initcalls = (initcall,) if initcall else ()
    modules = tuple(ModuleRequirement(n, wanted, "Why.", "1.1", initcalls) for n in names)
    return Policy("test", "A test", "1", "", modules, ())


def rules(*lines: str, file: str = A) -> Captured:
    return Captured({file: "".join(f"{line}\n" for line in lines)})


def command(text: str) -> Captured:
    return rules(f"install udf {text}")


def kernel_line(text: str) -> Captured:
    return Captured({"/proc/cmdline": f"quiet {text}\n"})


def index(**files: str | None) -> dict[str, dict[str, str | None]]:
    return {RUNNING: {f"modules.{name}": text for name, text in files.items()}}


WITHOUT_UDF = "kernel/fs/udf/udf2.ko.xz:\n"

SYSTEMS: dict[str, tuple[Captured, str, str]] = {
    # Each state
    "no rule": (Captured(), "available", FILE),
    "blacklist": (rules("blacklist udf"), "denylisted", f"{A}:1"),
    "install": (rules("# why", "install udf /bin/false"), "blocked", f"{A}:2"),
    "both": (rules("blacklist udf", "install udf /bin/false"), "blocked", f"{A}:2"),
    "blacklist of a module that is its own alias": (
        Captured({A: DENY}, index=index(alias="alias udf udf\nalias fs-udf udf\n")),
        "denylisted",
        f"{A}:1",
    ),
    "loaded": (Captured(loaded=("udf",)), "loaded", "/proc/modules"),
    "loaded, then blocked": (Captured({A: BLOCK}, loaded=("udf",)), "loaded", f"{A}:1"),
    "absent": (Captured({A: BLOCK}, index=index(dep=WITHOUT_UDF)), "absent", DEP),
    "built in": (
        Captured(index=index(dep=WITHOUT_UDF, builtin="kernel/a.ko\nkernel/fs/udf/udf.ko\n")),
        "built in",
        f"{FOLDER}/modules.builtin:2",
    ),
    "built in, with a rule that has no effect": (
        Captured({A: BLOCK}, index=index(dep=WITHOUT_UDF, builtin="kernel/fs/udf/udf.ko\n")),
        "built in",
        f"{FOLDER}/modules.builtin:1",
    ),
    "built in, with an old file": (
        Captured({A: BLOCK}, index=index(builtin="kernel/fs/udf/udf.ko\n")),
        "built in",
        f"{FOLDER}/modules.builtin:1",
    ),
    # Spellings of a command that loads nothing
    "true": (command("/bin/true"), "blocked", f"{A}:1"),
    "false in /usr": (command("/usr/bin/false"), "blocked", f"{A}:1"),
    "true in /usr": (command("/usr/bin/true"), "blocked", f"{A}:1"),
    "false of the shell": (command("false"), "blocked", f"{A}:1"),
    "true of the shell": (command("true"), "blocked", f"{A}:1"),
    "a colon": (command(":"), "blocked", f"{A}:1"),
    "/dev/null": (command("/dev/null"), "blocked", f"{A}:1"),
    "exit": (command("exit 1"), "blocked", f"{A}:1"),
    "nologin": (command("/usr/sbin/nologin"), "blocked", f"{A}:1"),
    "a comment behind it": (command("/bin/false # or: modprobe -i udf"), "blocked", f"{A}:1"),
    "with a message": (command("/bin/echo no udf; /bin/false"), "blocked", f"{A}:1"),
    "NixOS": (command("/nix/store/0a-coreutils-9/bin/false"), "blocked", f"{A}:1"),
    "nothing but a comment": (command("# disabled"), "blocked", f"{A}:1"),
    "tabs": (rules("\tinstall\tudf\t/bin/false"), "blocked", f"{A}:1"),
    "a long line": (rules("#", "install udf \\", "  /bin/false"), "blocked", f"{A}:2"),
    "a line of DOS": (Captured({A: "install udf /bin/false\r\n"}), "blocked", f"{A}:1"),
    "no line end": (Captured({A: "install udf /bin/false"}), "blocked", f"{A}:1"),
    "a log entry": (
        command("/usr/bin/logger -t kmodtui no udf; /bin/false"),
        "blocked",
        f"{A}:1",
    ),
    # Commands that load it, or may
    "or modprobe": (command("/bin/false || /sbin/modprobe -i udf"), UNKNOWN, f"{A}:1"),
    "and insmod": (command("/bin/true && insmod /udf.ko"), UNKNOWN, f"{A}:1"),
    "a script": (command("/usr/local/sbin/udf"), UNKNOWN, f"{A}:1"),
    "false of somebody": (command("/opt/bin/false"), UNKNOWN, f"{A}:1"),
    "denylisted, and a script": (rules("blacklist udf", "install udf x"), UNKNOWN, f"{A}:2"),
    "log only": (
        Captured({BLOCK_FILE: LINES[BlockState.LOGGED].format("udf")}),
        "available",
        f"{BLOCK_FILE}:1",
    ),
    # Lines that are not rules for it
    "a comment": (rules("#install udf /bin/false", " # blacklist udf"), "available", FILE),
    "longer names": (rules("install udf2 /bin/false", "blacklist uudf"), "available", FILE),
    "no blank": (rules("install udf/bin/false"), "available", FILE),
    "no command": (rules("install udf"), "available", FILE),
    "a capital": (rules("Install udf /bin/false"), "available", FILE),
    "a name of DOS": (Captured({A: "blacklist udf\r\n"}), "available", FILE),
    "an option": (rules("options udf install=/bin/false"), "available", FILE),
    "the alias is denylisted": (rules("blacklist fs-udf"), "available", FILE),
    "with suffix": (rules("blacklist udf.ko"), "available", FILE),
    "two names": (rules("blacklist udf2 udf"), "available", FILE),
    # Which file counts
    "/run": (rules(BLOCK, file="/run/modprobe.d/r.conf"), "blocked", "/run/modprobe.d/r.conf:1"),
    "/usr/lib": (
        rules(BLOCK, file="/usr/lib/modprobe.d/u.conf"),
        "blocked",
        "/usr/lib/modprobe.d/u.conf:1",
    ),
    "/usr/local": (
        rules(BLOCK, file="/usr/local/lib/modprobe.d/u.conf"),
        "blocked",
        "/usr/local/lib/modprobe.d/u.conf:1",
    ),
    "replaced": (Captured({"/run/modprobe.d/a.conf": BLOCK, A: "# empty\n"}), "available", FILE),
    "masked": (
        Captured({"/usr/lib/modprobe.d/a.conf": BLOCK, A: f"{LINK}/dev/null"}),
        "available",
        FILE,
    ),
    "a backup": (rules(BLOCK, file="/etc/modprobe.d/a.conf.bak"), "available", FILE),
    "no suffix": (rules(BLOCK, file="/etc/modprobe.d/blacklist"), "available", FILE),
    "hidden": (rules(BLOCK, file="/etc/modprobe.d/.a.conf"), "available", FILE),
    "the old file": (rules(BLOCK, file="/etc/modprobe.conf"), "available", FILE),
    "a directory below": (rules(BLOCK, file="/etc/modprobe.d/b/a.conf"), "available", FILE),
    "a link": (
        Captured({"/etc/rules": BLOCK, A: f"{LINK}../rules"}),
        "blocked",
        f"{A}:1",
    ),
    # Which rule counts
    "the first": (Captured({A: "install udf /bin/x\n", Z: BLOCK}), UNKNOWN, f"{A}:1"),
    "a pattern": (rules("install ud? /bin/false"), "blocked", f"{A}:1"),
    "a softdep": (rules("install udf /bin/false", "softdep udf pre: udf2"), "available", FILE),
    "a softdep of its own": (
        Captured({A: BLOCK}, index=index(softdep="softdep udf pre: udf2\n")),
        "available",
        FILE,
    ),
    "a softdep of its own that is in vain": (
        Captured({A: BLOCK}, index=index(softdep="softdep udf udf2\n")),
        "blocked",
        f"{A}:1",
    ),
    "a softdep that is removed": (
        Captured(
            {BLOCK_FILE: LINES[BlockState.BLOCKED].format("udf")},
            index=index(softdep="softdep udf pre: udf2\n"),
        ),
        "blocked",
        f"{BLOCK_FILE}:2",
    ),
    "only its name is off": (rules("alias udf off"), "available", FILE),
    "only its alias is off": (rules("alias fs-udf off"), "available", FILE),
    "a new alias": (rules("alias cdrom-fs udf", "install udf /bin/false"), "blocked", f"{A}:2"),
    "its dependency is blocked": (rules("install crc-itu-t /bin/false"), "blocked", f"{A}:1"),
    "its dependency is blocked but loaded": (
        Captured({A: "install crc-itu-t /bin/false\n"}, loaded=("crc_itu_t",)),
        "available",
        FILE,
    ),
    "its dependent is blocked": (rules("install uses_udf /bin/false"), "available", FILE),
    "by the rule of another one": (
        rules("install udf /bin/false", "install cd /sbin/modprobe -i udf"),
        UNKNOWN,
        f"{A}:2",
    ),
    # The kernel command line
    "module_blacklist": (kernel_line("module_blacklist=x,udf"), "blocked", CMDLINE),
    "module_blacklist twice": (
        kernel_line("module_blacklist=udf module_blacklist=x"),
        "available",
        FILE,
    ),
    "modprobe.blacklist": (kernel_line("modprobe.blacklist=udf"), "denylisted", CMDLINE),
    "module_blacklist for init": (kernel_line("-- module_blacklist=udf"), "available", FILE),
    # What cannot be known
    "no /proc/modules": (Captured({A: BLOCK}, loaded=None), UNKNOWN, f"{A}:1"),
    "no modules.builtin": (Captured(index=index(dep=WITHOUT_UDF, builtin=None)), UNKNOWN, DEP),
    "no modules": (Captured(kernels=()), UNKNOWN, ""),
    "a file that cannot be read": (Captured({A: BLOCK, Z: "a pipe"}), UNKNOWN, ""),
    "a directory that cannot be read": (
        Captured({"/run/modprobe.d/a.conf": BLOCK, "/etc/modprobe.d": f"{LINK}modprobe.d"}),
        UNKNOWN,
        "",
    ),
    "BusyBox": (Captured({A: BLOCK, "/sbin/modprobe": f"{LINK}/bin/busybox"}), UNKNOWN, ""),
    "OpenWrt": (Captured({A: BLOCK, "/etc/openwrt_release": ""}), UNKNOWN, ""),
    "another loader": (
        Captured({A: BLOCK, "/proc/sys/kernel/modprobe": "/opt/load\n"}),
        UNKNOWN,
        "",
    ),
    "a container": (Captured({A: BLOCK, "/.dockerenv": ""}), UNKNOWN, ""),
    "a malformed /proc/modules": (Captured({A: BLOCK}, loaded=("u df",)), UNKNOWN, f"{A}:1"),
    # Files and their index
    "not in the index": (
        Captured({f"{FOLDER}/updates/udf.ko": ""}, index=index(dep=WITHOUT_UDF)),
        "available",
        f"{FOLDER}/updates/udf.ko",
    ),
    "not in the index, and blocked": (
        Captured({f"{FOLDER}/updates/udf.ko": "", A: BLOCK}, index=index(dep=WITHOUT_UDF)),
        "blocked",
        f"{A}:1",
    ),
    "no index": (Captured(index=index(dep="", builtin="kernel/x.ko\n")), "absent", DEP),
    "removed after depmod": (Captured(removed=("udf.ko.xz",)), "absent", DEP),
}
"""Each with the state of udf, and with the file and line that decide it."""


def audited(tree: Captured, root: Path, wanted: Policy, release: str = "") -> Report:
    return audit(capture(tree, root), wanted, release)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_state_in_a_captured_system(tmp_path: Path, name: str) -> None:
    tree, state, source = SYSTEMS[name]
    report = audited(tree, tmp_path, policy("udf"))
    (finding,) = report.findings
    assert (finding.actual or UNKNOWN, finding.source) == (state, source), finding.sentence
    status = {"blocked": 0, "absent": 0, UNKNOWN: 2}.get(state, 1)
    assert report.exit_status == status


def test_there_are_at_least_forty_systems_with_every_state() -> None:
    assert len(SYSTEMS) >= 40
    assert {state for _, state, _ in SYSTEMS.values()} == {*State, UNKNOWN}


@pytest.mark.parametrize("rule", ["usb-storage", "usb_storage"])
@pytest.mark.parametrize("loaded", [(), ("usb_storage",)])
def test_a_dash_is_an_underscore(tmp_path: Path, rule: str, loaded: tuple[str, ...]) -> None:
    tree = Captured({A: f"install {rule} /bin/false\n"}, loaded=loaded)
    (finding,) = audited(tree, tmp_path, policy("usb_storage")).findings
    assert finding.actual == ("loaded" if loaded else "blocked")


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("modprobe.blacklist=usb-storage", "available"),  # here, - is not _
        ("module_blacklist=usb-storage", "available"),
        ("module_blacklist=usb_storage", "blocked"),
        ("initcall_blacklist=usb_storage_driver_init", "available"),
    ],
)
def test_a_dash_on_the_kernel_command_line_is_not_an_underscore(
    tmp_path: Path, line: str, state: str
) -> None:
    (finding,) = audited(kernel_line(line), tmp_path, policy("usb_storage")).findings
    assert finding.actual == state


@pytest.mark.parametrize(
    ("line", "initcall", "state"),
    [
        ("initcall_blacklist=algif_aead_init", "algif_aead_init", "blocked"),
        ("initcall_blacklist=x initcall_blacklist=y,algif_aead_init", "algif_aead_init", "blocked"),
        ("initcall_blacklist=algif_aead_init2", "algif_aead_init", "built in"),
        ("initcall_blacklist=algif_aead_init", "", "built in"),
        ("module_blacklist=algif_aead", "algif_aead_init", "built in"),
    ],
)
def test_only_initcall_blacklist_stops_what_is_built_in(
    tmp_path: Path, line: str, initcall: str, state: str
) -> None:
    tree = kernel_line(line)
    (finding,) = audited(tree, tmp_path, policy("algif_aead", initcall=initcall)).findings
    assert finding.actual == state


Index = dict[str, dict[str, str | None]]


def test_the_kernel_command_line_says_nothing_about_other_kernels(tmp_path: Path) -> None:
    line = {"/proc/cmdline": "initcall_blacklist=algif_aead_init\n"}
    tree = Captured(line, (RUNNING, OTHER))
    found = audited(tree, tmp_path, policy("algif_aead", initcall="algif_aead_init"), ALL)
    assert [finding.actual for finding in found.findings] == ["blocked", "built in"]


BUILT_IN: Index = {OTHER: {"modules.dep": WITHOUT_UDF, "modules.builtin": "kernel/fs/udf/udf.ko\n"}}

ABSENT: Index = {OTHER: {"modules.dep": WITHOUT_UDF}}
SOFTDEP: Index = {OTHER: {"modules.softdep": "softdep udf pre: udf2\n"}}
UNINDEXED: Index = {OTHER: {"modules.dep": None}}
UNLISTED = f"/lib/modules/{OTHER}/kernel/fs/udf.ko"


@pytest.mark.parametrize(
    ("tree", "states", "status"),
    [
        (Captured({A: BLOCK}), ["blocked", "blocked"], 0),
        (Captured({A: BLOCK}, index=BUILT_IN), ["blocked", "built in"], 1),
        (Captured({A: BLOCK}, loaded=("udf",)), ["loaded", "blocked"], 1),
        (Captured({A: BLOCK}, index=ABSENT), ["blocked", "absent"], 0),
        (Captured({A: BLOCK}, index=SOFTDEP), ["blocked", "available"], 1),
        (kernel_line("module_blacklist=udf"), ["blocked", "available"], 1),
        (kernel_line("modprobe.blacklist=udf"), ["denylisted", "available"], 1),
        (Captured({A: BLOCK, UNLISTED: ""}, index=UNINDEXED), ["blocked", "blocked"], 0),
        (Captured({A: DENY, UNLISTED: ""}, index=UNINDEXED), ["denylisted", "available"], 1),
        (Captured({A: BLOCK}, running=""), ["blocked", "blocked"], 0),
    ],
)  # fmt: skip
def test_each_kernel_is_audited_by_itself(
    tmp_path: Path, tree: Captured, states: list[str], status: int
) -> None:
    both = Captured(tree.files, (RUNNING, OTHER), tree.index, tree.loaded, tree.running)
    report = audited(both, tmp_path, policy("udf"), ALL)
    assert [finding.actual for finding in report.findings] == states
    assert report.exit_status == status
    assert [kernel.running for kernel in report.kernels] == [bool(tree.running), False]


def test_one_kernel_can_be_chosen_and_others_are_mentioned(tmp_path: Path) -> None:
    host = capture(Captured({A: BLOCK}, (RUNNING, OTHER)), tmp_path)
    assert audit(host, policy("udf")).notes == (
        "1 other kernel is installed; --kernel all audits every kernel.",
    )
    other = audit(host, policy("udf"), OTHER)
    assert [kernel.release for kernel in other.kernels] == [OTHER]
    assert not other.notes
    with pytest.raises(UsageError, match=r"6\.9 is not installed"):
        audit(host, policy("udf"), "6.9")


def test_a_kernel_that_runs_without_modules_is_not_forgotten(tmp_path: Path) -> None:
    report = audited(Captured({A: BLOCK}, (OTHER,)), tmp_path, policy("udf"), ALL)
    assert [finding.outcome for finding in report.findings] == ["undetermined", "compliant"]
    assert report.exit_status == 2


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("a backup", "/etc/modprobe.d/a.conf.bak"),
        ("replaced", "/run/modprobe.d/a.conf"),
        ("a name of DOS", f"{A}:1"),
        ("two names", f"{A}:1"),
        ("no suffix", "/etc/modprobe.d/blacklist"),
        ("comment", ""),
    ],
)
def test_rules_that_modprobe_ignores_are_shown(tmp_path: Path, name: str, ignored: str) -> None:
    tree = SYSTEMS["a comment" if name == "comment" else name][0]
    (finding,) = audited(tree, tmp_path, policy("udf")).findings
    assert [problem.source for problem in finding.ignored] == ([ignored] if ignored else [])


@pytest.mark.parametrize("builtin", [False, True])
def test_a_kernel_without_loadable_modules_loads_none(tmp_path: Path, builtin: bool) -> None:
    files = {CONFIG: "CONFIG_SMP=y\n", "/.dockerenv": ""}
    if builtin:
        files["/sys/module/udf/parameters/x"] = "1\n"
    tree = Captured(files, kernels=(), loaded=None)
    switches = (Switch.MODULES_DISABLED, Switch.SIGNATURES_ENFORCED)
    wanted = Policy(
        "test",
        "A test",
        "",
        "",
        policy("udf", wanted=Wanted.LOADED).modules,
        tuple(SwitchRequirement(switch, True, "Why.") for switch in switches),
    )
    found = audited(tree, tmp_path, wanted).findings
    assert [finding.actual for finding in found] == ["built in" if builtin else "", "yes", "yes"]


def test_a_name_that_is_only_an_alias_is_shown_as_such(tmp_path: Path) -> None:
    (finding,) = audited(Captured(), tmp_path, policy("fs_udf")).findings
    assert finding.detail == "this kernel has no such module; the name is an alias of udf"


def test_what_each_wanted_state_accepts() -> None:
    table = {
        wanted: "".join(state[0] for state in State if state in accepted(wanted, running=True))
        for wanted in Wanted
    }
    # absent, built in, available, loaded, denylisted, blocked
    assert table == {
        "blocked": "ab", "denylisted": "adb", "not loaded": "aadb", "absent": "a",
        "available": "bal", "loaded": "bl",
    }  # fmt: skip
    assert State.AVAILABLE in accepted(Wanted.LOADED, running=False)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        (Wanted.BLOCKED, 2),
        (Wanted.DENYLISTED, 2),
        (Wanted.NOT_LOADED, 0),
        (Wanted.ABSENT, 1),
        (Wanted.LOADED, 1),
    ],
)
def test_what_is_known_is_enough_where_it_decides(
    tmp_path: Path, wanted: Wanted, status: int
) -> None:
    tree = command("/usr/local/sbin/udf")  # available or blocked
    assert audited(tree, tmp_path, policy("udf", wanted=wanted)).exit_status == status


def test_one_that_is_not_compliant_counts_more_than_one_that_is_undetermined(
    tmp_path: Path,
) -> None:
    report = audited(command("/x"), tmp_path, policy("udf", "udf2", "nfs"))
    outcomes = [finding.outcome for finding in report.findings]
    assert outcomes == [Outcome.UNDETERMINED, Outcome.NOT_COMPLIANT, Outcome.COMPLIANT]
    assert report.exit_status == 1


SIGNATURES = "/sys/module/module/parameters/sig_enforce"
LOCKDOWN = "/sys/kernel/security/lockdown"
DISABLED = "/proc/sys/kernel/modules_disabled"
CONFIG = f"/boot/config-{RUNNING}"
MODPROBE = "/proc/sys/kernel/modprobe"


@pytest.mark.parametrize(
    ("switch", "files", "actual", "status"),
    [
        (Switch.MODULES_DISABLED, {DISABLED: "1\n"}, "yes", 0),
        (Switch.MODULES_DISABLED, {DISABLED: "0\n"}, "no", 1),
        (Switch.MODULES_DISABLED, {}, "", 2),
        (Switch.SIGNATURES_ENFORCED, {SIGNATURES: "Y\n"}, "yes", 0),
        (Switch.SIGNATURES_ENFORCED, {SIGNATURES: "N\n"}, "no", 1),
        (
            Switch.SIGNATURES_ENFORCED,
            {SIGNATURES: "N\n", LOCKDOWN: "none [integrity] confidentiality\n"},
            "yes",
            0,
        ),
        (Switch.SIGNATURES_ENFORCED, {CONFIG: "CONFIG_MODULES=y\n"}, "no", 1),
        (Switch.SIGNATURES_ENFORCED, {CONFIG: "CONFIG_MODULE_SIG=y\n"}, "", 2),
        (Switch.SIGNATURES_ENFORCED, {}, "", 2),
        (Switch.MODPROBE, {MODPROBE: "/sbin/modprobe\n"}, "/sbin/modprobe", 0),
        (Switch.MODPROBE, {MODPROBE: "\n"}, "empty", 0),
        (Switch.MODPROBE, {MODPROBE: "/tmp/x\n"}, "/tmp/x", 1),
        (Switch.MODPROBE, {}, "", 2),
    ],
)
def test_a_switch_of_the_running_system(
    tmp_path: Path, switch: Switch, files: dict[str, str], actual: str, status: int
) -> None:
    wanted = ("/sbin/modprobe", "") if switch is Switch.MODPROBE else True
    requirement = SwitchRequirement(switch, wanted, "Why.")
    report = audited(
        Captured(files), tmp_path, Policy("test", "A test", "", "", (), (requirement,))
    )
    (finding,) = report.findings
    assert (finding.actual, report.exit_status) == (actual, status)
    assert (finding.file != "") == (bool(actual) and CONFIG not in files)
