"""Parser for a file in modprobe.d: logical lines, rules, and problems with lines.

Sources: `kmod_config_parse` in kmod's `libkmod/libkmod-config.c`; `man 5 modprobe.d`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kmodtui.kernel.index.aliases import normalised
from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.model.modprobe_rules import Problem, Rule, RuleKind, Softdep, option_words
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, shortened

MAX_NOT_RULES = 20
"""Lines of a file that are reported one by one if they are not rules; the rest is counted."""

_KEYWORDS = frozenset(RuleKind.__members__.values())
_KEYWORD_OF = {
    "option": "options",
    "opts": "options",
    "blacklists": "blacklist",
    "black-list": "blacklist",
    "blacklisted": "blacklist",
    "blocklist": "blacklist",
    "denylist": "blacklist",
    "block": "blacklist",
    "deny": "blacklist",
    "module_blacklist": "blacklist",
    "aliases": "alias",
    "soft-dep": "softdep",
    "softdeps": "softdep",
}
"""The keyword that was meant by other words."""
_BYTE_ORDER_MARKS = ("\ufeff", os.fsdecode(b"\xff\xfe"), os.fsdecode(b"\xfe\xff"))
_BLANKS = "\t "
# A path, a file name, quotation marks, a comma behind the name.
_NOT_IN_NAMES = re.compile(r"^/|/.*\.ko|\.ko(?:\.[a-z]{2,3})?$|[\"']|^[^:]*,", re.DOTALL)
_BLANK = re.compile(f"[{_BLANKS}]")
# Whitespace as for isspace(3).
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_ONE_BLANK = re.compile(r"[ \t\n\v\f\r][^ \t\n\v\f\r]")


def parse_rules(text: str, file: str, problems: list[Problem]) -> Iterator[Rule]:
    """Yield the rules in a file.

    Args:
        text: its content.
        file: its path, for the rules and the problems.
        problems: receives what is wrong with its lines, at most MAX_NOT_RULES that are not rules.
    """
    not_rules = rules = 0
    first = len(problems)
    for number, line in _logical_lines(text):
        if line.startswith("#"):
            continue
        word, rest = _token(line)
        if not word:
            continue
        source = f"{file}:{number}"
        if word == "blocklist" and file.endswith("/modules.blocklist"):
            word = RuleKind.BLACKLIST  # Android's word
        if word not in _KEYWORDS:
            not_rules += 1
            if not_rules <= MAX_NOT_RULES:
                # A plan mentions the first of a file, and those with the name of its module.
                meant = tuple(map(_meant, rest.split()[:4])) if not_rules > 1 else ()
                problems.append(Problem(source, clean(_not_a_rule(word)), meant))
            continue
        rule, problem, modules = _rule(word, rest, file, number)
        if rule is not None:
            rules += 1
            yield rule
        if problem:
            problems.append(Problem(source, clean(problem), modules))
    if not_rules and not rules:
        page = ", but a web page" if text.lstrip().startswith("<") else ""
        whole = f"{problems[first].text} No line of this file is a rule{page}."
        problems[first] = Problem(problems[first].source, whole)
    if not_rules > MAX_NOT_RULES:
        more = f"{not_rules - MAX_NOT_RULES:,} more lines are not rules and are ignored."
        problems.append(Problem(file, more))


def parse_softdep(value: str, source: str = "") -> Softdep:
    """Parse `pre: a b post: c`; words before the first `pre:` or `post:` are ignored.

    A quirk of kmod: a single space before the first word becomes part of that word, so that
    `pre:` is not recognized. Two or more spaces do no harm.
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
    r"""Yield each logical line with its first line number; a `\` at the end continues a line.

    A `\` before any other character is removed.
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
    """Return the first word, and the rest after a single blank."""
    text = text.lstrip(_BLANKS)
    blank = _BLANK.search(text)
    end = blank.start() if blank else len(text)
    return text[:end], text[end + 1 :]


def _not_a_rule(word: str) -> str:
    """Return what is wrong with a line that begins with no keyword."""
    if word in ("include", "config"):
        return f"{word} is not supported any more: line ignored."
    if word.startswith(_BYTE_ORDER_MARKS):
        return (
            "the file begins with a byte order mark, which becomes part of the first word: line "
            "ignored. Save it as UTF-8 without a byte order mark."
        )
    bare = word.lower().strip(":;,\"'")
    nearest = bare if bare in _KEYWORDS else _KEYWORD_OF.get(bare, "")
    hint = f" Did you mean {nearest}?" if nearest else ""
    return f"unknown command {shortened(word)}: line ignored.{hint}"


def _rule(word: str, rest: str, file: str, number: int) -> tuple[Rule | None, str, tuple[str, ...]]:
    """Return the rule in a line or None, what is wrong with the line, and with which modules.

    The second is empty if the line is a rule that has an effect.
    """
    kind = RuleKind(word)
    raw, value = _token(rest)
    if kind is RuleKind.ALLOW_UNSUPPORTED:
        return Rule(kind, "*", raw, file, number), "", ()
    name = normalised(raw) if raw else None
    if not raw:
        return None, f"{word} needs a name: line ignored.", ()
    if name is None:
        return None, f"{raw} has unmatched brackets: line ignored.", ()
    if kind is RuleKind.BLACKLIST:
        extra = value.split()
        problem = f"only {raw} is blacklisted, not {' '.join(extra)}." if extra else ""
        names = (_meant(name), *map(canonical, extra))
        problem = _joined((name, *extra)) or problem
        return Rule(kind, name, "", file, number), _name_problem(name) or problem, names
    if kind is RuleKind.ALIAS:
        module, extra_text = _token(value)
        target = normalised(module) if module else None
        if target is None:
            return None, f"alias {raw} needs a module: line ignored.", (name,)
        problem = f"{extra_text.strip()} is ignored: an alias has only one module."
        problem = problem if extra_text.strip() else _name_problem(target)
        names = (name, _meant(target), *map(canonical, extra_text.split()))
        return Rule(kind, name, target, file, number), problem, names
    if not value and kind is RuleKind.OPTIONS and "." in raw and "=" in raw:
        module, _, option = raw.partition(".")
        problem = (
            f"{raw} is the form of the kernel command line: line ignored. "
            f"Write options {module} {option}"
        )
        return None, problem, (canonical(module),)
    if not value:
        what = {"options": "options", "install": "a command", "remove": "a command"}
        problem = f"{word} {raw} needs {what.get(word, 'modules')}: line ignored."
        return None, problem, (name,)
    if kind is RuleKind.OPTIONS:
        value = value.replace("\t", " ")
    rule = Rule(kind, name, value, file, number)
    problem, names = _name_problem(name), (_meant(name),)
    if kind is RuleKind.SOFTDEP:
        # In kmodtui's own file, an empty rule removes the softdeps on purpose.
        empty = "" if file == BLOCK_FILE else _softdep_problem(raw, value)
        problem = empty or problem
    elif kind is RuleKind.OPTIONS:
        words = option_words(value)
        if joined := _joined(words):
            return rule, joined, (*names, *(canonical(word) for word in words if "=" not in word))
        problem = problem or _options_problem(raw, value)
    return rule, problem, names


def _joined(words: Sequence[str]) -> str:
    """Return that the line end before a rule is missing, if a word ends with its keyword."""
    for word, following in pairwise(words):
        for keyword in _KEYWORDS:
            if word.endswith(keyword) and word != keyword and "=" not in following:
                return (
                    f"the line end before “{keyword} {shortened(following)}” is missing: "
                    "this line joins two rules."
                )
    return ""


def _options_problem(raw: str, value: str) -> str:
    """Return what the kernel understands differently in a line of options; empty if nothing."""
    words = option_words(value)
    for word in words:
        if word.startswith("#") or word.endswith("#"):
            passed = shortened(value[value.index("#") :].strip())
            return (
                f"# does not begin a comment here: “{passed}” is passed to {raw} as well. "
                "Put the comment on a line of its own."
            )
        if "=“" in word or "=„" in word or "=”" in word:
            return f'in {shortened(word)}, “ is part of the value: only " quotes a value.'
        if "='" in word:
            return f"in {shortened(word)}, ' is part of the value: only \" quotes a value."
        if word.startswith("=") or (word.endswith("=") and word != words[-1]):
            return f"a blank beside = separates {raw}'s parameter from its value: remove it."
    if value.count('"') % 2:
        return 'a " is not closed: the kernel takes the rest of the line as one value.'
    return ""


def _softdep_problem(raw: str, value: str) -> str:
    """Return why a softdep line has no effect; empty if it has one."""
    softdep = parse_softdep(value)
    if "#" in (*softdep.pre, *softdep.post):
        return f"# does not begin a comment here: the words after it are softdeps of {raw} too."
    if softdep.pre or softdep.post:
        return ""
    if value.split()[:1] in (["pre:"], ["post:"]):
        extra_space = _ONE_BLANK.match(value) is not None
        reason = "there is an extra space before it" if extra_space else "nothing follows it"
        return f"softdep {raw}: {value.split()[0]} has no effect: {reason}."
    return f"softdep {raw} has neither pre: nor post:, so it has no effect."


def _meant(name: str) -> str:
    """Return the module that a name was probably meant for."""
    return canonical(name.strip("\"',\r"))


def _name_problem(name: str) -> str:
    """Return why a name cannot be that of a module; empty if it can."""
    if name.endswith("\r"):
        return f"the line ends with a carriage return, which becomes part of {name}."
    if _NOT_IN_NAMES.search(name):
        return (
            f"no module is called {name}: write a module's name without directory, extension, "
            "quotation marks and commas."
        )
    return ""
