"""Each refusal by sudo, doas, run0 and pkexec has its own message."""

from __future__ import annotations

import pytest

from kmodtui.errors import (
    ElevationCancelledError,
    ElevationError,
    ElevationNotAllowedError,
    ElevationRefusedError,
)
from kmodtui.privileged.programs import DOAS, PKEXEC, RUN0, SUDO, Program

_ANOTHER = "Error executing command as another user: "
_RUN0 = "Failed to start transient service unit: "

UNASKED: list[tuple[Program, str, type[ElevationError], str]] = [
    (PKEXEC, _ANOTHER + "Not authorized\n\nThis incident has been reported.\n",
     ElevationRefusedError, "does not allow this user to start the helper, or did not accept"),
    (RUN0, _RUN0 + "Access denied\n", ElevationNotAllowedError, "This user may not use run0"),
]  # fmt: skip

REFUSALS: list[tuple[Program, str, type[ElevationError], str]] = [
    (SUDO, "sudo: 3 incorrect password attempts\n", ElevationRefusedError, "not accept"),
    (SUDO, "sudo: 1 incorrect password attempt\n", ElevationRefusedError, "not accept"),
    (SUDO, "sudo: a password is required\n", ElevationCancelledError, "no password"),
    (SUDO, "bob is not in the sudoers file.\n", ElevationNotAllowedError, "sudoers file"),
    (SUDO, "bob is not in the sudoers file.  This incident will be reported.\n",
     ElevationNotAllowedError, "sudoers file"),
    (SUDO, "Sorry, user bob is not allowed to execute 'x' as root on vm.\n",
     ElevationNotAllowedError, "sudoers file"),
    (SUDO, "sudo-rs: Maximum 3 incorrect authentication attempts\n",
     ElevationRefusedError, "not accept"),
    (SUDO, "sudo-rs: I'm sorry bob. I'm afraid I can't do that\n",
     ElevationNotAllowedError, "sudoers file"),
    (SUDO, "sudo: I'm sorry bob. I'm afraid I can't do that\n",
     ElevationNotAllowedError, "sudoers file"),
    (SUDO, "Sorry, user bob may not run sudo on vm.\n", ElevationNotAllowedError, "sudoers file"),
    (SUDO, "sudo: Authentication required but not attempted\n",
     ElevationCancelledError, "no password"),
    (SUDO, "", ElevationRefusedError, "sudo refused: no reason given."),
    (SUDO, "author: unauthenticated\n", ElevationRefusedError, "unauthenticated"),
    (DOAS, "doas: Authentication failed\n", ElevationRefusedError, "a wrong password or none"),
    (DOAS, "doas: Operation not permitted\n", ElevationNotAllowedError, "its rules do not"),
    (DOAS, "doas: syntax error at line 1\n", ElevationRefusedError,
     "doas refused: syntax error at line 1."),
    (PKEXEC, _ANOTHER + "Not authorized\n\nThis incident has been reported.\n",
     ElevationRefusedError, "polkit did not accept the password for pkexec."),
    (PKEXEC, _ANOTHER + "Request dismissed\n", ElevationCancelledError, "cancelled"),
    (PKEXEC, _ANOTHER + "No authentication agent found.\n", ElevationRefusedError,
     "pkexec refused: No authentication agent found."),
    (RUN0, _RUN0 + "Access denied\n", ElevationRefusedError,
     "polkit did not accept the password for run0."),
    (RUN0, _RUN0 + "Permission denied\n", ElevationRefusedError, "not accept the password"),
    (RUN0, _RUN0 + "Interactive authentication required.\n", ElevationRefusedError,
     "has no agent to ask"),
    (RUN0, "Failed to connect to system scope bus via local transport: No such file\n",
     ElevationRefusedError, "the bus does not respond"),
    (RUN0, _RUN0 + "Unit run-1.service was already loaded\n", ElevationRefusedError,
     "run0 refused: Failed to start transient service unit: Unit run-1.service was"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "words", "kind", "sentence"), REFUSALS)
def test_the_message_for_each_refusal(
    program: Program, words: str, kind: type[ElevationError], sentence: str
) -> None:
    told = program.refusal(words, asked=True)
    assert type(told) is kind
    assert sentence in told.message


@pytest.mark.parametrize(("program", "words", "kind", "sentence"), UNASKED)
def test_refusals_without_a_prompt_do_not_mention_a_password(
    program: Program, words: str, kind: type[ElevationError], sentence: str
) -> None:
    told = program.refusal(words, asked=False)
    assert type(told) is kind
    assert sentence in told.message


@pytest.mark.parametrize("program", [SUDO, DOAS, RUN0, PKEXEC])
def test_cancelling_is_not_a_refusal(program: Program) -> None:
    words = "sudo: a password is required\nAccess denied\n"
    told = program.refusal(words, asked=True, cancelled=True)
    assert type(told) is ElevationCancelledError
    assert told.message == f"Authentication cancelled ({program.name})."
