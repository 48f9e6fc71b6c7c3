"""Lines in the output of a test run, whatever its tests print themselves."""

from __future__ import annotations

import pytest


def print_line(config: pytest.Config, text: str) -> None:
    """Print a line on the terminal, also while output is captured."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None:
        return
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        reporter.write_line(text)
