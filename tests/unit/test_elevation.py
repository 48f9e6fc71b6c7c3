"""Which way to root there is, and what is said where there is none."""

from __future__ import annotations

import asyncio
import json
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from kmodtui import __version__
from kmodtui.cli import WAYS_TO_ROOT
from kmodtui.errors import (
    ElevationCancelledError,
    ElevationError,
    ElevationRefusedError,
    HelperError,
)
from kmodtui.privileged import asking, elevation, installation
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import (
    LADDER,
    AlreadyRoot,
    NoElevation,
    detect,
    open_session,
)
from kmodtui.privileged.installation import (
    HelperCommand,
    caution,
    find_helper,
    version_of,
    writable_part,
)
from kmodtui.privileged.pipes import PipeTransport, Process
from kmodtui.privileged.programs import DOAS, PKEXEC, RUN0, SUDO, Program
from kmodtui.privileged.ways import Way
from kmodtui.services.root import LocalRoot

HELPER_OF_A_FEW_LINES = f"""
import json, sys
print(json.dumps({{"hello": {{"protocol": 2, "version": "{__version__}", "pid": 1, "uid": 0,
                             "operations": [], "modprobe": ""}}}}), flush=True)
sys.stdin.read()
"""


@contextmanager
def never() -> Iterator[None]:
    pytest.fail("the screen was given away")
    yield


def script(folder: Path, text: str) -> str:
    path = folder / "sudo"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_root_needs_nobody() -> None:
    assert isinstance(detect(root=True), AlreadyRoot)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which a way to root may be."""
    monkeypatch.setattr(elevation, "_PLACES", (str(tmp_path),))
    return tmp_path


def setuid(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o4755)
    return path


def test_where_nothing_is_installed_there_is_no_way(places: Path) -> None:
    found = detect(root=False)
    assert isinstance(found, NoElevation)
    assert (
        found.sentence == "You are not root, and none of sudo, doas, run0 and pkexec is installed."
    )


def test_a_sudo_without_setuid_is_none(places: Path) -> None:
    script(places, "#!/bin/sh\n")
    found = detect(root=False)
    assert isinstance(found, NoElevation)
    assert "not setuid root" in found.sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is setuid root")
def test_the_first_way_that_can_work_is_taken(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = places / "doas.conf"
    monkeypatch.setattr(elevation, "_DOAS_RULES", (str(conf), str(places / "doas.d")))
    script(places, "#!/bin/sh\n")  # a sudo, and not setuid
    setuid(places, "doas")
    assert "not setuid root" in detect(root=False).sentence
    assert "there is no " in detect("doas", root=False).sentence
    conf.write_text("")
    assert detect(root=False).name == "doas"
    setuid(places, "sudo")
    assert detect(root=False).name == "sudo"
    assert detect("doas", root=False).available
    assert detect("sudo", root=True).name == "sudo"  # asked for, so taken


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is setuid root")
def test_pkexec_needs_its_agent_and_the_installed_helper(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setuid(places, "pkexec")
    assert "pkttyagent is not installed" in detect(root=False).sentence
    setuid(places, "pkttyagent")
    monkeypatch.setattr(elevation, "ACTION", str(places / "action"))
    monkeypatch.setattr(elevation, "is_installed", lambda: True)
    found = detect(root=False)
    assert isinstance(found, NoElevation)
    assert "kmodtui helper install" in found.hint
    assert detect(root=False, installing=True).name == "pkexec"
    (places / "action").write_text("")
    assert detect(root=False).name == "pkexec"
    monkeypatch.setattr(elevation, "is_installed", lambda: False)
    assert isinstance(detect(root=False), NoElevation)


def test_run0_needs_systemd_and_polkits_agent(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevation, "_SYSTEMD", str(places / "systemd"))
    (places / "run0").write_text("")  # it lives from no setuid bit
    assert "not started by systemd" in detect(root=False).sentence
    (places / "systemd").mkdir()
    assert "pkttyagent is not installed" in detect(root=False).sentence
    (places / "pkttyagent").write_text("")
    assert detect(root=False).name == "run0"
    monkeypatch.setattr(elevation, "_no_new_privileges", lambda: True)
    monkeypatch.setattr(elevation, "_AGENT_HELPER", str(places / "agent-helper.socket"))
    assert "polkit's agent cannot check a password" in detect("run0", root=False).sentence
    (places / "agent-helper.socket").write_text("")
    assert detect("run0", root=False).available


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is setuid root")
def test_the_rules_of_doas_may_be_in_a_folder(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alpine's doas reads /etc/doas.d/*.conf."""
    folder = places / "doas.d"
    monkeypatch.setattr(elevation, "_DOAS_RULES", (str(places / "doas.conf"), str(folder)))
    setuid(places, "doas")
    folder.mkdir()
    assert "lets nobody become root" in detect(root=False).sentence
    (folder / "wheel.conf").write_text("permit :wheel\n")
    assert detect(root=False).available


def test_a_way_that_is_named_and_not_there_is_told(places: Path) -> None:
    assert detect("doas", root=False).sentence == "doas is not installed."
    assert detect("root", root=False).sentence == "You are not root."
    assert isinstance(detect("root", root=True), AlreadyRoot)


def test_a_way_that_was_asked_for_and_cannot_work_is_an_error(places: Path) -> None:
    with pytest.raises(ElevationRefusedError, match=r"doas is not installed\. .*--elevate"):
        LocalRoot("doas")


def test_the_command_line_knows_every_way() -> None:
    assert WAYS_TO_ROOT == LADDER


async def test_no_way_is_an_error_with_its_reason() -> None:
    with pytest.raises(ElevationRefusedError, match="no reason at all"):
        await open_session(NoElevation("There is no reason at all."), never)


async def test_root_starts_the_helper_directly() -> None:
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(AlreadyRoot(), never, command)
    assert client.via == "root"
    await client.close()


async def test_what_cannot_be_started_is_told() -> None:
    with pytest.raises(ElevationError, match="/nonexistent/python3 cannot be started: No such"):
        await open_session(AlreadyRoot(), never, HelperCommand(("/nonexistent/python3",)))
    with pytest.raises(ElevationError, match="/nonexistent/sudo cannot be started"):
        await open_session(Way(SUDO, "/nonexistent/sudo"), never, HelperCommand(("x",)))


async def test_without_a_python_there_is_no_helper() -> None:
    with pytest.raises(HelperError, match="needs Python"):
        await open_session(AlreadyRoot(), never, HelperCommand((), "The helper needs Python."))


async def test_a_sudo_that_needs_no_password_leaves_the_screen(tmp_path: Path) -> None:
    # A shell gives its background jobs no standard input: 3 hands it over.
    text = '[ "$1 $2 $3" = "-n -b --" ] || exit 1\nshift 3\nexec 3<&0\n"$@" <&3 &\n'
    sudo = script(tmp_path, "#!/bin/sh\n" + text)
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(Way(SUDO, sudo), never, command)
    assert client.via == "sudo"
    await client.close()


async def test_a_sudo_without_background_has_the_helper_detach_itself(tmp_path: Path) -> None:
    """sudo-rs 0.2.5 has no -b."""
    text = (
        '[ "$1" = --version ] && exec echo sudo-rs 0.2.5\n'
        '[ "$1 $2" = "-n --" ] || exit 1\nshift 2\nexec "$@"\n'
    )
    # Like the helper: it leaves its parent, takes the pipes along, and ends with its input.
    detaching = f"""
import os, sys
assert sys.argv[1:] == ["--detach"]
if os.fork():
    os._exit(0)
{HELPER_OF_A_FEW_LINES}"""
    sudo = Way(SUDO, script(tmp_path, "#!/bin/sh\n" + text))
    command = HelperCommand((sys.executable, "-I", "-S", "-c", detaching))
    client = await open_session(sudo, never, command)
    assert client.alive
    await client.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="the helper serves root alone")
async def test_the_helper_detaches_itself_and_still_ends_with_its_input() -> None:
    command = find_helper()
    process = Process.start([*command.argv, "--detach"])
    transport = await PipeTransport.over(process)
    client = await HelperClient.connect(transport, "test")
    assert process.popen.wait(10) == 0
    assert client.hello.pid != process.popen.pid
    assert os.getsid(client.hello.pid) == client.hello.pid
    gone = os.pidfd_open(client.hello.pid)
    await client.close()
    assert select.select([gone], [], [], 5)[0]
    os.close(gone)


async def test_without_a_terminal_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TERMINAL", str(tmp_path / "none"))
    with pytest.raises(ElevationRefusedError, match="no terminal") as told:
        await open_session(Way(SUDO, script(tmp_path, "#!/bin/sh\nexit 1\n")), never,
                           HelperCommand(("x",)))  # fmt: skip
    assert "ssh -t" in told.value.hint


async def test_the_last_words_of_an_unknown_sudo_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = tmp_path / "terminal"
    terminal.write_text("")
    monkeypatch.setattr(asking, "TERMINAL", str(terminal))
    sudo = script(
        tmp_path, "#!/bin/sh\n[ $1 = -n ] || echo 'sudo: the \033[1mmoon is full' >&2\nexit 1\n"
    )
    given: list[str] = []

    def foreground() -> AbstractContextManager[None]:
        given.append("screen")
        return nullcontext()

    with pytest.raises(ElevationRefusedError, match=r"sudo refused: the \\x1b\[1mmoon is full"):
        await open_session(Way(SUDO, sudo), foreground, HelperCommand(("/x/helper",)))
    assert given == ["screen"]
    assert "/x/helper" in terminal.read_text()  # the person saw what root was wanted for


async def test_who_leaves_a_child_behind_is_heard_all_the_same(tmp_path: Path) -> None:
    """What sudo or a PAM module has started may keep the pipe open for as long as it likes."""
    doas = script(
        tmp_path,
        f"#!/bin/sh\nsleep 600 &\necho $! >{tmp_path}/child\n"
        "echo 'doas: the moon is full' >&2\nexit 1\n",
    )
    with pytest.raises(ElevationRefusedError, match="doas refused: the moon is full"):
        await open_session(Way(DOAS, doas), never, HelperCommand(("x",)))
    os.kill(int((tmp_path / "child").read_text()), 9)


async def test_who_says_more_than_a_pipe_holds_is_heard_to_the_end(tmp_path: Path) -> None:
    doas = script(tmp_path, "#!/bin/sh\nyes lecture | head -c 200000 >&2\n"
                  "echo 'doas: no' >&2\nexit 1\n")  # fmt: skip
    with pytest.raises(ElevationRefusedError, match="doas refused: no"):
        await open_session(Way(DOAS, doas), never, HelperCommand(("x",)))


def test_quitting_does_not_wait_for_a_window_that_asks(tmp_path: Path) -> None:
    """The desktop's agent has a window open, and nobody types a password."""
    started, held = tmp_path / "started", tmp_path / "held"
    os.mkfifo(started)
    os.mkfifo(held)
    pkexec = script(tmp_path, f"#!/bin/sh\necho $$ >{started}\nread -r _ <{held}\n")
    watches: list[int] = []

    async def quit_while_it_asks() -> None:
        opening = asyncio.create_task(
            open_session(Way(PKEXEC, pkexec, "/nonexistent"), never, HelperCommand(("x",)))
        )
        number = await asyncio.to_thread(started.read_text)
        watches.append(os.pidfd_open(int(number)))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(quit_while_it_asks())  # it joins the threads of the loop, and comes back
    assert select.select(watches, [], [], 5)[0]
    os.close(watches[0])


# It waits for the helper's end, as run0 does for that of its unit.
STAYING = """#!/bin/sh
exec 3<&0
while [ "$1" != -- ]; do shift; done
shift
"$@" <&3 &
wait
"""


async def test_a_run0_that_stays_is_well_once_the_helper_speaks(tmp_path: Path) -> None:
    run0 = Way(RUN0, script(tmp_path, STAYING), "/nonexistent")
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(run0, never, command)
    assert client.via == "run0"
    assert client.alive
    await client.close()


async def test_a_run0_that_must_ask_has_an_agent_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """polkit is asked about run0 itself: the agent has to be there for its number, before."""
    terminal = tmp_path / "terminal"
    terminal.write_text("")
    monkeypatch.setattr(asking, "TERMINAL", str(terminal))
    agent = tmp_path / "agent"
    agent.write_text(f'#!/bin/sh\necho $* >{tmp_path}/agents\neval "exec $5>&-"\nexec sleep 600\n')
    agent.chmod(0o755)
    refusing = (
        '[ "$1" = --no-ask-password ] && '
        "{ echo Interactive authentication required. >&2; exit 1; }\n"
        f'[ "$(cut -d" " -f3 {tmp_path}/agents)" = $$ ] || exit 1\n'
    )
    run0 = script(tmp_path, STAYING.replace("exec 3<&0\n", refusing + "exec 3<&0\n"))
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(Way(RUN0, run0, str(agent)), nullcontext, command)
    assert client.alive
    await client.close()
    assert "root is needed for" in terminal.read_text()


_ANOTHER = "Error executing command as another user: "
_RUN0 = "Failed to start transient service unit: "

REFUSALS: list[tuple[Program, str, type[ElevationError], str]] = [
    (SUDO, "sudo: 3 incorrect password attempts\n", ElevationRefusedError, "not accept"),
    (SUDO, "sudo: 1 incorrect password attempt\n", ElevationRefusedError, "not accept"),
    (SUDO, "sudo: a password is required\n", ElevationCancelledError, "no password"),
    (SUDO, "bob is not in the sudoers file.\n", ElevationRefusedError, "sudoers file"),
    (SUDO, "bob is not in the sudoers file.  This incident will be reported.\n",
     ElevationRefusedError, "sudoers file"),
    (SUDO, "Sorry, user bob is not allowed to execute 'x' as root on vm.\n",
     ElevationRefusedError, "sudoers file"),
    (SUDO, "sudo-rs: Maximum 3 incorrect authentication attempts\n",
     ElevationRefusedError, "not accept"),
    (SUDO, "sudo-rs: I'm sorry bob. I'm afraid I can't do that\n",
     ElevationRefusedError, "sudo refused: I'm sorry bob. I'm afraid I can't do that."),
    (SUDO, "", ElevationRefusedError, "sudo refused: it gave no reason."),
    (SUDO, "author: unauthenticated\n", ElevationRefusedError, "unauthenticated"),
    (DOAS, "doas: Authentication failed\n", ElevationRefusedError, "not accept"),
    (DOAS, "doas: Operation not permitted\n", ElevationRefusedError, "its rules do not"),
    (DOAS, "doas: syntax error at line 1\n", ElevationRefusedError,
     "doas refused: syntax error at line 1."),
    (PKEXEC, _ANOTHER + "Not authorized\n\nThis incident has been reported.\n",
     ElevationRefusedError, "did not accept the password, or does not let"),
    (PKEXEC, _ANOTHER + "Request dismissed\n", ElevationCancelledError, "broke off"),
    (PKEXEC, _ANOTHER + "No authentication agent found.\n", ElevationRefusedError,
     "pkexec refused: No authentication agent found."),
    (RUN0, _RUN0 + "Access denied\n", ElevationRefusedError, "does not let this user use run0"),
    (RUN0, _RUN0 + "Permission denied\n", ElevationRefusedError, "not accept the password"),
    (RUN0, _RUN0 + "Interactive authentication required.\n", ElevationRefusedError,
     "found nobody to ask"),
    (RUN0, "Failed to connect to system scope bus via local transport: No such file\n",
     ElevationRefusedError, "its bus does not answer"),
    (RUN0, _RUN0 + "Unit run-1.service was already loaded\n", ElevationRefusedError,
     "run0 refused: Failed to start transient service unit: Unit run-1.service was"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "words", "kind", "sentence"), REFUSALS)
def test_the_sentence_for_each_refusal(
    program: Program, words: str, kind: type[ElevationError], sentence: str
) -> None:
    told = program.refusal(words, interrupted=False)
    assert type(told) is kind
    assert sentence in told.message


@pytest.mark.parametrize("program", [SUDO, DOAS, RUN0, PKEXEC])
def test_who_breaks_off_was_not_refused(program: Program) -> None:
    told = program.refusal("sudo: a password is required\nAccess denied\n", interrupted=True)
    assert type(told) is ElevationCancelledError
    assert told.message == f"You broke off when {program.name} asked."


def test_the_helper_of_the_installation_is_used_where_none_is_installed(tmp_path: Path) -> None:
    command = find_helper(tmp_path / "none")
    assert command.argv[1:3] == ("-I", "-S")
    assert command.argv[3].endswith("kmodtui/privileged/helper.py")
    assert os.path.isabs(command.argv[0])


def test_an_installed_helper_must_be_this_version_and_roots(tmp_path: Path) -> None:
    installed = tmp_path / "kmodtui-helper"
    installed.write_text('VERSION = "0.0.0"\n')
    assert version_of(installed) == "0.0.0"
    assert find_helper(installed).argv[3] != str(installed)
    installed.write_text(f'VERSION = "{__version__}"\n')
    installed.chmod(0o666)
    assert find_helper(installed).argv[3] != str(installed)


def test_the_version_of_our_own_helper_is_found() -> None:
    assert version_of(Path(installation.__file__).with_name("helper.py")) == __version__
    assert version_of(Path("/nonexistent")) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is root's")
def test_what_others_can_write_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "libexec"
    folder.mkdir(mode=0o755)
    file = folder / "helper"
    file.write_text("")
    assert writable_part(str(file)) == ""
    file.chmod(0o664)
    assert writable_part(str(file)) == str(file)
    file.chmod(0o644)
    folder.chmod(0o757)
    assert writable_part(str(file)) == str(folder)
    folder.chmod(0o755)
    os.chown(folder, 65534, 65534)
    assert writable_part(str(file)) == str(folder)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert writable_part(str(link)) == str(folder)


def test_a_private_file_of_a_user_is_writable(tmp_path: Path) -> None:
    file = tmp_path / "helper"
    file.write_text("")
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    assert writable_part(str(file)) == str(file)
    assert stat.S_IMODE(file.stat().st_mode) & 0o022 == 0


@pytest.fixture
def own_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The helper of an installation in which somebody else can write."""
    own = tmp_path / "helper.py"
    own.write_text(f'VERSION = "{__version__}"\n')
    own.chmod(0o666)
    monkeypatch.setattr(installation, "OWN", own)
    return own


async def test_who_could_abuse_it_is_said_until_it_was_started_once(
    own_helper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = LocalRoot()
    root._elevation = AlreadyRoot()
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    monkeypatch.setattr(elevation, "find_helper", lambda: command)
    if os.geteuid() == 0:
        assert f"{own_helper} can be written without being root" in root.sentence
        assert "kmodtui helper install" in root.sentence
    channel = await root.open(never)
    assert root.sentence == AlreadyRoot.sentence
    await channel.close()


async def test_the_helper_is_told_when_to_give_root_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = LocalRoot(idle_minutes=5)
    root._elevation = AlreadyRoot()
    result = {"code": "done", "ok": True}
    told = HELPER_OF_A_FEW_LINES.replace(
        "sys.stdin.read()",
        f"open({str(tmp_path / 'asked')!r}, 'w').write(sys.stdin.readline())\n"
        f'print(json.dumps({{"id": 1, "result": {result!r}}}), flush=True)\n'
        "sys.stdin.read()",
    )
    command = HelperCommand((sys.executable, "-I", "-S", "-c", told))
    monkeypatch.setattr(elevation, "find_helper", lambda: command)
    channel = await root.open(never)
    assert channel.alive
    assert json.loads((tmp_path / "asked").read_text()) == {"id": 1, "op": "idle", "seconds": 300}
    await channel.close()

    refused = told.replace("'done', 'ok': True", "'invalid', 'ok': False")
    command = HelperCommand((sys.executable, "-I", "-S", "-c", refused))
    with pytest.raises(HelperError, match="does not take 5 minutes"):
        await root.open(never)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is root's")
def test_nothing_is_said_of_what_is_roots_alone(own_helper: Path) -> None:
    assert str(own_helper) in caution()
    installed = own_helper.with_name("kmodtui-helper")
    installed.write_text(own_helper.read_text())
    assert caution(installed) == ""
    own_helper.chmod(0o644)
    assert caution(own_helper.with_name("none")) == ""
