"""The helper under its AppArmor profile, enforced: all operations work, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.install_helper import HELPER
from kmodtui.privileged.sockets import Process, SocketTransport
from tests.kernel.helper_sessions import PATIENCE
from tests.kernel.installation import REPOSITORY
from tests.kernel.test_helper_through_sudo import Steps
from tests.kernel.vm import VM

pytestmark = pytest.mark.full

PROFILE = REPOSITORY / "packaging" / "apparmor" / "kmodtui-helper"
LOADED = "/etc/apparmor.d/kmodtui-helper"


@pytest.fixture
def confined(vm: VM) -> Iterator[None]:
    vm.run("root", "mountpoint -q /sys/kernel/security || mount -t securityfs none "
           "/sys/kernel/security", check=True)  # fmt: skip
    assert vm.read("root", "/sys/module/apparmor/parameters/enabled") == b"Y\n"
    vm.run("root", ["kmodtui", "helper", "install"], check=True)
    vm.write("root", LOADED, Path(PROFILE).read_bytes())
    vm.run("root", ["apparmor_parser", "-r", LOADED], check=True)
    yield
    vm.run(
        "root", f"apparmor_parser -R {LOADED}; rm {LOADED}; kmodtui helper uninstall", check=True
    )


def denials(vm: VM) -> list[str]:
    """What the kernel has logged of the profile."""
    lines = vm.run("root", ["dmesg"], check=True).stdout.splitlines()
    return [line for line in lines if 'apparmor="DENIED"' in line and "kmodtui-helper" in line]


async def test_every_operation_works_under_the_profile(
    vm: VM, confined: None, rule: Callable[[str], None]
) -> None:
    steps = Steps(vm)
    process = Process.start(vm.ssh("root", f"exec {HELPER} change"))
    root = await HelperClient.connect(await SocketTransport.over(process), "ssh", within=PATIENCE)
    try:
        label = vm.read("root", f"/proc/{root.hello.pid}/attr/apparmor/current")
        assert label == b"kmodtui-helper (enforce)\n"
        for name in (name for name in vars(Steps) if not name.startswith("_")):
            if name != "idle":
                await getattr(steps, name)(root)
        # The command of a rule is root's own, and runs as it would in a shell.
        rule("install dummy id >/tmp/by-rule; /sbin/modprobe --ignore-install dummy")
        assert (await root.load("dummy")).ok
        assert vm.read("root", "/tmp/by-rule").startswith(b"uid=0(root)")
        assert (await root.unload(["dummy"])).ok
    finally:
        await root.close()
    assert denials(vm) == []


def test_nothing_else_works_under_the_profile(vm: VM, confined: None) -> None:
    def python(statement: str) -> str:
        words = ["aa-exec", "-p", "kmodtui-helper", "--", "/usr/bin/python3", "-I", "-S", "-c"]
        return vm.run("root", [*words, statement]).stderr

    assert python("open('/proc/modules')") == ""
    for statement in (
        "open('/etc/shadow')",
        "open('/root/.ssh/authorized_keys')",
        "open('/etc/modprobe.d/other.conf', 'w')",
        "open('/dev/mem')",
        "import os; os.execv('/usr/bin/id', ['id'])",
        "import socket; socket.socket()",
    ):
        assert "PermissionError" in python(statement), statement
    assert denials(vm)
