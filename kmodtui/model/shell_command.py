"""ShellCommand: a command as a person would type it in a shell, as root."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A program with its arguments.

    Attributes:
        words: the program and its arguments, not quoted.
        file: where its output is written; empty if it is not redirected.
        appends: whether that is appended to the file.
    """

    words: tuple[str, ...]
    file: str = ""
    appends: bool = False

    @property
    def line(self) -> str:
        """The command as one line, quoted for sh(1)."""
        line = shlex.join(self.words)
        if not self.file:
            return line
        return f"{line} {'>>' if self.appends else '>'} {shlex.quote(self.file)}"


def print_command(text: str, file: str) -> ShellCommand:
    """Return the command that writes a line to a file, also if echo(1) would change the text."""
    if text.startswith("-") or "\\" in text:
        return ShellCommand(("printf", r"%s\n", text), file)
    return ShellCommand(("echo", text), file)


def append_command(lines: str, file: str) -> ShellCommand:
    """Return the command that appends whole lines to a file."""
    shown = lines.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n")
    return ShellCommand(("printf", shown), file, appends=True)
