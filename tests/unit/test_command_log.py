"""The command log: what it lists, and scripts that repeat exactly what was done."""

from __future__ import annotations

import shlex
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.model.command_export import ansible_tasks, shell_script
from kmodtui.model.command_log import LogEntry, LogOrigin, command_log
from kmodtui.model.history import Change, Event, Totals
from kmodtui.model.own_file import OwnFile
from kmodtui.model.plan.plan import PlanCommand
from kmodtui.model.plan.verb import Verb
from kmodtui.model.shell_command import ShellCommand
from kmodtui.model.text import clean
from kmodtui.model.timeline.event import (
    CommandRun,
    Detail,
    EventKind,
    ModulesChanged,
    ParameterChanged,
    TimelineEvent,
)
from tests.support.events import loaded

OURS, OTHER = 7, 8
LOAD = ShellCommand(("modprobe", "--", "dummy", "numdummies=2"))


def run(result: str = "done", process: int = OURS, **more: Any) -> CommandRun:
    more = {"commands": (LOAD,), "took": 0.5, **more}
    return CommandRun(LOAD.line, result, "Loaded dummy", "It is.", process=process, **more)


def change(cause: str = "") -> ModulesChanged:
    changed = Change(1, 0.0, loaded=(loaded("dummy"),), cause=cause)
    return ModulesChanged(Event(changed, Totals()))


def log(*details: tuple[float, Detail]) -> tuple[LogEntry, ...]:
    events = [
        TimelineEvent(number, when, EventKind.COMMAND, ("dummy",), detail)
        for number, (when, detail) in enumerate(details)
    ]
    return command_log(events, OURS)


def origins(*details: tuple[float, Detail]) -> list[str]:
    return [str(entry.origin) for entry in log(*details)]


def test_a_change_is_observed_unless_a_command_made_it() -> None:
    assert origins((100, change())) == ["observed"]
    assert log((100, change()))[0].text == "dummy was loaded (by another program)"
    assert origins((99, change("modprobe -- dummy")), (100, run())) == ["this session"]
    assert origins((99, change()), (100, run(process=OTHER))) == ["another kmodtui"]
    assert origins((50, change()), (100, run(process=OTHER))) == ["observed", "another kmodtui"]
    assert origins((100, run(undoes="unload of dummy"))) == ["undo"]


def test_a_value_is_observed_unless_a_command_wrote_it() -> None:
    changed = ParameterChanged("debug", "0", "1")
    ours = run(commands=(ShellCommand(("echo", "1"), "/sys/module/dummy/parameters/debug"),))
    other = run(commands=(ShellCommand(("echo", "1"), "/sys/module/dummy/parameters/level"),))
    assert origins((100, changed)) == ["observed"]
    assert origins((99, changed), (100, ours)) == ["this session"]
    assert origins((100, ours), (110, changed)) == ["this session"]
    assert origins((100, other), (110, changed)) == ["this session", "observed"]
    assert origins((100, ours), (300, changed)) == ["this session", "observed"]


def test_only_our_successful_commands_are_repeated() -> None:
    entries = log(
        (100, run()),
        (101, run("failure")),
        (102, run("unknown")),
        (103, run(process=OTHER)),
        (900, change()),
    )
    script, tasks = shell_script("vm", entries), ansible_tasks("vm", entries)
    assert active(script) == [LOAD.line]
    assert "#   modprobe -- dummy numdummies=2\n" in script
    assert "#   dummy was loaded (by another program)\n" in script
    assert [task["ansible.builtin.command"] for task in parsed(tasks)] == [
        {"argv": list(LOAD.words)}
    ]
    assert parsed(ansible_tasks("vm", entries[1:])) == []
    assert "set -e\n" in script


def test_a_command_that_no_program_makes_is_a_comment() -> None:
    command = PlanCommand(Verb.UNLOAD, ("a.b",), indexed=False).shell
    assert active(shell_script("vm", log((100, run(commands=(command,)))))) == []


def active(script: str) -> list[str]:
    lines = [line for line in script.split("\n") if line and not line.startswith("#")]
    assert lines[0] == "set -e"
    return lines[1:]


class Loader(yaml.SafeLoader):
    """Reads `!unsafe` as Ansible does, as the text itself."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def parsed(tasks: str) -> Any:
    return yaml.load(tasks, Loader)


hostile = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["$(reboot)", "`x`", "'; x", '"\\', "a\nreboot", "\x1b]0;x\x07", "#", ">", "{{ x }}",
         "{%x%}", "- a: b", "\u2028reboot", "\x85x", "\udcff", "!unsafe", "é", "-n", "\\t"]
    ),
)  # fmt: skip


@given(st.lists(hostile, min_size=1, max_size=4), st.one_of(st.just(""), hostile), hostile)
def test_scripts_have_exactly_the_words_of_each_command(
    words: list[str], file: str, title: str
) -> None:
    command = ShellCommand(("modprobe", *words), file)
    entry = LogEntry(
        1.0, LogOrigin.OURS, "done", command.line, title, (title,), 0.1, commands=(command,)
    )
    failed = LogEntry(1.0, LogOrigin.OURS, "failure", title, title, (), 0.1, commands=(command,))
    script = shell_script(title, [entry, failed])
    tasks = parsed(ansible_tasks(title, [entry, failed])) or []
    assert clean(script.replace("\n", "")) == script.replace("\n", "")
    if any(clean(word) != word for word in (*words, file)):
        assert active(script) == []
        assert tasks == []
        return
    (line,) = active(script)
    assert shlex.split(line) == [*command.words, *((">", file) if file else ())]
    (task,) = tasks
    assert task.get("ansible.builtin.command", {"argv": list(command.words)}) == {
        "argv": list(command.words)
    }
    assert task.get("ansible.builtin.shell", {"cmd": command.line}) == {"cmd": command.line}
    # Ansible evaluates what is not marked.
    assert all("{" not in line or "!unsafe" in line for line in tasks_lines(title, entry))


def tasks_lines(title: str, entry: LogEntry) -> list[str]:
    text = ansible_tasks(title, [entry])
    return [line for line in text.split("\n") if not line.startswith("#")]


def test_a_value_that_is_an_operator_or_an_option_of_echo_is_written_as_it_is() -> None:
    def line(value: str) -> str:
        return PlanCommand(Verb.SET, ("m",), (f"a={value}",)).line

    assert line("1") == "echo 1 > /sys/module/m/parameters/a"
    assert line(">") == "echo '>' > /sys/module/m/parameters/a"
    assert line("-n") == r"printf '%s\n' -n > /sys/module/m/parameters/a"
    assert line("a\\tb") == r"printf '%s\n' 'a\tb' > /sys/module/m/parameters/a"


def test_a_percent_sign_in_kept_options_is_no_format_of_printf() -> None:
    command = PlanCommand(Verb.KEEP_OPTIONS, ("m",), ("a=5%s",))
    assert command.line == rf"printf 'options m a=5%%s\n' >> {OwnFile.OPTIONS}"
    assert PlanCommand(Verb.BLOCK, ("m",)).shell.file == BLOCK_FILE
