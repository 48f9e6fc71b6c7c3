"""Plans and look-ups of aliases, against as many runs of modprobe."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.configured import configured
from kmodtui.kernel.index.release import read_index
from tests.bench.interleaved import Comparison, clocked, compare
from tests.bench.machine import RecordedMachine
from tests.kernel import image

ROUNDS = 3
"""At the most: 4,000 runs of modprobe take their time."""

ALIASES = 200
"""That are looked up in one measurement."""

# In a process of its own, from its start to its end.
PLAN_ALL = """
import sys
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.index.configured import configured
from kmodtui.kernel.host import LocalHost
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.load import plan_load
lookup = configured(read_index(LocalHost(sys.argv[1]), sys.argv[2]))
names = lookup.index.names
plans = [plan_load((name,), (), PlanFacts(ModuleTable(), lookup)) for name in names]
assert len(plans) > 4000 and all(plan.steps for plan in plans)
"""


def all_plans(_: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare the plans of all modules of a kernel with `modprobe --show-depends` of each."""
    tree = _package()
    if tree is None:
        return _MISSING
    root, release = tree
    names = read_index(LocalHost(root), release).names

    def theirs() -> None:
        for name in names:
            _modprobe(root, release, "--show-depends", name)

    return compare(
        f"plans of all {len(names):,} modules",
        clocked(lambda: _run([sys.executable, "-c", PLAN_ALL, str(root), release])),
        "modprobe --show-depends of each",
        clocked(theirs),
        limit=0.1,
        rounds=min(rounds, ROUNDS),
    )


def alias_lookup(_: RecordedMachine, rounds: int) -> Comparison | str:
    """Compare looking aliases up, in an index that is read, with `modprobe --resolve-alias`."""
    tree = _package()
    if tree is None:
        return _MISSING
    root, release = tree
    lookup = configured(read_index(LocalHost(root), release))
    lines = lookup.index.host.read(f"{lookup.index.folder}/modules.alias").decode().splitlines()
    patterns = [line.split()[1] for line in lines if line.startswith("alias ") and "[" not in line]
    texts = [text.replace("*", "0") for text in random.Random(42).sample(patterns, ALIASES)]

    def ours() -> None:
        if not all(map(lookup.find, texts)):
            raise AssertionError("an alias of the index stands for nothing")

    def theirs() -> None:
        for text in texts:
            _modprobe(root, release, "--resolve-alias", text)

    return compare(
        f"{ALIASES} aliases, in an index that is read",
        clocked(ours),
        "modprobe --resolve-alias of each",
        clocked(theirs),
        limit=1.0,
        rounds=rounds,
    )


_MISSING = "there is no Debian kernel package here; make kernel unpacks one"


def _package() -> tuple[Path, str] | None:
    """Return a tree with Debian's kernel package and its release, None where there is none."""
    for modules in sorted(image.cache_folder().glob("*/tree/lib/modules/*/modules.dep.bin")):
        return modules.parents[3], modules.parent.name
    return None


def _modprobe(root: Path, release: str, what: str, text: str) -> None:
    _run(["modprobe", "-d", str(root), "-S", release, "-C", "/dev/null", what, "--", text])


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
