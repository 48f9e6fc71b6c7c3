"""What the README says is what there is."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from kmodtui.cli import _parser, _VerbParser
from kmodtui.ui.commands import CONTEXTS, in_context
from kmodtui.ui.key_names import key_words

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def key_tables() -> str:
    """Return the README's tables of keys as the registry has them, the dashboard's open."""
    tables = []
    for context, words in CONTEXTS.items():
        if commands := in_context(context):
            rows = [f"| {words} | |", "|---|---|"]
            for command in commands:
                keys = " ".join(f"`{key_words(key)}`" for key in command.keys)
                keys = keys.replace("|", r"\|")  # in a table, even within code
                without = "menu" if command.on else "palette"
                rows.append(f"| {keys or without} | {command.help} |")
            tables.append("\n".join(rows))
    first, *others = tables
    folded = "\n\n".join(others)
    summary = "<summary>Keys in panes, other views and dialogs</summary>"
    return f"{first}\n\n<details>\n{summary}\n\n{folded}\n\n</details>"


def test_the_keys_are_those_of_the_registry() -> None:
    section = README.split("\n## Keys\n")[1].split("\n## ")[0]
    assert section.split("-->\n")[1].strip() == key_tables()


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each verb by its words, such as `helper install`, and of none."""
    found = {"": _parser()}
    queue = list(found)
    for words in queue:
        if isinstance(parser := found[words], _VerbParser):
            parser.learn_arguments()
        for action in found[words]._actions:
            if isinstance(action, argparse._SubParsersAction):
                verbs = {f"{words} {verb}".strip(): p for verb, p in action.choices.items()}
                found |= verbs
                queue += verbs
    return found


def test_every_verb_is_told_and_no_other() -> None:
    verbs = {words for words in parsers() if words and " " not in words}
    assert set(re.findall(r"`kmodtui (\w+)", README)) == verbs


def test_every_option_that_is_told_is_taken() -> None:
    taken = {
        option
        for parser in parsers().values()
        for action in parser._actions
        for option in action.option_strings
    }
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
