"""What the verbs share: printing JSON, printing errors, and the release to read."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def print_json(schema: int, fields: dict[str, Any]) -> None:
    """Print a JSON object in ASCII; docs/json.md describes the object of each verb.

    Args:
        schema: version of the verb's JSON. Increased when a field is renamed, removed or
            changes its meaning, not when one is added.
        fields: all other fields of the object.
    """
    import json

    print(json.dumps({"schema": schema, **fields}, indent=2))


def hexadecimal(address: int) -> str:
    """Return an address for JSON: a string, because many readers round a 64-bit number."""
    return f"0x{address:x}"


def print_error(error: KmodtuiError) -> None:
    """Print the message and the hint of an error to standard error."""
    # If standard error is closed, print() would write to standard output instead.
    if sys.stderr is not None:
        print(f"kmodtui: {clean(error.message)}", file=sys.stderr)
        if error.hint:
            print(f"         {clean(error.hint)}", file=sys.stderr)


def release_of(host: Host, options: argparse.Namespace) -> str:
    """Return the kernel release to read: --kernel, or else the running kernel's.

    Raises:
        UsageError: --kernel is missing and the running kernel's release is unknown.
    """
    from kmodtui.kernel.system import read_system

    release: str | None = getattr(options, "kernel", None) or read_system(host).release
    if not release:
        raise UsageError(
            "The release of the running kernel is unknown.", "Give one with --kernel RELEASE."
        )
    return release
