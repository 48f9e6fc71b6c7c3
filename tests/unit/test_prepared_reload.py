"""A reload that was planned before the rebuild is the one that would be planned after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.moments import at_once
from kmodtui.kernel.module_file.build_symbols import read_module_build
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.model.watch.build import ModuleBuild
from kmodtui.services.machine import Machine
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import plan_now
from kmodtui.services.planning.undo import read_before
from kmodtui.services.root.demo import DemoRoot
from kmodtui.services.watch.prepared import Prepared, prepare
from tests.support.rebuilds import FILE, module
from tests.support.simulated import make_demo

LOUD = ("loud=3",)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


@pytest.fixture
async def machine(demo: Demo) -> AsyncIterator[Machine]:
    """A machine where mine.ko was inserted."""
    machine = Machine(demo.host, DemoRoot(demo))
    write(demo, f=1)
    plan = plan_now(machine, [Intent(Verb.INSERT, (FILE,), LOUD)])
    await perform(machine, plan, nullcontext, lambda _: None)
    yield machine
    await machine.close()


def write(demo: Demo, **build: str | int) -> ModuleBuild:
    demo.kernel.folder.write(FILE, module(**build))  # type: ignore[arg-type]
    return read_module_build(demo.host, FILE)


def prepared(machine: Machine) -> Prepared:
    found = prepare(machine, read_module_build(machine.host, FILE), FILE, LOUD)
    assert found is not None
    return found


async def test_it_has_the_commands_and_the_undo_of_one_that_is_planned_now(
    demo: Demo, machine: Machine
) -> None:
    early = prepared(machine)
    build = write(demo, f=2, g=4)
    found = early.now(machine, build)
    assert found is not None
    plan, before = found
    now = plan_now(machine, [Intent(Verb.RELOAD, ("mine",), LOUD, file=FILE)])
    # The loaded build is not the one of the file any more: that is why it is reloaded.
    assert replace(plan, warnings=()) == replace(now, warnings=())
    assert replace(before, lost={}) == replace(read_before(machine, now), lost={})


CHANGES: dict[str, Callable[[Demo], object]] = {
    "another parameter": lambda demo: write(demo, f=2, parameters="loud quiet"),
    "another kernel": lambda demo: write(demo, f=2, vermagic="7.0.0 SMP"),
    "it is used": lambda demo: demo.kernel.hold("mine"),
    "a parameter was set": lambda demo: demo.kernel.folder.write(
        "/sys/module/mine/parameters/loud", b"9\n"
    ),
    "it was unloaded": lambda demo: at_once(demo.kernel.delete("mine")),
    "a network interface appeared": lambda demo: demo.kernel.folder.write(
        "/sys/class/net/mine0/flags", b"0x1003\n"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_has_changed_has_to_be_planned_again(
    demo: Demo, machine: Machine, change: Callable[[Demo], object]
) -> None:
    early = prepared(machine)
    write(demo, f=2)
    change(demo)
    assert early.now(machine, read_module_build(demo.host, FILE)) is None


async def test_nothing_is_prepared_while_the_module_is_used(demo: Demo, machine: Machine) -> None:
    demo.kernel.hold("mine")
    assert prepare(machine, read_module_build(demo.host, FILE), FILE, LOUD) is None
