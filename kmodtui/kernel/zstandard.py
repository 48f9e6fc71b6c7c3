"""Python's support for Zstandard: in the standard library from 3.14 on, a backport before."""

from __future__ import annotations

import sys
from typing import Any

from kmodtui.errors import UnreadableError


def zstandard() -> Any:
    """Return the module that compresses with Zstandard.

    Raises:
        UnreadableError: this Python has none.
    """
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise UnreadableError(
            "This Python does not support Zstandard.",
            "Install the Python package backports.zstd for kmodtui.",
        ) from None
    return zstd
