"""A new configuration file: every setting and key with its type and default, as comments."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.reference import comment_lines
from kmodtui.model.text import clean
from kmodtui.services.file_writer import write_file
from kmodtui.services.settings import FILTERS, KEYS, SETTINGS, Setting, toml

_HEAD = """\
# Configuration of kmodtui.
#
# Each setting is shown with its default, as a comment: remove the # of a line to change it.
# The command line takes precedence. `kmodtui config check` finds errors, and
# `kmodtui config show` shows what is in effect.
"""

_KEYS_HEAD = f"""\
# Keys: a command with a key, or with a list of keys, such as
#     dashboard.load = ["F6", "Ctrl+n"]
# A key is a character, Ctrl+letter, Alt+letter, F1 to F12 or Insert. Esc, Enter, Space, Tab, the
# arrows, PgUp, PgDn, Home, End, Ctrl+q and Ctrl+p stay with the commands that have them.
[{KEYS}]
"""

_FILTERS_HEAD = f"""\
# Named filters, for all lists and verbs: @unused stands for the filter unused.
# A line is shown if it matches every term of a filter. Terms:
{{}}
[{FILTERS}]
# unused = "refs:0 state:live"
"""

KeyRow = tuple[str, str, tuple[str, ...], str]
"""Where a command's keys work, its id, its keys as they are shown, and its help."""


def config_text(rows: Iterable[KeyRow]) -> str:
    """Return the content of a new file.

    Args:
        rows: the commands, those of a context together.
    """
    parts = [_HEAD, *map(_setting, SETTINGS)]
    parts += [_FILTERS_HEAD.format("\n".join(comment_lines())), _KEYS_HEAD]
    title = ""
    lines: list[str] = []
    # For commands without a key, which may work in the same place: a different one for each.
    free = (f"F{number}" for number in itertools.count(6))
    for context, id_, keys, help_ in rows:
        if context != title:
            lines += ["", f"# {context}"]
            title = context
        value = toml(keys) if len(keys) > 1 else toml(keys[0] if keys else next(free))
        lines.append(f"# {id_} = {value}  # {help_}{'' if keys else ' (default: no key)'}")
    return "\n".join(parts) + "\n".join(lines).lstrip("\n") + "\n"


def write_config(path: Path, text: str, *, force: bool) -> bool:
    """Write a new file, atomically; return whether it replaced one.

    A symbolic link is kept; what it points to is replaced.

    Raises:
        KmodtuiError: the file already exists and `force` is false, or it cannot be written.
    """
    exists = path.exists()
    target = path.resolve() if force else path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        shown = clean(str(target.parent))
        raise KmodtuiError(f"{shown} cannot be created: {error.strerror}.") from error
    write_file(target, text.encode(), force=force, hint="Replace it with --force.")
    return exists


def _setting(setting: Setting) -> str:
    default = setting.automatic or toml(setting.default)
    value = setting.example if setting.default is None else setting.default
    lines = [
        f"# {setting.help}",
        f"# {setting.requirement[0].upper()}{setting.requirement[1:]}; default: {default}.",
    ]
    if setting.options:
        lines.append(f"# On the command line: {setting.options}.")
    return "\n".join((*lines, f"# {setting.key} = {toml(value)}", ""))
