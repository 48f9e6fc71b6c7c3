"""The helper is started as root, with or without a prompt, and exits with its input."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from kmodtui.errors import (
    ElevationError,
    ElevationRefusedError,
    HelperError,
)
from kmodtui.privileged import asking
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import (
    AlreadyRoot,
    NoElevation,
    open_session,
)
from kmodtui.privileged.installation import (
    HelperCommand,
    find_helper,
)
from kmodtui.privileged.programs import DOAS, PKEXEC, RUN0, SUDO
from kmodtui.privileged.sockets import Process, SocketTransport
from kmodtui.privileged.ways import Way
from tests.support.fake_root import HELPER_OF_A_FEW_LINES, never, script


async def test_no_elevation_raises_its_reason() -> None:
    with pytest.raises(ElevationRefusedError, match="no reason at all"):
        await open_session(NoElevation("There is no reason at all."), never)


async def test_root_starts_the_helper_directly() -> None:
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(AlreadyRoot(), never, command)
    assert client.via == "root"
    await client.close()


async def test_a_program_that_cannot_be_started_is_reported() -> None:
    with pytest.raises(ElevationError, match="/nonexistent/python3 cannot be started: No such"):
        await open_session(AlreadyRoot(), never, HelperCommand(("/nonexistent/python3",)))
    with pytest.raises(ElevationError, match="/nonexistent/sudo cannot be started"):
        await open_session(Way(SUDO, "/nonexistent/sudo"), never, HelperCommand(("x",)))


async def test_without_a_python_there_is_no_helper() -> None:
    with pytest.raises(HelperError, match="needs Python"):
        await open_session(AlreadyRoot(), never, HelperCommand((), "The helper needs Python."))


async def test_without_a_password_the_dashboard_stays_on_the_screen(tmp_path: Path) -> None:
    # A shell redirects the standard input of background jobs, so pass it as descriptor 3.
    text = '[ "$1 $2 $3" = "-n -b --" ] || exit 1\nshift 3\nexec 3<&0\n"$@" <&3 &\n'
    sudo = script(tmp_path, "#!/bin/sh\n" + text)
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(Way(SUDO, sudo), never, command)
    assert client.via == "sudo"
    await client.close()


async def test_with_sudo_rs_the_helper_detaches_itself(tmp_path: Path) -> None:
    """sudo-rs 0.2.5 has no -b."""
    text = (
        '[ "$1" = --version ] && exec echo sudo-rs 0.2.5\n'
        '[ "$1 $2" = "-n --" ] || exit 1\nshift 2\nexec "$@"\n'
    )
    # Like the helper: it forks, keeps the pipes, and exits with its input.
    detaching = f"""
import os, sys
assert sys.argv[1:] == ["change", "--detach"]
if os.fork():
    os._exit(0)
{HELPER_OF_A_FEW_LINES}"""
    sudo = Way(SUDO, script(tmp_path, "#!/bin/sh\n" + text))
    command = HelperCommand((sys.executable, "-I", "-S", "-c", detaching))
    client = await open_session(sudo, never, command)
    assert client.alive
    await client.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="the helper serves root alone")
async def test_a_detached_helper_exits_with_its_input(tmp_path: Path) -> None:
    command = find_helper(tmp_path / "none")
    process = Process.start([*command.argv, "change", "--detach"])
    transport = await SocketTransport.over(process)
    client = await HelperClient.connect(transport, "test")
    assert process.popen.wait(10) == 0
    assert client.hello.pid != process.popen.pid
    assert os.getsid(client.hello.pid) == client.hello.pid
    gone = os.pidfd_open(client.hello.pid)
    await client.close()
    assert select.select([gone], [], [], 5)[0]
    os.close(gone)


async def test_without_a_terminal_there_is_no_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TERMINAL", str(tmp_path / "none"))
    with pytest.raises(ElevationRefusedError, match="no terminal") as told:
        await open_session(Way(SUDO, script(tmp_path, "#!/bin/sh\nexit 1\n")), never,
                           HelperCommand(("x",)))  # fmt: skip
    assert "ssh -t" in told.value.hint


async def test_an_unknown_message_of_sudo_is_quoted(
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
    assert "/x/helper" in terminal.read_text()  # the user was shown what needs root


async def test_a_message_is_read_although_a_child_keeps_the_pipe_open(tmp_path: Path) -> None:
    """Processes started by sudo or a PAM module may keep the pipe open."""
    doas = script(
        tmp_path,
        f"#!/bin/sh\nsleep 600 &\necho $! >{tmp_path}/child\n"
        "echo 'doas: the moon is full' >&2\nexit 1\n",
    )
    with pytest.raises(ElevationRefusedError, match="doas refused: the moon is full"):
        await open_session(Way(DOAS, doas), never, HelperCommand(("x",)))
    os.kill(int((tmp_path / "child").read_text()), 9)


async def test_a_message_longer_than_a_pipe_buffer_is_read_completely(tmp_path: Path) -> None:
    doas = script(tmp_path, "#!/bin/sh\nyes lecture | head -c 200000 >&2\n"
                  "echo 'doas: no' >&2\nexit 1\n")  # fmt: skip
    with pytest.raises(ElevationRefusedError, match="doas refused: no"):
        await open_session(Way(DOAS, doas), never, HelperCommand(("x",)))


@pytest.mark.parametrize("stubborn", [False, True], ids=["ends", "cannot be ended"])
def test_quitting_does_not_wait_for_an_authentication_window(
    tmp_path: Path, stubborn: bool
) -> None:
    """The desktop's polkit agent shows a window in which nobody types a password."""
    started, held = tmp_path / "started", tmp_path / "held"
    os.mkfifo(started)
    os.mkfifo(held)
    trap = "trap '' TERM\n" if stubborn else ""
    pkexec = script(tmp_path, f"#!/bin/sh\n{trap}echo $$ >{started}\nread -r _ <{held}\n")
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

    asyncio.run(quit_while_it_asks())  # it joins the threads of the loop's executor
    if stubborn:
        assert not select.select(watches, [], [], 0)[0]
        held.write_text("")  # the user answers too late
    assert select.select(watches, [], [], 5)[0]
    os.close(watches[0])


# It waits for the helper, as run0 waits for its unit.
STAYING = """#!/bin/sh
exec 3<&0
while [ "$1" != -- ]; do shift; done
shift
"$@" <&3 &
wait
"""


async def test_run0_has_succeeded_once_the_helper_writes(tmp_path: Path) -> None:
    run0 = Way(RUN0, script(tmp_path, STAYING), "/nonexistent")
    command = HelperCommand((sys.executable, "-I", "-S", "-c", HELPER_OF_A_FEW_LINES))
    client = await open_session(run0, never, command)
    assert client.via == "run0"
    assert client.alive
    await client.close()


async def test_run0_with_a_prompt_has_its_own_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """polkit checks run0 itself, so the agent must be registered for its PID before."""
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
    assert "root privileges are needed for" in terminal.read_text()
