"""`kmodtui why NAME…`: why a module is loaded, and why it cannot be unloaded."""

from __future__ import annotations

import argparse

from kmodtui.kernel.host import Host
from kmodtui.model.about.why import why
from kmodtui.verbs.page import add_arguments, print_pages

__all__ = ["add_arguments", "run"]

SCHEMA = 1


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the pages; return the exit status."""
    return print_pages(
        host, options, SCHEMA, lambda system, name: why(system.why(name)), lines=True
    )
