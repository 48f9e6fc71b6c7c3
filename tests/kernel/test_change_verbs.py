"""The verbs that change modules, on Debian's kernel: as root, with sudo and a question, refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kernel.dashboard import PATIENCE, give_password, loaded
from tests.kernel.helper_sessions import FOLDER, module_file
from tests.kernel.screen import START_SECONDS, open_terminal
from tests.kernel.vm import VM

FILE = f"{FOLDER}/dummy.ko"


def verb(vm: VM, *words: str, status: int = 0, user: str = "root") -> Any:
    """Run a verb without a question; return its JSON."""
    done = vm.kmodtui(user, *words, "--yes", "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_load_set_reload_and_unload(vm: VM) -> None:
    done = verb(vm, "load", "overlay")
    assert done["outcome"]["title"] == "Loaded overlay"
    assert [module["name"] for module in done["change"]["loaded"]] == ["overlay"]
    assert done["change"]["symbols"]["added"] > 100
    before = vm.read("root", "/sys/module/overlay/parameters/metacopy").decode().strip()
    new = "N" if before == "Y" else "Y"
    assert verb(vm, "set", "overlay", f"metacopy={new}")["outcome"]["result"] == "done"
    done = verb(vm, "reload", "overlay")
    assert f"metacopy={new}" in done["parameters"]
    assert [module["name"] for module in done["change"]["reloaded"]] == ["overlay"]
    assert vm.read("root", "/sys/module/overlay/parameters/metacopy").decode().strip() == new
    done = verb(vm, "unload", "overlay")
    assert [module["name"] for module in done["change"]["unloaded"]] == ["overlay"]
    assert "overlay" not in loaded(vm)
    refused = verb(vm, "unload", "ext4", status=1)
    assert "ext4 is in use" in refused["refused"]


def test_a_file_is_loaded_and_reloaded_by_another_process(vm: VM) -> None:
    module_file(vm, "dummy")
    assert verb(vm, "load", FILE)["outcome"]["title"] == "Inserted dummy"
    done = verb(vm, "reload", "dummy")
    assert done["commands"] == ["rmmod -- dummy", f"insmod {FILE}"]
    assert done["outcome"]["title"] == "Reloaded dummy"
    assert verb(vm, "unload", "dummy")["commands"] == ["rmmod -- dummy"]
    # By name it is the distribution's.
    assert verb(vm, "load", "dummy", "--dry-run")["commands"] == ["modprobe -- dummy"]


def test_a_failed_load_is_explained(vm: VM) -> None:
    done = verb(vm, "load", "dummy", "numdummies=x", status=1)
    assert done["outcome"]["result"] == "failure"
    assert any("numdummies" in line for line in done["outcome"]["evidence"])
    assert done["change"]["loaded"] == []


def test_who_may_not_become_root_gets_the_plan(vm: VM) -> None:
    done = vm.kmodtui("guest", "load", "dummy", "--yes")
    assert done.returncode == 3
    assert "dummy" not in loaded(vm)


def test_sudo_and_the_question_on_a_terminal(vm: VM) -> None:
    with open_terminal(vm, "admin", ["kmodtui", "load", "dummy"]) as terminal:
        terminal.wait_for(r"Continue\? \[y/N\]", timeout=START_SECONDS)
        assert "modprobe -- dummy" in terminal.text()
        terminal.press("y", "Enter")
        give_password(terminal)
        terminal.wait_for("Loaded dummy", timeout=PATIENCE)
    assert "dummy" in loaded(vm)
    vm.run("root", ["rmmod", "dummy"], check=True)
    vm.run("root", "rm -rf /run/sudo/ts/*", check=True)


# They follow one another. The parameter of overlay can be written while it is loaded.
_EACH = (
    "load overlay",
    "set overlay metacopy=Y",
    "reload overlay",
    "blacklist overlay",
    "unblacklist overlay",
    "block overlay",
    "unblock overlay",
    "keep overlay",
    "forget overlay",
    "unload overlay",
)


@pytest.mark.full
def test_each_verb_does_through_sudo_what_it_does_as_root(vm: VM) -> None:
    # A directory that says that something reads it, as on every system with systemd.
    vm.run("root", ["mkdir", "-p", "/etc/modules-load.d"], check=True)
    as_root = [verb(vm, *command.split()) for command in _EACH]
    each = " && ".join(f"kmodtui {command} --yes --json >> /tmp/verbs.json" for command in _EACH)
    with open_terminal(vm, "admin", ["sh", "-c", f"{each}; echo status $?; cat"]) as terminal:
        give_password(terminal)
        terminal.wait_for(r"status \d", timeout=len(_EACH) * START_SECONDS)
        assert "status 0" in terminal.text()
    rest = vm.read("root", "/tmp/verbs.json").decode()
    through_sudo = []
    while rest.strip():
        fields, end = json.JSONDecoder().raw_decode(rest)
        through_sudo.append(fields)
        rest = rest[end:].lstrip()
    vm.run("root", "rm -rf /run/sudo/ts/* /tmp/verbs.json /etc/modules-load.d", check=True)
    assert "overlay" not in loaded(vm)
    for command, one, other in zip(_EACH, as_root, through_sudo, strict=True):
        assert one["outcome"]["result"] == "done", command
        for key in ("verb", "modules", "commands", "warnings"):
            assert one[key] == other[key], (command, key)
        assert one["outcome"]["title"] == other["outcome"]["title"], command
