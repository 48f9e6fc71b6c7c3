"""Wishes become plans, with who would notice; and what was done can be taken back exactly."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import PlanError
from kmodtui.model.explain.explain import Explanation, Kind
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Action, Plan, PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.services.files import digest_of
from kmodtui.services.machine import Machine
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import plan_for
from kmodtui.services.planning.requests import requests
from kmodtui.services.root.demo import DemoRoot
from tests.support.simulated import make_demo


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


@pytest.fixture
def machine(demo: Demo) -> Machine:
    return Machine(demo.host, DemoRoot(demo))


async def carry_out(machine: Machine, *intents: Intent) -> Explanation:
    plan = await plan_for(machine, intents)
    return await perform(machine, plan, nullcontext, lambda _: None)


async def undo(machine: Machine) -> Explanation:
    done = machine.done.last
    assert done is not None
    plan = await plan_for(machine, done.back)
    return await perform(machine, plan, nullcontext, lambda _: None, undoes=done)


async def test_an_interface_that_would_go_is_in_the_plan(demo: Demo, machine: Machine) -> None:
    demo.kernel.folder.link("/sys/class/net/eth0/device/driver/module", "../../x/virtio_net")
    demo.kernel.folder.write("/sys/class/net/eth0/flags", b"0x1003\n")
    plan = await plan_for(machine, [Intent(Verb.UNLOAD, ("virtio_net",))])
    assert "The network interface eth0 (up) disappears with virtio_net." in plan.warnings
    assert not plan.refused


async def test_a_mount_that_holds_is_in_the_refusal(demo: Demo, machine: Machine) -> None:
    line = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
    demo.kernel.folder.write("/proc/self/mountinfo", line)
    plan = await plan_for(machine, [Intent(Verb.UNLOAD, ("ext4",))])
    assert "Held by mount / (ext4)." in plan.refused
    assert plan.commands == ()


async def test_a_value_that_the_kernel_would_not_take_is_warned_of(machine: Machine) -> None:
    words = ("numdummies=many", "numdumies=1")
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("dummy",), words)])
    assert plan.warnings[:2] == (
        "numdummies: “many” is not an integer such as 12, 0x0c or 014.",
        "dummy has no parameter numdumies. Did you mean numdummies?",
    )


async def test_what_cannot_be_set_is_told_with_the_way_out(demo: Demo, machine: Machine) -> None:
    for name, word, words in (
        ("virtio_net", "csum=n", "can only be set when virtio_net is loaded"),
        ("virtio_net", "cusm=n", "has no parameter cusm in /sys"),
        ("tun", "x=1", "tun is no longer loaded"),
    ):
        with pytest.raises(PlanError, match=words):
            await plan_for(machine, [Intent(Verb.SET, (name,), (word,))])


async def test_a_reload_of_one_is_one_request_and_of_several_keeps_what_each_has(
    demo: Demo, machine: Machine
) -> None:
    demo.kernel.load("dummy", "numdummies=2")
    demo.kernel.load("tun")
    one = await plan_for(machine, [Intent(Verb.RELOAD, ("dummy",), ("numdummies=3",))])
    assert requests(one) == (PlanCommand(Verb.RELOAD, ("dummy",), ("numdummies=3",)),)
    both = await plan_for(machine, [Intent(Verb.RELOAD, ("dummy", "tun"))])
    insmods = {s.module: s.options for s in both.steps if s.action is Action.INSMOD}
    assert [option.text for option in insmods["dummy"]] == ["numdummies=2"]
    told = await perform(machine, both, nullcontext, lambda _: None)
    assert told.kind is Kind.DONE
    assert demo.kernel.folder.read("/sys/module/dummy/parameters/numdummies") == b"2\n"


def test_unloads_in_a_row_are_asked_for_in_one_go() -> None:
    commands = tuple(PlanCommand(Verb.UNLOAD, (name,)) for name in "ab")
    assert requests(Plan(Verb.UNLOAD, ("a", "b"), (), commands)) == (
        PlanCommand(Verb.UNLOAD, ("a", "b")),
    )


async def test_every_change_is_taken_back_in_turn(demo: Demo, machine: Machine) -> None:
    kernel = demo.kernel
    kernel.load("dummy", "numdummies=2")
    before = set(kernel.loaded)
    for intent in (
        Intent(Verb.LOAD, ("btrfs",)),
        Intent(Verb.SET, ("hello",), ("greeting=moin",)),
        Intent(Verb.UNLOAD, ("dummy",)),
        Intent(Verb.BLACKLIST, ("hello",)),
        Intent(Verb.RELOAD, ("hello",), ("greeting=tach",)),
    ):
        told = await carry_out(machine, intent)
        assert told.kind is Kind.DONE, told
    assert "dummy" not in kernel.loaded
    assert kernel.folder.read("/sys/module/hello/parameters/greeting") == b"tach\n"
    while machine.done.last is not None:
        told = await undo(machine)
        assert told.kind is Kind.DONE, told
    assert set(kernel.loaded) == before
    assert kernel.folder.read("/sys/module/hello/parameters/greeting") == b"hello\n"
    assert kernel.folder.read("/sys/module/dummy/parameters/numdummies") == b"2\n"
    assert machine.config().blacklisted("hello") is None


@pytest.mark.parametrize("odd", [b"a\tb", "a\u200db".encode(), b"a\xffb"])
async def test_a_value_that_cannot_be_given_again_is_not_kept_and_told(
    demo: Demo, machine: Machine, odd: bytes
) -> None:
    demo.kernel.folder.write("/sys/module/hello/parameters/greeting", odd + b"\n")
    demo.kernel.load("tun")
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hello", "tun"))])
    words = (
        "greeting of hello cannot be kept: "
        "its value has characters that cannot be passed to modprobe."
    )
    assert words in plan.warnings
    assert not any("greeting" in line for line in plan.command_lines)
    await carry_out(machine, Intent(Verb.UNLOAD, ("hello",)))
    done = machine.done.last
    assert done is not None
    assert done.back == (Intent(Verb.LOAD, ("hello",)),)
    assert done.not_restored == (words,)


async def test_a_backslash_of_its_own_is_kept(demo: Demo, machine: Machine) -> None:
    demo.kernel.folder.write("/sys/module/hello/parameters/greeting", b"a\\tb\n")
    await carry_out(machine, Intent(Verb.UNLOAD, ("hello",)))
    done = machine.done.last
    assert done is not None
    assert done.back == (Intent(Verb.LOAD, ("hello",), (r"greeting=a\tb",)),)


async def test_what_failed_leaves_nothing_to_take_back(demo: Demo, machine: Machine) -> None:
    told = await carry_out(machine, Intent(Verb.LOAD, ("dummy",), ("numdummies=x",)))
    assert told.kind is Kind.FAILURE
    assert machine.done.last is None


async def test_a_load_that_fails_behind_its_dependencies_can_be_taken_back(
    demo: Demo, machine: Machine
) -> None:
    demo.kernel.init_errors["vfat"] = lambda _: 22
    before = set(demo.kernel.loaded)
    told = await carry_out(machine, Intent(Verb.LOAD, ("vfat",)))
    assert told.kind is Kind.FAILURE
    assert set(demo.kernel.loaded) > before
    await undo(machine)
    assert set(demo.kernel.loaded) == before


async def test_a_reload_that_does_not_come_back_is_taken_back_by_a_load(
    demo: Demo, machine: Machine
) -> None:
    demo.kernel.load("dummy", "numdummies=2")
    told = await carry_out(machine, Intent(Verb.RELOAD, ("dummy",), ("numdummies=x",)))
    assert told.kind is Kind.FAILURE
    assert "The reload had unloaded dummy; it is not loaded now" in told.cause
    told = await undo(machine)
    assert told.kind is Kind.DONE
    assert demo.kernel.folder.read("/sys/module/dummy/parameters/numdummies") == b"2\n"


async def test_who_holds_is_in_the_explanation_as_well(demo: Demo, machine: Machine) -> None:
    plan = await plan_for(machine, [Intent(Verb.UNLOAD, ("hello",))])
    demo.kernel.hold("hello")
    demo.kernel.folder.write("/proc/self/mountinfo", b"9 1 0:9 / /hi rw - hello none rw\n")
    told = await perform(machine, plan, nullcontext, lambda _: None)
    assert "Held by mount /hi (hello)." in told.cause
    assert "/proc/self/mountinfo: none on /hi type hello" in told.shown


async def test_a_file_is_inserted_only_as_it_was_confirmed_and_taken_back(
    demo: Demo, machine: Machine
) -> None:
    content = demo.kernel.folder.read(demo.kernel.index.path_of("dummy") or "")
    demo.kernel.folder.write("/home/me/dummy.ko", content)
    intent = Intent(Verb.INSERT, ("/home/me/dummy.ko",), ("numdummies=2",))
    plan = await plan_for(machine, [intent])
    digest = await digest_of(machine, "/home/me/dummy.ko")
    told = await perform(machine, plan, nullcontext, lambda _: None, digest="0" * 64)
    assert told.title == "The file has changed since it was confirmed"
    assert "dummy" not in demo.kernel.loaded
    told = await perform(machine, plan, nullcontext, lambda _: None, digest=digest)
    assert (told.kind, told.title) == (Kind.DONE, "Inserted dummy")
    assert demo.kernel.folder.read("/sys/module/dummy/parameters/numdummies") == b"2\n"
    told = await undo(machine)
    assert told.title == "Unloaded dummy"
    assert "dummy" not in demo.kernel.loaded


async def test_one_of_several_that_came_along_meanwhile_is_no_failure(
    demo: Demo, machine: Machine
) -> None:
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("tun", "vfat"))])

    def another_shell(_: object) -> int:
        demo.kernel.load("vfat")
        return 0

    demo.kernel.init_errors["tun"] = another_shell
    told = await perform(machine, plan, nullcontext, lambda _: None)
    assert (told.kind, told.title) == (Kind.DONE, "Loaded tun, vfat")
