"""The facts for a check are read from a system, and missing facts are handled."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest

from kmodtui import cli
from kmodtui.errors import UnreadableError
from kmodtui.kernel.build_config import parse_build_config, read_build_config
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file import checked as checked_file
from kmodtui.kernel.module_file.checked import read_file_facts
from kmodtui.kernel.module_file.symvers import parse_symvers
from kmodtui.model.check.check import Check, Mark, Verdict
from kmodtui.services.check import check_file
from tests.support.elf import AARCH64, SIGNATURE_MAGIC, make_module, sign
from tests.support.tiny_system import RELEASE, STRUCT, VERMAGIC, modinfo, tiny_system, write
from tests.unit.test_module_file import pkcs7

KALLSYMS = """\
1 T _stext
2 T printk
2 T rare
3 R __start___ksymtab
4 r __ksymtab_printk
4 r __ksymtab_rare
5 R __start___ksymtab_gpl
6 r __ksymtab_for_gpl
7 T give\t[giver]
7 r __ksymtab_give\t[giver]
"""
LAYOUT = {"module_layout": 0x1234}
SYMVERS = """\
0x00000011\tprintk\tvmlinux\tEXPORT_SYMBOL\t
0x00000022\trare\tvmlinux\tEXPORT_SYMBOL\tDMA_BUF
0x00000033\tgive\tdrivers/giver\tEXPORT_SYMBOL\t
"""


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    giver = make_module(
        modinfo("giver"),
        exports={"give": "__ksymtab"},
        crcs={"give": 0x33},
        imports=["printk"],
        versions={**LAYOUT, "printk": 0x11},
        extra=STRUCT,
    )
    host = tiny_system(
        tmp_path,
        {"giver": giver},
        symbols={"give": "giver"},
        loaded={"giver": []},
        kallsyms=KALLSYMS,
    )
    write(host, f"/boot/config-{RELEASE}", "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\n")
    write(host, "/sys/module/module/parameters/sig_enforce", "N\n")
    write(host, "/sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
    return host


def fresh(
    *imports: str,
    versions: dict[str, int] | None = None,
    exports: tuple[str, ...] = (),
    machine: int = 62,
    vermagic: str = VERMAGIC,
    tail: bytes = b"",
) -> bytes:
    return make_module(
        modinfo("fresh", vermagic=vermagic),
        imports=imports,
        exports=dict.fromkeys(exports, "__ksymtab"),
        versions={**LAYOUT, **(versions or {})},
        machine=machine,
        extra=STRUCT,
        signature=tail,
    )


def checked(host: LocalHost, data: bytes, name: str = "fresh.ko") -> Check:
    return check_file(host, write(host, f"/tmp/{name}", data))


def marks(check: Check, topic: str) -> list[Mark]:
    return [finding.mark for finding in check.findings if finding.topic == topic]


def test_a_module_that_matches_the_loaded_ones_will_load(host: LocalHost) -> None:
    check = checked(host, fresh("printk", "give", versions={"printk": 0x11, "give": 0x33}))
    assert check.verdict is Verdict.LOADS, check.findings
    assert {(s.name, s.provider) for s in check.symbols} == {
        ("printk", "kernel"),
        ("give", "giver"),
    }
    assert check.release == RELEASE


@pytest.mark.parametrize(("name", "crc"), [("printk", 0x12), ("give", 0x34)])
def test_checksums_are_compared_with_those_of_loaded_modules(
    host: LocalHost, name: str, crc: int
) -> None:
    check = checked(host, fresh(name, versions={name: crc}))
    assert check.errno == "EINVAL"
    (line,) = check.because[0].lines
    assert line.endswith("the file of giver")


def test_other_checksums_are_looked_up_in_module_symvers(host: LocalHost) -> None:
    data = fresh("rare", versions={"rare": 0x99})
    check = checked(host, data)
    assert check.verdict is Verdict.LOADS
    assert marks(check, "checksums") == [Mark.NOTE]
    symvers = write(host, f"/lib/modules/{RELEASE}/build/Module.symvers", SYMVERS)
    check = checked(host, data)
    assert check.errno == "EINVAL"
    assert symvers in check.because[0].lines[0]


def test_namespaces_of_the_kernels_own_symbols_come_from_module_symvers(host: LocalHost) -> None:
    write(host, f"/boot/symvers-{RELEASE}.gz", gzip.compress(SYMVERS.encode()))
    check = checked(host, fresh("rare", versions={"rare": 0x22}))
    assert (check.errno, check.because[0].topic) == ("EINVAL", "namespaces")


def test_the_checked_file_is_not_used_for_its_own_checksums(host: LocalHost) -> None:
    data = fresh("rare", versions={"rare": 0x99})
    path = f"/lib/modules/{RELEASE}/kernel/fresh.ko"
    write(host, path, data)
    dep = host.read(f"/lib/modules/{RELEASE}/modules.dep")
    write(host, f"/lib/modules/{RELEASE}/modules.dep", dep + b"kernel/fresh.ko:\n")
    assert marks(check_file(host, path), "checksums") == [Mark.NOTE]
    # Another file of the same module is used.
    check = checked(host, fresh("rare", versions={"rare": 0x98}))
    assert check.errno == "EINVAL"


def test_providers_that_are_not_loaded_have_to_be_loaded_first(host: LocalHost) -> None:
    write(host, "/proc/modules", "")
    write(host, "/proc/kallsyms", KALLSYMS.partition("7 T")[0])
    check = checked(host, fresh("give", versions={"give": 0x33}))
    assert (check.verdict, check.first) == (Verdict.LOADS, ("giver",))


def test_settings_of_the_system_count(host: LocalHost) -> None:
    assert checked(host, fresh()).verdict is Verdict.LOADS
    write(host, "/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    assert checked(host, fresh()).errno == "EPERM"
    write(host, "/sys/module/module/parameters/sig_enforce", "Y\n")
    assert checked(host, fresh()).errno == "EKEYREJECTED"
    write(host, "/proc/sys/kernel/modules_disabled", "1\n")
    assert checked(host, fresh()).errno == "EPERM"


def test_module_blacklist_refuses_and_modprobes_blacklist_does_not(host: LocalHost) -> None:
    write(host, "/etc/modprobe.d/a.conf", "# a comment\nblacklist fresh\n")
    check = checked(host, fresh())
    assert check.verdict is Verdict.LOADS
    (finding,) = [f for f in check.findings if f.topic == "blacklist"]
    assert finding.lines == ("/etc/modprobe.d/a.conf:2: blacklist fresh",)
    write(host, "/proc/cmdline", "quiet module_blacklist=other,fresh\n")
    assert checked(host, fresh()).errno == "EPERM"


def test_a_name_that_is_already_loaded(host: LocalHost) -> None:
    giver = host.read(f"/lib/modules/{RELEASE}/kernel/giver.ko")
    assert checked(host, giver).errno == "EEXIST"
    # The kernel uses the name in the file, not the file's name.
    assert checked(host, giver, "another.ko").errno == "EEXIST"
    write(host, "/sys/module/fresh/version", "1\n")
    assert checked(host, fresh()).errno == "EINVAL"


def test_symbols_that_are_already_exported(host: LocalHost) -> None:
    check = checked(host, fresh(exports=("give", "printk", "own")))
    assert check.errno == "ENOEXEC"
    assert check.because[0].lines == ("give: giver", "printk: the kernel")


def test_without_a_readable_module_the_version_magic_is_unknown(host: LocalHost) -> None:
    write(host, f"/lib/modules/{RELEASE}/modules.dep", "")
    for file in Path(host.locate(f"/lib/modules/{RELEASE}")).rglob("*.ko"):
        file.unlink()
    check = checked(host, fresh())
    assert check.verdict is Verdict.UNKNOWN
    assert "vermagic" in {finding.topic for finding in check.because}


def test_a_release_without_a_directory_is_not_a_problem_of_the_file(host: LocalHost) -> None:
    write(host, "/proc/sys/kernel/osrelease", "9.9.9-gone\n")
    check = checked(host, fresh())
    assert check.verdict is Verdict.UNKNOWN
    assert "/lib/modules/9.9.9-gone" in check.sentence or "is unknown" in check.sentence


def test_an_out_of_tree_module_is_not_used_as_the_reference(host: LocalHost) -> None:
    """It can be loaded although it was built for another release."""
    old = make_module(modinfo("aaa", vermagic="5.0 SMP"), versions={"module_layout": 9})
    write(host, f"/lib/modules/{RELEASE}/updates/aaa.ko", old)
    dep = host.read(f"/lib/modules/{RELEASE}/modules.dep")
    write(host, f"/lib/modules/{RELEASE}/modules.dep", b"updates/aaa.ko:\n" + dep)
    rows = host.read("/proc/modules")
    write(host, "/proc/modules", b"aaa 4096 0 - Live 0x0 (O)\n" + rows)
    assert checked(host, fresh()).verdict is Verdict.LOADS


def test_a_decompression_bomb_is_reported_as_unknown(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = checked_file.opened.__wrapped__.__globals__["open_unpacked"]  # type: ignore[attr-defined]
    limited = lambda host, path: small(host, path, limit=1024 * 1024)  # noqa: E731
    monkeypatch.setattr("kmodtui.kernel.module_file.elf_file.open_unpacked", limited)
    check = checked(host, lzma.compress(bytes(30_000_000)), "bomb.ko.xz")
    assert check.verdict is Verdict.UNKNOWN
    assert "decompresses to more than 1.0 MiB" in check.sentence


# -- the file itself -----------------------------------------------------------------


def damage(host: LocalHost, data: bytes, name: str = "fresh.ko") -> str:
    return "\n".join(read_file_facts(host, write(host, f"/tmp/{name}", data)).damage)


def test_a_valid_file_has_no_damage(host: LocalHost) -> None:
    for packed in (fresh("printk"), lzma.compress(fresh("printk")), gzip.compress(fresh())):
        assert damage(host, packed) == ""


def test_damage_is_reported(host: LocalHost) -> None:
    good = fresh("printk")
    assert "no .gnu.linkonce.this_module" in damage(host, make_module(modinfo("x")))
    assert "stripped" in damage(host, make_module(modinfo("x"), stripped=True, extra=STRUCT))
    assert "not a relocatable object" in damage(host, good[:16] + b"\3" + good[17:])
    assert "no .modinfo" in damage(host, good.replace(b".modinfo", b".nodinfo"))
    assert "is empty" in damage(host, b"")
    assert "not an ELF file" in damage(host, b"#!/bin/sh\n")
    assert "truncated" in damage(host, good[:-10])
    assert "cannot be decompressed" in damage(host, lzma.compress(good)[:40] + bytes(90), "x.ko.xz")


def test_a_section_beyond_the_end_is_reported(host: LocalHost) -> None:
    data = bytearray(fresh("printk"))
    table = int.from_bytes(data[40:48], "little")
    place = table + 64 * 2 + 32  # size of the second section
    data[place : place + 8] = (1 << 20).to_bytes(8, "little")
    assert "beyond the end of the file" in damage(host, bytes(data))


def test_a_missing_file_and_a_directory_are_errors(host: LocalHost) -> None:
    with pytest.raises(UnreadableError, match="There is no file"):
        check_file(host, "/tmp/gone.ko")
    write(host, "/tmp/folder.ko/x", "")
    with pytest.raises(UnreadableError):
        check_file(host, "/tmp/folder.ko")


@pytest.mark.parametrize(
    ("tail", "marked", "fault"),
    [
        (b"", False, ""),
        (b"x" * 40, False, ""),
        (sign(pkcs7()), True, ""),
        (sign(pkcs7())[:-3], False, ""),
        (sign(pkcs7()[:-40]), True, "not a complete PKCS#7"),
        (sign(pkcs7(), length=10**8), True, "more than the file"),
        (sign(pkcs7(), hashing=4), True, "must be 0 for PKCS#7"),
        (sign(pkcs7(), signer=b"me"), True, "must be 0 for PKCS#7"),
        (sign(b"\0" * 50), True, "not a complete PKCS#7"),
        (sign(b"old", id_type=1), True, ""),
    ],
)
def test_signature_at_the_end_of_the_file(
    host: LocalHost, tail: bytes, marked: bool, fault: str
) -> None:
    seal = read_file_facts(host, write(host, "/tmp/f.ko", fresh(tail=tail))).seal
    assert seal.marked is marked
    assert (fault in seal.fault) if fault else not seal.fault
    if marked and not fault and seal.supported:
        assert seal.content == len(fresh())


def test_only_a_magic_line_is_a_damaged_signature(host: LocalHost) -> None:
    path = write(host, "/tmp/f.ko", SIGNATURE_MAGIC)
    check = check_file(host, path)
    assert check.verdict is Verdict.REFUSED


# -- Module.symvers and the build configuration -------------------------------------


def test_module_symvers_of_older_and_newer_kernels() -> None:
    found = parse_symvers(
        b"0x0000000b\ta\tvmlinux\tEXPORT_SYMBOL\n"
        b"0x0000000c\tb\tdrivers/usb/storage/usb-storage\tEXPORT_SYMBOL_GPL\tUSB_STORAGE\n"
        b"0x00000000\tc\tvmlinux\tEXPORT_SYMBOL\t\n"
        b"nonsense\td\tvmlinux\tEXPORT_SYMBOL\nshort\n\n"
    )
    told = {
        name: (b.module, b.export.gpl_only, b.export.namespace, b.export.crc)
        for name, b in found.items()
    }
    assert told == {
        "a": ("", False, "", 11),
        "b": ("usb_storage", True, "USB_STORAGE", 12),
        "c": ("", False, "", None),
    }


def test_the_running_kernels_own_configuration_takes_precedence(host: LocalHost) -> None:
    assert parse_build_config(b'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x"\n') == {
        "A": "y",
        "C": "x",
    }
    write(host, "/proc/config.gz", gzip.compress(b"CONFIG_MINE=y\n"))
    assert read_build_config(host, RELEASE) == {"MINE": "y"}
    assert read_build_config(host, RELEASE, running=False) == {
        "MODULES": "y",
        "MODULE_SIG": "y",
    }
    assert read_build_config(host, "other") == {"MINE": "y"}
    assert read_build_config(host, "other", running=False) is None


# -- the verb -----------------------------------------------------------------------


def run(host: LocalHost, *arguments: str) -> int:
    return cli.run(["--root", str(host.root), "check", *arguments])


def test_the_exit_status_of_the_verb(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fresh.ko"
    file.write_bytes(fresh())
    assert run(host, str(file)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "It will load."
    file.write_bytes(fresh(machine=AARCH64))
    assert run(host, str(file)) == 1
    assert "The kernel would return ENOEXEC." in capsys.readouterr().out
    file.write_bytes(gzip.compress(fresh()))
    assert run(host, str(file)) == 2
    assert "Whether it will load is unknown: " in capsys.readouterr().out
    assert run(host, str(tmp_path / "gone.ko")) == 1
    assert "There is no file" in capsys.readouterr().err
    assert run(host, "nosuch.ko") == 1
    assert "There is no file" in capsys.readouterr().err


def test_the_signature_of_an_invalid_file_is_not_reported(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.ko"
    file.write_text("This is a text.\n")
    assert run(host, str(file)) == 1
    told = capsys.readouterr().out
    assert "is not a kernel module" in told
    assert "It is not signed" not in told


def test_the_verb_takes_a_name_and_prints_json(
    host: LocalHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(host, "giver", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["errno"], found["module"]) == ("refused", "EEXIST", "giver")
    assert found["imports"] == [
        {
            "name": "printk",
            "weak": False,
            "provider_kind": "kernel",
            "provider": None,
            "result": "note",
            "problem": None,
        }
    ]
    assert run(host, "givre") == 1
    assert "Did you mean giver?" in capsys.readouterr().err


def test_the_verb_shows_the_providers_of_imports(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fresh.ko"
    file.write_bytes(fresh("printk", "give", "lost", versions={"printk": 0x11, "give": 0x33}))
    assert run(host, str(file)) == 1
    words = " ".join(capsys.readouterr().out.split())
    assert "imports kernel 1 symbol giver 1 symbol unresolved 1 symbol" in words
    assert run(host, str(file), "--symbols") == 1
    words = " ".join(capsys.readouterr().out.split())
    assert "kernel 1 symbol printk giver 1 symbol give unresolved 1 symbol lost" in words


def test_a_different_release_is_shown_even_if_it_does_not_matter(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fresh.ko"
    file.write_bytes(fresh(vermagic=VERMAGIC.replace(RELEASE, "6.1.9-test")))
    assert run(host, str(file)) == 0
    out = capsys.readouterr().out
    assert "file    [6.1.9-test] SMP" in out
    assert f"kernel  [{RELEASE}] SMP" in out


def test_the_verb_marks_the_words_that_differ(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fresh.ko"
    file.write_bytes(fresh(vermagic=VERMAGIC.replace("SMP", "UP")))
    assert run(host, str(file)) == 1
    out = capsys.readouterr().out
    assert f"file    {RELEASE} [UP] mod_unload" in out
    assert f"kernel  {RELEASE} [SMP] mod_unload" in out
