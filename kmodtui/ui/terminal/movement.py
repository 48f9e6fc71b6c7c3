"""The shortest sequences that move the cursor."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """Where the cursor is; column None if that depends on the terminal."""

    row: int
    column: int | None


def movement(start: Position | None, end: Position) -> str:
    """Return the shortest sequence that moves the cursor; None if its position is unknown."""
    row, column = end
    assert column is not None
    if start == end:
        return ""
    ways = [_absolute(row, column)]
    if start is not None:
        down = row - start.row
        # VT is a line feed that no terminal driver turns into a new line.
        vertical = "\v" * down if 0 < down < 4 else _relative(down, "B", "A")
        ways.append(f"\r{vertical}{_relative(column, 'C', 'D')}")
        if start.column is not None:
            steps = column - start.column
            ways.append(f"{vertical}{_relative(steps, 'C', 'D')}")
            if -4 < steps < 0:
                ways.append(vertical + "\b" * -steps)
    return min(ways, key=len)


def _absolute(row: int, column: int) -> str:
    if column:
        return f"\x1b[{row + 1};{column + 1}H"
    return f"\x1b[{row + 1}H" if row else "\x1b[H"


def _relative(steps: int, forward: str, backward: str) -> str:
    if not steps:
        return ""
    direction = forward if steps > 0 else backward
    return f"\x1b[{direction}" if abs(steps) == 1 else f"\x1b[{abs(steps)}{direction}"
