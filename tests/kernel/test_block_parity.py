"""The predicted ways into the kernel against modprobe, on modules of Debian's kernel package."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.model.block.lines import LINES, BlockState
from kmodtui.model.block.way import Barrier, WayKind
from kmodtui.model.block.ways import ways_in
from kmodtui.services.blocking import block_facts
from tests.kernel.image import Image, kmod
from tests.kernel.test_plan_parity import TreeOnThisMachine
from tests.kernel.trees import add_modules

CHOSEN = (
    "algif_aead", "af_alg", "esp4", "rxrpc", "cifs", "ksmbd", "btrfs", "xor", "dccp", "sctp",
    "tipc", "vfat", "fat", "dummy", "snd_pcm", "libcrc32c",
)  # fmt: skip

COMPETING = (
    "",
    "a.conf:softdep {0} pre: dummy",
    "z.conf:softdep {0} pre: dummy",
    "a.conf:install {0} /bin/true",
    "a.conf:install {0} /sbin/modprobe --ignore-install {0}",
    "z.conf:install {0} /bin/true",
    "a.conf:alias {0} dummy",
    "a.conf:alias my-own-alias {0}",
)
"""Rules in another file, before or after kmodtui's."""


@pytest.fixture(scope="module")
def tree(debian: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    add_modules(tree, debian)
    (tree / "etc/modprobe.d").mkdir(parents=True)
    return tree


def inserts(tree: Path, release: str, text: str, file: str) -> bool:
    """Return whether modprobe would insert the file for this text."""
    words = [*kmod("modprobe"), "--show-depends", "-d", str(tree), "-S", release]
    shown = subprocess.run(
        [*words, "-C", f"{tree}/etc/modprobe.d", "--", text],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (line.split() for line in shown.stdout.splitlines())
    return any(line[0] == "insmod" and line[1].endswith(file) for line in lines)


@pytest.mark.parametrize("competing", COMPETING)
def test_each_way_is_open_or_stopped_as_predicted(
    debian: Image, tree: Path, competing: str
) -> None:
    index: ModuleIndex = read_index(TreeOnThisMachine(tree), debian.release)
    folder = tree / "etc/modprobe.d"
    chance = random.Random(competing)
    checked = 0
    for name in (each for each in CHOSEN if each in index):
        for old in folder.iterdir():
            old.unlink()
        text = LINES[BlockState.BLOCKED].format(name)
        (folder / "kmodtui-block.conf").write_text(text)
        if competing:
            file, rule = competing.split(":", 1)
            (folder / file).write_text(rule.format(name) + "\n")
        config = read_modprobe_config(index.host, index.folder)
        known = block_facts(index, config, [name], ())[name]
        assert isinstance(known.lookup, ConfiguredIndex)
        path = (index.path_of(name) or "").rpartition("/")[2]
        for way in ways_in(name, known):
            if not way.by_modprobe:
                continue
            for subject in chance.sample(way.subjects, min(4, len(way.subjects))):
                shown = inserts(tree, debian.release, subject, f"/{path}")
                # An install rule with another command is printed as `install`, not as `insmod`.
                predicted = way.barrier is Barrier.OPEN
                assert shown == predicted, (name, competing, way.kind, subject)
                checked += 1
        kinds = {way.kind for way in ways_in(name, known)}
        assert WayKind.NAME in kinds
    assert checked > 40
