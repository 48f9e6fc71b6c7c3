"""The demo's recording: each module is loaded as recorded, and unloading it leaves no trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from kmodtui.demo import open_demo
from kmodtui.demo.moments import at_once
from kmodtui.demo.recording import RecordedFile, packaged_recording
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.kallsyms import parse_symbols, read_symbols
from kmodtui.kernel.module_file.size import read_module_size
from kmodtui.kernel.proc_modules import parse_modules, read_modules
from kmodtui.model.modules import ModuleState
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.services.machine import Machine
from kmodtui.services.planning.planning import plan_for
from kmodtui.services.root.demo import DemoRoot
from tests.unit.test_simulated_kernel import state_of_the_machine


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[], SimulatedKernel]:
    """Boots the recorded machine, with few symbols of the kernel itself to make it faster."""
    recording = packaged_recording()
    data = recording.root["proc/kallsyms"].data
    core = parse_symbols(data).core.raw
    short = core[: core.index(b"\n", 10_000) + 1] + data[len(core) :]
    recording.root["proc/kallsyms"] = RecordedFile(short)
    numbers = count()
    return lambda: SimulatedKernel(recording, tmp_path / str(next(numbers)))


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.full)])
def test_each_module_is_loaded_as_recorded_and_unloaded_without_trace(
    machine: Callable[[], SimulatedKernel], step: int
) -> None:
    kernel = machine()
    boot = state_of_the_machine(kernel)
    needed = {other for name in kernel.recorded for other in depends(kernel, name)}
    tried = 0
    for name in kernel.recorded[::step]:
        part = kernel.recording(name)
        assert part is not None
        if name in kernel.loaded or "unload.error" in part.files:
            continue
        tried += 1
        before = kernel.loaded
        assert kernel.load(name).exit == 0, name
        loaded = kernel.loaded
        for module in set(loaded) - set(before):
            check_as_recorded(kernel, module)
        kernel.unload(name)
        gone = [module for module in loaded if module not in kernel.loaded]
        if name not in needed and "removed" in part.files:
            # Dependencies were recorded while their dependents were loaded.
            assert sorted(gone) == sorted(part.files["removed"].data.decode().split()), name
        if set(gone) & set(before):
            # A softdep that was loaded before is unloaded as well: modprobe does not remember.
            kernel = machine()
            continue
        while left := [module for module in kernel.loaded if module not in before]:
            assert at_once(kernel.delete(left[0])) == 0, f"{left[0]} stays after {name}"
        assert kernel.loaded == before, name
    assert state_of_the_machine(kernel) == boot
    assert tried > 80 / step


def depends(kernel: SimulatedKernel, name: str) -> tuple[str, ...]:
    part = kernel.recording(name)
    return part.depends if part else ()


def check_as_recorded(kernel: SimulatedKernel, name: str) -> None:
    part = kernel.recording(name)
    assert part is not None
    now = read_modules(kernel.host).by_name[name]
    then = part.settled
    assert (now.size, now.state, now.taints, now.permanent) == (
        then.size,
        ModuleState.LIVE,
        then.taints,
        then.permanent,
    )
    assert read_symbols(kernel.host).of(name).raw == part.rows
    assert len(read_symbols(kernel.host).of(name)) > 0


def test_the_file_of_each_module_has_its_recorded_size(
    machine: Callable[[], SimulatedKernel],
) -> None:
    kernel = machine()
    paths = {name: kernel.index.path_of(name) for name in kernel.recorded}
    with_file = [name for name, path in paths.items() if path]
    assert len(with_file) > 100
    for name in with_file:
        recorded = kernel.recording(name)
        assert recorded is not None
        assert read_module_size(kernel.host, paths[name] or "") == recorded.settled.size, name


@pytest.mark.parametrize("name", ["btrfs", "dummy", "bridge", "scsi_debug"])
async def test_a_plan_predicts_the_memory_that_a_load_takes(name: str) -> None:
    demo = open_demo(pace=0)
    machine = Machine(demo.host, DemoRoot(demo))
    plan = await plan_for(machine, [Intent(Verb.LOAD, (name,))])
    before = read_modules(demo.host).total_size
    demo.kernel.load(name)
    assert plan.memory == read_modules(demo.host).total_size - before
    await machine.close()


def test_the_example_of_the_readme() -> None:
    demo = open_demo(pace=0)
    boot = demo.host.read("/proc/modules"), demo.host.read("/proc/kallsyms")
    assert demo.kernel.load("btrfs").exit == 0
    assert set(parse_modules(demo.host.read("/proc/modules")).live) >= {
        "btrfs", "xor", "raid6_pq", "zstd_compress", "libcrc32c", "blake2b_generic",
    }  # fmt: skip
    for name in ("btrfs", "xor", "raid6_pq", "zstd_compress", "libcrc32c", "blake2b_generic"):
        part = demo.kernel.recording(name)
        assert part is not None
        assert part.files["proc_line"].data in demo.host.read("/proc/modules")
    assert len(read_symbols(demo.host).of("btrfs")) > 4000
    demo.kernel.unload("btrfs")
    assert (demo.host.read("/proc/modules"), demo.host.read("/proc/kallsyms")) == boot


def test_a_pager_that_quits_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "kmodtui", "--demo", "symbols"],
        env={"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == b"0000000000000000 A fixed_percpu_data\n"
        program.stdout.close()
        assert program.stderr.read() == b""
        assert program.wait(30) == 141
    assert list(tmp_path.iterdir()) == []


def test_the_directory_is_removed_at_exit(tmp_path: Path) -> None:
    code = "from kmodtui.demo import open_demo; print(open_demo().kernel.folder.root)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
