"""The user's configuration: a small TOML file that is read before the dashboard starts.

    # ~/.config/kmodtui/config.toml
    read_only = true        # never ask for root privileges
    interval = 2.5          # seconds between two reads if the kernel does not report changes

    [keys]
    dashboard.load = "F6"

    [filters]
    unused = "refs:0 state:live"

`services.settings` has the table of all settings. The command line takes precedence. A file
with any error is rejected as a whole: a user who wrote `read_only = "yes"` must not find out
later that it had no effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kmodtui.errors import ConfigError
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.services.settings import BY_KEY, FILTERS, KEYS, toml


@dataclass(frozen=True, slots=True)
class Config:
    """The settings; None for those that the file does not set.

    Attributes:
        path: the file, whether or not it exists.
        read_only: whether never to ask for root privileges.
        interval: seconds between two reads.
        elevate: how to become root, one of `model.ways_to_root.WAYS_TO_ROOT`.
        idle_minutes: minutes without a request until the helper drops root privileges.
        light: whether to use colours for a light terminal.
        theme: the name of the theme.
        lite: whether the dashboard draws little, for slow lines.
        mouse: whether the dashboard uses the mouse.
        remember: whether to begin as the last session ended.
        keys: the keys of commands by their ids, as they are written; `ui.keymap` checks them.
        filters: the named filters, by their names.
        lines: the line of each key, see `key_lines`.
    """

    path: Path
    read_only: bool | None = None
    interval: float | None = None
    elevate: str | None = None
    idle_minutes: int | None = None
    light: bool | None = None
    theme: str | None = None
    lite: bool | None = None
    mouse: bool | None = None
    remember: bool | None = None
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something wrong in the file.

    Attributes:
        key: what it is about, with its table: `interval`, `keys.dashboard.load`.
        text: what is wrong, a sentence.
        hint: what to do about it; can be empty.
    """

    key: str
    text: str
    hint: str

    def place(self, config: Config) -> str:
        """Return file and line, as compilers print them."""
        line = config.lines.get(self.key)
        return f"{config.path}:{line}" if line else f"{config.path}"

    def error(self, config: Config) -> ConfigError:
        """Return the problem as the error that ends the start of the dashboard."""
        return ConfigError(f"{self.place(config)}: {self.text}", self.hint)


def config_path() -> Path:
    """Return the path of the file: `$XDG_CONFIG_HOME/kmodtui/config.toml`."""
    import platformdirs

    return platformdirs.user_config_path("kmodtui", appauthor=False) / "config.toml"


def read_config(path: Path) -> Config:
    """Return the settings in a file; none if it does not exist.

    Raises:
        ConfigError: the file cannot be read or is invalid; the message names file, line and key.
    """
    config, problems = examine_config(path)
    if problems:
        raise problems[0].error(config)
    return config


def examine_config(path: Path) -> tuple[Config, list[ConfigProblem]]:
    """Return the valid settings in a file, and what is wrong with the others, by line.

    Raises:
        ConfigError: the file cannot be read, or is not in TOML.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Config(path), []
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", "Make it readable, or remove it."
        ) from error
    import tomllib

    from kmodtui.services.toml_lines import key_lines

    try:
        text = content.decode()
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8.", "Save it as UTF-8, or remove it.") from error
    except (ValueError, RecursionError) as error:
        # Too large numbers and too deep nesting do not raise a TOMLDecodeError.
        line = re.search(r"\(at line (\d+),", f"{error}")
        place = f"{path}:{line[1]}" if line else f"{path}"
        raise ConfigError(
            f"{place} is not valid TOML: {error}.", "This is what a line looks like: interval = 2.5"
        ) from error
    keys, problems = _keys(values.pop(KEYS, {}))
    filters, wrong = _filters(values.pop(FILTERS, {}))
    problems += (*wrong, *_problems(values))
    invalid = {problem.key for problem in problems}
    settings = {key: value for key, value in values.items() if key not in invalid}
    config = Config(path, **settings, keys=keys, filters=filters, lines=key_lines(text))
    problems.sort(key=lambda problem: config.lines.get(problem.key, 0))
    return config, problems


def _problems(values: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    for key, value in values.items():
        setting = BY_KEY.get(key)
        if setting is None:
            question = did_you_mean(near(key, (*BY_KEY, KEYS, FILTERS), 1))
            hint = question or f"The settings are {', '.join(sorted(BY_KEY))}."
            yield ConfigProblem(key, f"unknown setting “{key}”.", hint)
        elif not setting.is_valid(value):
            yield ConfigProblem(
                key,
                f"{key} must be {setting.requirement}, not {_shown(value)}.",
                "Correct or remove the line.",
            )


def _keys(value: Any) -> tuple[dict[str, tuple[str, ...]], list[ConfigProblem]]:
    """Return the keys of each command in `[keys]`, and what is wrong with the others."""
    found: dict[str, tuple[str, ...]] = {}
    problems = []
    if not isinstance(value, dict):
        text = f"{KEYS} must be a table, not {_shown(value)}."
        hint = f'This is what it looks like: {KEYS}.dashboard.load = "F6"'
        return found, [ConfigProblem(KEYS, text, hint)]
    for id_, keys in _flat(value):
        if isinstance(keys, str):
            found[id_] = (keys,)
        elif isinstance(keys, list) and keys and all(isinstance(key, str) for key in keys):
            found[id_] = tuple(keys)
        else:
            shown = "an empty list" if keys == [] else _shown(keys)
            text = f"{id_} must be a key or a list of keys, not {shown}."
            problems.append(ConfigProblem(f"{KEYS}.{id_}", text, "Correct or remove the line."))
    return found, problems


def _filters(value: Any) -> tuple[dict[str, str], list[ConfigProblem]]:
    """Return the filters in `[filters]` that are valid somewhere, and what is wrong with others."""
    if not isinstance(value, dict):
        text = f"{FILTERS} must be a table, not {_shown(value)}."
        hint = f'This is what it looks like: {FILTERS}.unused = "refs:0 state:live"'
        return {}, [ConfigProblem(FILTERS, text, hint)]
    if not value:
        return {}, []
    from kmodtui.model.filter.named import problem_of

    texts = {name: each for name, each in value.items() if isinstance(each, str)}
    problems = []
    for name, each in value.items():
        key = f"{FILTERS}.{name}"
        if name not in texts:
            text = f"{name} must be a filter in quotes, not {_shown(each)}."
            problems.append(ConfigProblem(key, text, "Correct or remove the line."))
        elif error := problem_of(name, texts):
            problems.append(ConfigProblem(key, error.message, error.hint))
    invalid = {problem.key for problem in problems}
    return {n: text for n, text in texts.items() if f"{FILTERS}.{n}" not in invalid}, problems


def _flat(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a table by their ids: `dashboard.load` is a table in a table."""
    for key, below in value.items():
        if isinstance(below, dict):
            yield from ((f"{key}.{rest}", each) for rest, each in _flat(below))
        else:
            yield key, below


def _shown(value: Any) -> str:
    """Return a value as it is written in TOML, shortened if it is long."""
    if isinstance(value, str):
        return f"“{value[:40]}{'…' if len(value) > 40 else ''}”"
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    return toml(value)[:40]
