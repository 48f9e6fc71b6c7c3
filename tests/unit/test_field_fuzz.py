"""Damaged systems of other architectures and layouts: each input gets an answer in time."""

from __future__ import annotations

import errno
import lzma
import os
import random
import resource
import struct
import sys
import time
from pathlib import Path

import pytest

from kmodtui.kernel.kmsg import parse_record
from kmodtui.model.explain.explain import explain
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.text import clean
from tests.support.elf import AARCH64, S390, X86_64, make_module
from tests.support.layouts import Link, captured
from tests.unit.test_binary_index import index
from tests.unit.test_btf import KERNEL, OWN, btf
from tests.unit.test_verbs_fuzz import SEED_VARIABLE, check, damaged, printed

ARM = 40
SECONDS, BYTES = 2.0, 512 * 1024 * 1024

VERBS = [
    *(["plan", verb, "NAME"] for verb in ("load", "unload", "reload")),
    *([verb, "NAME"] for verb in ("info", "about", "why", "check", "linkage", "tree", "exposure")),
    *([verb] for verb in ("list", "catalog", "rules", "doctor", "symbols", "next", "devices")),
]
LOG = [
    b"4,1234,7617794,-;disk: version magic '6.1 SMP ' should be '6.2 SMP '",
    b"3,7,1,-;disk: Unknown symbol base_fn (err -2)",
    b"3,8,2,-,caller=T512;failed to validate module [disk] BTF: -22\n SUBSYSTEM=pci",
    b"30,9,3,c;decompression failed with status 6",
    b"4,1,7,-;TECH PREVIEW: Overlay may not be supported.\\x0aSee the documentation.",
]


def modules(release: str, machine: int, bits: int, order: str) -> dict[str, bytes]:
    """Return a module and the one that it needs, for an architecture."""
    magic = f"vermagic={release} SMP mod_unload modversions "
    return {
        name: make_module(
            [f"name={name}".encode(), b"license=GPL", f"depends={needed}".encode(), magic.encode(),
             b"alias=x:y*", b"parm=n:text", b"parmtype=n:array of int"],
            imports=imports, exports=exports, versions={"module_layout": 1}, bits=bits,
            order=order, machine=machine,
            extra={".gnu.linkonce.this_module": bytes(896), ".BTF": btf(OWN, (12, 8, 2))},
        )
        for name, needed, imports, exports in (
            ("disk", "base", ["base_fn"], {}), ("base", "", [], {"base_fn": "__ksymtab"}),
        )
    }  # fmt: skip


def systems(folder: Path) -> list[Path]:
    """Write one system for each architecture, each with another layout."""
    common = {
        "/proc/kallsyms": "ffffffff81000000 T _text\n0000000000000000 t base_fn.llvm.7\t[base]\n",
        "/proc/cmdline": "quiet disk.n=1 rd.driver.blacklist=disk\n",
        "/etc/modprobe.d/a.conf": "options disk n=1,2\nBlacklist base\nsoftdep disk pre: base\n",
        "/etc/modprobe.conf": "blacklist disk\n",
        "/etc/os-release": "ID=ubuntu\n",
        "/sys/kernel/btf/vmlinux": KERNEL,
        "/sys/module/compression": "xz\n",
        "/sys/module/base/srcversion": "AAAA\n",
        "/sys/module/base/parameters/n": "(null),1\n",
        "/sys/kernel/livepatch/base/transition": "1\n",
    }
    found = []
    for number, (machine, bits, order) in enumerate(
        ((X86_64, 64, "<"), (AARCH64, 64, "<"), (ARM, 32, "<"), (S390, 64, ">"))
    ):
        release = f"6.{number}.0-a"
        own = modules(release, machine, bits, order)
        top = (f"/lib/modules/{release}", "/vendor_dlkm/lib/modules",
               "/lib/modules", f"/nix/store/m/lib/modules/{release}")[number]  # fmt: skip
        names = {"disk": f"{top}/disk.ko", "base": f"{top}/base.ko"}
        files: dict[str, bytes | str] = {names[name]: data for name, data in own.items()}
        dep = f"{names['disk']}: {names['base']}\n{names['base']}:\n"
        match number:
            case 0:
                files[names["disk"]] = lzma.compress(own["disk"], check=lzma.CHECK_CRC64)
                files[f"{top}/modules.dep.bin"] = index(
                    {"disk": "disk.ko: base.ko", "base": "base.ko:"}
                )
                files[f"{top}/modules.alias.bin"] = index({"x:y*": "disk"})
            case 1:
                files[f"{top}/modules.dep"] = dep
                files[f"{top}/modules.load"] = "disk.ko\n"
                files[f"{top}/modules.blocklist"] = "blocklist disk\n"
                files[f"{top}/modules.options"] = "options disk n=3\n"
            case 2:
                files["/sbin/kmodloader"] = ""
                files["/etc/modules.conf"] = "blacklist disk\noptions base n=1\n"
                files["/etc/modules.d/30-disk"] = "disk n=1\n"
            case _:
                files[f"{top}/modules.dep"] = "disk.ko: base.ko\nbase.ko:\n"
                files["/run/booted-system/kernel-modules"] = Link("/nix/store/m")
        rows = ["base 4096 0 -"]
        found.append(Path(captured(folder / str(number), release, {**common, **files}, rows)))
    return found


def run_inputs(folder: Path, seed: int, many: int) -> None:
    trees = systems(folder)
    files = {tree: sorted(p for p in tree.rglob("*") if p.is_file() and not p.is_symlink())
             for tree in trees}  # fmt: skip
    for number in range(many):
        chance = random.Random(f"{seed} {number}")
        tree = chance.choice(trees)
        changed = {file: file.read_bytes() for file in chance.sample(files[tree], 2)}
        for file, before in changed.items():
            file.write_bytes(damaged(before, chance))
        name = chance.choice(["disk", "base", "x:yz", "nothing", str(tree / "lib")])
        words = [name if word == "NAME" else word for word in chance.choice(VERBS)]
        words += ["--root", str(tree), *(["--json"] if chance.random() < 0.3 else [])]
        try:
            start = time.process_time()
            check(words, *printed(words), sum(path.stat().st_size for path in files[tree]))
            assert time.process_time() - start < SECONDS
            record(chance)
        except BaseException as error:
            error.add_note(f"seed {seed}, input {number}: {words!r}, {[str(f) for f in changed]}")
            raise
        finally:
            for file, before in changed.items():
                file.write_bytes(before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < BYTES


def record(chance: random.Random) -> None:
    """Have a damaged record of the kernel log explained."""
    found = parse_record(damaged(chance.choice(LOG), chance))
    if found is None:
        return
    number = chance.choice((None, errno.EINVAL, errno.ENOEXEC, errno.EPERM))
    result = Result(False, errno=number, log=(found,), subject="disk", exit=1,
                    code=ResultCode.FAILED)  # fmt: skip
    said = explain(Verb.LOAD, ["disk"], result)
    for text in (said.title, said.cause, said.remedy, *said.evidence):
        assert text == clean(text)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


def test_other_systems_get_an_answer_or_an_error(tmp_path: Path) -> None:
    run_inputs(tmp_path, seed=1, many=60)


@pytest.mark.full
def test_10000_inputs_of_other_systems_get_an_answer_in_time(tmp_path: Path) -> None:
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"{SEED_VARIABLE}={seed}\n")
    run_inputs(tmp_path, seed, many=10_000)


def test_the_undamaged_systems_are_read(tmp_path: Path) -> None:
    for tree in systems(tmp_path):
        out, errors = printed(["info", "disk", "--root", str(tree)])
        assert "depends:        base" in out, errors
        assert struct.pack("<H", 0xEB9F) in (tree / "sys/kernel/btf/vmlinux").read_bytes()
