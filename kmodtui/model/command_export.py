"""The command log as a shell script, or as tasks for Ansible.

What succeeded is repeated; everything else is a comment. Text of the kernel is data: a comment
stays one line, and a command consists of exactly the words that it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmodtui.model.command_log import LogEntry
from kmodtui.model.shell_command import ShellCommand
from kmodtui.model.text import clean

_NOTE = (
    "Only commands that succeeded are repeated. What failed, what another kmodtui did and what "
    "was observed are comments."
)


def shell_script(title: str, entries: Sequence[LogEntry]) -> str:
    """Return a script for sh(1) that repeats the commands and stops at the first failure."""
    lines = ["#!/bin/sh", _comment(title), _comment(_NOTE), _comment("Run it as root."), "set -e"]
    for entry in entries:
        lines += ["", _comment(entry.about)]
        if entry.repeatable:
            lines += [command.line for command in entry.commands]
        else:
            lines.append(_comment(entry.text, "  "))
    return "".join(f"{line}\n" for line in lines)


def ansible_tasks(title: str, entries: Sequence[LogEntry]) -> str:
    """Return a file of tasks for Ansible's `include_tasks` that repeats the commands."""
    lines = ["---", _comment(title), _comment(_NOTE)]
    for entry in entries:
        lines += ["", _comment(entry.about)]
        if entry.repeatable:
            lines += [line for command in entry.commands for line in _task(command)]
        else:
            lines.append(_comment(entry.text, "  "))
    if not any(entry.repeatable for entry in entries):
        lines += ["", "[]"]
    return "".join(f"{line}\n" for line in lines)


def _comment(text: str, indent: str = "") -> str:
    return f"# {indent}{clean(text)}"


def _task(command: ShellCommand) -> Iterator[str]:
    yield f"- name: {_scalar(command.line)}"
    yield "  become: true"
    if command.file:
        yield "  ansible.builtin.shell:"
        yield f"    cmd: {_scalar(command.line)}"
    else:
        yield "  ansible.builtin.command:"
        yield "    argv:"
        for word in command.words:
            yield f"      - {_scalar(word)}"


def _scalar(text: str) -> str:
    """Return text as a quoted scalar of YAML in which Ansible evaluates nothing."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    # Ansible evaluates {{ }}, {% %} and {# #} in every text that is not marked.
    return f'!unsafe "{quoted}"' if "{" in text else f'"{quoted}"'
