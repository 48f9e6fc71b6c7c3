"""A module that was inserted from a file stays connected to that file."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import PlanError
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.explain.explain import Explanation, Kind
from kmodtui.model.origin import FileState, Known, Origin
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Action
from kmodtui.model.plan.verb import Verb
from kmodtui.services import experiment
from kmodtui.services.details import read_details
from kmodtui.services.linkage import linkage
from kmodtui.services.machine import Machine
from kmodtui.services.origin_store import OriginStore
from kmodtui.services.origins import Origins
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import left_to_undo, plan_for, plan_once_unused
from kmodtui.services.root.demo import DemoRoot
from tests.support.elf import make_module
from tests.support.simulated import make_demo
from tests.support.small_recording import RELEASE, VERMAGIC

FILE = "/home/me/drv/hey.ko"
INDEXED = f"/lib/modules/{RELEASE}/kernel/drivers/net/dummy.ko"


def module(
    name: str = "hey", srcversion: str = "1" * 24, *, build: bytes = b"\1" * 20, depends: str = ""
) -> bytes:
    """Return a module that was built outside of the tree, with the parameter `loud`."""
    strings = (
        f"license=GPL|parmtype=loud:int|parm=loud:How loud|srcversion={srcversion}|"
        f"depends={depends}|name={name}|vermagic={VERMAGIC}"
    )
    return make_module(
        [string.encode() for string in strings.split("|")],
        defined={f"{name}_greet": (".text", 16)},
        imports=("_printk",),
        build_id=build,
    )


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


@pytest.fixture
def machine(demo: Demo) -> Machine:
    return Machine(demo.host, DemoRoot(demo))


def write(demo: Demo, content: bytes, path: str = FILE) -> None:
    demo.kernel.folder.write(path, content)


async def carry_out(machine: Machine, *intents: Intent) -> Explanation:
    plan = await plan_for(machine, intents)
    assert not plan.refused
    return await perform(machine, plan, nullcontext, lambda _: None)


async def insert(machine: Machine, path: str = FILE, *parameters: str) -> None:
    outcome = await carry_out(machine, Intent(Verb.INSERT, (path,), parameters))
    assert outcome.kind is Kind.DONE, outcome


async def undo(machine: Machine) -> Explanation:
    done = machine.done.last
    assert done is not None
    plan = await plan_for(machine, done.back)
    return await perform(machine, plan, nullcontext, lambda _: None, undoes=done)


def inserted_by_another(demo: Demo, content: bytes) -> None:
    assert list(demo.kernel.insert_file(content))


# --- the whole loop -----------------------------------------------------------------------


async def test_unload_undo_and_reload_use_the_file(demo: Demo, machine: Machine) -> None:
    write(demo, module())
    await insert(machine, FILE, "loud=7")
    assert machine.origin("hey") == Origin(
        FILE,
        Known.INSERTED,
        hashlib.sha256(module()).hexdigest(),
        _state(demo),
        demo.host.stat("/sys/module/hey").st_ino,
        f"{'1' * 24} {'01' * 20}",
    )
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",), ("loud=7",))])
    assert plan.command_lines == ("rmmod -- hey", f"insmod {FILE} loud=7")
    assert not any("rmmod" not in line and "insmod" not in line for line in plan.command_lines)
    outcome = await perform(machine, plan, nullcontext, lambda _: None)
    assert (outcome.kind, outcome.title) == (Kind.DONE, "Reloaded hey")
    assert demo.kernel.folder.read("/sys/module/hey/parameters/loud") == b"7\n"

    outcome = await carry_out(machine, Intent(Verb.UNLOAD, ("hey",)))
    assert (outcome.kind, outcome.title) == (Kind.DONE, "Unloaded hey")
    assert "hey" not in demo.kernel.loaded
    assert machine.origin("hey") is None
    outcome = await undo(machine)
    assert outcome.title == "Inserted hey"
    assert demo.kernel.folder.read("/sys/module/hey/parameters/loud") == b"7\n"
    assert machine.origin("hey") is not None


def _state(demo: Demo) -> FileState:
    status = demo.host.stat(FILE)
    return FileState(status.st_ino, status.st_size, status.st_mtime_ns)


async def test_a_reload_never_loads_the_distributions_module_instead(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module("dummy"))
    await insert(machine)
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("dummy",))])
    assert plan.command_lines == ("rmmod -- dummy", f"insmod {FILE}")
    await perform(machine, plan, nullcontext, lambda _: None)
    assert demo.kernel.folder.read("/sys/module/dummy/srcversion") == b"1" * 24 + b"\n"
    # Unloaded, the name is that of the index again.
    await carry_out(machine, Intent(Verb.UNLOAD, ("dummy",)))
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("dummy",))])
    assert [step.path for step in plan.steps if step.action is Action.INSMOD] == [INDEXED]
    await perform(machine, plan, nullcontext, lambda _: None)
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("dummy",))])
    assert plan.command_lines == ("modprobe -r -- dummy", "modprobe -- dummy")


async def test_a_file_may_have_another_name_than_its_module(demo: Demo, machine: Machine) -> None:
    path = "/home/me/other-name.ko"
    write(demo, module(), path)
    await insert(machine, path)
    assert "hey" in demo.kernel.loaded
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",))])
    assert plan.command_lines[1] == f"insmod {path}"
    assert (await undo(machine)).title == "Unloaded hey"


async def test_info_parameters_and_linkage_are_those_of_the_file(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module("dummy"))
    await insert(machine)
    found = await read_details(machine, read_modules(demo.host).by_name["dummy"], "dummy")
    fields = dict(found.fields)
    assert fields["filename"] == (FILE,)
    assert fields["srcversion"] == ("1" * 24,)
    assert "warning" not in fields
    assert [parameter.name for parameter in found.parameters] == ["loud"]
    symbols = linkage(machine).of("dummy")
    assert (symbols.path, [each.wanted.name for each in symbols.imports]) == (FILE, ["_printk"])
    assert symbols.problems == ()


async def test_a_new_build_is_reported_and_inserted_by_a_reload(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module())
    await insert(machine)
    write(demo, module(srcversion="2" * 24))
    differs = (
        f"{FILE} has changed since hey was inserted from it: it was built from other sources "
        f"(srcversion {'1' * 24}, file {'2' * 24}). A reload inserts the new file."
    )
    found = await read_details(machine, read_modules(demo.host).by_name["hey"], "hey")
    assert dict(found.fields)["warning"] == (differs,)
    assert linkage(machine).of("hey").problems == (differs,)
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",))])
    assert differs in plan.warnings
    await perform(machine, plan, nullcontext, lambda _: None)
    assert demo.kernel.folder.read("/sys/module/hey/srcversion") == b"2" * 24 + b"\n"
    done = machine.done.last
    assert done is not None
    assert done.not_restored == (
        "The build of hey that was loaded cannot be restored: its file differs.",
    )


async def test_a_file_that_is_written_again_unchanged_is_no_difference(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module())
    await insert(machine)
    write(demo, module())
    origin = machine.origin("hey")
    assert origin is not None
    assert machine.origins.difference("hey", origin) == ""


async def test_without_its_file_a_module_is_unloaded_but_not_reloaded(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module())
    await insert(machine)
    demo.kernel.folder.remove(FILE)
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",))])
    assert plan.refused == f"hey was inserted from {FILE}, which cannot be read now."
    assert not plan.commands
    assert (await carry_out(machine, Intent(Verb.UNLOAD, ("hey",)))).kind is Kind.DONE


async def test_a_file_with_another_module_now_is_not_inserted(demo: Demo, machine: Machine) -> None:
    write(demo, module())
    await insert(machine)
    write(demo, module("another"))
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",))])
    assert plan.refused == f"{FILE} contains the module another now, and not hey."
    assert (await carry_out(machine, Intent(Verb.UNLOAD, ("hey",)))).kind is Kind.DONE


async def test_the_file_that_was_confirmed_is_the_one_that_is_inserted(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module())
    plan = await plan_for(machine, [Intent(Verb.INSERT, (FILE,))])
    write(demo, module(srcversion="3" * 24))
    outcome = await perform(machine, plan, nullcontext, lambda _: None)
    assert outcome.title == "The file has changed since it was confirmed"
    assert "hey" not in demo.kernel.loaded


async def test_undo_of_an_unload_says_that_the_build_is_a_new_one(
    demo: Demo, machine: Machine
) -> None:
    write(demo, module())
    await insert(machine)
    await carry_out(machine, Intent(Verb.UNLOAD, ("hey",)))
    write(demo, module(srcversion="2" * 24))
    done = machine.done.last
    assert done is not None
    plan = await plan_for(machine, done.back)
    assert f"{FILE} has changed since hey was unloaded: this is a new build." in plan.warnings
    inserted_by_another(demo, module())
    assert await left_to_undo(machine, done.back) == ()


async def test_files_and_modules_of_the_index_are_reloaded_together(
    demo: Demo, machine: Machine
) -> None:
    demo.kernel.load("tun")
    write(demo, module(depends="tun"))
    await insert(machine, FILE, "loud=3")
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("tun", "hey"))])
    assert plan.command_lines == (
        "rmmod -- hey",
        "modprobe -r -- tun",
        "modprobe -- tun",
        f"insmod {FILE} loud=3",
    )
    assert (await perform(machine, plan, nullcontext, lambda _: None)).kind is Kind.DONE
    outcome = await carry_out(machine, Intent(Verb.UNLOAD, ("tun", "hey")))
    assert outcome.kind is Kind.DONE
    assert not {"tun", "hey"} & set(demo.kernel.loaded)
    await undo(machine)
    assert demo.kernel.loaded[:2] == ("hey", "tun")


async def test_waiting_for_a_module_from_a_file(demo: Demo, machine: Machine) -> None:
    write(demo, module())
    await insert(machine)
    demo.kernel.hold("hey")
    refused = await plan_for(machine, [Intent(Verb.UNLOAD, ("hey",))])
    plan = await plan_once_unused(machine, refused)
    assert plan is not None
    assert plan.command_lines == ("rmmod -- hey",)
    outcome = await perform(machine, plan, nullcontext, lambda _: None, wait=0.1)
    assert outcome.kind is Kind.FAILURE
    demo.kernel.hold("hey", -1)
    assert (await perform(machine, plan, nullcontext, lambda _: None)).kind is Kind.DONE


async def test_a_name_with_a_dot_is_unloaded_as_a_whole(demo: Demo, machine: Machine) -> None:
    inserted_by_another(demo, module("a.b"))
    plan = await plan_for(machine, [Intent(Verb.UNLOAD, ("a.b",))])
    assert plan.command_lines == ("delete_module -- a.b",)
    assert (await perform(machine, plan, nullcontext, lambda _: None)).title == "Unloaded a.b"
    assert "a.b" not in demo.kernel.loaded


# --- inserted by others -------------------------------------------------------------------


async def test_the_file_of_another_program_is_found_in_the_current_directory(
    demo: Demo, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted_by_another(demo, module())
    write(demo, module(build=b"\2" * 20), "/home/me/drv/older.ko")
    write(demo, module(), "/home/me/drv/newer.ko")
    assert machine.origin("hey") is None
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",))])
    assert plan.refused == (
        f"Kernel {RELEASE} has no module or alias hey. "
        "The file that hey was inserted from is unknown."
    )
    assert "kmodtui reload FILE.ko" in plan.remedy
    monkeypatch.setattr("os.getcwd", lambda: "/home/me/drv")
    assert machine.origin("hey") == Origin("/home/me/drv/newer.ko", Known.BUILD)
    assert (await carry_out(machine, Intent(Verb.RELOAD, ("hey",)))).kind is Kind.DONE


async def test_a_path_that_was_typed_is_remembered(demo: Demo, machine: Machine) -> None:
    inserted_by_another(demo, module())
    write(demo, module(srcversion="2" * 24, build=b"\2" * 20))
    plan = await plan_for(machine, [Intent(Verb.INSERT, (FILE,))])
    assert plan.refused == "hey is already loaded."
    assert machine.origin("hey") == Origin(FILE, Known.NAME)
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("hey",))])
    assert plan.command_lines[1] == f"insmod {FILE}"
    assert any("is not the one in" in warning for warning in plan.warnings)


async def test_a_module_of_the_same_name_as_an_installed_one_is_not_replaced(
    demo: Demo, machine: Machine
) -> None:
    inserted_by_another(demo, module("dummy"))
    plan = await plan_for(machine, [Intent(Verb.RELOAD, ("dummy",))])
    assert plan.refused == (
        "The file that dummy was inserted from is unknown, and "
        f"{INDEXED} is another module of this name."
    )
    file = Intent(Verb.RELOAD, ("dummy",), file=FILE)
    write(demo, module("dummy", srcversion="4" * 24))
    assert (await plan_for(machine, [file])).command_lines[1] == f"insmod {FILE}"
    write(demo, module("another"))
    with pytest.raises(PlanError, match="contains the module another, not dummy"):
        await plan_for(machine, [file])


async def test_after_another_load_the_file_is_forgotten(demo: Demo, machine: Machine) -> None:
    write(demo, module("dummy"))
    await insert(machine)
    demo.kernel.unload("dummy")
    demo.kernel.load("dummy")
    assert machine.origin("dummy") is None


# --- the experiment -----------------------------------------------------------------------


async def test_an_experiment_with_a_file(
    demo: Demo, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "_STEP", 0.01)
    write(demo, module(), "/home/me/drv/x.ko")
    report = await experiment.planned(machine, "/home/me/drv/x.ko", ("loud=2",))
    assert report.name == "hey"
    done = await experiment.run(machine, report, nullcontext, lambda _: None)
    assert done.loaded is not None
    assert (done.loaded.failed, done.symbols_of_it(done.after)) == (False, 1)
    assert [deed.plan.command_lines for deed in done.unloads] == [("rmmod -- hey",)]
    assert [each.what for each in done.differences] == []
    assert "hey" not in demo.kernel.loaded


# --- the next session ---------------------------------------------------------------------


async def test_the_next_session_knows_the_file(
    demo: Demo, machine: Machine, tmp_path: Path
) -> None:
    write(demo, module())
    await insert(machine)
    path = tmp_path / "state" / "inserted.json"
    store = OriginStore(path, "this boot")

    def origins(boot: str = "this boot") -> Origins:
        index = read_index(demo.host, RELEASE)
        return Origins(demo.host, lambda: index, OriginStore(path, boot))

    digest = hashlib.sha256(module()).hexdigest()
    origins().note_inserted("hey", FILE, digest)
    known = origins().of("hey")
    assert known is not None
    assert known == machine.origin("hey") == store.read()["hey"]
    assert origins("another boot").of("hey") is None

    for damage in ("", "{", "[]", '{"boot": "this boot", "modules": []}', "\0"):
        path.write_text(damage)
        assert store.read() == {}
    entry = {"path": FILE, "sha256": digest, "state": {"inode": 1, "size": 2}, "instance": None}
    wrong: list[object] = [3, {}, {**entry, "path": "x"}, {**entry, "build": 5}, entry]
    for each in wrong:
        entries = {"hey": each}
        path.write_text(json.dumps({"boot": "this boot", "modules": entries}))
        assert all(origin.instance < 0 for origin in store.read().values())


def test_a_store_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = OriginStore(tmp_path / "file" / "inserted.json", "boot")
    store.keep("hey", Origin(FILE, Known.INSERTED, "", FileState(1, 2, 3), 4))
    assert store.read() == {}
