"""What some unit tests need of the machine."""

from __future__ import annotations

import pytest

from tests.support import users


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "programs(*names): needs users of its own, and these programs as they are"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("programs"):
        users.require(*marker.args)
