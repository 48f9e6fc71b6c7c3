"""`kmodtui config path`, `show`, `init` and `check`: the user's configuration file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmodtui.errors import ConfigError, UsageError
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean
from kmodtui.model.theme import ENOUGH, OWN_THEMES, too_faint
from kmodtui.services.config import (
    Config,
    ConfigProblem,
    config_path,
    examine_config,
    read_config,
)
from kmodtui.services.config_file import KeyRow, config_text, write_config
from kmodtui.services.settings import KEYS, SETTINGS, Setting, toml
from kmodtui.verbs.printing import add_json, print_json

SCHEMA = 1

WITH_PROBLEMS = 1
"""Exit status of `check` if it finds a problem; 2 if the file cannot be read as TOML."""

_PLACE = "XDG_CONFIG_HOME"
"""The variable of the environment with the directory of configuration files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `path`, `show`, `init` and `check`."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, dest="config_verb")
    add_json(verbs.add_parser("path", help="print the path of the file"))
    add_json(
        verbs.add_parser(
            "show", help="print each setting in effect, and where it comes from: file or option"
        )
    )
    init = verbs.add_parser(
        "init", help="write a file with all settings and keys, their types and defaults"
    )
    init.add_argument("--force", action="store_true", help="replace an existing file")
    add_json(init)
    check = verbs.add_parser(
        "check",
        help="report unknown settings, invalid values and keys that conflict, with their lines",
        description="Report unknown settings, invalid values and keys that conflict. "
        "Exit status 0 if there are none, 1 if there are, 2 if the file cannot be read as TOML.",
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="check this file instead")
    add_json(check)


def run(host: Host, options: argparse.Namespace) -> int:  # noqa: ARG001
    """Show, write or check the configuration; return the exit status.

    Raises:
        KmodtuiError: the file is invalid, or cannot be read or written.
    """
    if any(hasattr(options, name) for name in ("root", "kernel", "demo")):
        raise UsageError(
            "The configuration is yours, not that of the observed system.",
            "Leave out --root, --kernel and --demo.",
        )
    path = config_path()
    match options.config_verb:
        case "path":
            return _path(path, as_json=options.json)
        case "show":
            return _show(path, options)
        case "init":
            return _init(path, options)
        case _:
            return _check(Path(options.file) if options.file else path, options)


def _path(path: Path, *, as_json: bool) -> int:
    if as_json:
        print_json(SCHEMA, {"path": str(path), "exists": path.exists(), "source": _path_source()})
    else:
        print(clean(str(path)))
    return 0


def _path_source() -> str:
    """Return where the path comes from: from the environment, or by default."""
    return "environment" if os.environ.get(_PLACE, "").strip() else "default"


# show


@dataclass(frozen=True, slots=True)
class _Effective:
    """A setting in effect.

    Attributes:
        key: its name, for a command `keys.ID`.
        value: its value.
        source: `default`, `file` or `command line`.
        line: of the file; None if it comes from elsewhere.
        option: of the command line; None if it comes from elsewhere.
    """

    key: str
    value: Any
    source: str
    line: int | None = None
    option: str | None = None

    @property
    def origin(self) -> str:
        """The source in words."""
        if self.line:
            return f"{self.source}, line {self.line}"
        return f"{self.source}, {self.option}" if self.option else self.source


def _show(path: Path, options: argparse.Namespace) -> int:
    try:
        config = read_config(path)
        keys = _effective_keys(config)
    except ConfigError as error:
        raise ConfigError(
            error.message, f"{error.hint} kmodtui config check lists all problems.".lstrip()
        ) from error
    settings = [_effective(setting, config, options) for setting in SETTINGS]
    if options.json:
        print_json(
            SCHEMA,
            {
                "path": str(path),
                "exists": path.exists(),
                "source": _path_source(),
                "settings": [_setting_json(each) for each in settings],
                "keys": [_key_json(each) for each in keys],
            },
        )
        return 0
    missing = "" if path.exists() else " (does not exist)"
    place = f", from {_PLACE}" if _path_source() == "environment" else ""
    print(f"{clean(str(path))}{missing}{place}")
    changed = [each for each in keys if each.source != "default"]
    rows = [(each.key, _text(each), each.origin) for each in (*settings, *changed)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, origin in rows:
        print(f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}")
    rest = len(keys) - len(changed)
    print(f"{KEYS}: {rest} commands have their default keys")
    return 0


def _text(each: _Effective) -> str:
    if each.value is None:
        return "automatic"
    if isinstance(each.value, tuple):
        return clean(" ".join(each.value))
    return clean(toml(each.value))


def _effective(setting: Setting, config: Config, options: argparse.Namespace) -> _Effective:
    typed = getattr(options, setting.key, None)
    if typed not in (None, ""):
        first, *others = setting.options.split(", ")
        option = others[0] if typed is False and others else first
        return _Effective(setting.key, typed, "command line", option=option)
    value = getattr(config, setting.key)
    if value is not None:
        return _Effective(setting.key, value, "file", config.lines.get(setting.key))
    return _Effective(setting.key, setting.default, "default")


def _effective_keys(config: Config) -> list[_Effective]:
    """Return the keys of every command, as they are shown.

    Raises:
        ConfigError: a key of the file is invalid.
    """
    from kmodtui.ui.key_names import key_words
    from kmodtui.ui.keymap import remapped

    commands, problems = remapped(config.keys)
    if problems:
        raise problems[0].error(config)
    return [
        _Effective(
            name := f"{KEYS}.{command.id}",
            tuple(map(key_words, command.keys)),
            "file" if command.id in config.keys else "default",
            config.lines.get(name),
        )
        for command in commands
    ]


def _setting_json(each: _Effective) -> dict[str, Any]:
    return {
        "key": each.key,
        "value": None if each.value is None else toml(each.value),
        "source": each.source,
        "line": each.line,
        "option": each.option,
    }


def _key_json(each: _Effective) -> dict[str, Any]:
    return {
        "command": each.key.removeprefix(f"{KEYS}."),
        "keys": list(each.value),
        "source": each.source,
        "line": each.line,
    }


# init


def _init(path: Path, options: argparse.Namespace) -> int:
    replaced = write_config(path, config_text(_key_rows()), force=options.force)
    if options.json:
        print_json(SCHEMA, {"path": str(path), "replaced": replaced})
    else:
        print(f"{'Replaced' if replaced else 'Wrote'} {clean(str(path))}")
    return 0


def _key_rows() -> Iterator[KeyRow]:
    from kmodtui.ui.commands import COMMANDS, CONTEXTS
    from kmodtui.ui.key_names import key_words

    for context, title in CONTEXTS.items():
        for command in COMMANDS:
            if command.context == context:
                yield title, command.id, tuple(map(key_words, command.keys)), command.help


# check


def _check(path: Path, options: argparse.Namespace) -> int:
    from kmodtui.ui.keymap import remapped

    if options.file and not path.exists():
        raise ConfigError(f"{clean(str(path))} does not exist.")
    config, problems = examine_config(path)
    problems += remapped(config.keys)[1]
    problems += _theme_problems(config)
    problems.sort(key=lambda problem: config.lines.get(problem.key, 0))
    if options.json:
        print_json(
            SCHEMA,
            {
                "path": str(path),
                "exists": path.exists(),
                "problems": [_problem_json(problem, config) for problem in problems],
            },
        )
    else:
        for problem in problems:
            print(clean(f"{problem.place(config)}: {problem.text} {problem.hint}".rstrip()))
        if not problems:
            what = "no problems found" if path.exists() else "does not exist: all defaults"
            print(clean(f"{path}: {what}"))
    return WITH_PROBLEMS if problems else 0


def _theme_problems(config: Config) -> Iterator[ConfigProblem]:
    """Yield what is wrong with the user's theme that the file names."""
    if config.theme is None or config.theme in OWN_THEMES:
        return
    from kmodtui.model.palettes import palette_of
    from kmodtui.services.theme_file import read_theme

    try:
        theme = read_theme(config.path, config.theme)
    except ConfigError as error:
        yield ConfigProblem("theme", error.message, error.hint)
        return
    for ink, ground in too_faint(palette_of(theme)):
        words = f"theme {theme.name}: {ink} is hard to read on {ground}."
        yield ConfigProblem("theme", words, f"The contrast has to be {ENOUGH} or more.")


def _problem_json(problem: ConfigProblem, config: Config) -> dict[str, Any]:
    return {
        "line": config.lines.get(problem.key),
        "key": problem.key,
        "text": problem.text,
        "hint": problem.hint,
    }
