"""Damaged files and strange arguments: each verb answers or reports an error.

No traceback, no output out of proportion to its input, no control character for the terminal,
and `--json` is always JSON.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.kernel.host import LocalHost
from kmodtui.services.snapshots import save, take
from tests.support.elf import make_module
from tests.support.tiny_system import RELEASE, STRUCT, VERMAGIC, tiny_system, write

SEED_VARIABLE = "KMODTUI_FUZZ_SEED"
"""Repeats a run of the long test."""

MOST = 200_000
"""Characters that any input may print; a larger one in proportion to its size."""

TOP = f"lib/modules/{RELEASE}"
NAMES = ["alpha", "beta", "gamma", "delta-x", "nothing", "fs-beta", "pci:v00001234d00005678sv"]
TOKENS: list[bytes] = [
    b"\0",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"#",
    b"\\",
    b"\\\n",
    b'"',
    b"'",
    b"*",
    b"[",
    b"]",
    b"[a-",
    b"?",
    b"=",
    b",",
    b":",
    b"/",
    b"..",
    b"../../..",
    b"-",
    b"-1",
    b"(",
    b")",
    b"[permanent],",
    b"0x",
    b"%s",
    b"\x1b[31m",
    b"\x1b]0;title\x07",
    b"\x9b31m",
    b"\xff\xfe",
    b"\xc3\x28",
    "\u202e\u2066é".encode(),
    b"99999999999999999999999",
    b"18446744073709551616",
    b"x" * 5000,
    b" " * 3000,
    b"a\n" * 500,
    b"alias ",
    b"options ",
    b"install ",
    b"softdep ",
    b"blacklist ",
    b"pre: ",
    b"post: ",
    b"\t[alpha]\n",
    b"Live 0x0",
    b"Loading",
    b"Unloading",
    b"alpha",
    b"beta",
    b"gamma",
    b"kernel/beta.ko",
    b"symbol:",
]
VERBS = [
    ["list"],
    ["info", "NAME"],
    ["catalog"],
    ["catalog", "NAME"],
    ["tree", "NAME"],
    ["tree", "--reverse", "NAME"],
    ["plan", "load", "NAME"],
    ["plan", "load", "NAME", "level=2"],
    ["plan", "unload", "NAME"],
    ["plan", "reload", "NAME"],
    ["load", "--dry-run", "NAME", "level=2"],
    ["unload", "--dry-run", "NAME"],
    ["reload", "--dry-run", "NAME", "level=2"],
    ["set", "--dry-run", "NAME", "level=2"],
    ["blacklist", "--dry-run", "NAME"],
    ["unblacklist", "--dry-run", "NAME"],
    ["block", "--dry-run", "NAME"],
    ["block", "--log", "--dry-run", "NAME"],
    ["block", "--unload", "--dry-run", "NAME"],
    ["unblock", "--dry-run", "NAME"],
    ["keep", "--dry-run", "NAME", "level=2"],
    ["keep", "--current", "--dry-run", "NAME"],
    ["forget", "--dry-run", "NAME"],
    ["next", "NAME"],
    ["rules"],
    ["rules", "--all", "NAME"],
    ["exposure"],
    ["exposure", "NAME"],
    ["about", "NAME"],
    ["why", "NAME"],
    ["doctor"],
    ["devices"],
    ["devices", "NAME"],
    ["linkage", "NAME"],
    ["check", "NAME"],
    ["symbols"],
    ["symbols", "NAME"],
    ["symbols", "--match", "NAME"],
    ["symbols", "--address", "NAME"],
    ["symbols", "--counts"],
    ["symbols", "--module", "NAME"],
    ["rules"],
    ["rules", "NAME"],
    ["about", "NAME"],
    ["why", "NAME"],
    ["exposure", "NAME"],
    ["audit", "--policy", "NAME"],
    ["audit", "--policy", "POLICY", "--kernel", "all"],
    ["audit", "--policy", "POLICY", "--format", "junit"],
    ["audit", "--policy", "POLICY", "--format", "sarif"],
    ["diff", "FILE"],
    ["diff", "--symbols", "FILE", "FILE"],
]


class Terminal(io.StringIO):
    """Standard output that is a terminal, so that `info` prints what is safe to show."""

    def isatty(self) -> bool:
        return True


def module(name: str, *lines: bytes) -> bytes:
    modinfo = (*lines, b"license=GPL", f"name={name}".encode(), f"vermagic={VERMAGIC}".encode())
    return make_module(
        modinfo,
        exports={f"{name}_open": "__ksymtab"},
        imports=["printk", "beta_open"],
        versions={"printk": 1, "module_layout": 2},
        extra=STRUCT,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small system with every kind of file that the verbs read, and a snapshot of it."""
    folder = tmp_path_factory.mktemp("fuzz")
    lines = (b"parm=level:How much (default: 3)", b"parmtype=level:int", b"depends=beta")
    host = tiny_system(
        folder,
        {"alpha": module("alpha", *lines), "beta": module("beta"), "gamma": module("gamma")},
        depends={"alpha": ["beta"], "gamma": ["alpha", "beta"]},
        symbols={"alpha_open": "alpha", "beta_open": "beta"},
        loaded={"alpha": (), "beta": ("alpha",)},
        kallsyms="ffffffff81000000 T _stext\nffffffff81000010 T printk\n"
        "ffffffffc0000000 t alpha_open\t[alpha]\nffffffffc0001000 t beta_open\t[beta]\n",
    )
    files = {
        f"{TOP}/modules.alias": "alias pci:v00001234d*sv* alpha\nalias fs-beta beta\n",
        f"{TOP}/modules.softdep": "softdep alpha pre: gamma\n",
        f"{TOP}/modules.builtin": "kernel/delta-x.ko\n",
        f"{TOP}/modules.builtin.modinfo": "delta_x.alias=fs-delta\0delta_x.license=GPL\0",
        "etc/modprobe.d/a.conf": "options alpha level=2\nblacklist beta\ninstall gamma /bin/true\n",
        "proc/cmdline": "quiet alpha.level=4 modprobe.blacklist=gamma\n",
        "proc/version": f"Linux version {RELEASE}\n",
        "proc/sys/kernel/tainted": "4097\n",
        "proc/sys/kernel/modprobe": "/sbin/modprobe\n",
        "proc/mounts": "/dev/sda1 / beta rw 0 0\n",
        "sys/module/alpha/parameters/level": "2\n",
        "sys/module/alpha/refcnt": "0\n",
        "sys/module/alpha/srcversion": "ABCDEF\n",
        f"{TOP}/modules.builtin.ranges": ".text 00000000-00000000 = _stext\n"
        ".text 00000010-00000020 delta-x\n",
        f"boot/config-{RELEASE}": "CONFIG_MODULES=y\n# CONFIG_MODULE_SIG is not set\n",
        "sys/bus/pci/devices/0000:00:02.0/modalias": "pci:v00001234d00005678sv\n",
        "sys/bus/hid/devices/0003:1/uevent": "HID_NAME=Mouse\n",
        "sys/bus/hid/devices/0003:1/modalias": "hid:b0003\n",
        "sys/kernel/debug/modules/stats": "      Mods failed on load\t1\n"
        "                    alpha\t              4\t                 Becoming\n",
        "sys/kernel/debug/modules/unloaded_tainted": "alpha (OE) 2\n",
        "usr/share/misc/pci.ids": "1234  Vendor\n\t5678  Device\n",
        "usr/bin/modprobe": "kmod version 34\0+ZSTD +XZ -ZLIB\0",
        "ours.toml": 'schema = 1\ntitle = "Ours"\n[[switch]]\nname = "modules_disabled"\n'
        'wanted = true\nreason = "Why."\n'
        + "".join(
            f'[[module]]\nname = "{name}"\nwanted = "blocked"\nreason = "Why."\n'
            for name in ("alpha", "beta", "gamma", "delta-x", "none")
        ),
    }
    for path, text in files.items():
        write(host, f"/{path}", text)
    save(take(host), folder / "before.kmodtui")
    return folder


def damaged(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 1, 4, 40, 4000)))
        match chance.randrange(6):
            case 0:
                data = data[:at] + chance.choice(TOKENS) + data[at:]
            case 1:
                data = data[:at] + chance.choice(TOKENS) + data[end:]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:at] + data[at:end] * chance.choice((2, 3, 50)) + data[end:]
            case 4:
                data = data[:at] + chance.randbytes(chance.choice((1, 8, 200))) + data[at:]
            case _:
                data = data[:at]
    return data


def argument(chance: random.Random) -> str:
    if chance.random() < 0.6:
        return chance.choice(NAMES)
    text = damaged(chance.choice(NAMES).encode(), chance).replace(b"\0", b"")
    return os.fsdecode(text[:100_000])


def commands(root: Path, chance: random.Random) -> list[str]:
    """Return a command line, with JSON every second time."""
    words = [
        argument(chance)
        if word == "NAME"
        else str(root / "before.kmodtui")
        if word == "FILE"
        else str(root / "ours.toml")
        if word == "POLICY"
        else word
        for word in chance.choice(VERBS)
    ]
    return [*words, "--root", str(root), *(["--json"] if chance.random() < 0.5 else [])]


def printed(words: list[str]) -> tuple[str, str]:
    """Run a command line in this process; return what it printed on both streams."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Terminal(), io.StringIO()
    try:
        run(words)
    except SystemExit:
        pass  # argparse ends a usage error that way
    finally:
        out, sys.stdout = sys.stdout, before[0]
        errors, sys.stderr = sys.stderr, before[1]
    return out.getvalue(), errors.getvalue()


def check(words: list[str], out: str, errors: str, size: int) -> None:
    assert "Internal error" not in errors
    assert "Traceback" not in errors
    assert len(out) + len(errors) < max(MOST, 60 * size)
    hidden = {
        char
        for char in set(out + errors) - set("\n\t")
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")
    }
    assert not hidden, hidden
    if "--json" in words and out:
        value = json.loads(out)
        json.dumps(value, ensure_ascii=False).encode()  # no half of a surrogate pair
        assert out.isascii()


def damage(root: Path, chance: random.Random, files: list[Path]) -> Iterator[tuple[Path, bytes]]:
    """Damage up to three files; yield them with their contents before."""
    for file in chance.sample(files, chance.choice((0, 1, 1, 1, 2, 3))):
        before = file.read_bytes()
        file.write_bytes(damaged(before, chance))
        yield file, before


def run_inputs(root: Path, seed: int, many: int) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for number in range(many):
        # Each input has a seed of its own, so that one can be repeated without the others.
        chance = random.Random(f"{seed} {number}")
        changed = list(damage(root, chance, files))
        words = commands(root, chance)
        size = sum(path.stat().st_size for path in files) + sum(map(len, words))
        try:
            check(words, *printed(words), size)
        except BaseException as error:
            error.add_note(
                f"seed {seed}, input {number}: {words!r}, {[str(f) for f, _ in changed]}"
            )
            raise
        finally:
            for file, before in changed:
                file.write_bytes(before)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


def test_every_input_gets_an_answer_or_an_error(root: Path) -> None:
    run_inputs(root, seed=1, many=150)


@pytest.mark.full
def test_30000_inputs_get_an_answer_or_an_error(root: Path) -> None:
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"{SEED_VARIABLE}={seed}\n")
    run_inputs(root, seed, many=30_000)


def test_a_captured_tree_is_not_the_only_thing_that_is_read(root: Path) -> None:
    """The damage reaches the verbs: without it, all of them succeed."""
    assert LocalHost(root).exists("/proc/modules")
    out, errors = printed(["plan", "load", "alpha", "--root", str(root)])
    assert not errors
    assert "alpha" in out
