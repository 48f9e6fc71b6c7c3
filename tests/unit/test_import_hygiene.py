"""A verb answers as fast as the tools it stands beside: it imports only what it uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.simulated import make_simulated

# Of the dashboard; of what only the demo or only the root side needs.
NEVER = ("textual", "rich", "watchfiles", "platformdirs", "asyncio", "ssl", "logging", "subprocess")
SLOW = ("elftools", "tarfile", "kmodtui.privileged", "kmodtui.ui", "kmodtui.demo")
# Each takes a tenth of the time of `kmodtui list`, or more.
NOT_FOR_A_LIST = ("dataclasses", "inspect", "pathlib", "shutil")

_SCRIPT = """
import sys
from kmodtui.cli import run
status = run(sys.argv[1:])
sys.stderr.write("\\n".join(sys.modules))
sys.exit(status)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_simulated(tmp_path_factory.mktemp("system")).folder.root


def imported(*arguments: str) -> set[str]:
    """Names of all modules, and the packages that they are in, after a run."""
    found = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = found.stderr.splitlines()
    parts = [name.split(".") for name in names]
    return {".".join(part[: length + 1]) for part in parts for length in range(len(part))}


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize(
    "verb",
    [["list"], ["info", "btrfs"], ["tree", "btrfs"], ["symbols"], ["symbols", "--counts"]],
    ids=" ".join,
)
def test_a_verb_imports_nothing_of_the_dashboard(
    verb: list[str], form: list[str], root: Path
) -> None:
    assert not imported(*verb, *form, "--root", str(root)) & {*NEVER}


@pytest.mark.parametrize("verb", [["list", "--json"], ["symbols"]], ids=" ".join)
def test_what_reads_no_module_file_imports_no_reader_of_it(verb: list[str], root: Path) -> None:
    assert not imported(*verb, "--root", str(root)) & {*SLOW}


def test_the_list_for_programs_imports_only_what_is_cheap(root: Path) -> None:
    assert not imported("list", "--json", "--root", str(root)) & {*NOT_FOR_A_LIST}


def test_the_demo_needs_no_dashboard_either() -> None:
    assert not imported("list", "--demo") & {"textual", "rich", "watchfiles"}


def test_the_dashboard_is_imported_only_when_it_is_asked_for() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import sys, kmodtui.__main__; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not {"textual", "rich", "elftools", "asyncio"} & set(found.stdout.split())
