"""One guest for the session: booting is 20 s, and modules leave no trace if tests clean up.

Where the lane cannot run it is skipped with one line that says what is missing; with
CI=true it fails with that line.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.kernel import image as images
from tests.kernel.dashboard import POLLING_SECONDS, SharedDashboard
from tests.kernel.helper_sessions import gate, rule, session
from tests.kernel.host_commands import CannotRunError
from tests.kernel.image import Image
from tests.kernel.installation import dependencies
from tests.kernel.vm import VM, boot
from tests.support.terminal import Terminal

__all__ = ["gate", "rule", "session"]

HERE = Path(__file__).parent
IMAGE = pytest.StashKey[Image]()
WHY_NOT = pytest.StashKey[str]()
HAS_FAILED = pytest.StashKey[bool]()

_DASHBOARDS = ("", "admin_dashboard", "guest_dashboard")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the image before the first test; where there can be none, let one item say why."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.kernel)
    if not ours or config.option.collectonly:
        return
    # Those that share a dashboard one after another, when the others no longer make it read again
    # and again what they load and unload.
    items.sort(key=lambda item: _DASHBOARDS.index(_dashboard_of(item)))
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not images.BUSYBOX.folder.exists():
        reporter.write_line("kernel lane: making a Debian disk image, once; it takes two minutes")
    try:
        config.stash[IMAGE] = image = images.cached()
        dependencies(image)
    except CannotRunError as missing:
        if os.environ.get("CI") == "true":
            config.stash[WHY_NOT] = str(missing)
        else:
            ours[0].add_marker(pytest.mark.skip(f"{missing} ({len(ours)} tests)"))
        items[:] = [item for item in items if item not in ours[1:]]
        config.hook.pytest_deselected(items=ours[1:])


def _dashboard_of(item: pytest.Item) -> str:
    return next((name for name in _DASHBOARDS if name in getattr(item, "fixturenames", ())), "")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if missing := item.config.stash.get(WHY_NOT, None):
        pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="session")
def debian(pytestconfig: pytest.Config) -> Image:
    """The guest's image, and with it Debian's files for tests on this machine."""
    return pytestconfig.stash[IMAGE]


@pytest.fixture(scope="session")
def session_vm(debian: Image) -> Iterator[VM]:
    """The session's guest, for fixtures; tests take `vm`."""
    with boot(image=debian) as vm:
        yield vm


@pytest.fixture(scope="session")
def shared_dashboard(session_vm: VM) -> Iterator[SharedDashboard]:
    dashboard = SharedDashboard(session_vm)
    yield dashboard
    dashboard.close()


@pytest.fixture
def admin_dashboard(
    vm: VM, shared_dashboard: SharedDashboard, request: pytest.FixtureRequest
) -> Iterator[Terminal]:
    """A dashboard of somebody who may use sudo, at rest; tests share it."""
    yield from _lent(shared_dashboard, request, "admin")


@pytest.fixture
def guest_dashboard(
    vm: VM, shared_dashboard: SharedDashboard, request: pytest.FixtureRequest
) -> Iterator[Terminal]:
    """A dashboard of somebody who may not use sudo, at rest; it hardly ever polls."""
    yield from _lent(shared_dashboard, request, "guest", "--interval", str(POLLING_SECONDS))


def _lent(
    shared: SharedDashboard, request: pytest.FixtureRequest, user: str, *options: str
) -> Iterator[Terminal]:
    with shared.at_rest(user, *options) as terminal:
        yield terminal
        if request.node.stash.get(HAS_FAILED, False):
            shared.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[HAS_FAILED] = True
    return report


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
