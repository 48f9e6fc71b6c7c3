"""Plans of loads against `modprobe --show-depends`, on every module of Debian's kernel package."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.configured import ConfiguredIndex, configured
from kmodtui.kernel.index.release import read_index
from kmodtui.model.modules import ModuleTable
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.load import plan_load
from kmodtui.model.plan.plan import Action
from kmodtui.model.probe_list import show_depends
from tests.kernel.image import Image, kmod
from tests.kernel.test_parity import aliases, sample
from tests.kernel.trees import add_modules


class TreeOnThisMachine(LocalHost):
    """An unpacked package; the boot line is this machine's, as modprobe reads it also with -d."""

    def read(self, path: str, limit: int = -1) -> bytes:
        if path == "/proc/cmdline":
            return LocalHost().read(path, limit)
        return super().read(path, limit)


@pytest.fixture(scope="module")
def lookup(debian: Image, tmp_path_factory: pytest.TempPathFactory) -> ConfiguredIndex:
    """The kernel package alone, with no rules of modprobe.d."""
    tree = tmp_path_factory.mktemp("tree")
    add_modules(tree, debian)
    return configured(read_index(TreeOnThisMachine(tree), debian.release))


def modprobe(lookup: ConfiguredIndex, *arguments: str) -> str:
    """What it prints, with paths as the tree itself has them."""
    host = lookup.index.host
    assert isinstance(host, LocalHost)
    done = subprocess.run(
        [
            *kmod("modprobe"),
            "-d",
            str(host.root),
            "-S",
            lookup.index.release,
            "-C",
            "/dev/null",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.replace(str(host.root), "")


def check(lookup: ConfiguredIndex, names: Sequence[str]) -> None:
    for name in names:
        printed = modprobe(lookup, "--show-depends", "--", name).splitlines()
        assert show_depends(name, (), lookup) == printed
        plan = plan_load((name,), (), PlanFacts(ModuleTable(), lookup))
        assert not plan.refused
        steps = [
            f"insmod {step.path} {' '.join(option.text for option in step.options)}"
            for step in plan.steps
            if step.action is Action.INSMOD
        ]
        # What several modules need is printed for each of them; it is inserted once.
        assert steps == list(dict.fromkeys(line for line in printed if line.startswith("insmod")))
        builtin = [step.module for step in plan.steps if step.action is Action.BUILTIN]
        assert builtin == [line.split()[1] for line in printed if line.startswith("builtin")]


def test_a_few_hundred_modules(lookup: ConfiguredIndex) -> None:
    check(lookup, [*sample(lookup.index.names, 300), "btrfs", "snd_hda_intel", "i915", "nfsd"])


@pytest.mark.full
def test_every_module(lookup: ConfiguredIndex) -> None:
    assert len(lookup.index.names) > 3000
    check(lookup, lookup.index.names)


def test_parameters_are_handed_on_as_modprobe_does(lookup: ConfiguredIndex) -> None:
    given = ("numdummies=2", "words=two words", 'quoted="a b"', "empty=", "word", "a=b=c d")
    printed = modprobe(lookup, "--show-depends", "--", "dummy", *given).splitlines()
    assert show_depends("dummy", given, lookup) == printed
    (step,) = plan_load(("dummy",), given, PlanFacts(ModuleTable(), lookup)).steps
    assert f"insmod {step.path} {' '.join(o.text for o in step.options)}" == printed[0]


def test_aliases_stand_for_the_modules_that_modprobe_finds(lookup: ConfiguredIndex) -> None:
    texts = sample(aliases(lookup.index), 200)
    texts += ["fs-ext4", "crypto-sha256", "net-pf-10", "nosuch", "x[", "snd-hda-intel", "Btrfs"]
    found = 0
    for text in texts:
        printed = modprobe(lookup, "--resolve-alias", "--", text).split()
        assert [each.name for each in lookup.find(text)] == list(dict.fromkeys(printed)), text
        found += bool(printed)
    assert found > 150


def test_what_an_alias_loads_is_what_modprobe_loads(lookup: ConfiguredIndex) -> None:
    texts = [text for text in sample(aliases(lookup.index), 400) if lookup.find(text)][:60]
    for text in [*texts, "fs-btrfs", "crypto-crc32c"]:
        printed = modprobe(lookup, "--show-depends", "--", text).splitlines()
        assert list(dict.fromkeys(show_depends(text, (), lookup))) == list(dict.fromkeys(printed))


# A machine with rules


def rules_at_random(lookup: ConfiguredIndex, folder: Path, seed: int) -> None:
    """Write rules of all kinds about modules of the package into modprobe.d."""
    chance = random.Random(seed)
    names = [*sample(lookup.index.names, 400), "btrfs", "vfat", "ext4", "snd_hda_intel"]

    def some(most: int) -> str:
        return " ".join(chance.choice(names) for _ in range(chance.randint(0, most)))

    lines = []
    for _ in range(800):
        name = chance.choice(names)
        if chance.random() < 0.2:
            name = name.replace("_", "-")
        if chance.random() < 0.05:
            name = f"{name[:4]}*"
        kind = chance.choice(["options", "softdep", "softdep", "install", "alias", "blacklist"])
        rest = {
            "options": f"a={chance.randint(0, 9)} b",
            "softdep": f"pre: {some(3)} post: {some(2)}",
            "install": "/sbin/modprobe --ignore-install $CMDLINE_OPTS",
            "alias": chance.choice(names) if chance.random() < 0.5 else "off",
            "blacklist": "",
        }[kind]
        if kind == "alias" and chance.random() < 0.7:
            name = f"made-up-{chance.randint(0, 99)}"
        lines.append(f"{kind} {name} {rest}".rstrip())
    folder.mkdir(parents=True)
    (folder / "a.conf").write_text("\n".join(lines[:400]) + "\n")
    (folder / "z.conf").write_text("\n".join(lines[400:]) + "\n")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in (1, 2))]
)
def test_under_rules_of_all_kinds(debian: Image, tmp_path: Path, seed: int) -> None:
    add_modules(tmp_path, debian)
    host = TreeOnThisMachine(tmp_path)
    plain = configured(read_index(host, debian.release))
    folder = tmp_path / "etc/modprobe.d"
    rules_at_random(plain, folder, seed)
    lookup = configured(read_index(host, debian.release))
    ruled = {rule.name for rule in lookup.config.rules if rule.file.endswith(".conf")}
    names = sorted({name for name in ruled if "*" not in name and not name.startswith("made_up")})
    texts = sample(names, 150) + [f"made-up-{number}" for number in range(0, 99, 5)]
    for text in texts:
        printed = modprobe(lookup, "-C", str(folder), "--show-depends", "--", text).splitlines()
        assert show_depends(text, (), lookup) == printed, text
