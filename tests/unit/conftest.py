"""What some unit tests need of the machine."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.support import users

# An example takes as long as the machine needs: a busy one proves nothing.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "programs(*names): needs users of its own, and these programs as they are"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("programs"):
        users.require(*marker.args)
