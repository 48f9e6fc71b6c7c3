"""A module that was inserted from a file stays connected to it: on Debian's kernel, with keys.

The files are made of Debian's dummy.ko: one contains a module `hello`, which no index has; the
other is `dummy` itself, but built outside of the tree.
"""

from __future__ import annotations

import pytest

from tests.kernel.dashboard import PATIENCE, close, give_password, loaded, select
from tests.kernel.helper_sessions import FOLDER, module_file
from tests.kernel.vm import VM
from tests.support.surgery import replaced, unsigned
from tests.support.terminal import Terminal

pytestmark = pytest.mark.dashboard

FILE = f"{FOLDER}/other-name.ko"
TWIN = f"{FOLDER}/dummy.ko"


def out_of_tree(module: bytes) -> bytes:
    """Return a module whose kernel taints with O, and which modinfo can tell from the original."""
    return replaced(unsigned(module), ".modinfo", b"intree=Y", b"outree=Y")


def renamed(module: bytes) -> bytes:
    """Return dummy.ko with a module named `hello` in it."""
    module = replaced(module, ".gnu.linkonce.this_module", b"dummy\0", b"hello\0")
    return replaced(module, ".modinfo", b"\0name=dummy", b"\0name=hello")


def insert(terminal: Terminal, path: str, name: str) -> None:
    """Choose a file, read its check, and confirm the plan."""
    terminal.press("+")
    terminal.wait_for(r"[\d,]+ of [\d,]+ modules", timeout=PATIENCE)
    terminal.press(path, "Enter")
    terminal.wait_for("p: plan to insert it", timeout=PATIENCE)
    terminal.press("p")
    terminal.wait_for(r"\by insert", timeout=PATIENCE)
    assert f"Insert {name}" in terminal.text()
    terminal.press("y")


def finish(terminal: Terminal, words: str) -> None:
    terminal.wait_for(words, timeout=PATIENCE)
    terminal.wait_for("Enter close", timeout=PATIENCE)
    close(terminal, "Enter close")


def reload(terminal: Terminal, name: str, *seen: str) -> None:
    """Reload with the parameters as they are; the plan has to show some words."""
    terminal.press("R")
    terminal.wait_for(f"Reload {name}", timeout=PATIENCE)
    terminal.wait_for("numdummies", timeout=PATIENCE)
    terminal.press("Enter")
    terminal.wait_for(r"\by reload", timeout=PATIENCE)
    for words in seen:
        terminal.wait_for(words, timeout=PATIENCE)
    terminal.press("y")
    finish(terminal, f"Reloaded {name}")


@pytest.mark.full  # test_change_verbs.py has the same with verbs
def test_a_module_from_a_file_is_reloaded_unloaded_and_undone_from_that_file(
    vm: VM, admin_dashboard: Terminal
) -> None:
    original, _ = module_file(vm, "dummy")
    vm.write("admin", FILE, renamed(out_of_tree(original)))
    vm.write("admin", TWIN, out_of_tree(original))
    terminal = admin_dashboard

    insert(terminal, FILE, "hello")
    give_password(terminal)
    finish(terminal, "Inserted hello")
    assert "hello" in loaded(vm)
    terminal.press("1")
    select(terminal, "hello")
    reload(terminal, "hello", f"insmod {FILE}")
    new = replaced(
        renamed(out_of_tree(original)), ".modinfo", b"Number of dummy", b"Number of DUMMY"
    )
    vm.write("admin", FILE, new)
    reload(terminal, "hello", "has changed since hello was inserted")
    terminal.press("-")
    terminal.wait_for(r"\by unload", timeout=PATIENCE)
    assert "rmmod -- hello" in terminal.text()
    terminal.press("y")
    finish(terminal, "Unloaded hello")
    assert "hello" not in loaded(vm)
    terminal.press("U")
    terminal.wait_for("Undo the unload of hello", timeout=PATIENCE)
    terminal.wait_for(r"\by insert", timeout=PATIENCE)
    terminal.press("y")
    finish(terminal, "Inserted hello")
    vm.run("root", ["rmmod", "hello"], check=True)

    # The same name as an installed one: a reload must not load that instead.
    insert(terminal, TWIN, "dummy")
    finish(terminal, "Inserted dummy")
    terminal.press("1")
    select(terminal, "dummy")
    reload(terminal, "dummy", f"insmod {TWIN}")
    assert "O" in vm.read("guest", "/sys/module/dummy/taint").decode()
    # Another session knows it, too.
    info = vm.run("admin", ["kmodtui", "info", "dummy"], check=True).stdout
    assert f"filename:       {TWIN}\n" in info
    vm.run("root", ["rmmod", "dummy"], check=True)
    info = vm.run("admin", ["kmodtui", "info", "dummy"], check=True).stdout
    assert f"filename:       /lib/modules/{vm.release}/" in info
