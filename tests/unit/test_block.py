"""Blocking a module: the prediction for each way, the plan, and the verb with its exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.index.aliases import example, has_wildcard, matches
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.model.block.lines import BLOCK_FILE, LINES, BlockState
from kmodtui.model.block.proof import Proof
from kmodtui.model.block.way import Barrier, Way, WayKind
from kmodtui.model.block.ways import ways_in
from kmodtui.model.explain.block import explain_block
from kmodtui.model.explain.explanation import Kind
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.danger import with_danger
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Action, Plan, PlanCommand, Step
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.usage import Usage, Use, UseKind
from kmodtui.privileged import helper
from kmodtui.services.blocking import block_facts
from kmodtui.services.planning.plans import planned, read_plan_facts
from tests.support.simulated import make_simulated
from tests.support.small_recording import Part

PARTS = {
    "main": Part("main.ko", 4096, depends=("lib",), aliases=("fs-main", "pci:v1*")),
    "lib": Part("lib.ko", 4096, aliases=("net-pf-38",)),
    "soft": Part("soft.ko", 4096, softdep="pre: lib", aliases=("fs-soft",)),
    "both": Part("both.ko", 4096, softdep="pre: lib"),
    "wants": Part("wants.ko", 4096, softdep="pre: soft"),
}
RULES = "/etc/modprobe.d/a.conf"
LATE = "/etc/modprobe.d/z.conf"
Output = pytest.CaptureFixture[str]
DONE = Result(True, ResultCode.DONE)


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path, parts=PARTS)


def rules(kernel: SimulatedKernel, *lines: str, file: str = RULES) -> None:
    kernel.folder.write(file, "".join(f"{line}\n" for line in lines).encode())


def plan(kernel: SimulatedKernel, verb: Verb, *names: str, unload: bool = False) -> Plan:
    intents = [Intent(verb, names), *([Intent(Verb.UNLOAD, names)] if unload else [])]
    index = read_index(kernel.host, kernel.release)
    facts, _ = read_plan_facts(kernel.host, index, intents)
    return planned(intents, facts, kernel.host)


def ways(found: Plan) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {str(way.kind): (str(way.barrier), way.subjects) for way in found.ways}


def test_the_helper_writes_the_lines_that_the_plan_is_about() -> None:
    for state in BlockState:
        assert helper.RULES[state] == LINES[state]
    assert helper.BLOCK == BLOCK_FILE


def test_every_way_is_listed_with_what_stops_it(kernel: SimulatedKernel) -> None:
    kernel.load("main")
    found = plan(kernel, Verb.BLOCK, "lib")
    assert ways(found) == {
        "by name": ("stopped", ("lib",)),
        "by alias": ("stopped", ("net-pf-38",)),
        "as a dependency": ("stopped", ("main",)),
        "as a softdep": ("stopped", ("both", "soft")),
        "modprobe --ignore-install": ("open", ()),
        "insmod FILE": ("open", ()),
        "already loaded": ("open", ()),
    }
    assert [(step.action, step.module) for step in found.steps] == [(Action.BLOCK, "lib")]
    assert not found.warnings


def test_an_initramfs_may_have_an_older_copy_of_the_rules(kernel: SimulatedKernel) -> None:
    image = f"/boot/initrd.img-{kernel.release}"
    kernel.folder.write(image, b"")
    assert ways(plan(kernel, Verb.BLOCK, "main"))["from the initramfs"] == ("unknown", (image,))


def test_a_module_with_softdeps_is_blocked_although_kmod_would_ignore_its_install_rule(
    kernel: SimulatedKernel,
) -> None:
    rules(kernel, "install soft /bin/false")
    assert kernel.load("soft").exit == 0, "this rule alone does not stop it"
    kernel.unload("soft")
    kernel.folder.remove(RULES)
    found = plan(kernel, Verb.BLOCK, "soft")
    assert not found.refused
    kernel.folder.write(BLOCK_FILE, LINES[BlockState.BLOCKED].format("soft").encode())
    assert kernel.load("soft").exit == 1
    assert "soft" not in kernel.loaded
    assert kernel.load("wants").exit == 0, "it only wants soft, and loads without it"
    assert "soft" not in kernel.loaded


def test_a_softdep_rule_that_comes_first_cannot_be_worked_around(kernel: SimulatedKernel) -> None:
    rules(kernel, "softdep main pre: lib")
    found = plan(kernel, Verb.BLOCK, "main")
    assert found.refused.startswith("main cannot be blocked: kmod up to 34 ignores its install ")
    assert f"{RULES}:1" in found.remedy
    assert not found.commands
    rules(kernel, "install main /bin/true && x", file=RULES)
    rules(kernel, "softdep main pre: lib", file=LATE)
    assert "softdep" not in plan(kernel, Verb.BLOCK, "main").refused, "a later one does not count"


def test_an_install_rule_that_comes_first_decides(kernel: SimulatedKernel) -> None:
    rules(kernel, "install main /sbin/own main")
    found = plan(kernel, Verb.BLOCK, "main")
    assert found.refused == (
        f"main cannot be blocked: an install rule runs /sbin/own main ({RULES}:1)."
    )
    rules(kernel, "install main /bin/false")
    assert plan(kernel, Verb.BLOCK, "main").nothing_to_do == (
        f"main is already blocked: its install rule fails ({RULES}:1)."
    )


@pytest.mark.parametrize(
    ("lines", "name", "alias"),
    [
        (["install main /dev/null"], "stopped", "stopped"),
        (["install main /bin/false || /sbin/modprobe -i main"], "unknown", "unknown"),
        (["install main /bin/true && insmod /main.ko"], "unknown", "unknown"),
        (["install lib /bin/false"], "stopped", "stopped"),
        (["alias main off"], "stopped", "open"),
    ],
)
def test_what_other_rules_do_to_each_way(
    kernel: SimulatedKernel, lines: list[str], name: str, alias: str
) -> None:
    rules(kernel, *lines)
    index = read_index(kernel.host, kernel.release)
    config = read_modprobe_config(kernel.host, index.folder)
    found = {
        way.kind: way for way in ways_in("main", block_facts(index, config, ["main"], ())["main"])
    }
    assert (found[WayKind.NAME].barrier, found[WayKind.ALIAS].barrier) == (name, alias)
    assert found[WayKind.NAME].source == f"{RULES}:1"


def test_loads_of_a_module_with_softdeps_cannot_be_logged(kernel: SimulatedKernel) -> None:
    assert "has softdeps" in plan(kernel, Verb.LOG_LOADS, "soft").refused
    logged = plan(kernel, Verb.LOG_LOADS, "main")
    assert ways(logged)["by name"] == ("logged", ("main",))


def test_an_unload_in_the_same_plan_follows_the_block(kernel: SimulatedKernel) -> None:
    kernel.load("soft")
    found = plan(kernel, Verb.BLOCK, "soft", unload=True)
    # The block removes the softdeps, so modprobe -r leaves lib.
    assert [(step.action, step.module) for step in found.steps] == [
        (Action.BLOCK, "soft"),
        (Action.RMMOD, "soft"),
    ]
    kernel.load("main")
    found = plan(kernel, Verb.BLOCK, "lib", unload=True)
    assert found.refused
    assert found.remedy.endswith("Or block it without unloading it.")


def test_built_in_and_unknown_modules_are_not_blocked(kernel: SimulatedKernel) -> None:
    kernel.folder.write(f"/lib/modules/{kernel.release}/modules.builtin", b"kernel/inside.ko\n")
    found = plan(kernel, Verb.BLOCK, "inside")
    assert found.refused.startswith("inside is built into the kernel")
    assert "initcall_blacklist=" in found.remedy
    with pytest.raises(UnknownModuleError, match="maine"):
        plan(kernel, Verb.BLOCK, "maine")


def test_only_own_blocks_are_removed(kernel: SimulatedKernel) -> None:
    rules(kernel, "install main /bin/false")
    found = plan(kernel, Verb.UNBLOCK, "main")
    assert found.refused == "main is not blocked by kmodtui."
    assert f"{RULES}:1" in found.remedy


@pytest.mark.parametrize(
    "pattern", ["fs-main", "pci:v1*", "a?c", "x[0-9]y", "[!0]", "*", "usb:v[a-f]*p*d0?"]
)
def test_an_example_matches_its_pattern(pattern: str) -> None:
    assert matches(pattern, example(pattern))
    assert not has_wildcard(example(pattern))


# --- what could cut a person off ----------------------------------------------------------------


def dangerous(verb: Verb, action: Action, usage: Usage, name: str = "net") -> str:
    commands = (PlanCommand(verb, (name,)),)
    asked = Plan(verb, (name,), (Step(action, name, "requested"),), commands)
    return with_danger(asked, PlanFacts(ModuleTable(), usage=usage)).danger


def test_a_plan_that_could_cut_a_person_off_says_so() -> None:
    up = Use(UseKind.INTERFACE, "eth0, up", "")
    mine = Use(UseKind.INTERFACE, "eth0, up", "", connection="10.0.2.2")
    other = Use(UseKind.INTERFACE, "eth1, up", "")
    assert "only network interface" in dangerous(Verb.UNLOAD, Action.RMMOD, Usage({"net": (up,)}))
    assert not dangerous(Verb.UNLOAD, Action.RMMOD, Usage({"net": (up,), "x": (other,)}))
    assert "your own connection" in dangerous(
        Verb.UNLOAD, Action.RMMOD, Usage({"net": (mine,), "x": (other,)})
    )
    root = Usage({"ext4": (Use(UseKind.MOUNT, "/ (ext4)", ""),)})
    assert "root file system" in dangerous(Verb.BLOCK, Action.BLOCK, root, "ext4")
    data = Usage({"ext4": (Use(UseKind.MOUNT, "/mnt (ext4)", ""),)})
    assert not dangerous(Verb.BLOCK, Action.BLOCK, data, "ext4")
    keys = Usage({"usbhid": (Use(UseKind.DEVICE, "1-1", ""),)})
    assert "keyboard" in dangerous(Verb.UNLOAD, Action.RMMOD, keys, "usbhid")
    assert not dangerous(Verb.UNLOAD, Action.RMMOD, Usage(), "usbhid")


def test_yes_alone_does_not_confirm_a_dangerous_plan(capsys: Output) -> None:
    assert run(["block", "ext4", "--yes", "--demo"]) == 1
    assert "--confirm ext4" in capsys.readouterr().err
    assert run(["block", "ext4", "--yes", "--confirm", "ext4", "--demo"]) == 0


# --- the outcome ------------------------------------------------------------------------------


def proof(barrier: Barrier, *loads: str, tried: tuple[str, ...] = ()) -> Proof:
    by_name = Way("main", WayKind.NAME, barrier, "why", ("main",), "/etc/x.conf:1")
    return Proof("main", (by_name,), tried=tried, loads=loads)


def test_it_is_called_blocked_only_where_it_was_verified() -> None:
    tried = ("main", "fs-main")
    good = explain_block(Verb.BLOCK, ["main"], DONE, [proof(Barrier.STOPPED, tried=tried)])
    assert (good.kind, good.title) == (Kind.DONE, "Blocked main")
    assert "neither its name nor its 1 alias loads it" in good.cause
    for bad in (
        [proof(Barrier.OPEN)],
        [proof(Barrier.UNKNOWN)],
        [proof(Barrier.STOPPED, "fs-main", tried=tried)],
        [],
    ):
        found = explain_block(Verb.BLOCK, ["main"], DONE, bad)
        assert (found.kind, found.title) == (Kind.FAILURE, "main is not blocked")
        assert BLOCK_FILE in found.cause


# --- the verbs --------------------------------------------------------------------------------


def test_a_module_is_blocked_by_the_verb(capsys: Output) -> None:
    assert run(["block", "xor", "--yes", "--json", "--demo"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["outcome"]["title"] == "Blocked xor"
    assert {way["result"] for way in told["ways"]} == {"stopped", "open"}


def test_a_dry_run_changes_nothing_and_needs_no_root(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    root = ["--root", str(kernel.folder.root)]
    assert run(["block", "main", "--dry-run", *root]) == 0
    told = capsys.readouterr().out
    assert re.search(r"main by alias fs-main, pci:v1: stopped", told)
    assert kernel.folder.read(BLOCK_FILE) == b""
    assert run(["block", "main", "--yes", *root]) == 3, "no privileges"
    assert "captured tree" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["xor"], 2, "standard input is not a terminal"),
        (["xor", "--log", "--unload"], 2, "cannot be combined"),
        (["/tmp/xor.ko"], 2, "is a file"),
        (["nosuch", "-n"], 1, "no module or alias nosuch"),
        (["ext4", "-y", "--unload"], 1, "ext4 is in use"),
        (["xor", "-y", "--no-read-only"], 0, ""),
    ],
)
def test_exit_status(
    arguments: list[str], status: int, words: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    first = [word for word in arguments if word == "--no-read-only"]
    rest = [word for word in arguments if word not in first]
    assert run([*first, "block", *rest, "--demo"]) == status
    assert words in capsys.readouterr().err
