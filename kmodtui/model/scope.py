"""What a root session may do."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What a root session may do; the helper is started with this word."""

    READ = "read"  # /proc/kallsyms and the kernel log
    CHANGE = "change"  # everything that the helper can do
