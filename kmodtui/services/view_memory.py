"""What the dashboard shows when it starts again: order, filter, pane and layout, per machine.

The file `views.json` in the state directory (`~/.local/state/kmodtui`) has an entry for each
machine, captured tree, and for the demo. It is a convenience: a file that is damaged or
cannot be written is a line in the log file, and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kmodtui.kernel.host import Host
from kmodtui.model.layout import BALANCED, LAYOUTS, Layout

_MOST = 40  # entries; those that were not used for the longest time are dropped
_MAX_SIZE = 256 * 1024  # bytes of a file that is read
_MAX_TEXT = 500  # characters of a filter that are kept
_USED = "used"
_MACHINES = "machines"

log = logging.getLogger("kmodtui")


@dataclass(frozen=True, slots=True)
class View:
    """How the dashboard looks.

    Attributes:
        order: the title of the column by which the modules are sorted; empty for the default.
        is_reversed: whether that order is reversed.
        filter_text: the filter of the modules.
        pane: the id of the pane with the focus; empty for the default.
        layout: the name of the layout.
        sizes: its sizes.
    """

    order: str = ""
    is_reversed: bool = False
    filter_text: str = ""
    pane: str = ""
    layout: str = BALANCED
    sizes: Layout = LAYOUTS[BALANCED]


def view_path() -> Path:
    """Return the path of the file: `$XDG_STATE_HOME/kmodtui/views.json`."""
    state = os.environ.get("XDG_STATE_HOME", "").strip() or os.path.expanduser("~/.local/state")
    return Path(state, "kmodtui", "views.json")


def view_key(host: Host, hostname: str) -> str:
    """Return the name of a machine's entry: a home directory can be shared by several."""
    return f"tree {host.badge}" if host.badge else f"machine {hostname}"


class ViewMemory:
    """The entry of one machine in the file, and the commands whose keys have been used.

    Attributes:
        view: how the dashboard is to look.
        used: the actions of commands that were used on any machine.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Read the file."""
        self._path = path
        self._key = key
        content = self._content()
        entry = content[_MACHINES].get(key)
        self.view = _view(entry) if isinstance(entry, dict) else View()
        self.used = {action for action in content[_USED] if isinstance(action, str)}

    def note(self, action: str) -> None:
        """Remember that a command was used."""
        self.used.add(action)

    def save(self) -> None:
        """Write the file, atomically; leave the entries of other machines as they are now."""
        content = self._content()
        machines = {key: value for key, value in content[_MACHINES].items() if key != self._key}
        machines[self._key] = asdict(self.view)
        kept = dict(list(machines.items())[-_MOST:])
        used = sorted(self.used.union(a for a in content[_USED] if isinstance(a, str)))
        text = json.dumps({_USED: used, _MACHINES: kept}, indent=1)
        new = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_text(f"{text}\n", encoding="ascii")
            os.replace(new, self._path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)
            with suppress(OSError):
                new.unlink()

    def _content(self) -> dict[str, Any]:
        """Return what is in the file, with both parts; empty ones if it is damaged."""
        content: Any = {}
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(_MAX_SIZE))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is ignored: %s", self._path, error)
        if not isinstance(content, dict):
            log.warning("%s is ignored: it has no entries", self._path)
            content = {}
        machines, used = content.get(_MACHINES), content.get(_USED)
        return {
            _MACHINES: machines if isinstance(machines, dict) else {},
            _USED: used if isinstance(used, list) else [],
        }


def _view(entry: Mapping[str, Any]) -> View:
    """Return the valid parts of an entry."""

    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) and len(value) <= _MAX_TEXT else ""

    layout = text("layout") if text("layout") in LAYOUTS else BALANCED
    view = View(
        text("order"), entry.get("is_reversed") is True, text("filter_text"), text("pane"), layout
    )
    try:
        sizes = Layout(**entry["sizes"])
    except (KeyError, TypeError):
        sizes = LAYOUTS[layout]
    return replace(view, sizes=sizes if sizes.is_valid else LAYOUTS[layout])
