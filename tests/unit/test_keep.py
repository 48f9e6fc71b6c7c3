"""Keeping modules and options for the next boot: the plan, its refusals, the verbs, the proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.index.release import read_index
from kmodtui.model.about.facts import Listing
from kmodtui.model.explain.explanation import Kind
from kmodtui.model.explain.keep import KeepProof, explain_keep
from kmodtui.model.own_file import OwnFile, option_line
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Option, Plan, PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.privileged import helper
from kmodtui.services.keeping import intents_to_forget, intents_to_keep, read_kept
from kmodtui.services.machine import Machine
from kmodtui.services.planning.plans import planned, read_plan_facts
from kmodtui.services.root.access import NoRoot
from tests.support.simulated import make_simulated

RULES = "/etc/modprobe.d/a.conf"
LATE = "/etc/modprobe.d/z.conf"
Output = pytest.CaptureFixture[str]
DONE = Result(True, ResultCode.DONE)


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


def write(kernel: SimulatedKernel, file: str, *lines: str) -> None:
    kernel.folder.write(file, "".join(f"{line}\n" for line in lines).encode())


def plan(kernel: SimulatedKernel, *intents: Intent) -> Plan:
    index = read_index(kernel.host, kernel.release)
    facts, _ = read_plan_facts(kernel.host, index, intents)
    return planned(intents, facts, kernel.host)


def keep(kernel: SimulatedKernel, name: str) -> Plan:
    return plan(kernel, Intent(Verb.KEEP, (name,)))


def options(kernel: SimulatedKernel, name: str, *words: str) -> Plan:
    return plan(kernel, Intent(Verb.KEEP_OPTIONS, (name,), words))


def machine(kernel: SimulatedKernel) -> Machine:
    return Machine(kernel.host, NoRoot(""))


def test_the_helper_writes_the_lines_and_files_that_the_plan_is_about() -> None:
    assert {helper.BLACKLIST, helper.BLOCK, helper.OPTIONS, helper.BOOT} == set(OwnFile)
    assert option_line("nbd", "a=1") == helper.RULES["options"].format("nbd", "a=1")


def test_a_load_at_boot_and_options_are_one_plan_with_the_exact_lines(
    kernel: SimulatedKernel,
) -> None:
    now = read_kept(machine(kernel), "nbd")
    found = plan(kernel, *intents_to_keep("nbd", ["nbds_max=4"], now, at_boot=True))
    assert [(step.action, step.path) for step in found.steps] == [
        ("keep", OwnFile.BOOT),
        ("options", OwnFile.OPTIONS),
    ]
    assert found.steps[1].options == (Option("nbds_max=4", f"{OwnFile.OPTIONS}:2"),)
    assert found.command_lines == (
        f"printf 'nbd\\n' >> {OwnFile.BOOT}",
        f"printf 'options nbd nbds_max=4\\n' >> {OwnFile.OPTIONS}",
    )


def test_options_are_added_to_those_that_are_kept(kernel: SimulatedKernel) -> None:
    write(kernel, OwnFile.OPTIONS, "options nbd nbds_max=4 max_part=2")
    now = read_kept(machine(kernel), "nbd")
    (intent,) = intents_to_keep("nbd", ["max_part=3"], now, at_boot=False)
    assert intent.parameters == ("nbds_max=4", "max_part=3")
    found = plan(kernel, intent)
    assert found.steps[0].reason == "instead of nbds_max=4 max_part=2"
    assert found.command_lines[0].startswith("sed -i '/^options nbd /c")


def test_what_is_kept_elsewhere_is_named_with_file_and_line(kernel: SimulatedKernel) -> None:
    write(kernel, "/etc/modules-load.d/mine.conf", "# mine", "nbd")
    assert "(/etc/modules-load.d/mine.conf:2)" in keep(kernel, "nbd").nothing_to_do
    write(kernel, RULES, "options nbd nbds_max=4")
    assert options(kernel, "nbd", "nbds_max=4").nothing_to_do == (
        f"nbds_max=4 of nbd is already set ({RULES}:1)."
    )
    forgotten = plan(kernel, Intent(Verb.FORGET, ("nbd",)))
    assert forgotten.refused == "nbd is not kept by kmodtui."
    assert "/etc/modules-load.d/mine.conf:2" in forgotten.remedy


def test_a_later_rule_would_override_an_option(kernel: SimulatedKernel) -> None:
    write(kernel, LATE, "options nbd nbds_max=8")
    found = options(kernel, "nbd", "nbds_max=4")
    assert found.refused == (
        f"nbds_max=4 of nbd would have no effect: nbds_max=8 is set later ({LATE}:1)."
    )
    write(kernel, LATE)
    kernel.folder.write("/proc/cmdline", b"quiet nbd.nbds_max=9\n")
    assert "(kernel command line)" in options(kernel, "nbd", "nbds_max=4").refused


def test_an_option_says_which_earlier_one_it_overrides(kernel: SimulatedKernel) -> None:
    write(kernel, RULES, "options nbd nbds_max=8")
    assert options(kernel, "nbd", "nbds_max=4").warnings == (
        f"This overrides nbds_max=8 ({RULES}:1).",
    )


def test_an_initramfs_may_have_an_older_copy_of_the_options(kernel: SimulatedKernel) -> None:
    kernel.folder.write(f"/boot/initrd.img-{kernel.release}", b"")
    (warning,) = options(kernel, "nbd", "nbds_max=4").warnings
    assert warning.endswith(f"update-initramfs -u -k {kernel.release}")


def test_a_built_in_module_needs_the_kernel_command_line(kernel: SimulatedKernel) -> None:
    name = read_index(kernel.host, kernel.release).builtin_names[0]
    found = options(kernel, name, "a=1")
    assert f"{name} is built into the kernel" in found.refused
    assert found.remedy == f"On the kernel command line: {name}.a=1"
    assert "it is always there" in keep(kernel, name).nothing_to_do


def test_what_is_never_loaded_cannot_be_kept(kernel: SimulatedKernel) -> None:
    write(kernel, RULES, "blacklist nbd")
    assert f"what is blacklisted ({RULES}:1)" in keep(kernel, "nbd").refused
    write(kernel, OwnFile.BLOCK, "install nbd /bin/false")
    found = keep(kernel, "nbd")
    assert f"it is blocked, its install rule fails ({OwnFile.BLOCK}:1)" in found.refused
    assert found.remedy == "Unblock it first: kmodtui unblock nbd"
    assert "is not loaded at present" in options(kernel, "nbd", "nbds_max=4").warnings[0]
    write(kernel, OwnFile.BLOCK)
    kernel.folder.write("/proc/cmdline", b"module_blacklist=nbd\n")
    assert "module_blacklist=" in keep(kernel, "nbd").refused
    with pytest.raises(UnknownModuleError):
        keep(kernel, "nope")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("nope=1", "nbd has no parameter nope."),
        ("nbds_max=many", "is not an integer"),
        ("dyndbg=+p;reboot", "a shell interprets"),
    ],
)
def test_an_option_that_would_not_work_is_refused(
    kernel: SimulatedKernel, word: str, why: str
) -> None:
    found = options(kernel, "nbd", word)
    assert why in found.refused
    assert not found.commands


def test_current_values_that_differ_become_options(kernel: SimulatedKernel) -> None:
    kernel.load("nbd", "nbds_max=4")
    now = read_kept(machine(kernel), "nbd")
    assert now.current == ("max_part=16", "nbds_max=4")
    assert "may have the default value, which is unknown" in now.notes[0]
    (intent,) = intents_to_keep("nbd", now.current, now, at_boot=False)
    assert not plan(kernel, intent).warnings, "it has this value already"
    (warning,) = options(kernel, "nbd", "nbds_max=8").warnings
    assert warning == "nbd is loaded: nbds_max takes effect when it is loaded again."


def test_all_that_is_kept_is_forgotten_and_what_remains_is_shown(kernel: SimulatedKernel) -> None:
    write(kernel, RULES, "options nbd max_part=1")
    write(kernel, OwnFile.OPTIONS, "options nbd nbds_max=4")
    write(kernel, OwnFile.BOOT, "nbd")
    now = {"nbd": read_kept(machine(kernel), "nbd")}
    found = plan(kernel, *intents_to_forget(("nbd",), now))
    assert [step.action for step in found.steps] == ["forget", "no-options"]
    assert found.steps[1].options == (Option("max_part=1", f"{RULES}:1"),)


def test_nothing_is_called_kept_that_the_files_do_not_show() -> None:
    asked = (PlanCommand(Verb.KEEP, ("m",)), PlanCommand(Verb.KEEP_OPTIONS, ("m",), ("a=1",)))
    listing = (Listing(f"{OwnFile.BOOT}:2", "", "m"),)
    settings = {"a": Option("a=1", f"{OwnFile.OPTIONS}:2")}
    kept = KeepProof("m", True, listing, settings, "insmod /m.ko a=1")
    assert explain_keep(asked, DONE, [kept]).kind is Kind.DONE
    for proof in (
        KeepProof("m", True, (), settings),
        KeepProof("m", True, listing, {"a": Option("a=2", LATE)}),
        KeepProof("m", True, listing, {}),
        KeepProof("m", True, listing, settings, "insmod /m.ko"),
    ):
        found = explain_keep(asked, DONE, [proof])
        assert found.kind is Kind.WARNING, proof
        assert found.title == "m is not kept as planned"


def test_the_verbs_keep_and_forget_on_the_demo(capsys: Output) -> None:
    assert run(["keep", "nbd", "nbds_max=4", "--demo", "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["outcome"]["title"] == "Kept nbd"
    assert done["outcome"]["shown"] == [
        f"{OwnFile.BOOT}:2: nbd",
        f"{OwnFile.OPTIONS}:2: nbd nbds_max=4",
    ]
    assert run(["keep", "ext4", "--current", "--options-only", "--demo", "--yes"]) == 1
    assert "has no value to keep" in capsys.readouterr().err
    assert run(["forget", "nbd", "--demo", "--yes"]) == 1
    assert run(["keep", "--options-only", "nbd", "--demo"]) == 2
    assert run(["keep", "a", "b", "x=1", "--demo"]) == 2
    assert run(["keep", "x=1", "--demo"]) == 2
