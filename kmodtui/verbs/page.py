"""What `about` and `why` share: their arguments, and printing pages as text or JSON."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from textwrap import wrap
from typing import Any

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.release import read_index
from kmodtui.model.about.page import Page, Statement, shows_links
from kmodtui.services.module_facts import SystemFacts
from kmodtui.services.origins import origins_of
from kmodtui.verbs.printing import add_json, print_error, print_json, release_of

_MAX_WIDTH = 100
_ESCAPE = "\033]8;;{0}\033\\{1}\033]8;;\033\\"
"""A link on a terminal (OSC 8): address and text."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a verb that prints pages."""
    add_json(parser)
    parser.add_argument("name", nargs="+", metavar="NAME", help="a module or an alias")


def print_pages(
    host: Host,
    options: argparse.Namespace,
    schema: int,
    make: Callable[[SystemFacts, str], Page],
    *,
    lines: bool,
) -> int:
    """Print a page for each module; return the exit status: 1 if one was not found.

    Args:
        host: the system.
        options: of the command line.
        schema: version of the verb's JSON.
        make: returns the page about a module.
        lines: whether each statement is followed by the lines that prove it, and not only
            each section by the files.
    """
    release = release_of(host, options)
    index, problem = None, ""
    try:
        index = read_index(host, release)
    except KmodtuiError as error:
        problem = str(error)
    system = SystemFacts(host, release, index, problem, origins=origins_of(host, index))
    pages: list[Page] = []
    status = 0
    for text in options.name:
        try:
            pages += [make(system, name) for name in system.resolve(text)]
        except KmodtuiError as error:
            print_error(error)
            status = error.exit_code
    if options.json:
        print_json(schema, {"modules": [_json(page) for page in pages]})
        return status
    for number, page in enumerate(pages):
        if number:
            print()
        print("\n".join(_lines(page, lines=lines)))
    return status


def _json(page: Page) -> dict[str, Any]:
    return {
        "name": page.name,
        "status": page.status,
        "category": page.category or None,
        "description": page.description or None,
        "problem": page.problem or None,
        "sections": [
            {
                "key": section.key,
                "title": section.title,
                "statements": [
                    {
                        "kind": statement.kind,
                        "text": statement.text,
                        "certain": not statement.possible,
                        "evidence": statement.evidence,
                        "link": statement.link or None,
                    }
                    for statement in section.statements
                ],
            }
            for section in page.sections
        ],
    }


def _lines(page: Page, *, lines: bool) -> Iterator[str]:
    width = _width()
    about = ", ".join(filter(None, (page.category, page.status)))
    yield f"{page.name}: {about}"
    if page.description:
        yield from wrap(page.description, width, initial_indent="  ", subsequent_indent="  ")
    if page.problem:
        yield from wrap(page.problem, width, initial_indent="  ", subsequent_indent="  ")
    for section in page.sections:
        yield ""
        yield section.title
        for statement in section.statements:
            yield from _statement(statement, width)
            if lines:
                yield from _evidence(statement.evidence, width, 6)
        if not lines:
            yield from _evidence(section.files, width, 4)


def _statement(statement: Statement, width: int) -> Iterator[str]:
    possible = "possible: " if statement.possible else ""
    if statement.link:
        yield f"  - {_linked(statement)}"
    else:
        text = f"{possible}{statement.text}"
        yield from wrap(text, width, initial_indent="  - ", subsequent_indent="    ")


def _evidence(evidence: Iterable[str], width: int, indent: int) -> Iterator[str]:
    for line in evidence:
        yield from wrap(
            f"[{line}]",
            width,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 1),
            break_on_hyphens=False,
        )


def _linked(statement: Statement) -> str:
    if sys.stdout.isatty() and shows_links(os.environ.get("TERM", "")):
        return _ESCAPE.format(statement.link, statement.text)
    return f"{statement.text}: {statement.link}"


def _width() -> int:
    try:
        return min(_MAX_WIDTH, os.get_terminal_size(1).columns)
    except (OSError, ValueError):
        return _MAX_WIDTH
