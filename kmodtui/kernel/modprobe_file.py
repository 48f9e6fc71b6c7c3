"""Parser of a file of modprobe.d: logical lines, rules, and what is wrong with the others.

After `kmod_config_parse` in kmod's `libkmod/libkmod-config.c`; `man 5 modprobe.d`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodtui.kernel.alias_index import normalised
from kmodtui.model.modprobe_rules import Problem, Rule, RuleKind, Softdep
from kmodtui.model.text import clean

_BLANKS = "\t "
# What isspace(3) takes for one.
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_ONE_BLANK = re.compile(r"[ \t\n\v\f\r][^ \t\n\v\f\r]")


def parse_rules(text: str, file: str, problems: list[Problem]) -> Iterator[Rule]:
    """Yield the rules of a file.

    Args:
        text: what it holds.
        file: its name, for the rules and the problems.
        problems: takes what is wrong with its lines.
    """
    for number, line in _logical_lines(text):
        if line.startswith("#"):
            continue
        word, rest = _token(line)
        if not word:
            continue
        rule, problem = _rule(word, rest, file, number)
        if rule is not None:
            yield rule
        if problem:
            problems.append(Problem(f"{file}:{number}", clean(problem)))


def parse_softdep(value: str, source: str = "") -> Softdep:
    """Return what `pre: a b post: c` says; words before `pre:` and `post:` are nothing.

    A trap of kmod: one blank before the first word becomes a part of it, so that a
    `pre:` is none. Two and more do not.
    """
    groups: dict[str, list[str]] = {"pre:": [], "post:": []}
    group: list[str] = []
    for number, word in enumerate(_WORD.findall(value)):
        if word in groups and not (number == 0 and _ONE_BLANK.match(value)):
            group = groups[word]
        else:
            group.append(word)
    return Softdep(tuple(groups["pre:"]), tuple(groups["post:"]), source)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield each line with the number of its first part: a `\` at its end continues it.

    Before any other character a `\` is dropped.
    """
    if "\\" not in text:
        for number, whole in enumerate(text.split("\n"), 1):
            yield number, whole.partition("\0")[0]
        return
    number = start = 1
    line: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "\\":
            char = text[position : position + 1]
            position += 1
            if char == "\n":
                number += 1
            else:
                line.append(char)
        elif char == "\n":
            yield start, "".join(line).partition("\0")[0]
            number += 1
            start = number
            line.clear()
        else:
            line.append(char)
    if line:
        yield start, "".join(line).partition("\0")[0]


def _token(text: str) -> tuple[str, str]:
    """Return the first word, and what stands behind the blank after it."""
    text = text.lstrip(_BLANKS)
    end = next((place for place, char in enumerate(text) if char in _BLANKS), len(text))
    return text[:end], text[end + 1 :]


def _rule(word: str, rest: str, file: str, number: int) -> tuple[Rule | None, str]:
    """Return the rule in a line, None if it holds none, and what is wrong with it."""
    if word in ("include", "config"):
        return None, f"{word} is not followed any more: the line does nothing."
    if word not in RuleKind.__members__.values():
        return None, f"{word} is no command of modprobe.d: the line does nothing."
    kind = RuleKind(word)
    raw, value = _token(rest)
    name = normalised(raw) if raw else None
    if not raw:
        return None, f"{word} needs a name: the line does nothing."
    if name is None:
        return None, f"the brackets of {raw} do not match: the line does nothing."
    if kind is RuleKind.BLACKLIST:
        extra = value.split()
        said = f"only {raw} is blacklisted, and not {' '.join(extra)}." if extra else ""
        return Rule(kind, name, "", file, number), said or _strange(name)
    if kind is RuleKind.ALIAS:
        module, extra_text = _token(value)
        target = normalised(module) if module else None
        if target is None:
            return None, f"alias {raw} needs a module: the line does nothing."
        said = f"{extra_text.strip()} is left out: an alias is of one module."
        problem = said if extra_text.strip() else _strange(target)
        return Rule(kind, name, target, file, number), problem
    if not value:
        what = {"options": "options", "install": "a command", "remove": "a command"}
        return None, f"{word} {raw} needs {what.get(word, 'modules')}: the line does nothing."
    if kind is RuleKind.OPTIONS:
        value = value.replace("\t", " ")
    rule = Rule(kind, name, value, file, number)
    if kind is RuleKind.SOFTDEP:
        softdep = parse_softdep(value)
        if not (softdep.pre or softdep.post) and value.split()[:1] in (["pre:"], ["post:"]):
            many = _ONE_BLANK.match(value) is not None
            why = "one blank too many hides it" if many else "nothing stands behind it"
            return rule, f"softdep {raw}: {value.split()[0]} does nothing, {why}."
        if not (softdep.pre or softdep.post):
            return rule, f"softdep {raw} has neither pre: nor post:, so it does nothing."
    return rule, _strange(name)


def _strange(name: str) -> str:
    """Say what is odd about a name that can be none of a module."""
    if name.endswith("\r"):
        return f"the line ends with a carriage return, which becomes a part of {name}."
    return ""
