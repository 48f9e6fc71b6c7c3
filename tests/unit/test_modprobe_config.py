"""Rules of modprobe.d and the kernel command line are read with their source and problems.

tests/kernel compares the rules with what the real modprobe does.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.modprobe.command_line import forbidden_modules, parse_command_line
from kmodtui.kernel.modprobe.config import ModprobeConfig, read_modprobe_config
from kmodtui.kernel.modprobe.file import MAX_NOT_RULES, parse_softdep
from kmodtui.model.modprobe_rules import Problem, RuleKind, option_words
from kmodtui.model.plan.plan import Option


def config(root: Path, text: str = "", *, boot_line: str = "", **others: str) -> ModprobeConfig:
    """The rules of a tree with a file in /etc/modprobe.d, and others for `run` and `usr_lib`."""
    files = {"etc/modprobe.d/a.conf": text, "proc/cmdline": boot_line}
    files |= {f"{name.replace('_', '/')}/modprobe.d/b.conf": text for name, text in others.items()}
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return read_modprobe_config(LocalHost(root))


def test_rules_know_file_and_line(tmp_path: Path) -> None:
    rules = config(
        tmp_path,
        "# first\noptions a x=1\n\noptions \\\n  b \\\n  y=2\nblacklist c\n",
        run="install d /bin/true\n",
        boot_line="quiet e.z=3 modprobe.blacklist=f,g",
    )
    assert [str(rule) for rule in rules.rules] == [
        "/etc/modprobe.d/a.conf:2: options a x=1",
        "/etc/modprobe.d/a.conf:4: options b   y=2",
        "/etc/modprobe.d/a.conf:7: blacklist c",
        "/run/modprobe.d/b.conf:1: install d /bin/true",
        "kernel command line: options e z=3",
        "kernel command line: blacklist f",
        "kernel command line: blacklist g",
    ]
    assert rules.problems == ()


def test_options_of_a_module_are_collected_and_the_last_one_wins(tmp_path: Path) -> None:
    rules = config(
        tmp_path,
        'options snd-dummy index=1 id="a b"\noptions other x=1\noptions snd_dummy index=2\n',
        usr_lib="options snd_dummy enable=1\n",
        boot_line="snd-dummy.model=emu snd_dummy.index=3",
    )
    assert rules.options("snd_dummy") == (
        Option('index=1 id="a b"', "/etc/modprobe.d/a.conf:1"),
        Option("index=2", "/etc/modprobe.d/a.conf:3"),
        Option("enable=1", "/usr/lib/modprobe.d/b.conf:1"),
        Option("model=emu", "kernel command line"),
        Option("index=3", "kernel command line"),
    )
    assert rules.settings("snd_dummy") == {
        "index": Option("index=3", "kernel command line"),
        "id": Option('id="a b"', "/etc/modprobe.d/a.conf:1"),
        "enable": Option("enable=1", "/usr/lib/modprobe.d/b.conf:1"),
        "model": Option("model=emu", "kernel command line"),
    }


def test_options_of_an_alias_apply_if_it_is_loaded_by_that(tmp_path: Path) -> None:
    rules = config(tmp_path, "options fs-vfat a=1\noptions vfat b=2\noptions fs_vfat c=3\n")
    assert [option.text for option in rules.options("vfat")] == ["b=2"]
    assert [option.text for option in rules.options("vfat", "fs_vfat")] == ["a=1", "b=2", "c=3"]


def test_the_first_match_counts_for_commands_and_softdeps(tmp_path: Path) -> None:
    rules = config(
        tmp_path,
        "install snd_* first\ninstall snd_dummy second\ninstall vfat third\ninstall vf* fourth\n"
        "softdep vfat pre: a\nsoftdep vfat pre: b\nremove x y\n",
    )
    install = {name: rules.install(name) for name in ("snd_dummy", "vfat", "vfio", "other")}
    assert {name: rule and rule.value for name, rule in install.items()} == {
        "snd_dummy": "first",
        "vfat": "third",
        "vfio": "fourth",
        "other": None,
    }
    assert rules.softdep("vfat").pre == ("a",)
    assert rules.softdep("vfat").source == "/etc/modprobe.d/a.conf:5"
    removal = rules.remove("x")
    assert removal is not None
    assert removal.value == "y"
    assert rules.has_command("x")
    assert not rules.has_command("snd_x")


def test_the_precedence_of_a_softdep_in_modprobe_d_over_the_modules_own(tmp_path: Path) -> None:
    """It depends on the name of the file, as in kmod."""
    folder = tmp_path / "lib/modules/6.1"
    folder.mkdir(parents=True)
    (folder / "modules.softdep").write_text("# c\nsoftdep one pre: own\nsoftdep two pre: own\n")
    places = tmp_path / "etc/modprobe.d"
    places.mkdir(parents=True)
    (places / "a.conf").write_text("softdep one pre: mine\n")
    (places / "z.conf").write_text("softdep two pre: mine\n")
    rules = read_modprobe_config(LocalHost(tmp_path), "/lib/modules/6.1")
    assert rules.softdep("one").pre == ("mine",)
    assert rules.softdep("two").pre == ("own",)
    assert rules.softdep("two").source == "/lib/modules/6.1/modules.softdep:3"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("optoins a b=1", "unknown command optoins: line ignored."),
        ("include /etc/x", "include is not supported any more: line ignored."),
        ("options", "options needs a name: line ignored."),
        ("options a", "options a needs options: line ignored."),
        ("install a", "install a needs a command: line ignored."),
        ("softdep a", "softdep a needs modules: line ignored."),
        ("alias a", "alias a needs a module: line ignored."),
        ("alias [a b", "[a has unmatched brackets: line ignored."),
        ("blacklist a b c", "only a is blacklisted, not b c."),
        ("alias a b c", "c is ignored: an alias has only one module."),
        ("softdep a b", "softdep a has neither pre: nor post:, so it has no effect."),
        ("softdep a  pre: b", "softdep a: pre: has no effect: there is an extra space before it."),
        ("softdep a pre:", "softdep a: pre: has no effect: nothing follows it."),
        ("blacklist a\r", "the line ends with a carriage return, which becomes part of a\\x0d."),
        ("\x1b[31m x", "unknown command \\x1b[31m: line ignored."),
    ],
)  # fmt: skip
def test_a_line_without_the_intended_effect_is_reported(
    tmp_path: Path, line: str, told: str
) -> None:
    rules = config(tmp_path, f"blacklist before\n{line}\nblacklist after\n")
    assert rules.problems == (Problem("/etc/modprobe.d/a.conf:2", told),)
    assert rules.blacklisted("before")
    assert rules.blacklisted("after")


def test_a_file_hides_files_of_the_same_name_in_later_directories(tmp_path: Path) -> None:
    for folder in ("etc", "run", "usr/local/lib", "usr/lib", "lib"):
        place = tmp_path / folder / "modprobe.d"
        place.mkdir(parents=True)
        (place / "same.conf").write_text(f"blacklist from_{folder.replace('/', '_')}\n")
    for folder, name in (("usr/lib", "z.conf"), ("lib", "a.conf"), ("run", "k.conf")):
        (tmp_path / folder / "modprobe.d" / name).write_text(f"blacklist {name[0]}\n")
    names = [rule.name for rule in read_modprobe_config(LocalHost(tmp_path)).rules]
    assert names == ["a", "k", "from_etc", "z"]


def test_problems_of_a_module_are_found(tmp_path: Path) -> None:
    rules = config(tmp_path, "blacklist snd-dummy vfat\nsoftdep btrfs x\n")
    assert [problem.source[-1] for problem in rules.problems_of(["snd_dummy"])] == ["1"]
    assert [problem.source[-1] for problem in rules.problems_of(["vfat", "btrfs"])] == ["1", "2"]
    assert rules.problems_of(["xor"]) == ()


def test_a_problem_is_that_of_the_module_of_its_line_and_not_of_its_words(tmp_path: Path) -> None:
    rules = config(tmp_path, "softdep btrfs x\nblacklist vfat line\nblacklist fat\r\n")
    assert "softdep" in rules.problems[0].text
    assert [problem.source[-1] for problem in rules.problems_of(["softdep", "effect"])] == []
    assert [problem.source[-1] for problem in rules.problems_of(["line", "fat"])] == ["2", "3"]


def test_lines_that_are_not_rules_are_reported_for_every_module_once_in_a_file(
    tmp_path: Path,
) -> None:
    rules = config(tmp_path, "404: Not Found\nnonsense\nblacklist x\n", usr_lib="junk\n" * 500)
    problems = rules.problems_of(["xor"])
    assert [problem.source for problem in problems] == [
        "/etc/modprobe.d/a.conf:1",
        "/usr/lib/modprobe.d/b.conf:1",
    ]
    assert "404:" in problems[0].text


def test_of_many_lines_that_are_not_rules_only_the_first_are_listed(tmp_path: Path) -> None:
    rules = config(tmp_path, "junk\n" * 100_000 + "blacklist x\n")
    assert rules.blacklisted("x")
    assert len(rules.problems) == MAX_NOT_RULES + 1
    assert rules.problems[-1].text == "99,980 more lines are not rules and are ignored."


def test_files_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "etc/modprobe.d"
    (folder / "folder.conf").mkdir(parents=True)
    (folder / "link.conf").symlink_to("nowhere")
    (folder / "off.conf").symlink_to("/dev/null")
    os.mkfifo(folder / "pipe.conf")
    (folder / "old.alias").write_text("blacklist x\n")
    rules = read_modprobe_config(LocalHost(tmp_path))
    assert {problem.source.rpartition("/")[2]: problem.text for problem in rules.problems} == {
        "folder.conf": "It is a directory, which modprobe ignores.",
        "link.conf": "It is a dangling symbolic link.",
        "pipe.conf": "It cannot be read: Not a regular file.",
        "old.alias": "kmod 33 and later ignore it: its name does not end in .conf.",
    }


def test_without_any_configuration_there_are_no_problems(tmp_path: Path) -> None:
    rules = read_modprobe_config(LocalHost(tmp_path / "nothing"))
    assert (rules.rules, rules.problems) == ((), ())


# The kernel command line


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("quiet root=/dev/sda1 ro", []),
        ("snd-dummy.index=2", ["options snd_dummy index=2"]),
        ("a.b", ["options a b"]),
        ('a.b="x y" c.d=1', ['options a b="x y"', "options c d=1"]),
        ('"a.b=x y"', ['options a b="x y"']),
        ("root=/dev/x.y a.b=c.d=e", ["options a b=c.d=e"]),
        ("a.b.c=1", []),
        ("a.=1 .b=2", ["options a =1", "options  b=2"]),
        ('x"y.z=1', []),
        ('x"y".z=1 a.b=2', ["options a b=2"]),
        ("a.b=1\n", ["options a b=1"]),
        ('a.b="open', []),
        ("modprobe.blacklist=a,b,,c", ["blacklist a", "blacklist b", "blacklist c"]),
        ("modprobe.blacklist=", []),
        ("-- a.b=1", ["options a b=1"]),
    ],
)
def test_the_kernel_command_line_sets_options_and_blacklists(line: str, rules: list[str]) -> None:
    found = parse_command_line(line, [])
    assert [f"{rule.kind} {rule.name} {rule.value}".rstrip() for rule in found] == rules


def test_problems_of_the_kernel_command_line_are_reported() -> None:
    problems: list[Problem] = []
    rules = list(parse_command_line("modprobe.blacklist=snd-dummy,a x[.y=1", problems))
    assert [rule.name for rule in rules] == ["snd-dummy", "a"]
    assert [problem.text for problem in problems] == [
        "modprobe.blacklist=snd-dummy has no effect: - is not the same as _ here. Use snd_dummy.",
        "x[.y=1 is ignored: it has unmatched brackets.",
    ]


def test_modules_that_the_kernel_itself_refuses() -> None:
    line = "module_blacklist=a quiet module_blacklist=b,c"
    assert list(forbidden_modules(line)) == ["b", "c"]
    assert list(forbidden_modules("quiet")) == []


# Splitting values


def test_options_are_split_as_in_the_kernel() -> None:
    assert option_words('a=1  b="x y" c "d e"') == ("a=1", 'b="x y"', "c", '"d e"')
    assert option_words("") == ()


def test_softdeps_are_split_as_in_kmod() -> None:
    assert parse_softdep("x pre: a b post: c pre: d")[:2] == (("a", "b", "d"), ("c",))
    assert parse_softdep("   pre: a").pre == ("a",)
    assert parse_softdep(" pre: a").pre == ()


def test_ten_thousand_rules_are_read_in_order(tmp_path: Path) -> None:
    text = "".join(f"options module{number % 50} n={number}\n" for number in range(10_000))
    rules = config(tmp_path, text)
    assert len(rules.of(RuleKind.OPTIONS)) == 10_000
    assert rules.options("module49")[-1] == Option("n=9999", "/etc/modprobe.d/a.conf:10000")
