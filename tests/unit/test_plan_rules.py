"""Plans under rules of modprobe.d, of several modules, of reloads and of other changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.errors import PlanError
from kmodtui.kernel.index.configured import configured
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.proc_modules import parse_modules, read_modules
from kmodtui.model.modprobe_rules import Rule, RuleKind
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.change import plan_blacklist, plan_insert, plan_set, plan_unblacklist
from kmodtui.model.plan.facts import InsertedFile, PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import Action, Option, Plan, with_memory
from kmodtui.model.plan.reload import plan_reload
from kmodtui.model.plan.unload import plan_unload, users_first
from kmodtui.model.plan.verb import Verb
from tests.support.simulated import make_simulated
from tests.support.small_recording import Part

PARTS = {
    "main": Part("main.ko", 4096, depends=("lib",), aliases=("fs-main", "pci:v1*")),
    "lib": Part("lib.ko", 4096),
    "extra": Part("extra.ko", 4096),
    "other": Part("other.ko", 4096, depends=("lib",), aliases=("fs-main",)),
    "deep": Part("deep.ko", 4096, depends=("main",)),
    "stuck": Part("stuck.ko", 4096, depends=("lib",), permanent=True),
}
RULES = "/etc/modprobe.d/a.conf"


class Machine:
    """A simulated machine with rules."""

    def __init__(self, tmp_path: Path) -> None:
        self.kernel = make_simulated(tmp_path, parts=PARTS)
        self.sizes = {name: part.size for name, part in PARTS.items()}

    def rules(self, *lines: str, boot_line: str = "") -> None:
        self.kernel.folder.write(RULES, "".join(f"{line}\n" for line in lines).encode())
        self.kernel.folder.write("/proc/cmdline", boot_line.encode())

    def plan(self, verb: str, *names: str, given: tuple[str, ...] = ()) -> Plan:
        lookup = configured(read_index(self.kernel.host, self.kernel.release))
        facts = PlanFacts(read_modules(self.kernel.host), lookup)
        if verb == "load":
            plan = plan_load(names, given, facts)
        elif verb == "reload":
            plan = plan_reload(names, given, facts)
        else:
            plan = plan_unload(names, facts)
        return with_memory(plan, lambda step: self.sizes.get(step.module))

    def load(self, *names: str) -> None:
        for name in names:
            assert self.kernel.load(name).exit == 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def told(plan: Plan) -> list[str]:
    return [f"{step.action} {step.module}" for step in plan.steps]


# Options


def test_options_stand_with_where_they_come_from(machine: Machine) -> None:
    machine.rules("options lib debug=1", "options main a=1", boot_line="quiet main.b=2")
    lib, main = machine.plan("load", "main", given=("c=3",)).steps
    assert lib.options == (Option("debug=1", f"{RULES}:1"),)
    assert main.options == (
        Option("a=1", f"{RULES}:2"),
        Option("b=2", "kernel command line"),
        Option("c=3", "given"),
    )


def test_options_of_an_alias_become_parameters_of_the_command(machine: Machine) -> None:
    """It names the module, for which the options of the alias are not set."""
    machine.rules("options fs-main a=1 b", "options main c=2")
    plan = machine.plan("load", "fs-main", given=("d=4",))
    assert [option.text for option in plan.steps[1].options] == ["a=1 b", "c=2", "d=4"]
    assert plan.command_lines == ("modprobe -- main a=1 d=4", "modprobe -- other a=1 d=4")


def test_memory_is_the_sum_of_what_comes(machine: Machine) -> None:
    assert machine.plan("load", "main").memory == 8192
    machine.sizes.pop("lib")
    assert machine.plan("load", "main").memory is None
    machine.load("main")
    assert machine.plan("unload", "main").memory == -8192


# Blacklists


def test_a_blacklist_stops_an_alias_and_no_name(machine: Machine) -> None:
    machine.rules("blacklist main", "blacklist other")
    plan = machine.plan("load", "fs-main")
    assert told(plan) == ["skip main", "skip other"]
    assert [step.source for step in plan.steps] == [f"{RULES}:1", f"{RULES}:2"]
    assert "an alias such as fs-main does not load it" in plan.nothing_to_do
    assert "Load it by its own name, main." in plan.remedy
    assert plan.commands == ()
    machine.kernel.load("fs-main")
    assert "main" not in machine.kernel.loaded
    plan = machine.plan("load", "main")
    assert told(plan) == ["insmod lib", "insmod main"]
    assert any("That only prevents loading by an alias" in warning for warning in plan.warnings)


def test_of_several_modules_those_that_are_not_blacklisted_are_loaded(machine: Machine) -> None:
    machine.rules("blacklist main")
    plan = machine.plan("load", "fs-main")
    assert told(plan) == ["skip main", "insmod lib", "insmod other"]
    assert not plan.refused
    assert plan.command_lines == ("modprobe -- other",)


def test_a_module_that_the_boot_line_forbids_is_refused(machine: Machine) -> None:
    machine.rules(boot_line="module_blacklist=lib")
    plan = machine.plan("load", "main")
    assert plan.refused == "The kernel refuses lib: it was booted with module_blacklist=lib."
    assert plan.commands == ()


# Commands


def test_an_install_rule_is_shown_as_the_command_that_it_is(machine: Machine) -> None:
    machine.rules("install main /sbin/modprobe --ignore-install main $CMDLINE_OPTS; date")
    plan = machine.plan("load", "main", given=("a=1",))
    lib, main = plan.steps
    assert (lib.action, main.action) == (Action.INSMOD, Action.INSTALL)
    assert main.command == "/sbin/modprobe --ignore-install main a=1; date"
    assert main.source == f"{RULES}:1"
    assert any("runs a shell command as root" in warning for warning in plan.warnings)
    assert not plan.does_nothing


def test_an_install_rule_that_fails_on_purpose_is_a_refusal(machine: Machine) -> None:
    machine.rules("install lib /bin/false")
    plan = machine.plan("load", "main")
    assert plan.refused == f"lib is blocked: {RULES}:1 runs /bin/false instead of loading it."
    assert machine.kernel.load("main").exit == 1
    machine.rules("install lib /bin/true")
    plan = machine.plan("load", "main")
    assert any("lib will not be loaded" in warning for warning in plan.warnings)


def test_softdeps_switch_the_install_rule_of_their_module_off(machine: Machine) -> None:
    """So it is in kmod, for lines like `install a …; modprobe b` of old."""
    machine.rules("install main /bin/false", "softdep main pre: extra")
    plan = machine.plan("load", "main")
    assert told(plan) == ["insmod lib", "insmod extra", "insmod main"]
    assert plan.steps[1].source == f"{RULES}:2"


def test_a_remove_rule_is_shown_as_the_command_that_it_is(machine: Machine) -> None:
    machine.load("main")
    machine.rules("remove main /bin/true")
    plan = machine.plan("unload", "main")
    assert [(s.action, s.command, s.source) for s in plan.steps] == [
        (Action.REMOVE, "/bin/true", f"{RULES}:1")
    ]
    assert any("runs a shell command as root" in warning for warning in plan.warnings)


# Names


def test_an_alias_rule_goes_before_everything(machine: Machine) -> None:
    machine.rules("alias main extra", "alias gone off")
    plan = machine.plan("load", "main")
    assert told(plan) == ["insmod extra"]
    assert plan.warnings == (f"main is an alias of extra ({RULES}:1).",)
    plan = machine.plan("load", "gone")
    assert plan.refused == f"gone is an alias of off ({RULES}:2), and there is no such module."
    machine.load("lib")
    machine.rules("alias lib extra")
    assert "modprobe treats lib as an alias of extra" in machine.plan("unload", "lib").refused


def test_a_weakdep_is_shown_and_not_loaded(machine: Machine) -> None:
    machine.rules("weakdep main extra fs-nothing")
    plan = machine.plan("load", "main")
    assert told(plan) == ["insmod lib", "insmod main", "skip extra"]
    assert plan.steps[-1].reason == "weakdep of main, which may load it later"


# Several


def test_several_are_one_plan_in_which_everything_comes_once(machine: Machine) -> None:
    plan = machine.plan("load", "main", "other", "lib")
    assert told(plan) == ["insmod lib", "insmod main", "insmod other"]
    assert plan.command_lines == ("modprobe -- main", "modprobe -- other", "modprobe -- lib")
    assert plan.subject == "main, other, lib"


def test_several_of_which_one_is_loaded_already(machine: Machine) -> None:
    machine.load("extra")
    plan = machine.plan("load", "extra", "lib")
    assert told(plan) == ["skip extra", "insmod lib"]
    assert not plan.refused
    assert plan.warnings == ("extra is already loaded.",)
    assert plan.command_lines == ("modprobe -- lib",)


def test_parameters_are_for_one_module(machine: Machine) -> None:
    with pytest.raises(PlanError, match="one module"):
        machine.plan("load", "main", "other", given=("a=1",))
    with pytest.raises(PlanError, match="one module"):
        machine.plan("reload", "main", "other", given=("a=1",))


def test_the_remedy_speaks_of_parameters_only_where_some_were_given(machine: Machine) -> None:
    machine.load("extra")
    assert machine.plan("load", "extra").remedy == ""
    assert "reload it with them" in machine.plan("load", "extra", given=("a=1",)).remedy


def test_users_are_unloaded_first_in_whatever_order_the_names_come(machine: Machine) -> None:
    machine.load("deep", "other", "extra")
    plan = machine.plan("unload", "lib", "main", "other", "extra", "deep")
    order = told(plan)
    assert order.index("rmmod deep") < order.index("rmmod main") < order.index("rmmod lib")
    assert plan.targets == ("lib", "main", "other", "extra", "deep")
    for line in plan.commands:
        assert machine.kernel.unload(*line.names).exit == 0
    assert machine.kernel.loaded == ()


def test_what_is_in_the_way_is_told_in_an_order_that_works(machine: Machine) -> None:
    machine.load("deep", "other")
    plan = machine.plan("unload", "lib")
    assert plan.refused == "lib is in use by other, main."
    assert plan.blocked_by == ("other", "deep", "main")
    assert plan.remedy == "Unload other, deep, main first, in this order."
    for name in plan.blocked_by:
        if name in machine.kernel.loaded:
            assert machine.kernel.unload(name).exit == 0
    assert "lib" not in machine.kernel.loaded or machine.kernel.unload("lib").exit == 0


def test_what_cannot_be_got_out_of_the_way_is_told(machine: Machine) -> None:
    machine.load("stuck", "main")
    machine.kernel.hold("main")
    plan = machine.plan("unload", "lib")
    assert "But stuck is [permanent]. It stays until the next boot." in plan.remedy
    assert "But main is in use. No module holds its reference" in plan.remedy


def test_users_that_go_round_in_a_circle_come_to_an_end() -> None:
    lines = b"a 1 1 b, Live 0x0\nb 1 1 c, Live 0x0\nc 1 1 a, Live 0x0\n"
    assert sorted(users_first(["a"], parse_modules(lines))) == ["a", "b", "c"]


def test_an_alias_can_be_unloaded(machine: Machine) -> None:
    machine.load("main", "other")
    plan = machine.plan("unload", "fs-main")
    assert plan.targets == ("main", "other")
    assert told(plan) == ["rmmod main", "rmmod other", "rmmod lib"]


def test_softdeps_go_in_the_opposite_order(machine: Machine) -> None:
    machine.load("stuck", "other", "main", "extra")
    machine.rules("softdep extra pre: lib other post: main deep")
    machine.load("deep")
    assert told(machine.plan("unload", "extra")) == [
        "rmmod deep", "rmmod main", "rmmod extra", "rmmod other",
    ]  # fmt: skip


# Softdeps that are in use


def test_modprobe_ends_at_a_softdep_in_use_and_the_plan_says_where(machine: Machine) -> None:
    machine.load("main", "extra", "other")
    machine.kernel.hold("other")
    machine.rules("softdep extra post: other")
    plan = machine.plan("unload", "extra")
    assert plan.refused.startswith("modprobe unloads other before extra, as its softdep, and fails")
    assert machine.kernel.unload("extra").exit == 1
    assert "extra" in machine.kernel.loaded
    machine.rules("softdep extra pre: main other")
    plan = machine.plan("unload", "extra")
    assert told(plan) == ["rmmod extra"]
    assert "modprobe will fail at other" in plan.warnings[0]
    assert plan.still_loaded == {
        "main": "softdep of extra",
        "other": "softdep of extra; unloaded as well if only extra held it",
    }
    assert machine.kernel.unload("extra").exit == 1
    assert set(machine.kernel.loaded) == {"main", "lib", "other"}


# Reload


def test_a_reload_is_an_unload_and_a_load(machine: Machine) -> None:
    machine.load("main")
    machine.rules("options main b=2")
    plan = machine.plan("reload", "main", given=("a=1",))
    assert plan.verb is Verb.RELOAD
    assert told(plan) == ["rmmod main", "rmmod lib", "insmod lib", "insmod main"]
    assert [option.text for option in plan.steps[-1].options] == ["b=2", "a=1"]
    assert plan.command_lines == ("modprobe -r -- main", "modprobe -- main a=1")
    assert plan.memory == 0


def test_a_reload_of_what_is_in_use_tells_what_to_reload_with_it(machine: Machine) -> None:
    machine.load("deep")
    plan = machine.plan("reload", "lib")
    assert plan.refused == "lib is in use by main."
    assert plan.blocked_by == ("deep", "main")
    assert plan.remedy == "Reload deep, main, lib together."
    plan = machine.plan("reload", "lib", *plan.blocked_by)
    assert [command.names[0] for command in plan.commands[-3:]] == ["lib", "main", "deep"]
    assert told(plan) == [
        "rmmod deep", "rmmod main", "rmmod lib", "insmod lib", "insmod main", "insmod deep",
    ]  # fmt: skip


# Files, parameters, the blacklist


def test_a_file_is_inserted_after_what_it_needs(machine: Machine) -> None:
    lookup = configured(read_index(machine.kernel.host, machine.kernel.release))
    path = "/home/me/new.ko"
    facts = PlanFacts(ModuleTable(), lookup)
    plan = plan_insert(InsertedFile(path, "new", ("main",)), ("a=1",), facts)
    reasons = {step.module: step.reason for step in plan.steps}
    assert (reasons["main"], reasons["new"]) == ("needed by new", "requested, as a file")
    assert told(plan) == ["insmod lib", "insmod main", "insmod new"]
    assert plan.command_lines == ("modprobe -- main", "insmod /home/me/new.ko a=1")
    plan = plan_insert(InsertedFile(path, "new", ("nosuch",)), (), facts)
    assert plan.refused == "new depends on nosuch, which is neither loaded nor found."
    machine.load("main")
    facts = PlanFacts(read_modules(machine.kernel.host))
    plan = plan_insert(InsertedFile(path, "new", ("main",)), (), facts)
    assert told(plan) == ["skip main", "insmod new"]
    plan = plan_insert(InsertedFile(path, "lib"), (), facts)
    assert plan.refused == "lib is already loaded."


def test_a_parameter_is_set_and_its_value_before_is_kept() -> None:
    plan = plan_set("hello", "greeting", "good day", "hello")
    (step,) = plan.steps
    assert (step.action, step.was, step.options) == (
        Action.SET,
        "hello",
        (Option("greeting=good day"),),
    )
    assert plan.command_lines == ("echo 'good day' > /sys/module/hello/parameters/greeting",)
    plan = plan_set("hello", "greeting", "x", "x")
    assert plan.nothing_to_do == "greeting of hello is already x."
    assert (plan.refused, plan.commands) == ("", ())


def test_the_blacklist_is_written_once_and_taken_back_where_it_is_ours() -> None:
    plan = plan_blacklist("pcspkr", PlanFacts(ModuleTable()))
    assert told(plan) == ["blacklist pcspkr"]
    assert plan.command_lines == (
        "echo blacklist pcspkr >> /etc/modprobe.d/kmodtui-blacklist.conf",
    )
    ours = Rule(RuleKind.BLACKLIST, "pcspkr", "", "/etc/modprobe.d/kmodtui-blacklist.conf", 1)
    theirs = Rule(RuleKind.BLACKLIST, "pcspkr", "", "/etc/modprobe.d/a.conf", 7)
    facts = {
        rules: PlanFacts(ModuleTable(), blacklists=rules)
        for rules in ((ours,), (theirs,), (ours, theirs))
    }
    plan = plan_blacklist("pcspkr", facts[theirs,])
    assert plan.nothing_to_do == "pcspkr is already blacklisted (/etc/modprobe.d/a.conf:7)."
    assert not plan_unblacklist("pcspkr", facts[ours,]).refused
    assert plan_unblacklist("pcspkr", facts[ours, theirs]).warnings == (
        "/etc/modprobe.d/a.conf:7 also blacklists pcspkr.",
    )
    refused = plan_unblacklist("pcspkr", facts[theirs,])
    assert (
        refused.remedy == "It is blacklisted by /etc/modprobe.d/a.conf:7: edit that file as root."
    )
