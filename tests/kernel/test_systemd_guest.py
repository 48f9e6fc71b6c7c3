"""Every way to root where systemd runs the machine, and what journald keeps of it.

`make test-full` alone: the guest is another one, Debian 13, made for this.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator

import pexpect
import pytest

from tests.kernel import image as images
from tests.kernel.dashboard import (
    PATIENCE,
    await_readings,
    close,
    give_password,
    load,
    loaded,
    open_dashboard,
    select,
)
from tests.kernel.host_commands import CannotRunError
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.screen import open_terminal
from tests.kernel.vm import VM, boot
from tests.kernel.watching import await_in_guest, helpers, watched
from tests.support import root_sessions
from tests.support.users import INTRUDER, SCRIPT

pytestmark = pytest.mark.full

SESSION = f"/usr/local/lib/{SCRIPT.name}"

PROMPTS = {
    "sudo": r"password for admin:",
    "doas": r"doas \(admin@debian\) password:",
    "run0": r"Authenticating as: admin\s+Password:",
    "pkexec": r"Authenticating as: admin\s+Password:",
}
AUDITED = {
    "sudo": "SUDO_UID=1000 SUDO_USER=admin",
    "doas": "DOAS_USER=admin",
    "run0": "SUDO_UID=1000 SUDO_USER=admin",
    "pkexec": "PKEXEC_UID=1000",
}
"""What the helper knows of who stands behind it."""


@pytest.fixture(scope="module")
def vm() -> Iterator[VM]:
    """A guest that systemd runs, with the helper installed: pkexec starts no other one."""
    try:
        image = images.cached(images.SYSTEMD)
    except CannotRunError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with boot(image=image) as vm:
        vm.run("root", ["kmodtui", "helper", "install"], check=True)
        vm.write("root", SESSION, SCRIPT.read_bytes())
        vm.write("root", f"/usr/local/lib/{INTRUDER.name}", INTRUDER.read_bytes())
        yield vm


def journal(vm: VM, helper: str) -> str:
    """What journalctl tells of one helper, as an administrator asks for it."""
    words = ["journalctl", "-t", "kmodtui-helper", f"_PID={helper}", "-o", "cat", "--no-pager"]
    return vm.run("root", words, check=True).stdout


def session(vm: VM, user: str, way: str, *arguments: str) -> pexpect.spawn[str]:
    """What the dashboard does around a way to root, in a terminal of the guest."""
    words = ["/opt/kmodtui/bin/python", SESSION, "/nowhere", f"way={way}", *arguments]
    ssh, *rest = vm.ssh(user, words, terminal=True)
    return pexpect.spawn(ssh, rest, encoding="utf-8", timeout=PATIENCE, dimensions=(24, 200))


def test_systemd_runs_it_and_nothing_failed(vm: VM) -> None:
    assert vm.run("guest", ["systemctl", "is-system-running"]).stdout == "running\n"
    assert vm.run("guest", ["cat", "/proc/1/comm"]).stdout == "systemd\n"


@pytest.mark.parametrize("way", PROMPTS)
def test_a_module_goes_in_and_out_and_the_journal_tells_by_whom(vm: VM, way: str) -> None:
    with open_dashboard(vm, "admin", "--elevate", way) as terminal:
        await_readings(terminal)
        load(terminal, "dummy", "numdummies=1")
        give_password(terminal, PROMPTS[way])
        terminal.wait_for("Loaded dummy", timeout=PATIENCE)
        assert "dummy" in loaded(vm)
        assert ADMIN_PASSWORD not in terminal.text()
        (helper,) = helpers(vm)
        close(terminal, "Loaded dummy")
        assert f"root: on ({way})" in terminal.text()

        select(terminal, "dummy")
        terminal.press("-")
        terminal.wait_for(r"y unload", timeout=PATIENCE)
        terminal.press("y")  # and nothing is asked
        terminal.wait_for("Unloaded dummy", timeout=PATIENCE)
        assert "dummy" not in loaded(vm)
        close(terminal, "Unloaded dummy")
        terminal.press("q")
        assert terminal.wait_for_exit(PATIENCE) == 0
        assert not terminal.is_full_screen
    await_in_guest(vm, f"! test -d /proc/{helper}")

    told = journal(vm, helper)
    assert re.search(rf"^session: .*{AUDITED[way]}", told, re.MULTILINE)
    assert re.search(r'^request: .*"op": "load", "name": "dummy"', told, re.MULTILINE)
    assert re.search(r'^result: id \d+ .*"after": \{"dummy": "Live"\}', told, re.MULTILINE)
    assert re.search(r'^result: id \d+ .*"after": \{"dummy": null\}', told, re.MULTILINE)
    assert re.search(r"^end: ", told, re.MULTILINE)


@pytest.mark.parametrize("way", PROMPTS)
def test_the_terminal_is_left_alone(vm: VM, way: str) -> None:
    running = session(vm, "admin", way)
    purpose = "/usr/local/libexec/kmodtui-helper change\r\n"
    root_sessions.asks_and_leaves_the_terminal_alone(
        running, way, purpose=purpose, password=ADMIN_PASSWORD
    )


@pytest.mark.parametrize("way", ["sudo", "doas", "pkexec"])
def test_other_programs_of_the_user_cannot_use_the_session(vm: VM, way: str) -> None:
    root_sessions.keeps_others_out(session(vm, "admin", way, "intruder"), ADMIN_PASSWORD)


def test_nobody_sends_requests_through_run0(vm: VM) -> None:
    """It runs as the user and holds the helper's end: what is written there ends the session."""
    running = session(vm, "admin", "run0", "intruder")
    running.expect(root_sessions.PROMPT)
    running.sendline(ADMIN_PASSWORD)
    running.expect(r"PID (\d+)")
    helper = running.match.group(1)  # type: ignore[union-attr]
    root_sessions.typed(running)
    running.expect(r"REACHED taken run0 0 socket")
    running.expect("INTRUDER DONE")
    assert not re.search("opened run0 [01] ", running.before)  # but standard error, a pipe
    running.expect("helper sent a malformed answer")
    await_in_guest(vm, f"! test -d /proc/{helper}")
    assert "77" not in re.sub(r"\(.*\)", "", journal(vm, helper))


@pytest.fixture
def sudo_rs(vm: VM) -> Iterator[None]:
    """Have sudo-rs in the place of sudo, as on a system that has it alone."""
    vm.run("root", ["mount", "--bind", "/usr/bin/sudo-rs", "/usr/bin/sudo"], check=True)
    yield
    vm.run("root", ["umount", "/usr/bin/sudo"], check=True)


def test_sudo_rs_leaves_the_terminal_alone_as_well(vm: VM, sudo_rs: None) -> None:
    root_sessions.asks_and_leaves_the_terminal_alone(
        session(vm, "admin", "sudo"), "sudo", purpose="kmodtui-helper", password=ADMIN_PASSWORD
    )


@pytest.mark.parametrize(
    ("user", "answers", "sentence"),
    [
        ("admin", ["a\r"] * 3, "sudo did not accept the password"),
        ("guest", [], "This user may not start the helper with sudo"),
    ],
)
def test_each_refusal_of_sudo_rs_has_its_own_sentence(
    vm: VM, sudo_rs: None, user: str, answers: list[str], sentence: str
) -> None:
    root_sessions.refuses(session(vm, user, "sudo"), answers, sentence)


REFUSED = "ElevationRefusedError: "
POLKIT = f"{REFUSED}polkit did not accept the password"


@pytest.mark.parametrize(
    ("way", "user", "answers", "sentence"),
    [
        ("sudo", "admin", ["a\r"] * 3, f"{REFUSED}sudo did not accept the password"),
        ("sudo", "guest", [f"{ADMIN_PASSWORD}\r"], "the sudoers file does not allow it"),
        ("doas", "admin", ["a\r"], f"{REFUSED}doas was given a wrong password or none"),
        ("run0", "admin", ["a\r"], POLKIT),
        ("run0", "admin", ["\x03"], "ElevationCancelledError: Authentication cancelled"),
        # polkit asks a guest for the password of an administrator.
        ("run0", "guest", ["a\r"], POLKIT),
        ("pkexec", "admin", ["a\r"], POLKIT),
        ("pkexec", "admin", ["\x03"], "ElevationCancelledError: Authentication cancelled"),
        ("pkexec", "guest", ["a\r"], POLKIT),
    ],
)
def test_each_refusal_has_its_own_sentence(
    vm: VM, way: str, user: str, answers: list[str], sentence: str
) -> None:
    root_sessions.refuses(session(vm, user, way), answers, sentence)


def test_doas_does_not_ask_whom_no_rule_lets(vm: VM) -> None:
    root_sessions.refuses_unasked(session(vm, "guest", "doas"), "its rules do not allow it")


def test_polkit_that_says_no_at_once_is_told(vm: VM) -> None:
    rule = "/etc/polkit-1/rules.d/00-test.rules"
    # Of JavaScript polkit knows what was known in 2009.
    text = """polkit.addRule(function (action) {
        if (action.id.indexOf("org.kmodtui") == 0 || action.id.indexOf("manage-units") > 0)
            return polkit.Result.NO;
    });"""
    vm.write("root", rule, text.encode())
    try:
        vm.run("root", ["systemctl", "restart", "polkit"], check=True)
        root_sessions.refuses_unasked(session(vm, "admin", "run0"), "This user may not use run0")
        root_sessions.refuses_unasked(
            session(vm, "admin", "pkexec"), "does not allow this user to start"
        )
    finally:
        vm.run("root", f"rm {rule}; systemctl restart polkit", check=True)


@pytest.mark.parametrize("way", PROMPTS)
def test_where_privileges_cannot_be_gained(vm: VM, way: str) -> None:
    # run0 could; but polkit 126 checks passwords by way of a setuid program.
    words = ["setpriv", "--no-new-privs", "kmodtui", "--elevate", way, "helper", "install"]
    done = vm.run("admin", words)
    assert done.returncode == 1
    assert done.stderr.startswith("kmodtui: This session cannot gain privileges (no_new_privs)")


@pytest.mark.parametrize("way", PROMPTS)
def test_no_helper_is_left_when_the_connection_is_cut(
    vm: VM, way: str, record_property: Callable[[str, object], None]
) -> None:
    words = vm.ssh(
        "admin", shlex.join(["/opt/kmodtui/bin/python", SESSION, "/nowhere", f"way={way}", "stay"]),
        terminal=True,
    )  # fmt: skip
    words[1:1] = ["-oControlPath=none", "-oControlMaster=no"]
    running = pexpect.spawn(words[0], words[1:], encoding="utf-8", timeout=PATIENCE)
    root_sessions.helper_of(running, ADMIN_PASSWORD)
    (helper,) = helpers(vm)
    with watched(vm, [helper]) as gone:
        running.kill(9)
        record_property("seconds until no helper was left", round(gone(), 2))
    assert helpers(vm) == []
    # Nor a unit of systemd's, nor polkit's agent.
    await_in_guest(vm, "! systemctl --no-legend list-units 'run-*.service' | grep -q running")
    await_in_guest(vm, "! pgrep -u admin -x 'pkttyagent|run0|pkexec|doas|sudo'")


@pytest.mark.parametrize("way", ["run0", "pkexec", "doas"])
def test_installing_and_uninstalling_leaves_nothing(vm: VM, way: str) -> None:
    """Each on its own: `kmodtui helper` asks for root itself."""
    places = "/usr/local /usr/share/polkit-1 /etc"
    listed = f"find {places} -xdev -newermt @0 -path '*kmodtui*' | sort"

    def helper(*words: str) -> str:
        verb = ["kmodtui", "--elevate", way, "helper", *words]
        with open_terminal(vm, "admin", verb) as terminal:
            give_password(terminal, PROMPTS[way].split(r"\s+")[-1])
            assert terminal.wait_for_exit(PATIENCE) == 0, terminal.text()
            return terminal.text()

    try:
        assert "removed." in helper("uninstall")
        assert vm.run("root", f"{listed} | grep -v {SESSION}").stdout.splitlines() == [
            "/usr/local/bin/kmodtui"
        ]
        assert vm.run("guest", ["kmodtui", "helper", "status"]).returncode == 1
        assert "owned by root" in helper("install")
        assert vm.run("guest", ["kmodtui", "helper", "status"]).returncode == 0
    finally:
        vm.run("root", ["kmodtui", "helper", "install"], check=True)
