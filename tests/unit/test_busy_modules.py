"""Plans with modules that are between loaded and not loaded, and flags of distributions."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.model.modules import taint_flags, taint_words
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.services.planning.plans import read_plan
from tests.support.layouts import captured, indexed

RELEASE = "6.1.0-a"
PATCH = "/sys/kernel/livepatch/fix"


def plan(folder: Path, verb: Verb, name: str, rows: str, **files: str) -> Plan:
    index = indexed(
        f"/lib/modules/{RELEASE}",
        RELEASE,
        {"kernel/top.ko": ["kernel/slow.ko"], "kernel/slow.ko": ["kernel/base.ko"],
         "kernel/base.ko": (), "extra/fix.ko": ()},
    )  # fmt: skip
    root = captured(folder, RELEASE, {**index, "/proc/modules": rows, **files})
    return read_plan(LocalHost(root), RELEASE, verb, [name])


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ("slow 4096 1 - Loading 0x0 (O+)", "slow is loading"),
        ("slow 4096 -1 - Unloading 0x0 (O-)", "slow is unloading"),
    ],
)
def test_a_dependency_that_hangs_is_named_in_plans(tmp_path: Path, row: str, state: str) -> None:
    rows = f"{row}\nbase 4096 1 slow, Live 0x0\n"
    load = plan(tmp_path / "load", Verb.LOAD, "top", rows)
    assert any(state in warning and "reboot" in warning for warning in load.warnings)
    unload = plan(tmp_path / "unload", Verb.UNLOAD, "base", rows)
    assert f"But {state}." in unload.remedy


@pytest.mark.parametrize(
    ("enabled", "transition", "words"),
    [
        ("1", "1", "live patch fix, in transition"),
        ("0", "1", "live patch fix, being disabled, in transition"),
        ("1", "0", "live patch fix, enabled"),
    ],
)
def test_a_live_patch_holds_itself_until_its_transition_ends(
    tmp_path: Path, enabled: str, transition: str, words: str
) -> None:
    files = {f"{PATCH}/enabled": enabled, f"{PATCH}/transition": transition}
    found = plan(tmp_path, Verb.UNLOAD, "fix", "fix 4096 1 - Live 0x0 (OEK)\n", **files)
    assert words in found.refused
    assert "/proc/PID/patch_state" in found.remedy


@pytest.mark.parametrize(
    ("bits", "flags", "words"),
    [
        (1 << 28 | 1 << 12, "OH", "hardware not supported by Red Hat"),
        (1 << 29, "t", "technology preview of Red Hat"),
        (1 << 31, "N", "not supported by SUSE"),
        (1 << 25, "?", "unknown taint"),
    ],
)
def test_flags_of_distributions_have_a_meaning(bits: int, flags: str, words: str) -> None:
    assert taint_flags(bits) == flags
    assert words in taint_words(flags)[-1]
