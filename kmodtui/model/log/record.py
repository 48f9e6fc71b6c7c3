"""A record of the kernel's log."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
"""Names of the log levels 0 to 7, as in `dmesg --level`."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    r"""One record of the kernel log; see `Documentation/ABI/testing/dev-kmsg`.

    Attributes:
        seq: its sequence number; the kernel counts every record since boot.
        usec: microseconds since boot.
        level: 0 (emergency) to 7 (debug), see `LEVELS`.
        text: as the kernel exports it, with bytes outside printable ASCII written `\\xNN`.
    """

    seq: int
    usec: int
    level: int
    text: str

    @property
    def stamp(self) -> str:
        """When it was logged, as dmesg writes it: `[   91.823344]`."""
        return f"[{self.usec // 1_000_000:5d}.{self.usec % 1_000_000:06d}]"

    @property
    def level_word(self) -> str:
        """The name of its level."""
        return LEVELS[self.level & 7]
