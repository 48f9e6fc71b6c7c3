"""The guest is what the other tests take it for."""

import re

from tests.kernel.dashboard import PATIENCE
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM


def test_runs_debians_own_kernel(vm: VM) -> None:
    assert vm.run("guest", ["uname", "-r"]).stdout == f"{vm.release}\n"
    assert "Debian" in vm.read("guest", "/proc/version").decode()
    assert (vm.image.modules / "modules.dep").exists()


def test_has_modules_loaded_as_a_server_would(vm: VM) -> None:
    lines = vm.read("guest", "/proc/modules").decode().splitlines()
    assert len(lines) >= 40
    assert all(" Live " in line for line in lines)
    names = {line.split()[0] for line in lines}
    assert {"ext4", "virtio_net", "ahci", "psmouse", "fuse"} <= names


def test_hides_addresses_from_ordinary_users_only(vm: VM) -> None:
    stext = ["grep", "-m1", " _stext$", "/proc/kallsyms"]
    assert vm.run("guest", stext).stdout.startswith("0000000000000000 ")
    assert not vm.run("root", stext).stdout.startswith("0000000000000000 ")


def test_sudo_asks_the_administrator_for_a_password(vm: VM) -> None:
    assert vm.run("admin", ["sudo", "-n", "true"]).returncode == 1
    with open_terminal(vm, "admin", ["sudo", "-k", "id", "-un"]) as terminal:
        terminal.wait_for(r"password for admin:", timeout=PATIENCE)
        terminal.press(ADMIN_PASSWORD, "Enter")
        assert terminal.wait_for_exit(PATIENCE) == 0
        assert "\nroot\n" in terminal.text()
        assert ADMIN_PASSWORD not in terminal.text()


def test_sudo_is_not_for_guests(vm: VM) -> None:
    with open_terminal(vm, "guest", ["sudo", "true"]) as terminal:
        terminal.wait_for(r"password for guest:", timeout=PATIENCE)
        terminal.press(ADMIN_PASSWORD, "Enter")
        terminal.wait_for("guest is not in the sudoers file", timeout=PATIENCE)
        assert terminal.wait_for_exit(PATIENCE) == 1


def test_a_terminal_has_the_size_and_the_name_that_was_asked_for(vm: VM) -> None:
    with open_terminal(vm, "guest", "stty size; echo $TERM $LANG", columns=80, rows=24) as terminal:
        terminal.wait_for(re.escape("24 80\nxterm-256color C.UTF-8"), timeout=PATIENCE)


def test_kmodtui_is_installed_from_its_wheel(vm: VM) -> None:
    result = vm.run("guest", ["kmodtui", "--version"], check=True)
    assert re.fullmatch(r"kmodtui \d+\.\d+\.\d+\S*\n", result.stdout)
    where = vm.run(
        "guest", ["/opt/kmodtui/bin/python", "-c", "import kmodtui; print(kmodtui.__file__)"]
    )
    assert where.stdout.startswith("/opt/kmodtui/lib/")
