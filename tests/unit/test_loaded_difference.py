"""The loaded module is not the one on disk, and what a reload would lose."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from kmodtui import cli
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.loaded_difference import loaded_difference
from kmodtui.model.parameters import FormParameter, kept_values, without_null
from kmodtui.model.plan.verb import Verb
from kmodtui.services.planning.plans import read_plan
from tests.support.elf import make_module
from tests.support.tiny_system import RELEASE, STRUCT, modinfo, tiny_system, write

PARAMETERS = (
    b"srcversion=AAAA",
    b"parm=model:Codec (default: auto)",
    b"parmtype=model:array of charp",
    b"parmtype=count:int",
    b"parm=count:How many (default: 4)",
    b"parmtype=label:charp",
)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    data = make_module(modinfo("snd", *PARAMETERS), build_id=bytes(range(20)), extra=STRUCT)
    host = tiny_system(tmp_path, {"snd": data}, loaded={"snd": ()})
    for name in ("alias", "softdep", "builtin"):
        write(host, f"/lib/modules/{RELEASE}/modules.{name}", "")
    return host


def note(build_id: bytes) -> bytes:
    return struct.pack("<III", 4, len(build_id), 3) + b"GNU\0" + build_id


@pytest.mark.parametrize(
    ("srcversion", "build_id", "told"),
    [
        ("AAAA", None, ""),
        ("BBBB", None, "built from other sources (srcversion BBBB, file AAAA)"),
        ("", bytes(range(20)), ""),
        ("AAAA", bytes(20), "another build (build ID 000000000000…, file 000102030405…)"),
        ("", bytes(20), "another build"),
        ("", None, ""),  # nothing to compare
    ],
)
def test_a_file_that_is_not_the_loaded_module_is_reported(
    host: LocalHost, capsys: pytest.CaptureFixture[str], srcversion: str, build_id: bytes | None,
    told: str,
) -> None:  # fmt: skip
    if srcversion:
        write(host, "/sys/module/snd/srcversion", f"{srcversion}\n")
    if build_id is not None:
        write(host, "/sys/module/snd/notes/.note.gnu.build-id", note(build_id))
    found = loaded_difference(host, read_index(host, RELEASE), "snd")
    assert (told in found) if told else not found
    for verb in (Verb.LOAD, Verb.RELOAD):
        warnings = read_plan(host, RELEASE, verb, ["snd"]).warnings
        assert any("The loaded snd is not the one in" in each for each in warnings) is bool(told)
    assert cli.run(["info", "snd", "--root", str(host.root)]) == 0
    assert ("The loaded snd is not the one in" in capsys.readouterr().err) is bool(told)


def test_a_module_that_is_not_loaded_is_not_compared(host: LocalHost) -> None:
    write(host, "/sys/module/snd/srcversion", "BBBB\n")
    write(host, "/sys/module/snd/initstate", "")
    assert not loaded_difference(host, read_index(host, RELEASE), "snd")


def test_a_module_that_hangs_in_its_exit_can_be_neither_loaded_nor_unloaded(
    host: LocalHost,
) -> None:
    write(host, "/proc/modules", "snd 4096 -1 - Unloading 0x0 (OE-)\n")
    for verb in (Verb.LOAD, Verb.UNLOAD):
        plan = read_plan(host, RELEASE, verb, ["snd"])
        assert plan.refused == "snd is unloading."
        assert "its exit function hangs" in plan.remedy
        assert "before a reboot" in plan.remedy


@pytest.mark.parametrize(
    ("kind", "shown", "given"),
    [
        ("array of charp", "imac27,(null),(null)", "imac27"),
        ("array of charp", "Cam A,Cam B,(null)", "Cam A,Cam B"),
        ("array of charp", "(null),(null)", ""),
        ("array of charp", "a,(null),b", None),
        ("charp", "(null)", ""),
        ("charp", "text", "text"),
        ("array of int", "-1,-1", "-1,-1"),
    ],
)
def test_unset_strings_are_not_given_again(kind: str, shown: str, given: str | None) -> None:
    assert without_null(kind, shown) == given
    kept = kept_values([FormParameter("p", kind, value=shown)])
    assert kept == ({"p": given} if given else {})


def test_a_reload_lists_the_values_that_it_loses(host: LocalHost) -> None:
    for name, value in (("model", "imac27,(null)"), ("count", "7"), ("label", "(null)")):
        write(host, f"/sys/module/snd/parameters/{name}", f"{value}\n")
    (told,) = (w for w in read_plan(host, RELEASE, Verb.RELOAD, ["snd"]).warnings if "lost" in w)
    assert told.endswith("To keep them, reload with count=7 model=imac27")
    plan = read_plan(host, RELEASE, Verb.RELOAD, ["snd"], ["count=7", "model=imac27"])
    assert not [warning for warning in plan.warnings if "are lost" in warning]


def test_a_reload_that_sets_them_from_modprobe_d_loses_nothing(host: LocalHost) -> None:
    write(host, "/etc/modprobe.d/a.conf", "options snd count=7\n")
    write(host, "/sys/module/snd/parameters/count", "7\n")
    assert not [w for w in read_plan(host, RELEASE, Verb.RELOAD, ["snd"]).warnings if "lost" in w]
    write(host, "/sys/module/snd/parameters/model", "a,(null),b\n")
    told = read_plan(host, RELEASE, Verb.RELOAD, ["snd"]).warnings
    assert any("model of snd cannot be kept: unset values between others." in w for w in told)


def test_versions_are_compared_where_nothing_else_can_be(tmp_path: Path) -> None:
    data = make_module(modinfo("net", b"version=1.2"), extra=STRUCT)
    host = tiny_system(tmp_path, {"net": data}, loaded={"net": ()})
    write(host, "/sys/module/net/version", "9.9\n")
    assert "another version (9.9, file 1.2)" in difference_of(host, "net")
    write(host, "/sys/module/net/version", "1.2\n")
    assert difference_of(host, "net") == ""


def difference_of(host: LocalHost, name: str) -> str:
    return loaded_difference(host, read_index(host, RELEASE), name)


def test_a_value_with_quotation_marks_is_reported_as_lost(host: LocalHost) -> None:
    write(host, "/sys/module/snd/parameters/label", 'a "b" c\n')
    plan = read_plan(host, RELEASE, Verb.RELOAD, ["snd"])
    assert any("label of snd cannot be kept" in warning for warning in plan.warnings)
