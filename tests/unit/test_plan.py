"""A plan says step by step what modprobe then does, in order, and what it will leave."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.demo.moments import Moment, Point
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import PlanError, UnknownModuleError
from kmodtui.kernel.index.configured import ConfiguredIndex, configured
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.proc_modules import parse_modules, read_modules
from kmodtui.kernel.uevents import ModuleUevent
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import Action, Option, Plan
from kmodtui.model.plan.unload import left_behind, plan_unload
from kmodtui.model.usage import Usage, Use, UseKind
from tests.support.simulated import make_simulated
from tests.support.small_recording import PARTS, RELEASE, Part

LOADABLE = sorted(name for name, part in PARTS.items() if not part.boot)


class Machine:
    """A simulated kernel, what it really does, and what a plan says that it will do."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        self.kernel = kernel
        self.index: ModuleIndex = read_index(kernel.host, kernel.release)
        self._done: list[tuple[str, str]] = []
        kernel.on_uevent(self._note)

    def _note(self, event: ModuleUevent) -> None:
        self._done.append(({"add": "insmod", "remove": "rmmod"}[event.action], event.name))

    @property
    def lookup(self) -> ConfiguredIndex:
        return configured(self.index)

    def load_plan(self, name: str, *parameters: str) -> Plan:
        return plan_load(
            (name,), parameters, PlanFacts(read_modules(self.kernel.host), self.lookup)
        )

    def unload_plan(self, *names: str) -> Plan:
        return plan_unload(names, PlanFacts(read_modules(self.kernel.host), self.lookup))

    def load(self, name: str, *parameters: str) -> list[tuple[str, str]]:
        """What really is done."""
        self._done.clear()
        self.kernel.load(name, *parameters)
        return list(self._done)

    def unload(self, name: str) -> list[tuple[str, str]]:
        self._done.clear()
        self.kernel.unload(name)
        return list(self._done)

    def belonging_to(self, names: set[str]) -> set[str]:
        """What is loaded, and is needed or wished for by one of `names`."""
        found: set[str] = set()
        for name in names:
            softdep = self.lookup.softdep(name)
            found.update(self.index.dependencies(name))
            for alias in (*softdep.pre, *softdep.post):
                found.update(self.index.resolve(alias))
        return found & set(self.kernel.loaded)


def changes(plan: Plan) -> list[tuple[str, str]]:
    """The steps of a plan that change the kernel."""
    acting = (Action.INSMOD, Action.RMMOD)
    return [(step.action.value, step.module) for step in plan.steps if step.action in acting]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(make_simulated(tmp_path))


def machine_with(tmp_path: Path, parts: Mapping[str, Part]) -> Machine:
    return Machine(make_simulated(tmp_path, parts=parts))


# What really happens


@pytest.mark.parametrize("name", LOADABLE)
def test_a_load_does_what_its_plan_says_in_that_order(machine: Machine, name: str) -> None:
    plan = machine.load_plan(name)
    assert not plan.refused
    assert changes(plan)[-1] == ("insmod", name)
    assert machine.load(name) == changes(plan)
    again = machine.load_plan(name)
    assert again.nothing_to_do == f"{name} is already loaded."
    assert again.does_nothing


@pytest.mark.parametrize("name", LOADABLE)
def test_an_unload_does_what_its_plan_says_and_leaves_what_it_says(
    machine: Machine, name: str
) -> None:
    machine.load(name)
    plan = machine.unload_plan(name)
    if name == "binder_linux":
        assert "permanent" in plan.refused
        assert machine.unload(name) == []
        return
    assert not plan.refused
    before = set(machine.kernel.loaded)
    assert machine.unload(name) == changes(plan)
    went = before - set(machine.kernel.loaded)
    assert set(plan.still_loaded) == machine.belonging_to(went)
    assert all(plan.still_loaded.values())


@pytest.mark.parametrize("name", sorted(name for name, part in PARTS.items() if part.boot))
def test_what_is_loaded_at_boot_is_refused_or_unloaded_as_the_plan_says(
    machine: Machine, name: str
) -> None:
    plan = machine.unload_plan(name)
    assert machine.unload(name) == changes(plan)
    assert bool(plan.refused) == (name in machine.kernel.loaded)


@pytest.mark.parametrize("seed", range(8))
def test_plans_hold_whatever_is_loaded_or_held_at_the_time(machine: Machine, seed: int) -> None:
    chance = random.Random(seed)
    held: list[str] = []
    for _ in range(40):
        name = chance.choice(sorted(PARTS))
        loaded = name in machine.kernel.loaded
        if loaded and chance.random() < 0.2:
            machine.kernel.hold(name)
            held.append(name)
        elif held and chance.random() < 0.2:
            machine.kernel.hold(held.pop(), -1)
        elif loaded:
            plan = machine.unload_plan(name)
            before = set(machine.kernel.loaded)
            assert machine.unload(name) == changes(plan), name
            if not plan.refused:
                went = before - set(machine.kernel.loaded)
                assert set(plan.still_loaded) == machine.belonging_to(went), name
        else:
            plan = machine.load_plan(name)
            assert machine.load(name) == changes(plan), name


# Softdeps of every kind

SOFT = {
    "main": Part("main.ko", 4096, depends=("lib",), softdep="pre: early earlier post: late later"),
    "lib": Part("lib.ko", 4096, softdep="pre: deep"),
    "early": Part("early.ko", 4096, depends=("base",)),
    "earlier": Part("earlier.ko", 4096),
    "base": Part("base.ko", 4096),
    "deep": Part("deep.ko", 4096),
    "late": Part("late.ko", 4096, depends=("base",)),
    "later": Part("later.ko", 4096),
    "lonely": Part("lonely.ko", 4096, softdep="pre: nothing_at_all post: virtio"),
    "one": Part("one.ko", 4096, softdep="pre: other"),
    "other": Part("other.ko", 4096, softdep="pre: one"),
}


@pytest.mark.parametrize("name", ["main", "lib", "early", "lonely", "one", "other"])
def test_softdeps_come_and_go_as_the_plan_says(tmp_path: Path, name: str) -> None:
    machine = machine_with(tmp_path, SOFT)
    plan = machine.load_plan(name)
    assert machine.load(name) == changes(plan)
    plan = machine.unload_plan(name)
    assert machine.unload(name) == changes(plan)


def test_a_softdep_without_a_file_is_skipped(tmp_path: Path) -> None:
    """Its alias is left in modules.alias by a package that has gone."""
    parts = {"main": Part("main.ko", 4096, softdep="pre: wished")}
    machine = machine_with(tmp_path, parts)
    aliases = f"/lib/modules/{RELEASE}/modules.alias"
    left = machine.kernel.folder.read(aliases) + b"alias wished ghost\n"
    machine.kernel.folder.write(aliases, left)
    machine.index = machine.kernel.modprobe.index = read_index(machine.kernel.host, RELEASE)
    plan = machine.load_plan("main")
    assert [(step.action, step.module, step.reason) for step in plan.steps] == [
        (Action.SKIP, "ghost", "pre softdep of main; it has no file"),
        (Action.INSMOD, "main", "requested"),
    ]
    assert machine.load("main") == changes(plan)


def test_reasons_say_why_each_module_is_in_the_plan(machine: Machine) -> None:
    reasons = {step.module: step.reason for step in machine.load_plan("btrfs").steps}
    assert reasons["btrfs"] == "requested"
    assert reasons["xor"] == "needed by btrfs"
    assert reasons["blake2b_generic"] == "pre softdep of btrfs"
    assert "already loaded" in reasons["crc32c_generic"]


def test_parameters_go_to_the_module_that_was_asked_for(machine: Machine) -> None:
    plan = machine.load_plan("vfat", "a=1", "b=two")
    assert {step.module: step.options for step in plan.steps} == {
        "fat": (),
        "vfat": (Option("a=1"), Option("b=two")),
    }
    assert plan.command == ("modprobe", "--", "vfat", "a=1", "b=two")


def test_paths_are_those_of_the_release(machine: Machine) -> None:
    (step,) = machine.load_plan("dummy").steps
    assert step.path == f"/lib/modules/{RELEASE}/kernel/drivers/net/dummy.ko"


# What stays


def test_btrfs_leaves_what_its_softdeps_brought_and_others_use(machine: Machine) -> None:
    machine.load("btrfs")
    plan = machine.unload_plan("btrfs")
    assert plan.still_loaded == {
        "crc32c_generic": "softdep of libcrc32c; unloaded as well if only btrfs held it"
    }
    machine.kernel.hold("xor")
    assert machine.unload_plan("btrfs").still_loaded["xor"] == (
        "in use by something other than modules; unloaded as well if only btrfs held it"
    )


def test_what_another_module_uses_stays_with_its_name(tmp_path: Path) -> None:
    parts = {
        "a": Part("a.ko", 4096, depends=("shared",)),
        "b": Part("b.ko", 4096, depends=("shared",)),
        "shared": Part("shared.ko", 4096),
    }
    machine = machine_with(tmp_path, parts)
    machine.load("a")
    machine.load("b")
    plan = machine.unload_plan("a")
    assert changes(plan) == [("rmmod", "a")]
    assert plan.still_loaded == {"shared": "used by b"}


def test_what_is_held_by_no_symbol_may_go_as_well_and_the_plan_says_so(tmp_path: Path) -> None:
    """As null_blk holds configfs: the kernel counts it, and does not tell who it is."""
    parts = {
        "null_blk": Part("null_blk.ko", 4096, depends=("configfs",), takes={"configfs": 1}),
        "configfs": Part("configfs.ko", 4096),
    }
    machine = machine_with(tmp_path, parts)
    machine.load("null_blk")
    plan = machine.unload_plan("null_blk")
    assert changes(plan) == [("rmmod", "null_blk")]
    assert plan.still_loaded["configfs"].endswith("unloaded as well if only null_blk held it")
    assert machine.unload("null_blk") == [*changes(plan), ("rmmod", "configfs")]


def test_what_is_permanent_stays_with_that_as_its_reason(tmp_path: Path) -> None:
    parts = {
        "a": Part("a.ko", 4096, depends=("forever",)),
        "forever": Part("forever.ko", 4096, permanent=True),
    }
    machine = machine_with(tmp_path, parts)
    machine.load("a")
    plan = machine.unload_plan("a")
    assert plan.still_loaded == {"forever": "permanent"}
    assert machine.unload("a") == changes(plan) == [("rmmod", "a")]


def test_what_modprobe_leaves_for_no_reason_is_told_as_that(machine: Machine) -> None:
    table = parse_modules(b"xor 1 0 - Live 0x0\n")
    assert left_behind(["btrfs"], frozenset({"xor"}), machine.lookup, table) == {
        "xor": "not removed by modprobe -r"
    }


# Refusals


def test_a_module_in_use_by_modules_names_them(machine: Machine) -> None:
    plan = machine.unload_plan("net_failover")
    assert plan.refused == "net_failover is in use by virtio_net."
    assert plan.remedy == "Unload virtio_net first."
    assert plan.steps == ()
    assert machine.kernel.unload("net_failover").exit != 0


def test_users_are_named_also_where_their_own_line_was_missed(machine: Machine) -> None:
    table = parse_modules(b"xor 1 2 btrfs,raid456, Live 0x0\nbtrfs nonsense\n")
    plan = plan_unload(("xor",), PlanFacts(table, machine.lookup))
    assert plan.refused == "xor is in use by btrfs, raid456."
    assert plan.remedy == "Unload btrfs, raid456 first, in this order."


def test_a_module_in_use_by_something_else_counts_the_references(machine: Machine) -> None:
    machine.kernel.hold("evdev", 1)
    plan = machine.unload_plan("evdev")
    assert "No module holds its 3 references, and kmodtui found no mount" in plan.refused
    assert "findmnt, lsof or ss" in plan.remedy
    assert machine.kernel.unload("evdev").exit != 0


def test_a_module_that_is_on_its_way_is_refused(machine: Machine) -> None:
    steps = machine.kernel.modprobe.load("dummy")
    assert next(steps) == Moment("dummy", Point.LOADING)
    assert machine.unload_plan("dummy").refused == "dummy is loading."
    assert machine.load_plan("dummy").nothing_to_do == "dummy is being loaded already."
    assert "its init function hangs" in machine.load_plan("dummy").remedy
    (step,) = machine.load_plan("dummy").steps
    assert (step.action, step.reason) == (Action.SKIP, "requested; loading")


def test_a_kernel_that_cannot_unload_says_so(machine: Machine) -> None:
    table = parse_modules(b"xor 1 - - Live 0x0\n")
    assert "cannot unload" in plan_unload(("xor",), PlanFacts(table, machine.lookup)).refused


def test_a_module_that_the_index_does_not_name_is_unloaded_with_rmmod(
    machine: Machine,
) -> None:
    """It was inserted by path, or its file has gone: modprobe looks nowhere but in the index."""
    machine.load("dummy")
    index = f"/lib/modules/{RELEASE}/modules.dep"
    rows = machine.kernel.folder.read(index).splitlines(keepends=True)
    machine.kernel.folder.write(index, b"".join(row for row in rows if b"dummy" not in row))
    machine.index = machine.kernel.modprobe.index = read_index(machine.kernel.host, RELEASE)
    plan = machine.unload_plan("dummy")
    assert any("is not in the index of this kernel" in text for text in plan.warnings)
    assert plan.command_lines == ("rmmod -- dummy",)
    assert [step.module for step in plan.steps] == ["dummy"]
    outcome = machine.kernel.unload("dummy")
    assert (outcome.exit, outcome.output) == (1, "modprobe: FATAL: Module dummy not found.\n")
    assert "dummy" in machine.kernel.loaded


def test_a_module_that_is_not_loaded_cannot_be_unloaded(machine: Machine) -> None:
    with pytest.raises(PlanError, match="btrfs is not loaded"):
        machine.unload_plan("btrfs")


def test_an_unload_warns_only_of_what_disappears_with_this_module(machine: Machine) -> None:
    machine.load("dummy")
    facts = PlanFacts(read_modules(machine.kernel.host), machine.lookup)
    assert plan_unload(("dummy",), facts).warnings == ()
    uses = (
        Use(UseKind.INTERFACE, "dummy0, up", ""),
        *(Use(UseKind.DEVICE, f"0000:00:0{n}.0 (pci)", "") for n in range(4)),
    )
    usage = Usage({"dummy": uses, "ext4": uses})
    assert plan_unload(("dummy",), replace(facts, usage=usage)).warnings == (
        "The network interface dummy0 (up) disappears with dummy.",
        "The devices 0000:00:00.0 (pci), 0000:00:01.0 (pci), 0000:00:02.0 (pci), and 1 more "
        "lose their driver with dummy.",
    )


def test_a_built_in_module_needs_no_load_and_is_set_on_the_command_line(machine: Machine) -> None:
    plan = machine.load_plan("virtio")
    assert "built into this kernel" in plan.nothing_to_do
    assert plan.refused == ""
    assert "virtio.name=value" in plan.remedy
    assert plan.does_nothing
    assert machine.load("virtio") == []


def test_an_unknown_name_is_refused_with_names_that_are_near(machine: Machine) -> None:
    with pytest.raises(UnknownModuleError, match="btrsf") as caught:
        machine.load_plan("btrsf")
    assert "btrfs" in caught.value.hint


# Names


def test_an_alias_is_told_with_what_it_stands_for(machine: Machine) -> None:
    plan = machine.load_plan("fs-vfat")
    assert plan.target == "vfat"
    assert plan.warnings == ("fs-vfat is an alias of vfat.",)
    assert machine.load("fs-vfat") == changes(plan)


def test_a_dash_is_an_underscore(machine: Machine) -> None:
    plan = machine.load_plan("blake2b-generic")
    assert (plan.target, plan.warnings) == ("blake2b_generic", ())
    assert machine.unload_plan("net-failover").target == "net_failover"


def test_of_an_alias_of_several_modules_all_are_loaded(
    tmp_path: Path,
) -> None:
    parts = {
        name: replace(Part(f"{name}.ko", 4096), aliases=("both",)) for name in ("first", "second")
    }
    machine = machine_with(tmp_path, parts)
    plan = machine.load_plan("both")
    assert plan.targets == ("first", "second")
    assert plan.warnings == ("both is an alias of first, second.",)
    assert plan.command_lines == ("modprobe -- first", "modprobe -- second")
    assert machine.load("both") == changes(plan)
