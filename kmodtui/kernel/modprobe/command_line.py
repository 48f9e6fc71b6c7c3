"""Parser for the module settings on the kernel command line.

Sources: `kmod_config_parse_kcmdline` in kmod's `libkmod/libkmod-config.c`, and `blacklisted`
in `kernel/module/main.c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from kmodtui.kernel.index.aliases import normalised
from kmodtui.model.modprobe_rules import Problem, Rule, RuleKind
from kmodtui.model.modules import canonical
from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE
from kmodtui.model.text import clean, shortened

_SKIPPED = "initcall_blacklist="
_WHITESPACE = " \n\t\v\f\r"


def parse_command_line(text: str, problems: list[Problem]) -> Iterator[Rule]:
    """Yield the rules that kmod takes from the kernel command line.

    `module.parameter=value` sets options, `modprobe.blacklist=a,b` blacklists modules.

    Args:
        text: the content of /proc/cmdline.
        problems: receives the settings that kmod ignores.
    """
    problems += _other_blacklists(text)
    for module, parameter, value in _settings(text):
        if module == "modprobe" and parameter.startswith("blacklist="):
            for name in filter(None, value.split(",")):
                yield Rule(RuleKind.BLACKLIST, name)
                if "-" in name:
                    message = f"modprobe.blacklist={name} has no effect: - is not the same as _ "
                    hint = f"here. Use {canonical(name)}."
                    text = clean(message + hint)
                    problems.append(Problem(KERNEL_COMMAND_LINE, text, (canonical(name),)))
            continue
        alias = normalised(module)
        if alias is None:
            message = f"{module}.{parameter} is ignored: it has unmatched brackets."
            problems.append(Problem(KERNEL_COMMAND_LINE, clean(message), (module,)))
        else:
            yield Rule(RuleKind.OPTIONS, alias, parameter)


_ONLY_IN_THE_INITRAMFS = ("rd.driver.blacklist", "rdblacklist")
_OF_NOBODY = ("blacklist", "modprobe_blacklist", "modules_blacklist", "driver.blacklist")


def _other_blacklists(text: str) -> Iterator[Problem]:
    """Yield settings that are meant to keep modules from being loaded, and do not here."""
    for word in _kernel_words(text):
        key, _, value = word.partition("=")
        names = tuple(canonical(name) for name in value.split(",") if name)
        if key in _ONLY_IN_THE_INITRAMFS and names:
            why = (
                "counts in the initramfs only (dracut), not after it. For both, use "
                f"modprobe.blacklist={','.join(names)}"
            )
        elif key in _OF_NOBODY and names:
            why = (
                f"is unknown to modprobe and the kernel. Use modprobe.blacklist={','.join(names)}, "
                "or module_blacklist= to block it"
            )
        else:
            continue
        problem = clean(shortened(f"{word} {why}.", 300))
        yield Problem(KERNEL_COMMAND_LINE, problem, names)


def forbidden_modules(text: str) -> Iterator[str]:
    """Yield the modules of `module_blacklist=`, which the kernel refuses to load until reboot.

    Source: `blacklisted` in `kernel/module/main.c`. If it is given several times, the last
    one counts.
    """
    last = ""
    for word in _kernel_words(text):
        if word.startswith("module_blacklist="):
            last = word.partition("=")[2]
    yield from filter(None, last.split(","))


def skipped_initcalls(text: str) -> frozenset[str]:
    """Return the init functions of `initcall_blacklist=`, which the kernel does not call.

    Source: `initcall_blacklist` in `init/main.c`. If it is given several times, all count.
    """
    lists = (word.partition("=")[2] for word in _kernel_words(text) if word.startswith(_SKIPPED))
    return frozenset(name for names in lists for name in names.split(",") if name)


def _kernel_words(text: str) -> Iterator[str]:
    """Yield the words that are for the kernel: what follows `--` is for init."""
    return takewhile(lambda word: word != "--", text.split())


def _settings(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield module, parameter with its value, and the value, split as kmod does it.

    A value or a whole setting may be quoted. Settings with quotes or quoted whitespace in
    other positions are skipped.
    """
    start = begin_parameter = begin_value = 0
    quoted = all_quoted = False
    state = "module"
    for position, char in enumerate(f"{text}\0"):
        done = False
        if char == '"':
            quoted = not quoted
            if quoted and state == "module" and position == start:
                all_quoted = True
                start = position + 1
            elif state != "value":
                state = "ignore"
        elif char == "\0" or char in _WHITESPACE:
            if quoted:
                state = state if state == "value" else "ignore"
            elif state in ("value", "parameter"):
                done = True
            else:
                start, state, all_quoted = position + 1, "module", False
        elif char == ".":
            if state == "module":
                module = text[start:position]
                begin_parameter, state = position + 1, "parameter"
            elif state == "parameter":
                state = "ignore"
        elif char == "=":
            if state == "parameter":
                begin_value, state = position + 1, "value"
            elif state == "module":
                state = "ignore"
        if done:
            if state == "parameter":
                yield module, text[begin_parameter:position], ""
            else:
                value = ('"' if all_quoted else "") + text[begin_value:position]
                yield module, text[begin_parameter:begin_value] + value, value
            start, state, all_quoted = position + 1, "module", False
