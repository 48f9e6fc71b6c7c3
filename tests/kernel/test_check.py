"""`kmodtui check` against the kernel itself: what it says of a file, and what comes of it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.checked import read_file_facts
from kmodtui.kernel.module_file.signing_key import can_verify, read_built_in_key, signature_fits
from kmodtui.model.modules import canonical
from tests.kernel.image import Image
from tests.kernel.vm import VM, Machine, boot
from tests.support.surgery import SPOILED, TAKEN_ALL_THE_SAME, replaced, unsigned

FOLDER = "/tmp/check"

# insmod's words for an errno (`tools/insmod.c` in kmod 30) hide which one it was.
INSERT = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
file = os.open(sys.argv[1], os.O_RDONLY)
failed = libc.syscall(313, file, b"", 0)  # finit_module
print(errno.errorcode[ctypes.get_errno()] if failed else "loaded")
"""


def put(vm: VM, name: str, file: str, content: bytes) -> str:
    folder = f"{FOLDER}/{name.replace(' ', '-')}"
    vm.run("guest", ["mkdir", "-p", folder], check=True)
    vm.write("guest", f"{folder}/{file}", content)
    return f"{folder}/{file}"


def checked(vm: VM, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `kmodtui check` says of each file to somebody without rights."""
    found = {}
    for path in paths:
        done = vm.kmodtui("guest", "check", path, "--json")
        found[path] = {"status": done.returncode, **json.loads(done.stdout)}
    return found


def inserted(vm: VM, path: str) -> str:
    """What the kernel answers: `loaded`, or the name of an errno; it is unloaded again."""
    answer = vm.run("root", ["python3", "-c", INSERT, path], check=True).stdout.strip()
    if answer == "loaded":
        vm.run("root", ["rmmod", canonical(path)], check=True)
    return answer


@pytest.fixture
def dummy(debian: Image) -> bytes:
    (file,) = debian.modules.rglob("dummy.ko")
    return file.read_bytes()


@pytest.fixture
def folder(vm: VM) -> Iterator[None]:
    yield
    vm.run("root", ["rm", "-rf", FOLDER])


def text_of(found: Mapping[str, Any]) -> str:
    return "\n".join(str(finding["text"]) for finding in found["findings"])


@pytest.mark.full
@pytest.mark.usefixtures("folder")
def test_spoiled_files_are_judged_as_the_kernel_judges_them(vm: VM, dummy: bytes) -> None:
    ways = {**SPOILED, **TAKEN_ALL_THE_SAME}
    paths = {name: put(vm, name, way.name, way.spoil(dummy)) for name, way in ways.items()}
    found = checked(vm, list(paths.values()))
    for name, way in ways.items():
        told = found[paths[name]]
        verdict = ("refused", 1) if way.errno else ("loads", 0)
        assert (told["verdict"], told["status"]) == verdict, (name, told)
        assert told["errno"] == (way.errno or None), (name, told)
        assert way.says in text_of(told), (name, told)
        if name == "empty":  # which the kernel does not even call a module
            assert inserted(vm, paths[name]) == "EINVAL"
            continue
        assert inserted(vm, paths[name]) == (way.errno or "loaded"), (name, told)
    # The tool of every day agrees: it unpacks what is packed, before the kernel sees it.
    for name, way in ways.items():
        done = vm.run("root", ["insmod", paths[name]])
        assert (done.returncode != 0) == bool(way.errno), (name, done)
        if done.returncode == 0:
            vm.run("root", ["rmmod", "dummy"], check=True)


@pytest.mark.usefixtures("folder")
def test_a_namespace_that_is_not_imported(vm: VM, debian: Image) -> None:
    (file,) = debian.modules.rglob("ums-alauda.ko")
    module = unsigned(file.read_bytes())
    vm.run("root", ["modprobe", "usb-storage"], check=True)
    bad = put(
        vm, "bad", "ums-alauda.ko", replaced(module, ".modinfo", b"import_ns=", b"import_nx=")
    )
    good = put(vm, "good", "ums-alauda.ko", module)
    found = checked(vm, [bad, good])
    assert (found[bad]["errno"], found[good]["verdict"]) == ("EINVAL", "loads")
    assert "namespace" in text_of(found[bad])
    assert any("USB_STORAGE" in line for f in found[bad]["findings"] for line in f["details"])
    assert inserted(vm, bad) == "EINVAL"
    assert inserted(vm, good) == "loaded"


@pytest.mark.full
@pytest.mark.usefixtures("folder")
def test_installed_modules_are_taken_once_what_they_need_is_there(vm: VM, debian: Image) -> None:
    names = ["btrfs", "vfat", "nbd", "bonding", "bridge", "ext4", "virtio_net"]
    paths = {name: str(next(debian.modules.rglob(f"{name}.ko"))) for name in names}
    inside = {name: path.removeprefix(str(debian.tree)) for name, path in paths.items()}
    found = checked(vm, list(inside.values()))
    loaded = {line.split()[0] for line in vm.read("root", "/proc/modules").decode().splitlines()}
    for name, path in inside.items():
        told = found[path]
        if name in loaded:
            assert (told["errno"], inserted(vm, path)) == ("EEXIST", "EEXIST")
            continue
        assert told["verdict"] == "loads", told
        first = told["load_first"]
        # What it says has to be there first is what insmod misses, and nothing else is.
        if first:
            assert inserted(vm, path) == "ENOENT"
            vm.run("root", ["modprobe", "-a", *first], check=True)
        assert inserted(vm, path) == "loaded"
    assert {name for name in names if found[inside[name]]["load_first"]} == {
        "btrfs",
        "vfat",
        "bonding",
        "bridge",
    }


def test_signatures_of_the_whole_package_fit_and_one_byte_undoes_them(
    debian: Image, tmp_path: Path
) -> None:
    host = LocalHost(debian.tree)
    files = random.Random(3).sample(sorted(debian.modules.rglob("*.ko")), 60)
    keys = {}
    for file in files:
        inside = str(file).removeprefix(str(debian.tree))
        facts = read_file_facts(host, inside)
        assert facts.info
        signature = facts.info.signature
        assert signature
        assert can_verify(signature)
        if signature.key_id not in keys:
            keys[signature.key_id] = read_built_in_key(host, debian.release, signature.key_id)
        key = keys[signature.key_id]
        assert key
        assert signature_fits(host, inside, facts.seal.content, signature, key)
        spoiled = bytearray(file.read_bytes())
        spoiled[random.Random(file.name).randrange(facts.seal.content)] ^= 0x10
        (tmp_path / "spoiled.ko").write_bytes(spoiled)
        path = str(tmp_path / "spoiled.ko")
        assert not signature_fits(LocalHost(), path, facts.seal.content, signature, key)
    assert len(keys) == 1


@pytest.mark.full
def test_switches_that_refuse_what_is_well(debian: Image, dummy: bytes) -> None:
    line = ("module.sig_enforce=1", "module_blacklist=nbd,loop")
    with boot(Machine(command_line=line), image=debian) as vm:
        bare = put(vm, "unsigned", "dummy.ko", unsigned(dummy))
        signed = put(vm, "signed", "dummy.ko", dummy)
        (nbd,) = debian.modules.rglob("nbd.ko")
        refused = put(vm, "refused", "nbd.ko", nbd.read_bytes())
        found = checked(vm, [bare, signed, refused])
        answers = {path: inserted(vm, path) for path in found}
        assert answers == {bare: "EKEYREJECTED", signed: "loaded", refused: "EPERM"}
        assert {path: told["errno"] for path, told in found.items()} == {
            bare: "EKEYREJECTED",
            signed: None,
            refused: "EPERM",
        }
        assert "module.sig_enforce" in found[bare]["summary"]
        assert "module_blacklist=" in found[refused]["summary"]
        vm.run("root", ["sysctl", "-w", "kernel.modules_disabled=1"], check=True)
        (told,) = checked(vm, [signed]).values()
        assert (told["errno"], inserted(vm, signed)) == ("EPERM", "EPERM")
        assert "modules_disabled" in told["summary"]
        assert PurePosixPath(told["path"]).name == "dummy.ko"


@pytest.mark.full
def test_lockdown_refuses_what_is_not_signed(debian: Image, dummy: bytes) -> None:
    with boot(Machine(command_line=("lockdown=integrity",)), image=debian) as vm:
        if "[integrity]" not in vm.read("root", "/sys/kernel/security/lockdown").decode():
            pytest.fail("the guest is not locked down")
        bare = put(vm, "unsigned", "dummy.ko", unsigned(dummy))
        (told,) = checked(vm, [bare]).values()
        assert (told["errno"], inserted(vm, bare)) == ("EPERM", "EPERM")
        assert re.search(r"locked down \(integrity\)", told["summary"])
