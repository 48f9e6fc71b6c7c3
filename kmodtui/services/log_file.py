"""The log file: changes to the kernel, and tracebacks, which are never shown on the screen."""

from __future__ import annotations

import logging
import threading
from copy import copy
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from kmodtui.model.text import clean

LOG_SIZE = 256 * 1024
"""Bytes of the log file before it is rotated; one older file is kept."""


def open_log() -> Path | None:
    """Write log records to the log file and return its path; None if it cannot be written."""
    log = logging.getLogger("kmodtui")
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        path = platformdirs.user_log_path("kmodtui", appauthor=False, ensure_exists=True)
        path = path / "kmodtui.log"
        if any(getattr(known, "baseFilename", "") == str(path) for known in log.handlers):
            return path
        handler = RotatingFileHandler(
            path, maxBytes=LOG_SIZE, backupCount=1, delay=True, encoding="utf-8"
        )
    except OSError:
        log.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(_OneLineEach("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    # What fails in a callback of the event loop, and in threads that nobody waits for.
    logging.getLogger("asyncio").addHandler(handler)
    threading.excepthook = _log_thread_failure
    return path


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        name = failure.thread.name if failure.thread else "a thread"
        logging.getLogger("kmodtui").error("failure in %s", name, exc_info=failure.exc_value)


class _OneLineEach(logging.Formatter):
    """Writes each record as one line without control characters.

    Text from the user and the kernel is logged, and must not be able to look like a record of
    its own. A traceback follows its record, indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        cleaned = copy(record)
        cleaned.msg, cleaned.args, cleaned.exc_text = clean(record.getMessage()), (), None
        first, *traceback = super().format(cleaned).split("\n")
        return "\n".join((first, *(f"    {clean(line)}" for line in traceback)))
