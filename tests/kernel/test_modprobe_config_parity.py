"""The reader of modprobe.d against the real modprobe: what `modprobe --showconfig` makes of it."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.modprobe.config import FOLDERS, ModprobeConfig, read_modprobe_config
from kmodtui.kernel.modprobe.file import parse_softdep
from kmodtui.model.modprobe_rules import Rule, RuleKind
from tests.kernel.image import Image, kmod

pytestmark = pytest.mark.usefixtures("debian")

IN_ORDER = (
    RuleKind.BLACKLIST,
    RuleKind.INSTALL,
    RuleKind.REMOVE,
    RuleKind.ALIAS,
    RuleKind.OPTIONS,
    RuleKind.SOFTDEP,
)
"""As modprobe shows them. kmod 30, which Debian 12 has, knows no weakdep."""


class TreeOnThisMachine(LocalHost):
    """A tree with modprobe.d; the boot line is this machine's, as modprobe reads it."""

    def read(self, path: str, limit: int = -1) -> bytes:
        if path == "/proc/cmdline":
            return LocalHost().read(path, limit)
        return super().read(path, limit)


def config_of(root: Path, files: Mapping[str, str]) -> ModprobeConfig:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return read_modprobe_config(TreeOnThisMachine(root))


def shown(root: Path) -> tuple[list[str], Counter[str]]:
    """What modprobe says that it has read, and how many lines of which file it leaves out."""
    folders = [f"{root}{folder}" for folder in FOLDERS]
    arguments = [word for folder in folders for word in ("-C", folder)]
    done = subprocess.run(
        [*kmod("modprobe"), "-d", str(root), "-S", "none", *arguments, "--showconfig"],
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode("utf-8", "surrogateescape").partition("\n# End of")[0]
    bad = re.findall(
        r"(\S+)(?: line \d+: ignoring bad line|: command \w+ is deprecated)",
        done.stderr.decode(errors="replace"),
    )
    return said.split("\n")[:-1], Counter(file.replace(str(root), "") for file in bad)


def as_shown(rule: Rule) -> str:
    if rule.kind is RuleKind.BLACKLIST:
        return f"blacklist {rule.name}"
    if rule.kind is RuleKind.SOFTDEP:
        return f"softdep {rule.name} {softdep_as_shown(rule.value)}"
    return f"{rule.kind} {rule.name} {rule.value}"


def softdep_as_shown(value: str) -> str:
    """As modprobe shows one: each group from its first word to its last, with what lies between.

    (It loads the right ones all the same.) There is no blank before `post:`.
    """
    words: list[tuple[str, str]] = []
    group = ""
    for number, word in enumerate(value.split()):
        hidden = number == 0 and value[0] in " \r" and value[1] not in " \r"
        if word in ("pre:", "post:") and not hidden:
            group = word
        elif group:
            words.append((group, word))
    softdep = parse_softdep(value)
    assert softdep.pre == tuple(word for group, word in words if group == "pre:")
    assert softdep.post == tuple(word for group, word in words if group == "post:")
    said = ""
    for group in ("pre:", "post:"):
        places = [place for place, (of, _) in enumerate(words) if of == group]
        if places:
            between = words[places[0] : places[-1] + 1]
            said += " ".join((group, *(word for _, word in between)))
    return said


def check(root: Path, files: Mapping[str, str]) -> ModprobeConfig:
    config = config_of(root, files)
    said, bad = shown(root)
    rules = [as_shown(rule) for kind in IN_ORDER for rule in config.of(kind)]
    assert [line.split(" ") for line in rules] == [line.split(" ") for line in said]
    dropped = [problem for problem in config.problems if "line ignored" in problem.text]
    assert Counter(problem.source.rpartition(":")[0] for problem in dropped) == bad
    return config


A = "etc/modprobe.d/a.conf"

CASES: dict[str, dict[str, str]] = {
    "options": {A: "options dummy numdummies=3\noptions vfat a=1 b=\"x y\"\n"},
    "options add up": {A: "options a x=1\noptions b y=2\noptions a x=3 z\n"},
    "dashes": {A: "options snd-hda-intel power_save=1\nblacklist a-b_c\n"},
    "tabs": {A: "options\tdummy\ta=1\t\tb=2\n\toptions x y\ninstall\ta\tb\tc\n"},
    "blanks": {A: "   options   dummy   a=1   \n \n\t\n"},
    "comments": {A: "# options a b\n # options c d\noptions e f # g\n"},
    "a comment goes on too": {A: "# one \\\noptions a b\noptions c d\n"},
    "continuation": {A: "options dummy \\\n  a=1 \\\n  b=2\nblacklist x\n"},
    "continuation within a word": {A: "opti\\\nons dum\\\nmy a=1\n"},
    "backslashes": {A: "options a x=\\\\y z\\ w \\\"q\\\"\ninstall a b \\\\\nalias c d\n"},
    "no newline at the end": {A: "blacklist a"},
    "carriage returns": {A: "blacklist a\r\noptions b c=1\r\n"},
    "a NUL": {A: "blacklist a\0b\nblacklist c\n"},
    "no UTF-8": {A: "options a b=ä\n"},
    "install": {A: "install a /bin/true\ninstall a /bin/false\nremove b  /bin/x y\n"},
    "softdeps": {
        A: "softdep a pre: b c post: d\nsoftdep e post: f\nsoftdep g h i\n"
        "softdep s  pre: t\nsoftdep u  v pre: w\n"
        "softdep j   pre:   k\t l  \nsoftdep m pre:\nsoftdep n pre: o pre: p post: q pre: r\n"
    },
    "aliases": {A: "alias net-pf-10 off\nalias a b c\nalias x[a-b]-y z-1\n"},
    "blacklists": {A: "blacklist a b\nblacklist pcspkr\n"},
    "malformed": {
        A: "optins a b\noptions\noptions a\ninstall a\nblacklist\nalias a\n"
        "alias\nsoftdep a\nremove a\nblacklist x]\nalias [x y\noptions a]b c\n"
    },
    "an old command": {A: "include /etc/other\n"},
    "blanks are a value": {A: "options a  \noptions b \ninstall c  \n"},
    "a folder before another": {
        "etc/modprobe.d/x.conf": "blacklist from_etc\n",
        "run/modprobe.d/x.conf": "blacklist from_run\n",
        "usr/local/lib/modprobe.d/x.conf": "blacklist from_local\n",
        "usr/lib/modprobe.d/x.conf": "blacklist from_usr\n",
        "lib/modprobe.d/x.conf": "blacklist from_lib\n",
    },
    "names in order across folders": {
        "etc/modprobe.d/m.conf": "options a 3\n",
        "run/modprobe.d/a.conf": "options a 1\n",
        "usr/lib/modprobe.d/z.conf": "options a 4\n",
        "lib/modprobe.d/B.conf": "options a 0\n",
        "lib/modprobe.d/é.conf": "options a 5\n",
        "usr/local/lib/modprobe.d/b.conf": "options a 2\n",
    },
    "an empty file hides another": {
        "etc/modprobe.d/x.conf": "",
        "usr/lib/modprobe.d/x.conf": "blacklist hidden\n",
    },
    "other names": {
        "etc/modprobe.d/a": "blacklist a\n",
        "etc/modprobe.d/.hidden.conf": "blacklist b\n",
        "etc/modprobe.d/c.conf~": "blacklist c\n",
        "etc/modprobe.d/e.conf.dpkg-old": "blacklist e\n",
        "etc/modprobe.d/folder.conf/f.conf": "blacklist f\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_file_is_read_as_modprobe_reads_it(tmp_path: Path, name: str) -> None:
    check(tmp_path, CASES[name])


def test_the_first_folder_counts(tmp_path: Path) -> None:
    config = check(tmp_path, CASES["a folder before another"])
    assert [rule.name for rule in config.of(RuleKind.BLACKLIST)] == ["from_etc"]


def test_files_of_old_names_are_read_as_long_as_kmod_reads_them(tmp_path: Path) -> None:
    """Up to version 32; which one a system has cannot be read in its files, so it is told."""
    config = config_of(tmp_path, {"etc/modprobe.d/d.alias": "blacklist d\n"})
    assert config.blacklisted("d")
    assert [problem.source for problem in config.problems] == ["/etc/modprobe.d/d.alias"]
    version = subprocess.run(
        [*kmod("modprobe"), "--version"], capture_output=True, check=True
    ).stdout
    said, _ = shown(tmp_path)
    assert ("blacklist d" in said) == (int(version.split()[2].split(b".")[0]) < 33)


def test_the_boot_line_is_read_as_modprobe_reads_it(tmp_path: Path) -> None:
    """This machine's, whatever it holds: no line of its own can be given to modprobe."""
    check(tmp_path, {})


WORDS = (
    "options", "install", "remove", "alias", "blacklist", "softdep", "include", "nonsense",
    "a", "b-c", "d_e", "f[0-9]g", "h]", "[i", "x=1", 'y="2 3"', "pre:", "post:", "#", "\\", "\\\\",
    "\\\n", "\t", "  ", "off", "$CMDLINE_OPTS", "*", "\r", "ü",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_lines_at_random_are_read_as_modprobe_reads_them(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = {}
    for number in range(60):
        lines = []
        for _ in range(30):
            first = chance.choice(WORDS[:8]) if chance.random() < 0.8 else chance.choice(WORDS)
            rest = [chance.choice(WORDS[8:]) for _ in range(chance.randint(0, 6))]
            lines.append(chance.choice(["", "", " "]) + " ".join((first, *rest)))
        folder = chance.choice(FOLDERS).removeprefix("/")
        files[f"{folder}/{number % 40:02}.conf"] = "\n".join(lines) + "\n"
    check(tmp_path, files)


def test_the_guests_own_rules(debian: Image) -> None:
    config = read_modprobe_config(LocalHost(debian.tree), f"/lib/modules/{debian.release}")
    assert config.blacklisted("arkfb")
    assert config.softdep("btrfs").pre
    told = [problem for problem in config.problems if "modules.softdep" in problem.source]
    assert any("neither pre: nor post:" in problem.text for problem in told)
