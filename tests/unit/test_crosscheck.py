"""The cross-check: what is found by how many signs, and what is not found while modules move."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.crosscheck import RootFiles, read_evidence
from kmodtui.kernel.packages import PackagedFile, parse_rpm
from kmodtui.model.crosscheck.compare import differences, flags_of, lasting, tainting
from kmodtui.model.crosscheck.evidence import Evidence, Source, SysModule
from kmodtui.model.crosscheck.finding import CAUSES, Difference, Kind, Sign
from kmodtui.services.crosscheck import CrossCheck, cross_check
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from tests.support.simulated import make_simulated

Output = pytest.CaptureFixture[str]
NOTHING: dict[str, bytes] = {}


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    """A kernel whose own out-of-tree module was unloaded again, so that it is not tainted."""
    made = make_simulated(tmp_path)
    made.folder.write("/proc/sys/kernel/tainted", b"12288\n")
    return made


def unlist(kernel: SimulatedKernel, name: str, path: str = "/proc/modules") -> None:
    """Remove the lines of a module from /proc/modules or /proc/kallsyms."""
    own = f"{name} ".encode() if path == "/proc/modules" else b""
    tail = f"\t[{name}]\n".encode()
    lines = kernel.folder.read(path).splitlines(keepends=True)
    kept = [line for line in lines if not (line.startswith(own) if own else line.endswith(tail))]
    kernel.folder.write(path, b"".join(kept))


def check(
    kernel: SimulatedKernel, root: RootFiles = NOTHING, log: list[str] | None = None
) -> CrossCheck:
    async def read() -> RootFiles:
        return root

    machine = Machine(kernel.host, NoRoot("No root."))
    return asyncio.run(cross_check(machine, read, log, pause=0))


def one(found: CrossCheck, kind: Kind = Kind.HIDDEN) -> Difference:
    [difference] = [each for each in found.findings if each.kind is kind]
    return difference


# --- what is found ----------------------------------------------------------------------------


def test_nothing_is_found_on_an_ordinary_system(kernel: SimulatedKernel) -> None:
    for change in (lambda: kernel.load("btrfs"), lambda: kernel.unload("btrfs")):
        found = check(kernel)
        assert (found.findings, found.undetermined, found.readings) == ((), False, 1)
        change()


def test_a_module_that_left_the_list_is_found_by_several_signs(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    unlist(kernel, "dummy")
    hidden = one(check(kernel))
    assert hidden.subject == "dummy"
    assert [sign.source for sign in hidden.signs] == ["/sys/module/dummy", "/proc/kallsyms"]
    assert "rootkits" in hidden.causes[-1].lower()


def test_one_that_also_left_kallsyms_and_sysfs_is_found_by_what_it_uses(
    kernel: SimulatedKernel,
) -> None:
    kernel.load("btrfs")
    unlist(kernel, "btrfs")
    unlist(kernel, "btrfs", "/proc/kallsyms")
    kernel.folder.remove("/sys/module/btrfs")
    hidden = one(check(kernel))
    assert hidden.subject == "btrfs"
    says = {sign.says for sign in hidden.signs}
    assert {"holds xor", "uses xor"} <= says


def test_memory_of_no_listed_module_and_hooks_are_further_signs(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    unlist(kernel, "dummy")
    unlist(kernel, "dummy", "/proc/kallsyms")
    rows = [line.split() for line in kernel.folder.read("/proc/modules").decode().splitlines()]
    addresses = [0xFFFFFFFFC0000000 + 0x10000 * number for number in range(len(rows) + 1)]
    listed = "".join(
        " ".join((*row[:5], f"{address:#x}", *row[6:])) + "\n"
        for row, address in zip(rows, addresses, strict=False)
    )
    areas = "".join(
        f"{start:#x}-{start + 0x5000:#x}   20480 load_module+0x1/0x2 pages=4 vmalloc N0=4\n"
        for start in addresses
    )
    root = {
        "modules": listed.encode(),
        "vmallocinfo": b"0x1-0x2 4096 bpf_jit_alloc_exec+0x1 pages=1 vmalloc\n" + areas.encode(),
        "kprobes": b"ffffffff81000000  k  vfs_read+0x0  dummy [FTRACE]\n",
        "ftrace": b"tcp4_seq_show (1) R I \ttramp: 0xffffffffc0209000 (hook+0x0/0x90 "
        b"[dummy]) ->ftrace_ops_assist_func+0x0/0xf0\n",
    }
    found = check(kernel, root)
    hidden = one(found)
    assert [sign.source for sign in hidden.signs] == [
        "/sys/module/dummy",
        Source.KPROBES,
        Source.FTRACE_ENABLED,
        Source.VMALLOC,
    ]
    assert one(found, Kind.MEMORY).subject == f"{addresses[-1]:#x}"


def test_memory_is_compared_by_size_where_addresses_are_hidden(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    unlist(kernel, "dummy")
    unlist(kernel, "dummy", "/proc/kallsyms")
    listed = kernel.folder.read("/proc/modules")
    sizes = [-(-int(line.split()[1]) // 4096) * 4096 for line in listed.decode().splitlines()]

    def areas(*sizes: int) -> bytes:
        return "".join(
            f"{0xEC05F146 + number:#018x}-0x0000000041a00fc4 {size + 4096:7} "
            f"load_module+0xbb7/0x21a0 pages={size // 4096} vmalloc N0=12\n"
            for number, size in enumerate(sizes)
        ).encode()

    found = check(kernel, {"vmallocinfo": areas(*sizes, 5 * 4096)})
    assert one(found).signs[-1] == Sign(Source.VMALLOC, "1 area of no listed module: 20,480 bytes")
    assert one(found, Kind.MEMORY).subject == "20480 bytes"
    assert str(Source.VMALLOC) in found.compared
    # Several areas per module: nothing can be said, and that is said.
    found = check(kernel, {"vmallocinfo": areas(*(size + 4096 for size in sizes))})
    assert not [each for each in found.findings if each.kind is Kind.MEMORY]
    assert str(Source.VMALLOC) in found.missing


def test_the_line_of_the_log_is_a_sign_of_a_hidden_module(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    unlist(kernel, "dummy")
    line = "dummy: loading out-of-tree module taints kernel."
    assert one(check(kernel, log=[line])).signs[-1] == Sign(Source.LOG, line)


def test_functions_that_have_no_name_are_reported(kernel: SimulatedKernel) -> None:
    available = b"do_one_initcall\n0xffffffffc0a01000\n__ftrace_invalid_address___44\ndeadbeef_x\n"
    found = check(kernel, {"ftrace-available": available})
    assert one(found, Kind.FUNCTIONS).subject == "0xffffffffc0a01000"


def test_users_and_counts_that_contradict_each_other_are_reported(kernel: SimulatedKernel) -> None:
    kernel.load("btrfs")
    kernel.folder.remove("/sys/module/xor/holders/btrfs")
    lines = kernel.folder.read("/proc/modules").decode().splitlines()
    text = "\n".join(line.replace(" 1 btrfs,", " 0 btrfs,") for line in lines)
    kernel.folder.write("/proc/modules", f"{text}\n".encode())
    kernel.folder.write("/sys/module/raid6_pq/refcnt", b"0\n")
    found = check(kernel)
    assert "btrfs" in one(found, Kind.HOLDERS).words
    assert one(found, Kind.REFCOUNT).subject == "raid6_pq"


def test_a_taint_is_explained_by_a_module_that_was_unloaded(kernel: SimulatedKernel) -> None:
    kernel.unload("hello")
    line = "hello: loading out-of-tree module taints kernel."
    unsigned = "hello: module verification failed: signature and/or required key missing - x"
    assert {each.subject for each in check(kernel).findings} == {"O", "E"}
    assert check(kernel, log=[line, unsigned]).findings == ()
    gone = check(kernel, log=[line.replace("hello", "ghost")])
    assert {each.subject for each in gone.findings} == {"O", "E", "ghost"}
    assert flags_of(line) == "O"
    assert tainting(["ghost: module license 'X' taints kernel.", "a: other"]) == {
        "ghost": "ghost: module license 'X' taints kernel."
    }


def test_a_file_that_its_package_has_otherwise_is_reported(kernel: SimulatedKernel) -> None:
    [ext4] = kernel.folder.root.glob("lib/modules/*/kernel/fs/ext4/ext4.ko")
    path = f"usr/{ext4.relative_to(kernel.folder.root)}"
    digest = hashlib.md5(ext4.read_bytes(), usedforsecurity=False).hexdigest()
    info = f"/var/lib/dpkg/info/linux-image-{kernel.release}.md5sums"
    kernel.folder.write(info, f"{digest}  {path}\n".encode())
    found = check(kernel)
    assert found.findings == ()
    assert "packages (1 file)" in found.compared
    kernel.folder.write(info, f"{'0' * 32}  {path}\n".encode())
    assert one(check(kernel), Kind.PACKAGE).subject == "ext4"


def test_digests_of_rpm() -> None:
    data = b"module"
    digest = hashlib.sha256(data).hexdigest()
    path = "/lib/modules/6.12/kernel/a.ko.xz"
    found = parse_rpm(f"{digest} {path}\n /lib/modules/6.12/kernel\nfile x is not owned\n")
    assert found == {path[1:]: PackagedFile("rpm", digest)}
    assert found[path[1:]].matches(data)


# --- modules that are loaded and unloaded meanwhile -------------------------------------------


class Moving:
    """A host on which a module is loaded for a moment within each reading, and unloaded again."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        self._kernel = kernel
        self._host = kernel.host
        self._loads = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._host, name)

    def read(self, path: str, limit: int = -1) -> bytes:
        if path == "/sys/kernel/uevent_seqnum":
            return str(self._loads).encode()
        if path == "/proc/modules":
            self._kernel.unload("btrfs")
        if path == "/proc/kallsyms":
            self._loads += 1
            self._kernel.load("btrfs")
        return self._host.read(path, limit)

    def stat(self, path: str) -> os.stat_result:
        """Return another inode after each load, as the kernel does."""
        status = list(self._host.stat(path))
        return os.stat_result([status[0], status[1] + self._loads, *status[2:]])


def test_nothing_is_found_while_a_module_is_loaded_and_unloaded(kernel: SimulatedKernel) -> None:
    machine = Machine(Moving(kernel), NoRoot("No root."))  # type: ignore[arg-type]
    one_reading = read_evidence(machine.host, None, {})
    assert not one_reading.quiet
    assert {each.subject for each in differences(one_reading)} >= {"btrfs"}, "within one reading"
    found = asyncio.run(cross_check(machine, None, pause=0))
    assert found.findings == ()
    assert found.readings > 1


def test_what_is_hidden_is_found_while_another_module_moves(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    unlist(kernel, "dummy")
    moving = Evidence(sysfs={"dummy": SysModule(7), "nbd": SysModule(8)}, quiet=False)
    later = Evidence(sysfs={"dummy": SysModule(7), "nbd": SysModule(9)}, quiet=False)
    assert [each.subject for each in lasting([moving, later, moving])] == ["dummy"]
    without = Evidence(owners=frozenset({"nbd"}), quiet=False)
    assert lasting([without, without, without]) == (), "symbols alone have no identity"
    quiet = Evidence(owners=frozenset({"nbd"}))
    assert [each.subject for each in lasting([quiet, without, quiet])] == ["nbd"]


# --- the verb ---------------------------------------------------------------------------------


def test_exit_status_and_output(kernel: SimulatedKernel, capsys: Output) -> None:
    root = ["--root", str(kernel.folder.root)]
    assert run(["crosscheck", "--demo"]) == 0
    printed = capsys.readouterr().out
    assert "No difference was found." in printed
    assert "finding nothing proves nothing" in printed
    assert run(["crosscheck", *root]) == 0
    kernel.load("dummy")
    unlist(kernel, "dummy")
    assert run(["crosscheck", *root]) == 1
    assert "hidden: dummy is not in /proc/modules" in capsys.readouterr().out
    assert run(["crosscheck", *root, "--json"]) == 1
    [finding] = json.loads(capsys.readouterr().out)["findings"]
    assert finding["kind"] == "hidden"
    assert len(finding["signs"]) == 2
    assert finding["innocent_causes"] == list(CAUSES[Kind.HIDDEN])
    assert run(["crosscheck", *root, "--as-root"]) == 3


def test_without_sysfs_nothing_can_be_said(kernel: SimulatedKernel, capsys: Output) -> None:
    kernel.folder.remove("/sys/module")
    assert run(["crosscheck", "--root", str(kernel.folder.root)]) == 2
    assert "Nothing can be said." in capsys.readouterr().out
    kernel.folder.remove("/proc/modules")
    assert run(["crosscheck", "--root", str(kernel.folder.root)]) == 2


def test_root_compares_through_the_helper(capsys: Output) -> None:
    assert run(["crosscheck", "--demo", "--as-root", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "kernel log" in found["compared"]
    reasons = {each["source"]: each["reason"] for each in found["not_compared"]}
    assert reasons["/proc/vmallocinfo"] == "root cannot read it either"


def test_hostile_files_are_data(kernel: SimulatedKernel) -> None:
    junk = os.urandom(2000) + b"\n[\x1b[31mx] k y+0x0 \x1b]0;t\x07\n"
    root = dict.fromkeys(("modules", "vmallocinfo", "kprobes", "ftrace"), junk)
    for difference in check(kernel, root, ["\x1b[31m: taints kernel"]).findings:
        assert "\x1b" not in f"{difference.words}{difference.signs}"


def test_a_captured_tree_is_read_once_even_if_a_module_was_loading(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    """It cannot change: there is nothing to wait for."""
    unlist(kernel, "loop")
    listed = kernel.folder.read("/proc/modules")
    kernel.folder.write("/proc/modules", listed + b"slow 4096 1 - Loading 0x0\n")
    run(["crosscheck", "--root", str(kernel.folder.root), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["readings"] == 1
    assert {
        "source": "what changes with each load",
        "reason": "the tree was captured while a module was Loading or Unloading",
    } in found["not_compared"]


def test_a_module_with_a_malformed_line_is_not_called_hidden(kernel: SimulatedKernel) -> None:
    kernel.load("dummy")
    rows = kernel.folder.read("/proc/modules").splitlines(keepends=True)
    spoiled = [b"dummy -1 0 - Live\n" if row.startswith(b"dummy ") else row for row in rows]
    kernel.folder.write("/proc/modules", b"".join(spoiled))
    assert not [each for each in check(kernel).findings if each.kind is Kind.HIDDEN]
