"""The lines that kmodtui's block file has for a module; the helper writes the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from kmodtui.model.own_file import OwnFile

BLOCK_FILE = OwnFile.BLOCK.value
"""The file of modprobe.d with the modules that kmodtui blocks, or whose loads it logs."""

FALSE = "/bin/false"
"""The command of an install rule that blocks a module."""

LOGGER = "/usr/bin/logger -t kmodtui "
"""The beginning of the command of an install rule that only logs."""


class BlockState(StrEnum):
    """What kmodtui's block file does with a module."""

    BLOCKED = "blocked"
    LOGGED = "logged"


LINES = {
    # kmod up to 34 ignores the install rule of a module that has softdeps
    # (`__kmod_module_fill_softdep` in libkmod-module.c). Of several softdep rules the first
    # counts, and this file sorts before modules.softdep: an empty rule leaves no softdeps.
    BlockState.BLOCKED: "blacklist {0}\ninstall {0} /bin/false\nsoftdep {0} pre:\n",
    BlockState.LOGGED: "install {0} /usr/bin/logger -t kmodtui -p authpriv.notice -- load of {0}; "
    "exec /sbin/modprobe --ignore-install -- {0} $CMDLINE_OPTS\n",
}


def block_lines(states: Mapping[str, BlockState]) -> str:
    """Return the text of the block file for these modules."""
    return "".join(LINES[state].format(name) for name, state in sorted(states.items()))


def state_of_command(command: str) -> BlockState:
    """Return what a rule `install NAME COMMAND` in the block file does."""
    return BlockState.BLOCKED if command.strip() == FALSE else BlockState.LOGGED


def only_logs(command: str) -> bool:
    """Return whether the command of an install rule is the one that logs and then loads."""
    return command.strip().startswith(LOGGER) and "modprobe --ignore-install" in command
