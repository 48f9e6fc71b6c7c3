"""What the verbs share: printing JSON, printing errors, and the release to read."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, shortened


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def print_json(schema: int, fields: dict[str, Any]) -> None:
    r"""Print a JSON object in ASCII; docs/json.md describes the object of each verb.

    The items of an iterator are printed as they come, one in a line: a list of a million
    symbols is never in memory as a whole. A byte that is not UTF-8 becomes `\xNN`.

    Args:
        schema: version of the verb's JSON. Increased when a field is renamed, removed or
            changes its meaning, not when one is added.
        fields: all other fields of the object.
    """
    import json

    # With an indentation, Python's encoder would be ten times as slow.
    line = json.JSONEncoder().encode
    page = json.JSONEncoder(indent=2).encode
    write = sys.stdout.write
    write(f'{{\n  "schema": {schema}')
    for key, value in fields.items():
        write(f",\n  {_json_text(line, key)}: ")
        if isinstance(value, Iterator):
            start = "["
            for item in value:
                write(f"{start}\n    {_json_text(line, item)}")
                start = ","
            write("[]" if start == "[" else "\n  ]")
        else:
            write(_json_text(page, value).replace("\n", "\n  "))
    write("\n}\n")


def _json_text(encode: Callable[[Any], str], value: Any) -> str:
    """Return a value as JSON. Python would write half of a surrogate pair for a lone byte."""
    text = encode(value)
    return encode(_utf8(value)) if "\\ud" in text else text


_SURROGATE = re.compile("[\ud800-\udfff]")


def _utf8(value: Any) -> Any:
    r"""Return a value in whose texts each byte that is not UTF-8 is replaced by `\xNN`."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda match: clean(match[0]), value)
    if isinstance(value, dict):
        return {_utf8(key): _utf8(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_utf8(item) for item in value]
    return value


def hexadecimal(address: int) -> str:
    """Return an address for JSON: a string, because many readers round a 64-bit number."""
    return f"0x{address:x}"


def print_error(error: KmodtuiError) -> None:
    """Print the message and the hint of an error to standard error."""
    # If standard error is closed, print() would write to standard output instead.
    if sys.stderr is not None:
        print(f"kmodtui: {shortened(clean(error.message), _MAX_MESSAGE)}", file=sys.stderr)
        if error.hint:
            print(f"         {shortened(clean(error.hint), _MAX_MESSAGE)}", file=sys.stderr)


_MAX_MESSAGE = 4000
"""Characters of a message that are printed: an argument in it can be much longer."""


def print_note(sentence: str) -> None:
    """Print a sentence to standard error that explains the output."""
    if sys.stderr is not None:
        print(f"kmodtui: {clean(sentence)}", file=sys.stderr)


def release_of(host: Host, options: argparse.Namespace) -> str:
    """Return the kernel release to read: --kernel, or else the running kernel's.

    Raises:
        UsageError: --kernel is missing and the running kernel's release is unknown.
    """
    from kmodtui.kernel.system import read_system

    release: str | None = getattr(options, "kernel", None) or read_system(host).release
    if not release:
        from kmodtui.kernel.index.places import all_releases

        installed = ", ".join(map(clean, all_releases(host)))
        raise UsageError(
            "The release of the running kernel is unknown.",
            "Give one with --kernel RELEASE." + (f" Installed: {installed}." if installed else ""),
        )
    return release
