"""The log file: what was done to the kernel, and the tracebacks that no screen shows."""

from __future__ import annotations

import logging
from copy import copy
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from kmodtui.model.text import clean

LOG_SIZE = 256 * 1024
"""Bytes of the log file before it is turned over; one older one is kept."""


def open_log() -> Path | None:
    """Send what the log gets to its file; None where no file can be written."""
    log = logging.getLogger("kmodtui")
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        path = platformdirs.user_log_path("kmodtui", appauthor=False, ensure_exists=True)
        path = path / "kmodtui.log"
        handler = RotatingFileHandler(
            path, maxBytes=LOG_SIZE, backupCount=1, delay=True, encoding="utf-8"
        )
    except OSError:
        log.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(_OneLineEach("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    return path


class _OneLineEach(logging.Formatter):
    """Each record on a line of its own, and nothing in it that a terminal obeys.

    What was typed and what the kernel says goes into the log, and must not
    look like a record itself. A traceback follows its record, indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        told = copy(record)
        told.msg, told.args, told.exc_text = clean(record.getMessage()), (), None
        first, *traceback = super().format(told).split("\n")
        return "\n".join((first, *(f"    {clean(line)}" for line in traceback)))
