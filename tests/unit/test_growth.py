"""Twice the input takes about twice the work, counted and not timed (see `tests.support.work`)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kmodtui
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.aliases import AliasIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.kallsyms import parse_symbols
from kmodtui.kernel.modprobe.config import ModprobeConfig, read_modprobe_config
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.graph import branch_prefix, walk
from kmodtui.model.modprobe_rules import option_words
from kmodtui.model.parameters import told_default
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.unload import plan_unload
from kmodtui.model.plan.verb import Verb
from kmodtui.services.neighbours import read_neighbours
from kmodtui.services.planning.plans import read_plan, read_plan_facts
from tests.support.tiny_system import RELEASE, tiny_system, write
from tests.support.work import (
    CountedBytes,
    CountedText,
    Steps,
    TooManyStepsError,
    attacks,
    lines_run,
)

N = 200
FACTOR = 2.6
"""Of the work for twice the input; what is quadratic has 4."""

INDEX = f"/lib/modules/{RELEASE}/"


def system(folder: Path, index: str = "kernel/a.ko:\n", **files: str) -> LocalHost:
    """A system with a modules.dep and other files; `_` in a keyword stands for its path."""
    host = tiny_system(folder, {})
    write(host, f"{INDEX}modules.dep", index)
    places = {
        "modprobe": "/etc/modprobe.d/a.conf",
        "loaded": "/proc/modules",
        "symbols": f"{INDEX}modules.symbols",
        "alias": f"{INDEX}modules.alias",
    }
    for name, text in files.items():
        write(host, places[name], text)
    return host


def plain(many: int) -> str:
    return "".join(f"kernel/m{i}.ko:\n" for i in range(many))


def config(host: LocalHost) -> ModprobeConfig:
    return read_modprobe_config(host)


def drawn(host: LocalHost, name: str, *, reverse: bool = False) -> None:
    neighbours = read_neighbours(host, None)
    for node in walk(neighbours.users if reverse else neighbours.needs, name):
        branch_prefix(node.last)


def dependents_of_one(folder: Path, many: int) -> None:
    lines = (f"kernel/m{i}.ko: kernel/m0.ko\n" for i in range(1, many))
    drawn(system(folder, "kernel/m0.ko:\n" + "".join(lines)), "m0", reverse=True)


def chain_of_dependents(folder: Path, many: int) -> None:
    lines = (f"kernel/m{i}.ko: kernel/m{i + 1}.ko\n" for i in range(many))
    drawn(system(folder, f"{''.join(lines)}kernel/m{many}.ko:\n"), f"m{many}", reverse=True)


def chain_of_dependencies(folder: Path, many: int) -> None:
    lines = (f"kernel/m{i}.ko: kernel/m{i + 1}.ko\n" for i in range(many))
    drawn(system(folder, f"{''.join(lines)}kernel/m{many}.ko:\n"), "m0")


def modules_of_one_alias(folder: Path, many: int) -> None:
    aliases = "".join(f"alias foo m{i}\n" for i in range(many))
    read_plan(system(folder, plain(many), alias=aliases), RELEASE, Verb.LOAD, ["foo"])


def with_modules_of_one_symbol(folder: Path, many: int) -> LocalHost:
    lines = "".join(f"alias symbol:foo m{i}\n" for i in range(many))
    return system(folder, plain(many), symbols=lines)


def modules_of_one_symbol(folder: Path, many: int) -> None:
    host = with_modules_of_one_symbol(folder, many)
    assert len(read_index(host, RELEASE).resolve("symbol:foo")) == many
    read_plan(host, RELEASE, Verb.LOAD, ["symbol:foo"])


def with_options_lines(folder: Path, many: int) -> LocalHost:
    return system(folder, modprobe="".join(f"options a p{i}=1\n" for i in range(many)))


def many_options_lines(folder: Path, many: int) -> None:
    read_plan(with_options_lines(folder, many), RELEASE, Verb.LOAD, ["a"])


def lines_that_are_not_rules(folder: Path, many: int) -> None:
    config(system(folder, modprobe="junk here\n" * many)).problems_of(["a"])


def lines_with_problems(folder: Path, many: int) -> None:
    lines = "".join(f"blacklist m{i} m{i + 1}\n" for i in range(many))
    config(system(folder, modprobe=lines)).problems_of([f"m{i}" for i in range(many)])


def softdeps_with_alias_rules(folder: Path, many: int) -> None:
    names = [f"n{i}" for i in range(many)]
    rules = "".join(f"alias x{i}* a\n" for i in range(many))
    host = system(folder, modprobe=f"{rules}softdep a pre: {' '.join(names)}\n")
    found = config(host)
    for name in names:
        found.aliased(name)
        found.install(name)


def modules_unloaded_together(folder: Path, many: int) -> None:
    chain = "".join(f"kernel/m{i}.ko: kernel/m{i + 1}.ko\n" for i in range(many))
    loaded = "".join(
        f"m{i} 1 {min(i, 1)} {f'm{i - 1},' if i else '-'} Live 0x0\n" for i in range(many)
    )
    host = system(folder, chain, loaded=loaded)
    index = read_index(host, RELEASE)
    facts, _ = read_plan_facts(host, index, [])
    facts = PlanFacts(parse_modules(loaded.encode()), facts.modules)
    plan_unload([f"m{i}" for i in range(many)], facts)


@pytest.mark.parametrize(
    "work",
    [
        dependents_of_one,
        chain_of_dependents,
        chain_of_dependencies,
        modules_of_one_alias,
        modules_of_one_symbol,
        many_options_lines,
        lines_that_are_not_rules,
        lines_with_problems,
        softdeps_with_alias_rules,
        modules_unloaded_together,
    ],
    ids=lambda function: function.__name__,
)
def test_twice_the_lines_take_twice_the_work(
    work: Callable[[Path, int], None], tmp_path: Path
) -> None:
    many = 2 * N  # beyond the last level of a tree that is drawn
    for folder in ("once", "twice"):
        (tmp_path / folder).mkdir()
    once = lines_run(lambda: work(tmp_path / "once", many))
    twice = lines_run(lambda: work(tmp_path / "twice", 2 * many))
    assert once > many / 2, "nothing was counted"
    assert twice < FACTOR * once


class CountingHost(LocalHost):
    """Counts how often a file is looked at."""

    looks = 0

    def _open(self, path: str, flags: int) -> int:
        self.looks += 1
        return super()._open(path, flags)

    def readlink(self, path: str) -> str:
        self.looks += 1
        return super().readlink(path)


def looks(host: LocalHost, asked: str) -> int:
    """How often files are looked at for the plan of a load."""
    counting = CountingHost(host.locate("/"))
    read_plan(counting, RELEASE, Verb.LOAD, [asked])
    return counting.looks


def test_files_are_not_looked_at_for_each_line_of_options(tmp_path: Path) -> None:
    host = with_options_lines(tmp_path, 10)
    few = looks(host, "a")
    with_options_lines(tmp_path, 1000)
    assert looks(host, "a") == few


def test_the_directories_of_modules_are_not_looked_at_for_each_one(tmp_path: Path) -> None:
    host = with_modules_of_one_symbol(tmp_path, 10)
    few = looks(host, "symbol:foo")
    with_modules_of_one_symbol(tmp_path, 110)
    # The file, whether it is a link, and /sys/module/NAME; each of them does not exist, so that
    # it might be a link to /dev/null.
    assert looks(host, "symbol:foo") <= few + 6 * 100


@pytest.mark.parametrize(
    "owners",
    [
        pytest.param(lambda i: f"m{i}", id="one row each"),
        pytest.param(lambda i: "ab"[i % 2], id="two by turns"),
        pytest.param(lambda i: "ab"[i % 50 == 49], id="one that is interrupted"),
        pytest.param(lambda i: "a", id="a single one"),
    ],
)
def test_the_symbols_of_many_owners_are_read_once(owners: Callable[[int], str]) -> None:
    def work(many: int) -> int:
        rows = "".join(f"ffffffff{i:08x} t sym{i}\t[{owners(i)}]\n" for i in range(many))
        CountedBytes.read = 0
        table = parse_symbols(CountedBytes(rows.encode()))
        assert len(table) == many
        return CountedBytes.read

    assert work(40 * N) < FACTOR * work(20 * N)


def test_a_long_text_is_not_looked_up_in_all_its_lengths() -> None:
    index = AliasIndex([f"alias {'x' * i}* m\n" for i in range(20)])

    def work(many: int) -> int:
        CountedText.copied = 0
        assert index.matching(CountedText("x" * many)) == ("m\n",)
        return CountedText.copied

    assert work(100_000) == work(200_000)


def test_a_name_longer_than_kmod_looks_up_is_unknown(tmp_path: Path) -> None:
    index = read_index(system(tmp_path, alias="alias x* a\n"), RELEASE)
    assert index.resolve("x" * 4095) == ("a",)
    assert index.resolve("x" * 4096) == ()


@pytest.mark.parametrize("text", ["x" * 100_000, 'x="' + "y " * 50_000, " " * 100_000])
def test_a_long_line_of_options_is_split_at_once(text: str) -> None:
    half = text[: len(text) // 2]
    assert lines_run(lambda: option_words(text)) < FACTOR * lines_run(lambda: option_words(half))


# Regular expressions

BOUNDED = {
    ("kmodtui.model.explain.log", "_RULES"): "a record is searched up to MAX_RECORD",
    ("kmodtui.model.symbols.query", "_PLACE"): "a search text has at most MAX_LENGTH",
}
"""Patterns that may take the square of what they are given, and why that is little."""


def patterns() -> Iterator[tuple[str, str, re.Pattern[Any]]]:
    """All regular expressions of the package, with the module and the variable they are in."""
    found: dict[tuple[str, str, Any], re.Pattern[Any]] = {}

    def look(module: str, name: str, value: object, depth: int) -> None:
        if isinstance(value, re.Pattern):
            found[module, name, value.pattern] = value
        elif isinstance(value, tuple | list) and depth:
            for each in value:
                look(module, name, each, depth - 1)

    for info in pkgutil.walk_packages(kmodtui.__path__, "kmodtui."):
        if not info.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(info.name)).items():
                look(info.name, name, value, 3)
    for (module, name, _), pattern in found.items():
        if (module, name) not in BOUNDED:
            yield module, name, pattern


def work_of(pattern: re.Pattern[Any], text: str, *, anchored: bool) -> int:
    steps = Steps(pattern, limit=20_000)
    try:
        (steps.match if anchored else steps.search)(text)
    except TooManyStepsError:
        return 10**9
    return steps.count


def slow_texts(pattern: re.Pattern[Any], *, anchored: bool = False) -> list[str]:
    found = []
    for start, part in attacks(pattern):
        many = max(2, 50 // max(1, len(part)))
        once, twice = (
            work_of(pattern, f"{start}{times * part}\0", anchored=anchored)
            for times in (many, 2 * many)
        )
        if twice == 10**9 or twice > 3 * once:
            found.append(f"{start!r} + n * {part!r}")
    return found


def test_no_regular_expression_takes_more_than_linear_time() -> None:
    slow = {}
    for module, name, pattern in patterns():
        uses = set(re.findall(rf"\b{name}\.(\w+)", inspect.getsource(sys.modules[module])))
        if texts := slow_texts(pattern, anchored=bool(uses) and uses <= {"match", "fullmatch"}):
            slow[f"{module}.{name}"] = texts
    assert not slow


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"a+b", r"\s+\s*x", r"(?:=|for)\s*[\w /]+?\s*[\[(]x", r"(a|a)*b", r".*,.*;"],
)
def test_slow_regular_expressions_are_noticed(pattern: str) -> None:
    assert slow_texts(re.compile(pattern))


@pytest.mark.parametrize("pattern", [r"(?<!a)a++b", r"(?<!a)a+b", r"x{1,9}y", r"^a+$", r"\Aa*b"])
def test_linear_regular_expressions_are_not_taken_for_slow_ones(pattern: str) -> None:
    assert not slow_texts(re.compile(pattern))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\b(a|bc)+?d$", "x bcabcd"),
        (r"(?<!\d)-?\d++\s*+=", "x -12 ="),
        (r"(?i)[^a-c\s]{2,3}(?!x)", "AbZZy"),
        (r"(?m)^b.c\Z", "a\nb c"),
        (r"a++a", "aaa"),
    ],
)
def test_the_engine_that_counts_agrees_with_python(pattern: str, text: str) -> None:
    compiled = re.compile(pattern)
    for end in range(len(text) + 1):
        assert Steps(compiled).search(text[:end]) is bool(compiled.search(text[:end]))


def test_a_description_of_a_parameter_may_be_long() -> None:
    for text in (" " * 300_000, "1= " + " " * 300_000, "1 for " * 50_000, "1" * 300_000):
        assert told_default(text) == ""
    assert told_default("1 for " * 50_000 + "2 for on (default)") == "2"
