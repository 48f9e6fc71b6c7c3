"""`make bench`: how fast kmodtui is, in ratios that hold on any machine.

Each measurement is a ratio of two things timed in turns within this run. The
exit status says whether they could be measured, not how they came out: a busy
machine is no fault.

    python -m tests.bench [ROUNDS [MEASUREMENT...]]
"""

from __future__ import annotations

import compileall
import sys
import tempfile
from pathlib import Path

import kmodtui
from tests.bench.catalog import catalog_search, key_while_reading, warm_catalog
from tests.bench.interleaved import Amount, Comparison
from tests.bench.large_tables import large_tables
from tests.bench.machine import unpack_machine
from tests.bench.plans import alias_lookup, all_plans
from tests.bench.rebuilds import build_difference, rebuild_to_loaded
from tests.bench.recording import open_recording
from tests.bench.start import first_row, list_as_json
from tests.bench.symbols import symbols_after_a_load
from tests.bench.wire import Bytes, bytes_sent

MEASUREMENTS = (
    symbols_after_a_load,
    list_as_json,
    first_row,
    large_tables,
    all_plans,
    alias_lookup,
    warm_catalog,
    catalog_search,
    key_while_reading,
    build_difference,
    rebuild_to_loaded,
    bytes_sent,
    open_recording,
)


def main(rounds: int, wanted: list[str]) -> int:
    """Measure everything, or what is wanted, and print it; return the exit status."""
    status = 0
    # As it is installed: otherwise each run compiles again what was edited since.
    compileall.compile_dir(Path(kmodtui.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory(prefix="kmodtui-bench-") as folder:
        machine = unpack_machine(Path(folder))
        print(f"{'':<47} {'median':>8}   {'against':<47} {'median':>8}   ratio  limit")
        for measurement in MEASUREMENTS:
            if wanted and measurement.__name__ not in wanted:
                continue
            try:
                found = measurement(machine, rounds)
                for one in (found,) if isinstance(found, Comparison | str) else found:
                    print(_line(one), flush=True)
            except Exception as error:
                print(f"{measurement.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
                status = 1
    return status


def _line(found: Comparison | Amount | Bytes | str) -> str:
    if isinstance(found, str):
        return f"skipped: {found}"
    if isinstance(found, Amount):
        above = "" if found.holds else "  above the limit"
        return f"{found.what:<47} {found.megabytes:>5.0f} MB   {'':<57} {found.limit:>12.0f}{above}"
    if isinstance(found, Bytes):
        ratio = found.sent / max(found.painted, 1)
        return (
            f"{found.what:<47} {found.sent:>6} B   "
            f"{'all that was painted':<47} {found.painted:>6} B   {ratio:>5.2f}"
        )
    return (
        f"{found.what:<47} {1000 * found.seconds:>5.0f} ms   "
        f"{found.yardstick:<47} {1000 * found.yardstick_seconds:>5.0f} ms   "
        f"{found.ratio:>5.2f}  {found.limit:>5.2f}{'' if found.holds else '  above the limit'}"
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2:]))
