"""`kmodtui linkage`: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kmodtui import cli
from kmodtui.kernel.host import LocalHost
from tests.support.tiny_system import RELEASE, write
from tests.unit.test_linkage import system


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return system(tmp_path)


def run(host: LocalHost, *arguments: str) -> int:
    return cli.run(["--root", str(host.root), "linkage", *arguments])


def test_everything_that_a_module_imports_and_exports(
    host: LocalHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(host, "taker") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "taker imports 7 symbols and exports 0.",
        "",
        "Imports",
        "core_gpl (kernel) EXPORT_SYMBOL_GPL",
        "give giver EXPORT_SYMBOL",
        "give_gpl giver EXPORT_SYMBOL_NS_GPL, namespace SPACE",
        "lost (unresolved)",
        "maybe (unresolved) weak",
        "printk (kernel) EXPORT_SYMBOL",
        "stray_gives stray EXPORT_SYMBOL_GPL",
    ]
    assert run(host, "giver") == 0
    assert "spare EXPORT_SYMBOL -" in " ".join(capsys.readouterr().out.split())


def test_what_is_between_two_whichever_is_named_first(
    host: LocalHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(host, "taker", "giver") == 0
    one = capsys.readouterr().out
    assert one.splitlines()[0] == "taker imports 2 symbols from giver."
    assert run(host, "giver", "taker") == 0
    assert capsys.readouterr().out == one
    assert run(host, "giver", "giver") == 0
    assert "import no symbols from each other" in capsys.readouterr().out


def test_json(host: LocalHost, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(host, "giver", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["module"], found["loaded"], found["imports"]) == ("giver", True, [])
    (export,) = [export for export in found["exports"] if export["name"] == "give_gpl"]
    assert (export["gpl_only"], export["namespace"]) == (True, "SPACE")
    assert export["importers"] == ["taker"]
    assert run(host, "taker", "--json") == 0
    kinds = {
        one["name"]: (one["provider_kind"], one["provider"])
        for one in json.loads(capsys.readouterr().out)["imports"]
    }
    assert kinds["give"] == ("module", "giver")
    assert kinds["printk"] == ("kernel", None)
    assert kinds["lost"] == ("unresolved", None)
    assert run(host, "taker", "giver", "--json") == 0
    there, back = json.loads(capsys.readouterr().out)["edges"]
    assert (there["importer"], there["provider"]) == ("taker", "giver")
    assert [symbol["name"] for symbol in there["imports"]] == ["give", "give_gpl"]
    assert back["imports"] == []


def test_what_cannot_be_told_is_said_and_counts_as_a_failure(
    host: LocalHost, capsys: pytest.CaptureFixture[str]
) -> None:
    os.unlink(host.locate(f"/lib/modules/{RELEASE}/kernel/taker.ko"))
    assert run(host, "taker") == 1
    assert "Its imports are unknown: There is no file" in capsys.readouterr().err
    assert run(host, "taker", "giver") == 1
    assert "There is no file" in capsys.readouterr().err


def test_a_name_that_is_none_and_one_that_is_built_in(
    host: LocalHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(host, "takre") == 1
    assert "Did you mean taker?" in capsys.readouterr().err
    write(host, f"/lib/modules/{RELEASE}/modules.builtin", "kernel/fs/proc.ko\n")
    assert run(host, "proc") == 1
    assert "built into the kernel" in capsys.readouterr().err
    os.unlink(host.locate(f"/lib/modules/{RELEASE}/modules.dep"))
    assert run(host, "nosuch") == 1
    assert "no module or alias nosuch" in capsys.readouterr().err
