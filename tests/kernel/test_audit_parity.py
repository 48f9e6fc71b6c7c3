"""The states of an audit against modprobe, for the rules of the captured systems.

udf, with its dependency, is that of Debian's kernel package; the rules are those of the unit test.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kmodtui.kernel.modprobe.config import FOLDERS
from kmodtui.model.audit.state import State
from kmodtui.services.audit import audit
from tests.kernel.image import Image, kmod
from tests.kernel.test_plan_parity import TreeOnThisMachine
from tests.kernel.trees import add_modules
from tests.support.captured import Captured
from tests.unit.test_audit import SYSTEMS, policy

BY_RULES = {
    name: tree
    for name, (tree, _, _) in SYSTEMS.items()
    if tree == Captured(tree.files)
    and tree.files
    and all(path.startswith(FOLDERS) and "/b/" not in path for path in tree.files)
    and not any(text.startswith("-> ") or text == "a pipe" for text in tree.files.values())
}
"""Those in which nothing but files of modprobe.d is special."""


@pytest.fixture(scope="module")
def tree(debian: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    add_modules(tree, debian)
    return tree


def inserts(tree: Path, release: str, text: str) -> bool:
    """Return whether modprobe would insert udf for this name or alias."""
    folders = [f"--config={tree}{folder}" for folder in FOLDERS]
    shown = subprocess.run(
        [*kmod("modprobe"), "--show-depends", "-d", str(tree), "-S", release, *folders, "--", text],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (line.split() for line in shown.stdout.split("\n"))
    return any(line[:1] == ["insmod"] and line[1].endswith("/udf.ko") for line in lines)


@pytest.mark.parametrize("name", BY_RULES)
def test_the_state_is_what_modprobe_does(debian: Image, tree: Path, name: str) -> None:
    written = []
    for folder in FOLDERS:
        (tree / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for path, text in BY_RULES[name].files.items():
        file = tree / path.lstrip("/")
        file.write_text(text)
        written.append(file)
    try:
        host = TreeOnThisMachine(tree)
        (finding,) = audit(host, policy("udf"), debian.release).findings
        loads = [inserts(tree, debian.release, text) for text in ("udf", "fs-udf")]
    finally:
        for file in written:
            file.unlink()
    if finding.actual == State.DENYLISTED:
        assert loads == [True, False]
    elif finding.actual == State.AVAILABLE:
        # A rule that only logs is printed as `install`.
        assert any(loads) or "logs" in finding.detail
    elif "is blocked" not in finding.detail:  # of a dependency, modprobe only prints the rule
        assert loads == [False, False]
