"""`kmodtui about NAME…`: what a module does, supports and needs, and who needs it."""

from __future__ import annotations

import argparse

from kmodtui.kernel.host import Host
from kmodtui.model.about.about import about
from kmodtui.verbs.page import add_arguments, print_pages

__all__ = ["add_arguments", "run"]

SCHEMA = 1


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the pages; return the exit status."""
    return print_pages(
        host, options, SCHEMA, lambda system, name: about(system.about(name)), lines=False
    )
