"""What the README says is what there is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from kmodtui.cli import _parser
from kmodtui.ui.commands import CONTEXTS, in_context, key_words

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def key_tables() -> str:
    """Return the README's tables of keys as the registry has them."""
    parts = []
    for context, words in CONTEXTS.items():
        if commands := in_context(context):
            parts.append(f"\n| {words} | |\n|---|---|")
            for command in commands:
                keys = " ".join(f"`{key_words(key)}`" for key in command.keys)
                parts.append(f"| {keys} | {command.help} |")
    return "\n".join(parts).lstrip()


def test_the_keys_are_those_of_the_registry() -> None:
    section = README.split("\n## Keys\n")[1].split("\n## ")[0]
    assert section.split("-->\n")[1].strip() == key_tables()


def test_every_verb_is_told_and_no_other() -> None:
    verbs = next(a for a in _parser()._actions if a.dest != "help" and a.choices).choices
    told = re.findall(r"^\| `kmodtui (\w+)", README, flags=re.MULTILINE)
    assert told == list(verbs or ())


def test_every_option_that_is_told_is_taken() -> None:
    taken = set(re.findall(r"--[a-z][a-z-]+", _parser().format_help()))
    verbs = next(a for a in _parser()._actions if a.dest != "help" and a.choices).choices
    for verb in (verbs or {}).values():  # type: ignore[union-attr]
        taken |= set(re.findall(r"--[a-z][a-z-]+", verb.format_help()))
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert told - taken == set()


def test_every_file_that_is_linked_is_there() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        text = (PROJECT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert "://" in target or (PROJECT / target).exists(), f"{document}: {target}"


def test_every_target_of_make_that_is_told_is_there() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (PROJECT / document).read_text(encoding="utf-8")
        told = set(re.findall(r"(?:`|    )make ([a-z-]+)", text))
        assert told <= targets, document


if __name__ == "__main__":
    sys.stdout.write(key_tables() + "\n")
