"""sudo, doas, run0 and pkexec: how each is called, and what its error messages mean.

This is a table; `ways` has the code that uses it, which is the same for all of them.

The program must have released the terminal before the dashboard returns, or it would read
the dashboard's keys and change the terminal's modes. sudo is run with `-b`: it asks for the
password and then goes to the background. With `use_pty` (the default in Debian 12 and since
sudo 1.9.14) it would use the terminal for as long as it is in the foreground. A cached
credential would not help: there may be none (`timestamp_timeout=0`), and it is valid for
one terminal only. sudo-rs (0.2.5 in Debian 13), doas and pkexec have no `-b`, so the helper
detaches itself (`--detach`). Under run0 it must not, because systemd kills what remains of a
unit after its main process; so run0 keeps running, in a session of its own, until the helper
exits.

The messages are those of the C locale in sudo 1.9.13 and 1.9.16, sudo-rs 0.2.5, OpenDoas
6.8, polkit 122 and 126, and systemd 257.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from kmodtui.errors import (
    ElevationCancelledError,
    ElevationError,
    ElevationNotAllowedError,
    ElevationRefusedError,
)
from kmodtui.model.text import clean

ASKS_AGAIN = "Nothing was changed. You will be asked again at the next attempt."
ASK_ADMINISTRATOR = "Ask the administrator of this machine, or use kmodtui read-only."


class Rule(NamedTuple):
    """What an error message of a program means.

    Attributes:
        pattern: a regular expression, searched in the whole standard error.
        error: the kind of refusal.
        message: the cause, for the user.
        hint: the remedy.
        asked: True for messages after a prompt, False for messages without one; None for
            both.
    """

    pattern: str
    error: type[ElevationError]
    message: str
    hint: str = ASKS_AGAIN
    asked: bool | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A program that starts a command as root.

    Attributes:
        name: its name.
        sentence: what will happen when root is needed.
        silent: options that keep it from prompting.
        words: options before the helper's command, with and without a prompt.
        could_ask: a pattern for its message that a password would help, after `silent`.
        rules: the meanings of its other messages; the first match counts, see `refusal`.
        plain: options before a command that runs on this terminal.
        detaching: whether the helper must detach itself, because the program waits for it.
        stays: whether the program runs for as long as the helper does.
        asked_for: the process that polkit's text agent must be registered for: the program
            `itself` or its `parent`; empty if the program prompts itself.
    """

    name: str
    sentence: str
    silent: tuple[str, ...]
    words: tuple[str, ...]
    could_ask: str
    rules: tuple[Rule, ...]
    plain: tuple[str, ...] = ("--",)
    detaching: bool = True
    stays: bool = False
    asked_for: Literal["", "itself", "parent"] = ""

    def refusal(self, text: str, *, asked: bool, cancelled: bool = False) -> ElevationError:
        """Return why the program has exited without running the helper.

        A message that no rule matches is quoted.

        Args:
            text: its standard error.
            asked: whether it could prompt on the terminal; without that, a polkit agent of
                the desktop may have asked.
            cancelled: whether the user is known to have cancelled.
        """
        if cancelled:
            return ElevationCancelledError(f"Authentication cancelled ({self.name}).", ASKS_AGAIN)
        for rule in self.rules:
            if rule.asked in (None, asked) and re.search(rule.pattern, text, re.MULTILINE):
                return rule.error(rule.message, rule.hint)
        lines = text.strip().splitlines() or ["no reason given"]
        last = re.sub(rf"^({self.name}(-rs)?|Error executing command as another user): ", "",
                      lines[-1])  # fmt: skip
        return ElevationRefusedError(f"{self.name} refused: {clean(last).rstrip('.')}.", ASKS_AGAIN)


SUDO = Program(
    name="sudo",
    sentence="sudo starts the helper and asks for your password if needed.",
    silent=("-n",),
    words=("-b", "--"),
    could_ask="",  # a prompt may help whatever the message is
    detaching=False,
    rules=(
        Rule(
            "incorrect (password|authentication) attempt",
            ElevationRefusedError,
            "sudo did not accept the password.",
        ),
        Rule(
            " is not in the sudoers file| is not allowed to | may not run "
            "|: I'm sorry .*I'm afraid I can't do that$",
            ElevationNotAllowedError,
            "This user may not start the helper with sudo: the sudoers file does not allow it.",
            ASK_ADMINISTRATOR,
        ),
        Rule(
            "^sudo(-rs)?: (a password is required|no password was provided"
            "|Authentication required but not attempted)$",
            ElevationCancelledError,
            "sudo was given no password.",
        ),
    ),
)

SUDO_RS = replace(SUDO, words=("--",), detaching=True)

DOAS = Program(
    name="doas",
    sentence="doas starts the helper and asks for your password if needed.",
    silent=("-n",),
    words=("--",),
    could_ask="Authentication required",
    rules=(
        Rule(
            "^doas: Authentication failed$",
            ElevationRefusedError,
            # doas treats the end of input as an empty password and reports both the same way.
            "doas was given a wrong password or none.",
        ),
        Rule(
            "^doas: Operation not permitted$",
            ElevationNotAllowedError,
            "This user may not start the helper with doas: its rules do not allow it.",
            ASK_ADMINISTRATOR,
        ),
    ),
)

RUN0 = Program(
    name="run0",
    sentence="run0 starts the helper, and polkit asks for a password if needed.",
    silent=("--no-ask-password",),
    words=("--",),
    could_ask="Interactive authentication required",
    # By default run0 colours the terminal's background.
    plain=("--background=", "--"),
    detaching=False,
    stays=True,
    asked_for="itself",
    rules=(
        Rule(
            "(Access|Permission) denied",
            ElevationRefusedError,
            "polkit did not accept the password for run0.",
            asked=True,
        ),
        Rule(
            "(Access|Permission) denied",
            ElevationNotAllowedError,
            "This user may not use run0: polkit's rules do not allow it.",
            ASK_ADMINISTRATOR,
            asked=False,
        ),
        Rule(
            "Interactive authentication required",
            ElevationRefusedError,
            "polkit needs a password for run0, but has no agent to ask for it.",
            "Start kmodtui in a terminal, or select another program with --elevate.",
        ),
        Rule(
            "Failed to (connect to|create) .*bus",
            ElevationRefusedError,
            "run0 cannot connect to systemd: the bus does not respond.",
            "See systemctl status dbus, or select another program with --elevate.",
        ),
    ),
)

PKEXEC = Program(
    name="pkexec",
    sentence="pkexec starts the helper, and polkit asks for a password if needed.",
    silent=(),
    # The built-in text agent runs as root, and polkitd 122 refuses even the right password
    # from it ("No session for cookie"). pkttyagent runs as the user.
    words=("--disable-internal-agent",),
    could_ask="No authentication agent found",
    plain=("--disable-internal-agent",),
    asked_for="parent",
    rules=(
        Rule(
            "Request dismissed",
            ElevationCancelledError,
            "Authentication cancelled (pkexec).",
        ),
        Rule(
            "Not authorized",
            ElevationRefusedError,
            "polkit did not accept the password for pkexec.",
            asked=True,
        ),
        Rule(
            "Not authorized",
            ElevationRefusedError,
            "polkit does not allow this user to start the helper, or did not accept the password.",
            asked=False,
        ),
    ),
)

PROGRAMS = (SUDO, DOAS, RUN0, PKEXEC)
"""The programs, in the order in which they are tried."""
