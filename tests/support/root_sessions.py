"""Checks of root sessions that are the same for every program; they run `sudo_session.py`."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence

import pexpect

from tests.support.users import finished, typed

PROMPT = "assword.*: "


def asks_and_leaves_the_terminal_alone(
    session: pexpect.spawn[str],
    way: str,
    *said: str,
    purpose: str = "helper.py",
    password: str = "secret",
) -> None:
    """Type the password, and check that root works and all later keys reach the dashboard."""
    session.expect("SUSPENDED")
    session.expect(f"root privileges are needed for .*{purpose}")
    for words in said:
        session.expect(words)
    session.expect(PROMPT)
    session.sendline(password)
    session.expect("RESUMED")
    session.expect(f"HELLO {way} 0")
    session.expect("ANSWER (unknown-module|no-modules)")
    typed(session)
    finished(session)


def keeps_others_out(session: pexpect.spawn[str], password: str = "secret") -> None:
    """Check that no other program of the user can send a request to the helper."""
    session.expect(PROMPT)
    session.sendline(password)
    typed(session)
    session.expect("INTRUDER DONE")
    reached = [line for line in session.before.splitlines() if "REACHED" in line]
    assert any(" sleep 0 " in line for line in reached), "it reaches what is not protected"
    assert [line for line in reached if " sleep 0 " not in line] == []
    session.expect("AFTERWARDS (unknown-module|no-modules)")
    finished(session)


def needs_no_password(session: pexpect.spawn[str], way: str) -> None:
    """Check that root works without a prompt, so that the dashboard stays on the screen."""
    session.expect(f"HELLO {way} 0")
    assert "SUSPENDED" not in session.before
    typed(session)
    finished(session)


def refuses(session: pexpect.spawn[str], answers: Sequence[str], sentence: str) -> None:
    """Give these answers, and check that the refusal is reported and the dashboard returns."""
    for answer in answers:
        session.expect(PROMPT)
        session.send(answer)
    session.expect("RESUMED")
    session.expect(sentence)
    session.expect("END")
    session.close()


def refuses_unasked(session: pexpect.spawn[str], sentence: str) -> None:
    """Check that the refusal is reported without a prompt."""
    session.expect(sentence)
    assert "SUSPENDED" not in session.before
    session.expect("END")
    session.close()


def helper_of(session: pexpect.spawn[str], password: str = "secret") -> int:
    """Open a session that stays open, and return the PID that the helper reports."""
    session.expect(PROMPT)
    session.sendline(password)
    session.expect(r"PID (\d+)")
    helper = int(session.match.group(1))  # type: ignore[union-attr]
    typed(session)
    session.expect("STAYING")
    return helper


def ends_with_the_dashboard(session: pexpect.spawn[str], helper: int, end: str) -> None:
    """End the dashboard by a hang-up or a kill, and check that the helper exits within a second."""
    watch = os.pidfd_open(helper)
    if end == "kill":
        session.kill(9)
    else:
        session.close(force=False)
    gone, _, _ = select.select([watch], [], [], 1.0)
    os.close(watch)
    assert gone
