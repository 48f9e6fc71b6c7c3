"""Plans on indexes that are damaged, missing, out of date or far too large."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from kmodtui.errors import PlanError, UnknownModuleError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.configured import ConfiguredIndex, configured
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.proc_modules import parse_modules, read_modules
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.plan.unload import plan_unload
from kmodtui.model.plan.verb import Verb
from kmodtui.model.probe_list import show_depends
from kmodtui.services.planning.plans import read_plan
from tests.support.simulated import make_simulated
from tests.support.small_recording import RELEASE, Part

FOLDER = f"/lib/modules/{RELEASE}"


class Tree:
    """A release's folder below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER.removeprefix("/")
        self.folder.mkdir(parents=True)
        (root / "proc/sys/kernel").mkdir(parents=True)
        (root / "proc/sys/kernel/osrelease").write_text(f"{RELEASE}\n")
        (root / "proc/modules").write_text("")
        for name in ("modules.alias", "modules.symbols", "modules.softdep", "modules.builtin"):
            (self.folder / name).write_text("")

    def modules(self, needs: Mapping[str, str], *, without: str = "") -> None:
        """Write modules.dep and the files, except that of `without`."""
        lines = []
        for name, needed in needs.items():
            lines.append(
                f"{name}.ko: {' '.join(f'{other}.ko' for other in needed.split())}".rstrip()
            )
            if name != without:
                (self.folder / f"{name}.ko").write_bytes(b"\x7fELF")
        (self.folder / "modules.dep").write_text("".join(f"{line}\n" for line in lines))

    def lookup(self) -> ConfiguredIndex:
        return configured(read_index(LocalHost(self.root), RELEASE))

    def plan(self, name: str) -> Plan:
        """With what is to be said of the index."""
        return read_plan(LocalHost(self.root), RELEASE, Verb.LOAD, (name,))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def told(plan: Plan) -> list[str]:
    return [f"{step.action} {step.module}" for step in plan.steps]


# Circles


def test_modules_that_need_each_other_are_told_with_depmod(tree: Tree) -> None:
    tree.modules({"a": "b", "b": "a", "c": "c", "d": "a b"})
    plan = tree.plan("a")
    assert told(plan) == ["insmod b", "insmod a"]
    assert plan.warnings == (
        "modules.dep is wrong: it says that a and b depend on each other. "
        f"Run depmod {RELEASE} as root.",
    )
    assert "that c depends on itself." in tree.plan("c").warnings[0]
    assert "b and a depend on each other." in tree.plan("d").warnings[0]


def test_softdeps_of_each_other_come_to_an_end(tree: Tree) -> None:
    tree.modules({"a": "", "b": "", "c": ""})
    (tree.folder / "modules.softdep").write_text(
        "softdep a pre: b\nsoftdep b post: c\nsoftdep c pre: a b c post: a\n"
    )
    assert told(tree.plan("a")) == ["insmod b", "insmod c", "insmod a"]


def test_softdeps_that_keep_modprobe_from_ending_are_told(tmp_path: Path) -> None:
    parts = {
        "a": Part("a.ko", 4096, softdep="post: b"),
        "b": Part("b.ko", 4096, softdep="post: a"),
    }
    kernel = make_simulated(tmp_path, parts=parts)
    kernel.load("a")
    lookup = configured(read_index(kernel.host, kernel.release))
    table = read_modules(kernel.host)
    with pytest.raises(PlanError, match=r"the softdeps of . form a loop") as caught:
        plan_unload(("a",), PlanFacts(table, lookup))
    assert "modprobe.d" in caught.value.hint


def test_softdeps_without_an_end_are_an_error_and_no_crash(tree: Tree) -> None:
    tree.modules({f"m{number}": "" for number in range(1000)})
    lines = (f"softdep m{number} pre: m{number + 1}\n" for number in range(999))
    (tree.folder / "modules.softdep").write_text("".join(lines))
    with pytest.raises(PlanError, match="more than 150 deep"):
        tree.plan("m0")
    assert len(tree.plan("m900").steps) == 100


# Missing files


def test_a_dependency_without_a_file_is_a_refusal(tree: Tree) -> None:
    tree.modules({"a": "b c", "b": "c", "c": ""}, without="c")
    plan = tree.plan("a")
    assert plan.refused == f"c, a dependency of a, has no file: {FOLDER}/c.ko does not exist."
    assert f"depmod {RELEASE}" in plan.remedy
    assert "skip c" in told(plan)
    assert plan.commands == ()
    # modprobe then knows of no dependency at all.
    assert show_depends("a", (), tree.lookup()) == [f"insmod {FOLDER}/a.ko "]


def test_a_dependency_that_the_index_does_not_name_is_a_refusal(tree: Tree) -> None:
    tree.modules({"a": "gone"})
    assert tree.plan("a").refused == "gone, a dependency of a, has no file and is not in the index."


def test_a_module_whose_own_file_is_gone_is_a_refusal(tree: Tree) -> None:
    tree.modules({"a": ""}, without="a")
    plan = tree.plan("a")
    assert plan.refused == f"a has no file: {FOLDER}/a.ko does not exist."
    assert f"depmod {RELEASE}" in plan.remedy


def test_a_softdep_whose_dependency_is_gone_is_skipped(tree: Tree) -> None:
    tree.modules({"a": "", "b": "c", "c": ""}, without="c")
    (tree.folder / "modules.softdep").write_text("softdep a pre: b\n")
    plan = tree.plan("a")
    assert told(plan) == ["skip b", "insmod a"]
    assert plan.steps[0].reason == "pre softdep of a; its dependency c has no file"
    assert not plan.refused


def test_a_dependency_with_a_file_is_loaded_also_where_it_is_called_built_in(tree: Tree) -> None:
    """As a newer one in updates/ is. Asked for by its name it is a part of the kernel, for kmod."""
    tree.modules({"a": "b", "b": ""})
    (tree.folder / "modules.builtin").write_text("kernel/b.ko\n")
    assert told(tree.plan("a")) == ["insmod b", "insmod a"]
    assert told(tree.plan("b")) == ["builtin b"]


def test_an_unload_takes_no_dependency_along_where_one_has_no_file(tree: Tree) -> None:
    tree.modules({"a": "b c", "b": "", "c": ""})
    table = parse_modules(b"a 1 0 - Live 0x0\nb 1 1 a, Live 0x0\nc 1 1 a, Live 0x0\n")
    assert told(plan_unload(("a",), PlanFacts(table, tree.lookup()))) == [
        "rmmod a",
        "rmmod c",
        "rmmod b",
    ]
    (tree.folder / "b.ko").unlink()
    assert told(plan_unload(("a",), PlanFacts(table, tree.lookup()))) == ["rmmod a"]


@pytest.mark.parametrize("name", ["modules.alias", "modules.symbols", "modules.softdep"])
def test_an_index_that_is_missing_is_told_with_depmod(tree: Tree, name: str) -> None:
    tree.modules({"a": ""})
    assert tree.plan("a").warnings == ()
    (tree.folder / name).unlink()
    (warning,) = tree.plan("a").warnings
    assert warning.startswith(f"{FOLDER}/{name}: It is missing")
    assert warning.endswith(f"Run depmod {RELEASE} as root.")
    with pytest.raises(UnknownModuleError) as caught:
        tree.plan("zzz")
    assert f"{name}: It is missing" in caught.value.hint


def test_what_depmod_does_not_write_is_the_packages(tree: Tree) -> None:
    tree.modules({"a": ""})
    (tree.folder / "modules.builtin").unlink()
    (warning,) = tree.plan("a").warnings
    assert warning.endswith("Reinstall the kernel package.")


def test_without_files_a_name_that_is_not_found_says_so(tree: Tree) -> None:
    with pytest.raises(UnknownModuleError, match="neither modules") as caught:
        tree.plan("a")
    assert caught.value.hint == "Reinstall the kernel package."


# Out of date


def at(path: Path, time: float) -> None:
    os.utime(path, (time, time))


def test_binary_indexes_are_looked_after(tree: Tree) -> None:
    """modprobe reads them and nothing else."""
    tree.modules({"a": ""})
    for name in ("modules.dep", "modules.alias", "modules.symbols", "modules.builtin"):
        (tree.folder / f"{name}.bin").write_bytes(b"")
    assert tree.plan("a").warnings == ()
    at(tree.folder / "modules.dep.bin", 1000)
    (tree.folder / "modules.alias.bin").unlink()
    assert tree.plan("a").warnings == (
        f"{FOLDER}/modules.dep.bin: It is older than modules.dep, so modprobe uses outdated data. "
        f"Run depmod {RELEASE} as root.",
        f"{FOLDER}/modules.alias.bin: It is missing, but modprobe needs it. "
        f"Run depmod {RELEASE} as root.",
    )


def test_an_index_older_than_the_modules_is_told_with_depmod(tree: Tree) -> None:
    tree.modules({"a": "b", "b": "", "c": ""})
    for file in (*tree.folder.iterdir(), tree.folder):
        at(file, 1_000_000)
    assert tree.plan("a").warnings == ()
    at(tree.folder / "b.ko", 2_000_000)
    (warning,) = tree.plan("a").warnings
    assert warning == (
        f"{FOLDER}/modules.dep: It is older than b's file: its dependencies may have changed. "
        f"Run depmod {RELEASE} as root."
    )
    assert tree.plan("c").warnings == ()
    (tree.folder / "updates").mkdir()
    assert "older than updates/, where modules were added or removed" in tree.plan("c").warnings[0]
    with pytest.raises(UnknownModuleError) as caught:
        tree.plan("brand_new")
    assert f"Run depmod {RELEASE} as root." in caught.value.hint


# Rules that do nothing


def test_a_bad_line_about_a_module_of_the_plan_is_told(tree: Tree) -> None:
    tree.modules({"a": "", "b": ""})
    folder = tree.root / "etc/modprobe.d"
    folder.mkdir(parents=True)
    (folder / "x.conf").write_text("blacklist c b\nblacklist d e\n")
    assert tree.plan("b").warnings == ("/etc/modprobe.d/x.conf:1: only c is blacklisted, not b.",)
    assert tree.plan("a").warnings == ()


# Very large


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_very_long_indexes(tree: Tree, count: int) -> None:
    """As far as the first softdep of a chain through all of them, and the last alias."""
    chance = random.Random(1)
    dep, alias, symbols, softdep = [], [], [], []
    for number in range(count):
        needs = " ".join(f"m{chance.randrange(count)}.ko" for _ in range(3))
        dep.append(f"m{number}.ko: {needs}\n")
        alias.append(f"alias pci:v{number:08X}d*sv*bc*sc*i* m{number}\n")
        symbols.append(f"alias symbol:function_{number} m{number}\n")
        softdep.append(f"softdep m{number} pre: m{(number + 1) % count}\n")
    (tree.folder / "modules.dep").write_text("".join(dep))
    (tree.folder / "modules.alias").write_text("".join(alias))
    (tree.folder / "modules.symbols").write_text("".join(symbols))
    lookup = tree.lookup()
    assert len(lookup.index.names) == count
    found = lookup.find(f"pci:v{count - 1:08X}d00001234sv0sd0bc01sc02i03")
    assert [each.name for each in found] == [f"m{count - 1}"]
    assert lookup.find(f"symbol:function_{count - 1}")[0].name == f"m{count - 1}"
    assert plan_load(("m5",), (), PlanFacts(ModuleTable(), lookup)).refused  # there are no files
    (tree.folder / "modules.softdep").write_text("".join(softdep))
    with pytest.raises(PlanError, match="deep"):
        plan_load(("m5",), (), PlanFacts(ModuleTable(), tree.lookup()))


def test_garbage_in_every_index_is_survived(tree: Tree) -> None:
    chance = random.Random(2)
    tree.modules({"a": "b", "b": ""})
    for name in ("modules.alias", "modules.symbols", "modules.softdep", "modules.builtin"):
        (tree.folder / name).write_bytes(chance.randbytes(4096))
    whole = (tree.folder / "modules.dep").read_bytes()
    (tree.folder / "modules.dep").write_bytes(whole + chance.randbytes(4096))
    folder = tree.root / "etc/modprobe.d"
    folder.mkdir(parents=True)
    (folder / "x.conf").write_bytes(chance.randbytes(4096))
    plan = tree.plan("a")
    assert told(plan) == ["insmod b", "insmod a"]
    assert all(line.isprintable() for line in plan.warnings)
    assert not any(step.action is Action.SKIP for step in plan.steps)
