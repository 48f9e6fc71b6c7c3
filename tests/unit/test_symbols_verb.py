"""`kmodtui symbols NAME`, `--match` and `--address`: what is searched for, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodtui.cli import run

ROWS = """\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t copy
ffffffff81000200 T kfree
ffffffff81000240 D _end
ffffffffc0000000 t copy\t[xor]
ffffffffc0000040 T xor_blocks\t[xor]
ffffffffc0000080 t xor_sse_2\t[xor]
"""

Output = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/kallsyms").write_text(ROWS)
    return tmp_path


def hide_addresses(root: Path) -> None:
    hidden = "".join("0" * 16 + line[16:] + "\n" for line in ROWS.splitlines())
    (root / "proc/kallsyms").write_text(hidden)


def symbols(root: Path, *words: str) -> int:
    return run(["symbols", "--root", str(root), *words])


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["copy"], [2, 5]),
        (["copy", "--module", "xor"], [5]),
        (["cop"], []),
        (["--match", "xor_"], [6, 7]),
        (["--match", "re:^_"], [1, 4]),
        (["--match", "m:xor t:t"], [5, 7]),
        (["--match", "ffffffff"], []),
        (["--match", "nothing"], []),
    ],
)
def test_it_prints_the_kernels_own_lines_of_what_is_found(
    root: Path, capsys: Output, words: list[str], rows: list[int]
) -> None:
    status = symbols(root, *words)
    lines = ROWS.splitlines()
    assert capsys.readouterr().out.splitlines() == [lines[row] for row in rows]
    assert status == (0 if rows else 1)


def test_as_json(root: Path, capsys: Output) -> None:
    assert symbols(root, "xor_blocks", "--json") == 0
    xor_blocks = {"name": "xor_blocks", "type": "T", "module": "xor", "builtin": []}
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "symbols": [xor_blocks | {"address": "0xffffffffc0000040"}],
    }
    assert symbols(root, "nothing", "--json") == 1
    assert json.loads(capsys.readouterr().out)["symbols"] == []
    hide_addresses(root)
    assert symbols(root, "xor_blocks", "--json") == 0
    assert json.loads(capsys.readouterr().out)["symbols"] == [xor_blocks | {"address": None}]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ffffffff8100021f", "kfree+0x1f/0x40"),
        ("0xffffffffc0000041", "xor_blocks+0x1/0x40 [xor]"),
        ("kfree+0x1f/0x40", "kfree+0x1f/0x40"),
        ("copy+0x4/0x40", "copy+0x4/0x100  (Its size is 0x100 here and 0x40 in the oops:"),
        ("copy+0x4/0x40 [xor]", "copy+0x4/0x40 [xor]"),
    ],
)
def test_a_place_is_told_as_an_oops_tells_it(
    root: Path, capsys: Output, place: str, words: str
) -> None:
    assert symbols(root, "--address", place) == 0
    assert capsys.readouterr().out.startswith(words)


def test_a_place_as_json(root: Path, capsys: Output) -> None:
    assert symbols(root, "--address", "ffffffff8100021f", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["symbols"]
    assert (found["name"], found["module"]) == ("kfree", None)
    assert (found["offset"], found["size"], found["warning"]) == (0x1F, 0x40, None)


def test_where_addresses_are_hidden_the_setting_is_told(root: Path, capsys: Output) -> None:
    hide_addresses(root)
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sys/kernel/kptr_restrict").write_text("2\n")
    assert symbols(root, "--address", "ffffffff8100021f") == 1
    assert "from all users by kernel.kptr_restrict=2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--match", "re:("], "( is not a valid regular expression"),
        (["copy", "--counts"], "cannot be combined"),
        (["copy", "--match", "x"], "cannot be combined"),
    ],
)
def test_what_makes_no_sense_is_refused(
    root: Path, capsys: Output, words: list[str], complaint: str
) -> None:
    assert symbols(root, *words) == 2
    assert complaint in capsys.readouterr().err


def test_what_is_no_address_is_told(root: Path, capsys: Output) -> None:
    assert symbols(root, "--address", "kfree") == 1
    assert "kfree is not an address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["xor"], ["No symbol is named xor.", "kmodtui symbols --module xor"]),
        (["--match", "xor$"], ["No symbol matches xor$."]),
        (["cop"], ["No symbol is named cop.", "kmodtui symbols --match cop"]),
        (["kfree", "--module", "xor"], ["No symbol of xor is named kfree."]),
    ],
)
def test_where_nothing_is_found_it_says_so(
    root: Path, capsys: Output, words: list[str], told: list[str]
) -> None:
    assert symbols(root, *words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(sentence in captured.err for sentence in told)
