"""Texts use the words of the glossary in CONTRIBUTING.md: those they replace are rejected.

`python -m tests.unit.test_language` prints every rejected phrase of the whole project, and
how many there are in each directory.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parents[2]

COVERED = ("*.md", "docs", "kmodtui", "screenshots", "styles")
"""What has to be free of the phrases."""

REJECTED = {
    # Modules and symbols
    r"givers?": "provider",
    r"from nobody|to whoever|of whom|from whom": "unresolved; provider, importer; used by",
    r"(?:tak(?:es?|ing)|giv(?:es?|ing)) (?:[\w,]+ ){0,2}symbols?|takes and gives": (
        "imports, exports"
    ),
    r"c[oa]mes? (?:and|or) (?:goes|go|went)|what (?:has )?(?:came|comes|went|goes)": (
        "loaded, unloaded; added, removed; appeared, disappeared"
    ),
    r"no way out|without a way out": "cannot be unloaded: it has no exit function ([permanent])",
    r"no promise": "a reference count of 0 does not mean the driver is idle",
    r"(?:type|taint) letters?|letters mean": "symbol type, taint flags",
    r"boot line": "kernel command line",
    r"forbidden": "blocked (`install … /bin/false`, module_blacklist=); blacklisted",
    # What a person does
    r"br(?:eak|eaks|eaking|oke|oken) off|stop that": "cancel, cancelled; abort; interrupted",
    r"(?:next|previous|first|last|each|every|a|the) hit|hits|hit before": (
        "match, next match, previous match"
    ),
    r"turn(?:s|ed|ing)?(?: [\w']+){0,4} round": "reverse",
    r"keep this moment": "take a snapshot",
    r"give(?:s|n)? (?:[\w']+ )+the whole screen": "maximize, restore",
    r"eight (?:modules|parameters|lines) (?:on|back)": "page down, page up",
    r"take(?:s|n)? (?:it |that |\w+ )?back|took (?:it |that )?back": "undo, undone; frees; restore",
    # Root privileges
    r"root up|give(?:s|n)? (?:it |root )up": "drop root privileges; end the root session",
    r"(?:have|has|had|having|holds?|held) root|root is (?:had|held)": (
        "root privileges; root session; runs as root"
    ),
    r"(?:not|is|be|are) waited for|left to (?:itself|themselves)|leav(?:es|ing) to itself": (
        "timed out; continues in the background"
    ),
    r"helper: locked": "root: off",
    r"let(?:s|ting)? go": "no longer used; released; dropped",
    # Results
    r"what came of|came of it": "the outcome; outcome unknown",
    r"told|tells|telling": "shown, reported, listed; shows, reports, says",
    r"cannot be told|not to be told|not known": "unknown",
    r"ma(?:ke|kes|de) no sense|malformed[\w ]*, left out": "malformed; malformed … skipped",
    r"fault of kmodtui": "Internal error (a bug in kmodtui)",
    r"pass(?:es|ed)? over": "ignored",
    r"deeds?": "action; change",
    # English
    r"folders?": "directory",
    r"(?<!there )(?:is|are|was|were) no (?!longer|more|other|need|alternative)[\w]+": "is not a …",
    r"(?<!there )(?:is|are|was) (?-i:none)": "is not a …; is empty",
    r"anew": "again; rebooted",
    r"by way of": "through, with",
    r"(?:to|cannot|can|is|are) be had|is had": "available",
    r"all the same": "anyway",
}
"""Regular expressions of whole words, and what to write instead."""

_PATTERNS = {
    re.compile(rf"(?<!\w)(?:{phrase})(?!\w)", re.IGNORECASE): better
    for phrase, better in REJECTED.items()
}


class Offender(NamedTuple):
    """A phrase that is not used any more, and where it is."""

    path: Path
    line: int
    phrase: str
    better: str

    def __str__(self) -> str:
        place = f"{self.path.relative_to(PROJECT)}:{self.line}"
        return f"{place}: “{self.phrase}” → {self.better}"


def files(places: tuple[str, ...]) -> list[Path]:
    found: set[Path] = set()
    for place in places:
        for path in PROJECT.glob(place):
            inside = path.rglob("*") if path.is_dir() else [path]
            found.update(each for each in inside if each.suffix in (".py", ".md", ".tcss"))
    return sorted(found)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file with their first lines: no code, no names."""
    source = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".py":
            yield from strings(source)
            yield from comments(source)
        case ".md":
            yield from paragraphs(path.name, source)
        case _:
            for found in re.finditer(r"/\*.*?\*/", source, re.DOTALL):
                yield source.count("\n", 0, found.start()) + 1, found.group()


def strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield docstrings and strings, and of f-strings what is not an expression."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The names of attributes and arguments that a docstring explains.
            yield node.lineno, re.sub(r"(?m)^ +\w+: ", "", node.value)


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments; those on lines one after the other as one, as they are read."""
    first, last, words = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, text = token.start[0], token.string.lstrip("#! ")
        if line == last + 1:
            words += f" {text}"
        else:
            yield first, words
            first, words = line, text
        last = line
    yield first, words


def paragraphs(name: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document but those that have to have such words."""
    heading = ""
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        # The glossary has the phrases in its last column.
        glossary = name == "CONTRIBUTING.md" and heading == "Language"
        if not (line.startswith("|") and glossary):
            yield number, line


def offenders(path: Path) -> list[Offender]:
    found = []
    for line, text in texts(path):
        words = " ".join(re.sub(r"`[^`]+`", "``", text).split())
        for pattern, better in _PATTERNS.items():
            found += [Offender(path, line, hit, better) for hit in pattern.findall(words)]
    return sorted(found)


@pytest.mark.parametrize("path", files(COVERED), ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_text_has_a_word_that_is_not_used_any_more(path: Path) -> None:
    found = offenders(path)
    assert not found, "\n".join(map(str, found))


def test_phrases_are_found_in_texts_and_not_in_names(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text(
        '"""What it\n    told `giver`.\n\n    told: a name.\n"""\n'
        '# is broken\n# off\nfolder = told = 1\nx = f"{told} of whom"\n'
    )
    assert [(each.line, each.phrase) for each in offenders(file)] == [
        (1, "told"),
        (6, "broken off"),
        (9, "of whom"),
    ]


def main() -> None:
    """Print every offender of the project, then their number by directory."""
    counts: Counter[str] = Counter()
    for path in files(COVERED):
        found = offenders(path)
        sys.stdout.writelines(f"{offender}\n" for offender in found)
        counts[str(path.parent.relative_to(PROJECT))] += len(found)
    sys.stderr.writelines(f"{count:>6} {place}\n" for place, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
