"""Output in encodings that do not have all characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmodtui.model.encoding import ESCAPED, REPLACED
from tests.support.layouts import captured, indexed


@pytest.mark.parametrize(
    ("text", "escaped", "replaced"),
    [
        ("└─ fat", "+- fat", "+- fat"),
        ("“a” … × −1", '"a" ~ \xd7 -1', '"a" ~ \xd7 -1'),
        ("é ж 漢", "\xe9 \\u0436 \\u6f22", "\xe9 ? ?"),
    ],
)
def test_what_latin_1_lacks_is_drawn_with_ascii(text: str, escaped: str, replaced: str) -> None:
    assert text.encode("latin-1", ESCAPED).decode("latin-1") == escaped
    assert text.encode("latin-1", REPLACED).decode("latin-1") == replaced


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "iso8859-2"])
def test_a_verb_prints_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    files = indexed("/lib/modules/6.1", "6.1", {"kernel/a.ko": ("kernel/b.ko",), "kernel/b.ko": ()})
    root = captured(tmp_path, "6.1", files)
    found = subprocess.run(
        [sys.executable, "-m", "kmodtui", "--root", root, "tree", "a"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert found.stderr == b""
    assert found.stdout.decode(encoding).splitlines()[1] == "+- b  (not loaded)"
