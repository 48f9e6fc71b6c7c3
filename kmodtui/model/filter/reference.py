"""The reference of the filter language, for the help, documents and new configurations."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.filter.fields import FIELDS, FieldType, FilterKind, fields_of

TERMS = (
    ("btrfs", "lines that contain the text, in upper or lower case"),
    ("!xor", "lines that do not contain it; ! negates any term"),
    ('"link is up"', "text with spaces or special characters"),
    ("/^snd_.*codec$/", "lines that match a regular expression (in the syntax of Python)"),
    ("size>1M", "a field and its value; numbers also take <, <= and >="),
    ("state:live,loading", "any of several values"),
    ("name:=xor", "an exact match; without =, a part is enough"),
    ("@unused", "a named filter, from the table [filters] of the configuration"),
)
"""Each kind of term, and what it selects. All terms of a filter have to match."""


def term_rows() -> tuple[tuple[str, str], ...]:
    """Return the kinds of terms, and the fields, each with what it selects."""
    rows = [*TERMS]
    for field in FIELDS:
        where = ", ".join(field.kinds)
        rows.append((field.example, f"{field.help} ({where})"))
    return tuple(rows)


def option_help(kind: FilterKind) -> str:
    """Return the help of the option `--filter`."""
    names = ", ".join(fields_of(kind))
    return (
        "show only what matches every term: word, !word, /regex/, @NAME from the configuration, "
        f"or a field with its value, such as {_example(kind)}; fields: {names}"
    )


def document_tables() -> str:
    """Return the tables of docs/filters.md."""
    lines = ["| term | selects |", "|---|---|"]
    lines += [f"| `{term}` | {words} |" for term, words in TERMS]
    for kind in FilterKind:
        if fields := fields_of(kind):
            lines += ["", f"### {kind[0].upper()}{kind[1:]}", "| field | value | example | |"]
            lines.append("|---|---|---|---|")
            for each in fields.values():
                help_ = f"{each.help[0].upper()}{each.help[1:]}."
                lines.append(f"| `{each.name}` | {each.takes} | `{each.example}` | {help_} |")
    return "\n".join(lines)


def comment_lines() -> Iterator[str]:
    """Yield the lines about filters in a new configuration, each a comment."""
    width = max(len(term) for term, _ in TERMS)
    yield from (f"#     {term:<{width}}  {words}" for term, words in TERMS)
    yield "# Fields:"
    for kind in FilterKind:
        if fields := fields_of(kind):
            yield f"#     {kind}: {' '.join(fields)}"


def _example(kind: FilterKind) -> str:
    fields = fields_of(kind).values()
    best = (each for each in fields if each.type is not FieldType.NAME)
    return next(best, next(iter(fields))).example
