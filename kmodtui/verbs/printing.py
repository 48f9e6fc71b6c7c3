"""What the verbs share: how they print JSON, how they complain, which release they are about."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from kmodtui.errors import KmodtuiError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, which every verb that prints facts has."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def print_json(schema: int, fields: dict[str, Any]) -> None:
    """Print a JSON object in ASCII; docs/json.md describes the object of each verb.

    Args:
        schema: the version of the object's form. A verb raises its own when it renames or
            removes a field or changes a field's meaning, not when it adds one.
        fields: everything else.
    """
    import json

    json.dump({"schema": schema, **fields}, sys.stdout, indent=2)
    print()


def hexadecimal(address: int) -> str:
    """Return an address for JSON: a string, because 64 bits are too many for a JSON number."""
    return f"0x{address:x}"


def complain(error: KmodtuiError) -> None:
    """Tell a person what went wrong, on the standard error."""
    # Without a standard error, print would fall back to the standard output.
    if sys.stderr is not None:
        print(f"kmodtui: {clean(error.message)}", file=sys.stderr)
        if error.hint:
            print(f"         {clean(error.hint)}", file=sys.stderr)


def release_of(host: Host, options: argparse.Namespace) -> str:
    """Return the release whose modules are meant: that of --kernel, else the running one.

    Raises:
        UsageError: neither is known.
    """
    from kmodtui.kernel.system import read_system

    release: str | None = getattr(options, "kernel", None) or read_system(host).release
    if not release:
        raise UsageError("The kernel's release is not known.", "Say which one with --kernel.")
    return release
