"""An experiment leaves the machine as it found it, or says exactly what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.cli import run as run_cli
from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import ElevationCancelledError, PlanError, UnknownModuleError
from kmodtui.kernel.inventory import read_inventory
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.model.experiment.pages import as_markdown, as_text, plan_page
from kmodtui.model.experiment.report import InventoryItem, Report, Stage
from kmodtui.model.parts import text_of
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services import experiment
from kmodtui.services.experiment import planned, run
from kmodtui.services.machine import Machine
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import plan_for
from kmodtui.services.root.demo import DemoRoot
from tests.support.simulated import make_demo
from tests.support.small_recording import PARTS, Parameter

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "UNUSED_LIMIT", 0.3)
    monkeypatch.setattr(experiment, "_STEP", 0.01)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


@pytest.fixture
def kernel(demo: Demo) -> SimulatedKernel:
    return demo.kernel


@pytest.fixture
def machine(demo: Demo) -> Machine:
    return Machine(demo.host, DemoRoot(demo))


async def tried(machine: Machine, name: str, *parameters: str) -> Report:
    """Run an experiment and return its report."""
    told: list[Report] = []
    report = await run(
        machine, await planned(machine, name, parameters), nullcontext, told.append, clock=lambda: 1
    )
    assert [one.stage for one in told] == sorted(one.stage for one in told)
    assert told[-1] == report
    await machine.close()
    return report


def left(report: Report) -> list[str]:
    return [one.what for one in report.differences]


async def test_the_observations_share_the_symbols_that_have_not_changed(machine: Machine) -> None:
    known = read_symbols(machine.host)
    plan = await planned(machine, "btrfs")
    report = await run(machine, plan, nullcontext, lambda _: None, known=known)
    await machine.close()
    for observation in (report.before, report.after, report.end):
        assert observation is not None
        assert observation.symbols.core is known.core
        assert observation.symbols.of("ext4") is known.of("ext4")


async def test_btrfs_is_loaded_and_unloaded_and_nothing_differs(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    before = {
        path: kernel.host.read(path)
        for path in ("/proc/modules", "/proc/kallsyms", "/proc/sys/kernel/tainted")
    }
    report = await tried(machine, "btrfs")
    assert report.stage is Stage.OVER
    assert {path: kernel.host.read(path) for path in before} == before
    came, went = report.load_change, report.unload_change
    assert came is not None
    assert went is not None
    assert {m.name: m.size for m in came.loaded} == {
        name: PARTS[name].size
        for name in ("btrfs", "xor", "raid6_pq", "zstd_compress", "libcrc32c", "blake2b_generic")
    }
    assert {o.owner: len(o.added) for o in came.symbols.owners} == {
        m.name: PARTS[m.name].symbols for m in came.loaded
    }
    assert went.symbols.removed == came.symbols.added == 369
    assert [report.symbols_of_it(look) for look in (report.before, report.after, report.end)] == [
        0,
        240,
        0,
    ]
    assert report.log[-1].startswith("Btrfs loaded")
    assert report.differences == ()
    assert report.succeeded


async def test_a_softdep_that_modprobe_leaves_loaded_is_unloaded(tmp_path: Path) -> None:
    parts = {**PARTS, "crc32c_generic": replace(PARTS["crc32c_generic"], boot=False)}
    demo = make_demo(tmp_path, parts=parts)
    before = demo.kernel.loaded
    report = await tried(Machine(demo.host, DemoRoot(demo)), "btrfs")
    assert report.load_change is not None
    assert "crc32c_generic" in {module.name for module in report.load_change.loaded}
    assert [deed.plan.target for deed in report.unloads] == ["btrfs", "crc32c_generic"]
    assert demo.kernel.loaded == before
    assert report.succeeded


async def test_a_module_that_was_loaded_before_is_loaded_again(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    kernel.load("xor")
    report = await tried(machine, "btrfs")
    assert "xor" in kernel.loaded
    assert left(report) == ["module xor was reloaded"]
    assert not report.succeeded
    assert report.end is not None
    assert report.before is not None
    assert set(report.end.table.live) == set(report.before.table.live)


async def test_a_module_that_is_loaded_again_keeps_its_parameters(tmp_path: Path) -> None:
    xor = replace(PARTS["xor"], parameters={"speed": Parameter("int", "Which one to take")})
    demo = make_demo(tmp_path, parts={**PARTS, "xor": xor})
    demo.kernel.load("xor", "speed=3")
    report = await tried(Machine(demo.host, DemoRoot(demo)), "btrfs")
    assert report.unloads[-1].plan.command == ("modprobe", "--", "xor", "speed=3")
    assert demo.host.read("/sys/module/xor/parameters/speed") == b"3\n"


async def test_a_module_that_cannot_be_loaded_again_is_reported(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    def lose_index(report: Report) -> None:
        if report.stage is Stage.UNLOAD and report.unloads:
            kernel.folder.remove("/lib/modules/6.1.0-56-amd64/modules.dep")
            machine.forget_index()

    kernel.load("xor")
    report = await run(machine, await planned(machine, "btrfs"), nullcontext, lose_index)
    await machine.close()
    assert report.stage is Stage.OVER
    (one,) = report.differences
    assert one.what == "module xor is gone"
    assert "loading it again failed" in one.why


async def test_a_load_that_fails_leaves_none_of_its_dependencies(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    kernel.init_errors["btrfs"] = lambda _: 22
    before = kernel.loaded
    report = await tried(machine, "btrfs")
    assert kernel.loaded == before
    assert report.loaded is not None
    assert report.loaded.failed
    assert report.after is None
    assert report.differences == ()
    assert not report.succeeded
    assert {deed.plan.target for deed in report.unloads} >= {"xor", "raid6_pq"}
    assert "Nothing: the module was not loaded." in "\n".join(as_text(report))


async def test_a_permanent_module_is_reported_as_still_loaded(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    report = await tried(machine, "binder_linux")
    assert [(one.what, one.why) for one in report.differences] == [
        (
            "module binder_linux",
            "it cannot be unloaded: it has no exit function ([permanent]); "
            "it stays loaded until the next boot",
        )
    ]
    assert report.symbols_of_it(report.end) == 45


async def test_a_module_in_use_is_reported_with_the_reason(
    machine: Machine, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(report: Report) -> None:
        if report.stage is Stage.LOOK and kernel.refcount("tun") == 0:
            kernel.hold("tun")

    report = await run(machine, await planned(machine, "tun"), nullcontext, opened)
    await machine.close()
    (one,) = report.differences
    assert one.what == "module tun"
    assert "No module holds its reference" in one.why
    assert one.why.endswith("unload it with modprobe -r tun")


async def test_a_module_that_is_briefly_in_use_is_waited_for(
    machine: Machine, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = 0
    monkeypatch.setattr(experiment, "UNUSED_LIMIT", 30)

    async def letting_go(_: float) -> None:
        nonlocal waited
        waited += 1
        if waited == 3:
            kernel.hold("tun", -1)

    def opened(report: Report) -> None:
        if report.stage is Stage.LOOK and not waited and kernel.refcount("tun") == 0:
            kernel.hold("tun")
            monkeypatch.setattr(experiment.asyncio, "sleep", letting_go)  # type: ignore

    report = await run(machine, await planned(machine, "tun"), nullcontext, opened)
    monkeypatch.undo()
    await machine.close()
    assert waited >= 3
    assert report.succeeded


async def test_modules_loaded_meanwhile_by_others_are_left_loaded_and_reported(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    def meanwhile(report: Report) -> None:
        if report.stage is Stage.LOOK:
            kernel.load("vfat")

    report = await run(machine, await planned(machine, "dummy"), nullcontext, meanwhile)
    await machine.close()
    assert {"vfat", "fat"} <= set(kernel.loaded)
    assert "dummy" not in kernel.loaded
    assert {m.name for m in report.unplanned_modules} == {"vfat", "fat"}
    assert left(report) == ["module vfat", "module fat"]
    assert "not in the plan" in report.differences[0].why


async def test_devices_and_taint_are_compared(machine: Machine, kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/filesystems", b"nodev\tsysfs\n\text4\n")
    kernel.folder.write("/proc/sys/kernel/tainted", b"0\n")

    def meanwhile(report: Report) -> None:
        if report.stage is Stage.LOOK:
            kernel.folder.write("/proc/filesystems", b"nodev\tsysfs\n\text4\n\tvfat\n")
            for number in (0, 10, 2):
                kernel.folder.write(f"/sys/class/net/dummy{number}/address", b"00\n")
        if report.stage is Stage.UNLOAD and not report.unloads:
            kernel.folder.remove("/sys/class/net/dummy0")
            kernel.folder.write("/proc/sys/kernel/tainted", b"8192\n")

    report = await run(machine, await planned(machine, "dummy"), nullcontext, meanwhile)
    await machine.close()
    assert InventoryItem("file system", "vfat") in report.appeared
    interfaces = [t.name for t in report.appeared if t.kind == "network interface"]
    assert interfaces == ["dummy0", "dummy2", "dummy10"]
    assert "file system vfat" in left(report)
    assert "network interface dummy0" not in left(report)
    assert report.differences[-1].what == "taint E"


async def test_the_module_is_unloaded_even_if_the_system_cannot_be_read(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    rows = b""

    def spoil(report: Report) -> None:
        nonlocal rows
        if report.stage is Stage.LOOK:
            rows = kernel.host.read("/proc/kallsyms")
            kernel.folder.remove("/proc/kallsyms")
        if report.stage is Stage.UNLOAD and not report.unloads:
            kernel.folder.write("/proc/kallsyms", rows)

    report = await run(machine, await planned(machine, "dummy"), nullcontext, spoil)
    await machine.close()
    assert "dummy" not in kernel.loaded
    assert "no /proc/kallsyms" in report.problem
    assert not report.succeeded


@pytest.mark.parametrize(
    ("name", "words"),
    [("ext4", "ext4 is already loaded"), ("virtio", "built into this kernel")],
)
async def test_a_loaded_or_built_in_module_is_refused(
    machine: Machine, name: str, words: str
) -> None:
    with pytest.raises(PlanError, match=words) as refused:
        await planned(machine, name)
    assert "can be loaded and is not" in refused.value.hint


async def test_an_unknown_module_is_refused(machine: Machine) -> None:
    with pytest.raises(UnknownModuleError):
        await planned(machine, "btrsf")


async def test_a_module_loaded_between_plan_and_start_is_not_touched(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    plan = await planned(machine, "dummy")
    kernel.load("dummy")
    with pytest.raises(PlanError, match="was loaded by another process"):
        await run(machine, plan, nullcontext, lambda _: None)
    assert "dummy" in kernel.loaded


async def test_a_module_loaded_while_the_password_is_typed_is_not_touched(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    class Slow(DemoRoot):
        async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
            kernel.load("btrfs")
            return await super().open(foreground, scope)

    machine = Machine(demo.host, Slow(demo))
    with pytest.raises(PlanError, match="was loaded by another process"):
        await run(machine, await planned(machine, "btrfs"), nullcontext, lambda _: None)
    await machine.close()
    assert {"btrfs", "xor"} <= set(kernel.loaded)


async def test_a_module_loaded_by_others_just_before_is_not_touched(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    def meanwhile(report: Report) -> None:
        if report.stage is Stage.LOAD and report.loaded is None:
            kernel.load("btrfs")

    report = await run(machine, await planned(machine, "btrfs"), nullcontext, meanwhile)
    await machine.close()
    assert {"btrfs", "xor"} <= set(kernel.loaded)
    assert report.unloads == ()
    assert "module btrfs" in left(report)


async def test_nothing_is_unloaded_if_root_is_refused(demo: Demo, kernel: SimulatedKernel) -> None:
    class Refusing(DemoRoot):
        async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
            kernel.load("xor")
            raise ElevationCancelledError("The password was not given.")

    machine = Machine(demo.host, Refusing(demo))
    with pytest.raises(ElevationCancelledError):
        await run(machine, await planned(machine, "btrfs"), nullcontext, lambda _: None)
    assert "xor" in kernel.loaded


async def test_many_log_records_are_reported_together(
    machine: Machine, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chatter(_: object) -> int:
        for number in range(500):
            kernel.printk(6, f"dummy: line {number}")
        return 0

    monkeypatch.setattr(experiment, "_TICK", 3600)
    kernel.init_errors["dummy"] = chatter
    told: list[Report] = []
    report = await run(machine, await planned(machine, "dummy"), nullcontext, told.append)
    await machine.close()
    assert [line for line in report.log if "line" in line] == [
        f"dummy: line {number}" for number in range(500)
    ]
    assert len(told) < 20


async def test_the_log_is_reported_during_the_load(
    machine: Machine, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "_TICK", 0)
    told: list[Report] = []
    await run(machine, await planned(machine, "btrfs"), nullcontext, told.append)
    await machine.close()
    assert any(one.stage is Stage.LOAD and one.log and one.loaded is None for one in told)


async def test_each_command_is_one_change_for_the_monitor(machine: Machine) -> None:
    commands = []

    @contextmanager
    def around(command: str) -> Iterator[None]:
        commands.append(command)
        yield

    await run(machine, await planned(machine, "vfat"), nullcontext, lambda _: None, around=around)
    await machine.close()
    assert commands == ["modprobe -- vfat", "modprobe -r -- vfat"]


async def test_without_differences_there_is_nothing_to_undo(machine: Machine) -> None:
    await tried(machine, "vfat")
    assert machine.done.last is None
    await tried(machine, "binder_linux")
    assert machine.done.last is not None
    assert "binder_linux" in machine.done.last.words


async def test_earlier_changes_can_still_be_undone(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("dummy",))])
    await perform(machine, plan, nullcontext, lambda _: None)
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("vfat",))])
    await perform(machine, plan, nullcontext, lambda _: None)
    kernel.unload("vfat")
    await tried(machine, "vfat")
    words = []
    while (done := machine.done.last) is not None:
        words.append(done.words)
        machine.done.remove(done)
    assert words == ["load of vfat", "load of dummy"]


def test_the_inventory_is_read_from_proc_and_sys(kernel: SimulatedKernel) -> None:
    kernel.folder.write(
        "/proc/devices", b"Character devices:\n  1 mem\n\nBlock devices:\n  7 loop\n253 virtblk\n"
    )
    kernel.folder.write("/proc/crypto", b"name : sha1\ndriver : sha1-generic\n\nname : x\n")
    kernel.folder.write("/sys/class/block/loop0/size", b"0\n")
    kernel.folder.write("/sys/bus/pci/drivers/e1000/uevent", b"\n")
    assert read_inventory(kernel.host) == {
        InventoryItem("character major", "1 mem"),
        InventoryItem("block major", "7 loop"),
        InventoryItem("block major", "253 virtblk"),
        InventoryItem("algorithm", "sha1-generic"),
        InventoryItem("device class", "block"),
        InventoryItem("block device", "loop0"),
        InventoryItem("bus", "pci"),
        InventoryItem("driver", "pci/e1000"),
    }


# Text and Markdown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vfat", "Any of these 2 modules that modprobe -r leaves loaded is unloaded"),
        ("dummy", "All other modules stay as they are."),
    ],
)
async def test_the_plan_says_which_modules_are_unloaded(
    machine: Machine, name: str, words: str
) -> None:
    last = list(text_of(plan_page(await planned(machine, name))))[-1]
    assert last.strip().startswith(words)


async def test_a_report_has_its_parts_in_order(machine: Machine) -> None:
    text = "\n".join(as_text(await tried(machine, "btrfs")))
    order = [
        "Experiment with btrfs on debian, Linux 6.1.0-56-amd64",
        "1  Before\n   0 symbols of btrfs in /proc/kallsyms",
        "# modprobe -- btrfs",
        "+6 modules · +369 symbols · +",
        "| Btrfs loaded, crc32c=crc32c-generic",
        "# modprobe -r -- btrfs",
        "5  After\n   0 symbols of btrfs in /proc/kallsyms\n   −6 modules · −369 symbols",
        "None. Modules, symbols, devices",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


async def test_text_of_the_kernel_is_never_markup_in_markdown(
    machine: Machine, kernel: SimulatedKernel
) -> None:
    def evil(report: Report) -> None:
        if report.stage is Stage.LOAD and not report.log:
            kernel.printk(6, "dummy: ``` <b>*bold*</b> \x1b[2J")
        if report.stage is Stage.LOOK:
            kernel.folder.write("/sys/class/a|b/x/uevent", b"")

    report = await run(machine, await planned(machine, "dummy"), nullcontext, evil)
    await machine.close()
    page = "\n".join(as_markdown(report))
    assert page.startswith("# Experiment with dummy on debian")
    assert "\x1b" not in page
    assert "a\\|b" in page
    assert page.count("```") % 2 == 0


# The verb


def test_the_verb_prints_stage_by_stage_in_the_demo(capsys: Output) -> None:
    assert run_cli(["experiment", "dummy", "--demo", "--yes"]) == 0
    out = capsys.readouterr().out
    assert [line[0] for line in out.splitlines() if line[:1].isdigit()] == list("123456")
    assert out.count("3  Added") == 1
    assert "dummy  +22" in out


def test_the_verb_as_json(capsys: Output) -> None:
    assert run_cli(["experiment", "btrfs", "--demo", "--yes", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["restored"] is True
    loaded, unloaded = report["load_change"], report["unload_change"]
    assert loaded["symbols_added"] == unloaded["symbols_removed"] == 5009
    assert loaded["modules"][-1]["name"] != loaded["modules"][0]["name"]
    assert {m["name"]: m["symbol_count"] for m in loaded["modules"]}["btrfs"] == 4474


def test_the_verb_fails_if_differences_remain(capsys: Output) -> None:
    assert run_cli(["experiment", "binder_linux", "--demo", "--yes", "--markdown"]) == 1
    assert "| module binder\\_linux | it cannot be unloaded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["dummy", "--demo"], 2, "standard input is not a terminal"),
        (["ext4", "--demo", "--yes"], 1, "ext4 is already loaded"),
        (["dummy", "numdummies", "--demo", "--yes"], 2, "is not a parameter"),
        (["dummy", "--yes", "--root", "/"], 1, "captured tree"),
    ],
)
def test_the_verb_refuses_with_a_message(
    arguments: list[str], status: int, words: str, capsys: Output
) -> None:
    assert run_cli(["experiment", *arguments]) == status
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_read_only_shows_the_plan_of_an_experiment_and_refuses_to_run_it(capsys: Output) -> None:
    assert run_cli(["--read-only", "--demo", "experiment", "dummy", "--yes"]) == 1
    captured = capsys.readouterr()
    assert "# modprobe -v -- dummy" in captured.err or "modprobe" in captured.err
    assert "--read-only" in captured.err
    assert captured.out == ""


def test_read_only_in_the_configuration_refuses_an_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "kmodtui").mkdir()
    (tmp_path / "kmodtui/config.toml").write_text("read_only = true\n")
    assert run_cli(["--demo", "experiment", "dummy", "--yes"]) == 1
    assert "read_only = true" in capsys.readouterr().err
    assert run_cli(["--no-read-only", "--demo", "experiment", "dummy", "--yes"]) == 0


def test_another_release_is_refused(capsys: Output) -> None:
    assert run_cli(["--kernel", "6.1.0-1-amd64", "experiment", "dummy", "--yes"]) == 1
    assert "is not the running kernel" in capsys.readouterr().err


class _Terminal:
    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._line


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 1), ("", 1), ("no\n", 1)])
def test_the_plan_is_shown_and_confirmed_first(
    answer: str, status: int, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", _Terminal(answer))
    assert run_cli(["experiment", "vfat", "--demo", "--json"]) == status
    captured = capsys.readouterr()
    assert "insmod  fat" in captured.err
    assert "# modprobe -r -- vfat" in captured.err
    assert "nothing on your machine is changed" in captured.err
    if status:
        assert "Nothing was changed." in captured.err
        assert captured.out == ""
    else:
        assert json.loads(captured.out)["module"] == "vfat"
