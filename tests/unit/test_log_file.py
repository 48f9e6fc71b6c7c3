"""Logged text cannot forge records or control a terminal."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmodtui.services.log_file import open_log

HOSTILE = "numdummies=2\n2026-01-01 00:00:00,000 INFO load: nothing\r\x1b]0;owned\x07 \u202e \udcff"


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    log = logging.getLogger("kmodtui")
    before = (list(log.handlers), log.level, log.propagate)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = open_log()
    assert path is not None
    yield path
    for handler in set(log.handlers) - set(before[0]):
        log.removeHandler(handler)
        handler.close()
    log.setLevel(before[1])
    log.propagate = before[2]


def lines_of(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    assert all(char.isprintable() or char == "\n" for char in text)
    return text.rstrip("\n").split("\n")


def test_typed_text_stays_in_its_record(log_file: Path) -> None:
    logging.getLogger("kmodtui").info("load: %s", HOSTILE)
    (line,) = lines_of(log_file)
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO load: numdummies=2\\n2026", line)


def test_a_traceback_is_readable_and_forges_no_record(log_file: Path) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("kmodtui").exception("kmodtui failed")
    record, *rest = lines_of(log_file)
    assert record.endswith(" ERROR kmodtui failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert "      raise ValueError(HOSTILE)" in "\n".join(rest)
    assert "    ValueError: numdummies=2" in rest
    assert all(line.startswith("    ") for line in rest)
