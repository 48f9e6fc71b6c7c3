"""`make bench`: how fast kmodtui is, in ratios that hold on any machine.

Each measurement is a ratio of two things timed in turns within this run. The
exit status says whether they could be measured, not how they came out: a busy
machine is no fault.

    python -m tests.bench [ROUNDS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.interleaved import Comparison
from tests.bench.machine import unpack_machine
from tests.bench.plans import alias_lookup, all_plans
from tests.bench.start import first_row, list_as_json
from tests.bench.symbols import symbols_after_a_load

MEASUREMENTS = (symbols_after_a_load, list_as_json, first_row, all_plans, alias_lookup)


def main(rounds: int) -> int:
    """Measure everything and print it; return the exit status."""
    status = 0
    with tempfile.TemporaryDirectory(prefix="kmodtui-bench-") as folder:
        machine = unpack_machine(Path(folder))
        print(f"{'':<47} {'median':>8}   {'against':<47} {'median':>8}   ratio  limit")
        for measurement in MEASUREMENTS:
            try:
                found = measurement(machine, rounds)
            except Exception as error:
                print(f"{measurement.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
                status = 1
            else:
                print(_line(found) if isinstance(found, Comparison) else f"skipped: {found}")
    return status


def _line(found: Comparison) -> str:
    return (
        f"{found.what:<47} {1000 * found.seconds:>5.0f} ms   "
        f"{found.yardstick:<47} {1000 * found.yardstick_seconds:>5.0f} ms   "
        f"{found.ratio:>5.2f}  {found.limit:>5.2f}{'' if found.holds else '  above the limit'}"
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
