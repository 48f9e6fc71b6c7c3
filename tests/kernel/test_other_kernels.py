"""Debian's newest kernels of other suites and architectures, against kmod's tools.

Each is downloaded; its version is printed. `make test-full` alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.configured import ConfiguredIndex, configured
from kmodtui.kernel.index.release import read_index
from kmodtui.model.check.check import Verdict
from kmodtui.model.module_info import modinfo_lines
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import Action
from kmodtui.model.probe_list import show_depends
from kmodtui.services.check import check_file
from kmodtui.services.linkage import Linkage
from tests.kernel.host_commands import CannotRunError
from tests.kernel.image import kmod
from tests.kernel.kernel_packages import KernelPackage, UnpackedKernel, unpacked
from tests.kernel.test_parity import sample
from tests.kernel.test_plan_parity import TreeOnThisMachine
from tests.support.reporting import print_line

pytestmark = pytest.mark.full

KERNELS = (
    KernelPackage("sid", "amd64", "linux-image-amd64"),
    KernelPackage("sid", "arm64", "linux-image-arm64"),
    KernelPackage("sid", "armhf", "linux-image-armmp"),
    KernelPackage("sid", "ppc64el", "linux-image-powerpc64le"),
    KernelPackage("sid", "riscv64", "linux-image-riscv64"),
    KernelPackage("bullseye", "amd64", "linux-image-amd64"),
)
AT_A_TIME = 500
CHECKED, LINKED = 250, 400
"""How many modules of each kernel are checked, and how many are compared by their exports."""


@pytest.fixture(scope="module", params=KERNELS, ids=str)
def kernel(request: pytest.FixtureRequest) -> UnpackedKernel:
    try:
        found = unpacked(request.param)
    except CannotRunError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    doubt = "" if found.newest else "; the mirror cannot be reached: kept from an earlier run"
    line = f"{request.param}: kernel {found.release} ({found.version}{doubt})"
    print_line(request.config, line)
    return found


@pytest.fixture(scope="module")
def lookup(kernel: UnpackedKernel) -> ConfiguredIndex:
    found = configured(read_index(TreeOnThisMachine(kernel.tree), kernel.release))
    assert len(found.index.names) > 1000
    return found


def printed(kernel: UnpackedKernel, tool: str, *words: str) -> bytes:
    return subprocess.run([*kmod(tool), *words], capture_output=True, check=False).stdout


def batches(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + AT_A_TIME] for start in range(0, len(names), AT_A_TIME)]


def test_info_is_what_modinfo_prints(kernel: UnpackedKernel, lookup: ConfiguredIndex) -> None:
    tree, index = str(kernel.tree), lookup.index
    for names in batches([*index.names, *index.builtin_names]):
        ours = [
            line
            for name in names
            for found in index.resolve(name)
            for line in modinfo_lines(index.read_info(found), tree)
        ]
        theirs = printed(kernel, "modinfo", "-b", tree, "-k", kernel.release, *names)
        assert b"\n".join(ours) + b"\n" == theirs


def test_the_plan_of_a_load_is_what_modprobe_would_do(
    kernel: UnpackedKernel, lookup: ConfiguredIndex
) -> None:
    tree = str(kernel.tree)
    options = ["-d", tree, "-S", kernel.release, "-C", "/dev/null", "--show-depends", "-a", "--"]
    for names in batches(lookup.index.names):
        theirs = printed(kernel, "modprobe", *options, *names).decode().replace(tree, "")
        ours = [line for name in names for line in show_depends(name, (), lookup)]
        assert ours == theirs.splitlines()
    for name in sample(lookup.index.names, 300):
        plan = plan_load((name,), (), PlanFacts(ModuleTable(), lookup))
        assert not plan.refused
        steps = [step.path for step in plan.steps if step.action is Action.INSMOD]
        lines = [line.split() for line in show_depends(name, (), lookup)]
        assert steps == list(dict.fromkeys(path for what, path in lines if what == "insmod"))


def test_exports_are_those_that_depmod_found(
    kernel: UnpackedKernel, lookup: ConfiguredIndex
) -> None:
    index = lookup.index
    expected: dict[str, set[str]] = {}
    for line in index.host.read(f"{index.folder}/modules.symbols").decode().splitlines():
        if line.startswith("alias symbol:"):
            symbol, name = line.removeprefix("alias symbol:").rsplit(" ", 1)
            expected.setdefault(name, set()).add(symbol)
    assert len(expected) > 200
    linkage = Linkage(index.host, index, running=False)
    for name in sample(sorted(expected), LINKED):
        found = linkage.of(name)
        # depmod also takes the names of namespaces, which are in the same section, for symbols.
        exports = [given.export for given in found.exports]
        spaces = {export.namespace for export in exports}
        assert {export.name for export in exports} == expected[name] - spaces, name
        assert set(found.providers) <= set(index.dependencies(name)), name


def test_no_stock_module_is_said_to_be_refused(
    kernel: UnpackedKernel, lookup: ConfiguredIndex
) -> None:
    index = lookup.index
    linkage = Linkage(index.host, index, running=True)
    for name in sample(index.names, CHECKED):
        path = index.path_of(name)
        assert path
        found = check_file(LocalHost(kernel.tree), path, known=linkage)
        assert found.verdict is not Verdict.REFUSED, (name, found.findings)


def test_a_mirror_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError) as failed:
        unpacked(KERNELS[0], "http://127.0.0.1:9/debian")
    assert "kernel packages of sid-amd64 cannot be fetched: " in str(failed.value)
    assert "127.0.0.1" in str(failed.value)
    assert "\n" not in str(failed.value)
