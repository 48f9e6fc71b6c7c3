"""Parser of the kernel's command line, as far as it speaks of modules.

After `kmod_config_parse_kcmdline` in kmod's `libkmod/libkmod-config.c`, and `blacklisted` in
`kernel/module/main.c`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.kernel.alias_index import normalised
from kmodtui.model.modprobe_rules import Problem, Rule, RuleKind
from kmodtui.model.modules import canonical
from kmodtui.model.plan import BOOT_LINE
from kmodtui.model.text import clean

_WHITESPACE = " \n\t\v\f\r"


def parse_command_line(text: str, problems: list[Problem]) -> Iterator[Rule]:
    """Yield the rules that kmod takes from the kernel's command line.

    `module.parameter=value` are options, and `modprobe.blacklist=a,b` is a blacklist.

    Args:
        text: of /proc/cmdline.
        problems: takes what kmod drops.
    """
    for module, parameter, value in _settings(text):
        if module == "modprobe" and parameter.startswith("blacklist="):
            for name in filter(None, value.split(",")):
                yield Rule(RuleKind.BLACKLIST, name)
                if "-" in name:
                    told = f"modprobe.blacklist={name} stops nothing: here a - is no _. "
                    hint = f"Write {canonical(name)}."
                    problems.append(Problem(BOOT_LINE, clean(told + hint)))
            continue
        whom = normalised(module)
        if whom is None:
            told = f"{module}.{parameter} is left out: its brackets do not match."
            problems.append(Problem(BOOT_LINE, clean(told)))
        else:
            yield Rule(RuleKind.OPTIONS, whom, parameter)


def forbidden_modules(text: str) -> Iterator[str]:
    """Yield the modules that the kernel itself refuses, whoever loads them, until it is rebooted.

    Source: `blacklisted` in `kernel/module/main.c`. The last word of its kind counts.
    """
    last = ""
    for word in text.split():
        if word.startswith("module_blacklist="):
            last = word.partition("=")[2]
    yield from filter(None, last.split(","))


def _settings(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield module, parameter with its value, and the value, as kmod takes a command line apart.

    Quotes may stand around a value or around the whole of a setting. One with blanks
    elsewhere, or with quotes in other places, is none.
    """
    start = begin_parameter = begin_value = 0
    quoted = around_all = False
    state = "module"
    for place, char in enumerate(f"{text}\0"):
        done = False
        if char == '"':
            quoted = not quoted
            if quoted and state == "module" and place == start:
                around_all = True
                start = place + 1
            elif state != "value":
                state = "ignore"
        elif char == "\0" or char in _WHITESPACE:
            if quoted:
                state = state if state == "value" else "ignore"
            elif state in ("value", "parameter"):
                done = True
            else:
                start, state, around_all = place + 1, "module", False
        elif char == ".":
            if state == "module":
                module = text[start:place]
                begin_parameter, state = place + 1, "parameter"
            elif state == "parameter":
                state = "ignore"
        elif char == "=":
            if state == "parameter":
                begin_value, state = place + 1, "value"
            elif state == "module":
                state = "ignore"
        if done:
            if state == "parameter":
                yield module, text[begin_parameter:place], ""
            else:
                value = ('"' if around_all else "") + text[begin_value:place]
                yield module, text[begin_parameter:begin_value] + value, value
            start, state, around_all = place + 1, "module", False
