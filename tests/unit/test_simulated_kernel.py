"""The simulated kernel behaves like Linux: order, counts, states, errors, messages."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kmodtui.demo.moments import Moment, Point, at_once
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.kallsyms import read_symbols
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.uevents import ModuleUevent
from kmodtui.model.modules import ModuleState
from tests.support.simulated import make_simulated


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


def proc_modules(kernel: SimulatedKernel) -> list[str]:
    return kernel.folder.read("/proc/modules").decode().splitlines()


def state_of_the_machine(kernel: SimulatedKernel) -> dict[str, bytes | str]:
    """The contents of all files below /proc and /sys, and the targets of links."""

    def content(path: Path) -> bytes | str:
        if path.is_symlink():
            return str(path.readlink())
        return path.read_bytes() if path.is_file() else ""

    return {
        str(path.relative_to(kernel.folder.root)): content(path)
        for top in ("proc", "sys")
        for path in sorted((kernel.folder.root / top).rglob("*"))
        if path.name != "uevent_seqnum"  # it only ever grows
    }


def test_loads_dependencies_first_and_lists_the_newest_first(kernel: SimulatedKernel) -> None:
    boot = proc_modules(kernel)
    outcome = kernel.load("btrfs")
    assert outcome.exit == 0
    assert [line.split("/")[-1].strip() for line in outcome.output.splitlines()] == [
        "libcrc32c.ko",
        "xor.ko",
        "raid6_pq.ko",
        "zstd_compress.ko",
        "blake2b_generic.ko",
        "btrfs.ko",
    ]
    held = "crc32c_generic 16384 {} - Live 0xffffffffc2800000"
    assert proc_modules(kernel) == [
        "btrfs 1806336 0 - Live 0xffffffffc2c00000",
        "blake2b_generic 20480 0 - Live 0xffffffffc4000000",
        "zstd_compress 294912 1 btrfs, Live 0xffffffffc3800000",
        "raid6_pq 122880 1 btrfs, Live 0xffffffffc3400000",
        "xor 24576 1 btrfs, Live 0xffffffffc3000000",
        "libcrc32c 16384 1 btrfs, Live 0xffffffffc3c00000",
        *boot[:-1],
        held.format(2),
    ]
    assert boot[-1] == held.format(1)
    assert "Btrfs loaded" in outcome.log[-1].text


def test_unloading_leaves_no_trace(kernel: SimulatedKernel) -> None:
    before = state_of_the_machine(kernel)
    kernel.load("btrfs")
    assert state_of_the_machine(kernel) != before
    outcome = kernel.unload("btrfs")
    assert outcome.output.split()[1::2] == [
        "btrfs",
        "libcrc32c",
        "xor",
        "raid6_pq",
        "zstd_compress",
        "blake2b_generic",
    ]
    assert state_of_the_machine(kernel) == before


def test_states_during_load_and_unload(kernel: SimulatedKernel) -> None:
    def line() -> str:
        return next((line for line in proc_modules(kernel) if line.startswith("fat ")), "")

    def initstate() -> bytes:
        return kernel.folder.read("/sys/module/fat/initstate")

    heard: list[ModuleUevent] = []
    kernel.on_uevent(heard.append)
    seen = []
    for moment in kernel.insert("fat"):
        symbols = len(read_symbols(kernel.host).of("fat"))
        seen.append((moment.point, line().split()[1:5], initstate(), symbols, len(heard)))
    assert seen == [
        (Point.LOADING, ["98304", "1", "-", "Loading"], b"", 54, 0),
        (Point.COMING, ["98304", "1", "-", "Loading"], b"coming\n", 54, 0),
        (Point.LIVE, ["98304", "1", "-", "Live"], b"live\n", 54, 1),
        (Point.TRIMMED, ["90112", "0", "-", "Live"], b"live\n", 50, 1),
    ]
    seen.clear()
    for moment in kernel.delete("fat"):
        symbols = len(read_symbols(kernel.host).of("fat"))
        seen.append((moment.point, line().split()[1:5], initstate(), symbols, len(heard)))
    assert seen == [
        (Point.UNLOADING, ["90112", "-1", "-", "Unloading"], b"going\n", 50, 1),
        (Point.TORN_DOWN, ["90112", "-1", "-", "Unloading"], b"", 50, 2),
        (Point.GONE, [], b"", 0, 2),
    ]
    assert [(e.action, e.name) for e in heard] == [("add", "fat"), ("remove", "fat")]
    assert heard[0].sequence < heard[1].sequence


def test_reference_counts_follow_the_users(kernel: SimulatedKernel) -> None:
    kernel.load("vfat")
    fat = read_modules(kernel.host).by_name["fat"]
    assert (fat.refcount, fat.users) == (1, ("vfat",))
    assert kernel.host.read("/sys/module/fat/refcnt") == b"1\n"
    assert kernel.host.readlink("/sys/module/fat/holders/vfat") == "../../vfat"
    kernel.hold("fat", 2)
    assert read_modules(kernel.host).by_name["fat"].other_references == 2
    outcome = kernel.unload("vfat")
    assert outcome.exit == 0
    assert kernel.state("fat") is ModuleState.LIVE, "something else still holds it"
    assert kernel.host.listdir("/sys/module/fat/holders") == []


def test_references_other_than_imports(kernel: SimulatedKernel) -> None:
    kernel.load("libcrc32c")
    assert "crc32c_generic 16384 2 - Live" in kernel.folder.read("/proc/modules").decode()
    at_once(kernel.delete("libcrc32c"))
    assert "crc32c_generic 16384 1 - Live" in kernel.folder.read("/proc/modules").decode()


@pytest.mark.parametrize(
    ("name", "number", "words"),
    [
        ("failover", errno.EAGAIN, "FATAL: Module failover is in use."),  # by net_failover
        ("ext4", errno.EAGAIN, "FATAL: Module ext4 is in use."),  # by the mounted /
        ("binder_linux", errno.EBUSY, "could not remove 'binder_linux': Device or resource busy"),
        ("virtio", errno.ENOENT, "FATAL: Module virtio is builtin."),
        ("nosuch", errno.ENOENT, "FATAL: Module nosuch not found."),
    ],
)
def test_refuses_to_unload(kernel: SimulatedKernel, name: str, number: int, words: str) -> None:
    kernel.load("binder_linux")
    before = proc_modules(kernel)
    outcome = kernel.unload(name)
    assert (outcome.exit, outcome.errno) == (1, number)
    assert words in outcome.output
    assert proc_modules(kernel) == before


def test_a_refusal_in_the_middle_ends_modprobe(kernel: SimulatedKernel) -> None:
    kernel.load("libcrc32c")
    kernel.load("dummy")
    # libcrc32c is unloaded before its softdep turns out to be in use; dummy is not reached.
    outcome = kernel.unload("libcrc32c", "dummy")
    assert outcome.output == "rmmod libcrc32c\nmodprobe: FATAL: Module crc32c_generic is in use.\n"
    assert (outcome.exit, outcome.errno) == (1, errno.EAGAIN)
    assert kernel.state("libcrc32c") is None
    assert kernel.state("dummy") is ModuleState.LIVE


@pytest.mark.parametrize("name", ["dummy", "vfat"])
def test_unloading_a_module_that_is_not_loaded_does_nothing(
    kernel: SimulatedKernel, name: str
) -> None:
    assert kernel.unload(name).exit == 0


def test_permanent_is_shown_among_the_users(kernel: SimulatedKernel) -> None:
    kernel.load("binder-linux")
    assert " 0 [permanent], Live " in proc_modules(kernel)[0]


def test_parameters_are_set_and_shown(kernel: SimulatedKernel) -> None:
    kernel.load("binder_linux", "debug-mask=0x10", 'devices="a,b"')
    assert kernel.host.read("/sys/module/binder_linux/parameters/debug_mask") == b"16\n"
    assert kernel.host.read("/sys/module/binder_linux/parameters/devices") == b"a,b\n"
    assert kernel.host.read("/sys/module/binder_linux/parameters/stop_on_user_error") == b"0\n"


def test_a_value_of_the_wrong_type_is_refused(kernel: SimulatedKernel) -> None:
    before = state_of_the_machine(kernel)
    outcome = kernel.load("dummy", "numdummies=abc")
    assert (outcome.exit, outcome.errno) == (1, errno.EINVAL)
    assert "could not insert 'dummy': Invalid argument" in outcome.output
    assert [record.text for record in outcome.log] == [
        "dummy: `abc' invalid for parameter `numdummies'"
    ]
    assert state_of_the_machine(kernel) == before


def test_an_unknown_parameter_is_only_logged(kernel: SimulatedKernel) -> None:
    outcome = kernel.load("dummy", "numdumies=2")
    assert outcome.exit == 0
    assert kernel.state("dummy") is ModuleState.LIVE
    assert outcome.log[0].text == "dummy: unknown parameter 'numdumies' ignored"


def test_an_init_that_fails(kernel: SimulatedKernel) -> None:
    heard: list[ModuleUevent] = []
    kernel.on_uevent(heard.append)
    before = state_of_the_machine(kernel)
    outcome = kernel.load("nbd", "max_part=100000")
    assert (outcome.exit, outcome.errno) == (1, errno.EINVAL)
    assert state_of_the_machine(kernel) == before
    assert heard == []
    kernel.init_errors["vfat"] = lambda _: errno.ENODEV
    assert "No such device" in kernel.load("vfat").output
    assert kernel.loaded[0] == "fat", "what it needed stays"


@pytest.mark.parametrize("parameter", ["max_part=abc", "max_part=100000"])
def test_a_failed_load_is_seen_unloading(kernel: SimulatedKernel, parameter: str) -> None:
    seen = []
    for moment in kernel.insert("nbd", [parameter]):
        line, sysfs = proc_modules(kernel)[0], kernel.folder.read("/sys/module/nbd/initstate")
        seen.append((moment.point, line.split()[1:5], sysfs))
    assert seen[0] == (Point.LOADING, ["73728", "1", "-", "Loading"], b"")
    there = b"going\n" if parameter == "max_part=100000" else b""
    assert seen[-1] == (Point.UNLOADING, ["73728", "1", "-", "Unloading"], there)
    assert kernel.state("nbd") is None


def test_loading_a_loaded_or_built_in_module_does_nothing(kernel: SimulatedKernel) -> None:
    before = proc_modules(kernel)
    for name in ("ext4", "fs-ext4", "virtio"):
        outcome = kernel.load(name)
        assert (outcome.exit, outcome.output) == (0, "")
    assert proc_modules(kernel) == before
    assert "Module nosuch not found in directory /lib/modules/6.1." in kernel.load("nosuch").output


def test_an_alias_loads_its_module(kernel: SimulatedKernel) -> None:
    kernel.load("fs-vfat")
    assert kernel.loaded[:2] == ("vfat", "fat")


def test_a_missing_dependency_is_an_unknown_symbol(kernel: SimulatedKernel) -> None:
    steps = kernel.insert("vfat")
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == errno.ENOENT
    assert kernel.log[-1].text == "vfat: Unknown symbol fat_init_0 (err -2)"


def test_symbols_are_in_the_kernels_order(kernel: SimulatedKernel) -> None:
    kernel.load("vfat")
    table = read_symbols(kernel.host)
    assert list(table.modules)[:3] == ["vfat", "fat", "hello"]
    assert list(table.pseudo) == ["__builtin__ftrace", "bpf"]
    data = kernel.folder.read("/proc/kallsyms")
    assert data.index(b"[vfat]") < data.index(b"[fat]") < data.index(b"[hello]")
    assert data.endswith(b"[bpf]\n")


def test_a_module_taints_the_kernel_until_reboot(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    kernel.folder.write("/proc/sys/kernel/tainted", b"0\n")
    kernel.unload("hello")
    assert " Loading 0xffffffffc0400000 (OE+)" in _first_line_on_the_way(kernel)
    kernel.unload("hello")
    assert kernel.host.read("/proc/sys/kernel/tainted") == b"12288\n"


def _first_line_on_the_way(kernel: SimulatedKernel) -> str:
    steps = kernel.modprobe.load("hello")
    next(steps)
    line = proc_modules(kernel)[0]
    for _ in steps:
        pass
    return line


def test_the_log_has_numbers_and_times(tmp_path: Path) -> None:
    kernel = make_simulated(tmp_path)
    kernel.load("tun")
    kernel.load("btrfs")
    assert [record.seq for record in kernel.log] == list(range(1000, 1000 + len(kernel.log)))
    assert all(record.usec > 5_025_000_000 for record in kernel.log)


def test_appended_lines_are_kept(kernel: SimulatedKernel) -> None:
    kernel.append("/proc/modules", b"\xff\x1b[31mnonsense\n")
    kernel.load("dummy")
    assert len(read_modules(kernel.host).malformed) == 1
    kernel.unload("dummy")
    assert len(read_modules(kernel.host).malformed) == 1


def test_steps_can_be_taken_one_by_one(kernel: SimulatedKernel) -> None:
    steps = kernel.modprobe.load("vfat")
    assert next(steps) == Moment("fat", Point.LOADING)
    assert kernel.state("fat") is ModuleState.LOADING
    assert kernel.state("vfat") is None


def test_two_shells_load_modules_with_the_same_dependency(kernel: SimulatedKernel) -> None:
    one, other = kernel.modprobe.load("vfat"), kernel.modprobe.load("fat")
    assert next(one) == Moment("fat", Point.LOADING)
    assert next(other) == Moment("fat", Point.AWAITED)
    assert at_once(one).exit == 0
    outcome = at_once(other)
    assert (outcome.exit, outcome.errno) == (0, None)
    assert kernel.loaded[:3] == ("vfat", "fat", "hello")


def test_waiting_for_a_load_that_hangs_ends(kernel: SimulatedKernel) -> None:
    next(kernel.modprobe.load("dummy"))
    outcome = kernel.load("dummy")
    assert (outcome.exit, outcome.errno) == (1, errno.EBUSY)
    assert "could not insert 'dummy': Device or resource busy" in outcome.output


def test_options_of_modprobe_d_and_quoted_values_are_passed(kernel: SimulatedKernel) -> None:
    kernel.unload("hello")
    rules = b'options hello greeting="from a rule"\n'
    kernel.folder.write("/etc/modprobe.d/a.conf", rules)
    shown = "/sys/module/hello/parameters/greeting"
    assert kernel.load("hello").output.endswith('hello.ko greeting="from a rule" \n')
    assert kernel.folder.read(shown) == b"from a rule\n"
    kernel.unload("hello")
    kernel.load("hello", "greeting=good day")
    assert kernel.folder.read(shown) == b"good day\n"
