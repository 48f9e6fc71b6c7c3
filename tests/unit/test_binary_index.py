"""A system that keeps depmod's binary indexes alone, such as the initramfs of mkinitcpio."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.cli import run
from kmodtui.kernel.index.binary import MAGIC, binary_lines
from tests.support.layouts import captured, indexed

RELEASE = "6.9.1-arch1-1"
TOP = f"/lib/modules/{RELEASE}"
VALUES, CHILDREN, PREFIX = 0x40000000, 0x20000000, 0x80000000
DEP = {
    "top_fs": "kernel/top-fs.ko: kernel/base.ko",
    "base": "kernel/base.ko:",
}


def index(entries: dict[str, str]) -> bytes:
    """Return a binary index of keys that begin with different letters."""
    body = b""
    children = {}
    for priority, (key, value) in enumerate(entries.items()):
        children[ord(key[0])] = PREFIX | VALUES | (12 + len(body))
        body += key[1:].encode() + b"\0" + struct.pack(">II", 1, priority) + value.encode() + b"\0"
    first, last = min(children, default=1), max(children, default=0)
    root = CHILDREN | (12 + len(body))
    rows = b"".join(struct.pack(">I", children.get(letter, 0)) for letter in range(first, last + 1))
    return struct.pack(">III", MAGIC, 0x00020001, root) + body + bytes([first, last]) + rows


@pytest.fixture
def root(tmp_path: Path) -> str:
    both = indexed(TOP, RELEASE, {"kernel/top-fs.ko": ["kernel/base.ko"], "kernel/base.ko": ()})
    files = {path: content for path, content in both.items() if "/modules." not in path}
    files |= {
        f"{TOP}/modules.dep.bin": index(DEP),
        f"{TOP}/modules.alias.bin": index({"fs-top": "top_fs"}),
        f"{TOP}/modules.symbols.bin": index({"symbol:base_fn": "base"}),
        f"{TOP}/modules.builtin.bin": index({"loop": ""}),
        f"{TOP}/modules.softdep": "",
    }
    return captured(tmp_path, RELEASE, files, ["other 4096 0 -"])


def test_dependencies_aliases_and_built_in_names_are_read(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--root", root, "plan", "load", "fs-top"]) == 0
    text = capsys.readouterr().out
    assert "base    needed by top_fs" in text
    assert "depmod" not in text
    assert run(["--root", root, "plan", "load", "loop"]) == 0
    assert "built into the kernel" in capsys.readouterr().out
    assert run(["--root", root, "info", "symbol:base_fn"]) == 0
    assert "kernel/base.ko" in capsys.readouterr().out


def test_a_damaged_index_is_called_that(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(root) / f"{TOP}/modules.dep.bin"[1:]).write_bytes(index(DEP)[:20])
    assert run(["--root", root, "plan", "load", "base"]) == 1
    assert "modules.dep.bin is damaged" in capsys.readouterr().err


@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_lines_or_malformed(noise: bytes, position: int) -> None:
    data = bytearray(index(DEP))
    data[position : position + len(noise)] = noise
    try:
        lines = binary_lines(bytes(data), "modules.dep")
    except ValueError:
        return
    assert len(lines) <= len(data)
