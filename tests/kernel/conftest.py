"""One guest for the session: booting is 20 s, and modules leave no trace if tests clean up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import image as images
from tests.kernel.image import CannotRunError, Image
from tests.kernel.vm import VM, boot

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kernel)


@pytest.fixture(scope="session")
def debian() -> Image:
    """The guest's image. Where there can be none the lane is skipped, but never with CI=true."""
    try:
        return images.cached()
    except CannotRunError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def session_vm(debian: Image) -> Iterator[VM]:
    """The session's guest, for fixtures; tests take `vm`."""
    with boot(image=debian) as vm:
        yield vm


@pytest.fixture
def vm(session_vm: VM) -> Iterator[VM]:
    """A guest with kmodtui installed, as it was after booting.

    Modules that a test leaves loaded are taken out after it, and what it has unloaded is
    loaded again. A test that changes more boots a guest of its own.
    """
    before = _loaded(session_vm)
    yield session_vm
    after = _loaded(session_vm)
    for name in [name for name in after if name not in before]:
        session_vm.run("root", ["modprobe", "-r", name])
    for name in reversed([name for name in before if name not in after]):
        session_vm.run("root", ["modprobe", name])


def _loaded(vm: VM) -> list[str]:
    """Names, newest first."""
    return [line.split()[0] for line in vm.read("root", "/proc/modules").decode().splitlines()]
