"""What unit tests require of this machine."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.support import users

# No deadline for examples: on a busy machine it would prove nothing.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "programs(*names): needs users of its own, and these programs as they are"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("programs"):
        users.require(*marker.args)
