"""sudo, doas, run0 and pkexec: what each wants to be told, and what it says when it says no.

One table, and no code but what reads it: `ways` does the same for each of them.

Whatever asks on the terminal must be gone before the dashboard comes back, or it would
read keys and set the modes of the terminal that the dashboard is on. sudo is started
with `-b`: it asks, and then goes to the background; with `use_pty` (the default of
Debian 12 and of sudo 1.9.14) it would disturb as long as it is in the foreground. A
ticket would not do in its place: there may be none (`timestamp_timeout=0`), and it
belongs to a terminal. sudo-rs (0.2.5 in Debian 13), doas and pkexec have no `-b`: there
the helper detaches itself. systemd would kill what a detached helper leaves of its unit;
run0 stays, in a session of its own, and only waits for the unit's end.

The sentences are those of the C locale, as sudo 1.9.13 and 1.9.16, sudo-rs 0.2.5, OpenDoas
6.8, polkit 122 and 126 and systemd 257 say them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from kmodtui.errors import (
    ElevationCancelledError,
    ElevationError,
    ElevationForbiddenError,
    ElevationRefusedError,
)
from kmodtui.model.text import clean

ASKS_AGAIN = "Nothing was changed; the next attempt asks again."
ASK_ADMINISTRATOR = "Ask the administrator of this machine, or use kmodtui to look only."


class Rule(NamedTuple):
    """What a program's words mean.

    Attributes:
        pattern: is searched in all that it said.
        error: the kind of refusal.
        message: the cause, for a person.
        hint: what to do.
        asked: whether it says so after it has asked, or without; None for both.
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
        name: its name, which is also that of the way.
        sentence: what will happen when root is needed.
        silent: words that keep it from asking.
        words: words before the helper's command, whether it asks or not.
        could_ask: what it says where it was silent and a password would help, as a pattern.
        rules: what else it says when it refuses, the first that fits; see `refusal`.
        plain: words before a command that runs on this terminal.
        detaching: whether the helper is to detach itself, because the program waits for it.
        stays: whether the program lives as long as the helper.
        asked_for: whom polkit's text agent has to be there for: the program, or who starts
            it; empty where the program asks by itself.
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

    def refusal(self, words: str, *, asked: bool, broken_off: bool = False) -> ElevationError:
        """Return why it ended without running the helper.

        What no rule knows is shown as it stands.

        Args:
            words: all that it said.
            asked: whether it could ask; a window may have asked where it could not.
            broken_off: whether it is known that the person broke off.
        """
        if broken_off:
            return ElevationCancelledError(f"You broke off when {self.name} asked.", ASKS_AGAIN)
        for rule in self.rules:
            if rule.asked in (None, asked) and re.search(rule.pattern, words, re.MULTILINE):
                return rule.error(rule.message, rule.hint)
        lines = words.strip().splitlines() or ["it gave no reason"]
        last = re.sub(rf"^({self.name}(-rs)?|Error executing command as another user): ", "",
                      lines[-1])  # fmt: skip
        return ElevationRefusedError(f"{self.name} refused: {clean(last).rstrip('.')}.", ASKS_AGAIN)


SUDO = Program(
    name="sudo",
    sentence="sudo starts the helper, and asks for your password if it needs it.",
    silent=("-n",),
    words=("-b", "--"),
    could_ask="",  # whatever it says, it may say something else when it asks
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
            ElevationForbiddenError,
            "sudo does not let this user start the helper: the sudoers file does not allow it.",
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
    sentence="doas starts the helper, and asks for your password if it needs it.",
    silent=("-n",),
    words=("--",),
    could_ask="Authentication required",
    rules=(
        Rule(
            "^doas: Authentication failed$",
            ElevationRefusedError,
            # To it the end of the input is an empty password, and it says no more of either.
            "doas was given a wrong password, or none.",
        ),
        Rule(
            "^doas: Operation not permitted$",
            ElevationForbiddenError,
            "doas does not let this user start the helper: its rules do not allow it.",
            ASK_ADMINISTRATOR,
        ),
    ),
)

RUN0 = Program(
    name="run0",
    sentence="run0 starts the helper, and polkit asks for a password if it needs one.",
    silent=("--no-ask-password",),
    words=("--",),
    could_ask="Interactive authentication required",
    # In a terminal of its own, which it has on this one, it would colour the background.
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
            ElevationForbiddenError,
            "polkit does not let this user use run0: its rules do not allow it.",
            ASK_ADMINISTRATOR,
            asked=False,
        ),
        Rule(
            "Interactive authentication required",
            ElevationRefusedError,
            "polkit wants a password for run0, and found nobody to ask for it.",
            "Start kmodtui in a terminal, or choose another way with --elevate.",
        ),
        Rule(
            "Failed to (connect to|create) .*bus",
            ElevationRefusedError,
            "run0 cannot reach systemd: its bus does not answer.",
            "See systemctl status dbus, or choose another way with --elevate.",
        ),
    ),
)

PKEXEC = Program(
    name="pkexec",
    sentence="pkexec starts the helper, and polkit asks for a password if it needs one.",
    silent=(),
    # Its built-in text agent is not used: polkitd 122 refuses even the right password from
    # it ("No session for cookie"), because it speaks as root. `pkttyagent` speaks as the user.
    words=("--disable-internal-agent",),
    could_ask="No authentication agent found",
    plain=("--disable-internal-agent",),
    asked_for="parent",
    rules=(
        Rule(
            "Request dismissed",
            ElevationCancelledError,
            "You broke off when pkexec asked.",
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
            "polkit does not let this user start the helper, or did not accept the password that "
            "a window has asked for.",
            asked=False,
        ),
    ),
)

PROGRAMS = (SUDO, DOAS, RUN0, PKEXEC)
"""In the order in which they are tried."""
