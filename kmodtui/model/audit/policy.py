"""Policies: the state that modules and system switches should have, read from TOML.

docs/policies.md describes the format. A file with any error is rejected as a whole: an audit
must never pass because a line had no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kmodtui.errors import PolicyError
from kmodtui.model.audit.state import State
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, shortened

SCHEMA = 1
"""The version of the format."""


class Wanted(StrEnum):
    """The state that a policy wants for a module."""

    BLOCKED = "blocked"
    DENYLISTED = "denylisted"
    NOT_LOADED = "not loaded"
    ABSENT = "absent"
    AVAILABLE = "available"
    LOADED = "loaded"


_ACCEPTED = {
    Wanted.BLOCKED: {State.BLOCKED, State.ABSENT},
    Wanted.DENYLISTED: {State.DENYLISTED, State.BLOCKED, State.ABSENT},
    Wanted.NOT_LOADED: {State.ABSENT, State.AVAILABLE, State.DENYLISTED, State.BLOCKED},
    Wanted.ABSENT: {State.ABSENT},
    Wanted.AVAILABLE: {State.AVAILABLE, State.LOADED, State.BUILT_IN},
    Wanted.LOADED: {State.LOADED, State.BUILT_IN},
}


def accepted(wanted: Wanted, *, running: bool) -> frozenset[State]:
    """Return the states that fulfil what is wanted, under the running kernel or another one."""
    if wanted is Wanted.LOADED and not running:
        wanted = Wanted.AVAILABLE
    return frozenset(_ACCEPTED[wanted])


class Switch(StrEnum):
    """A setting of the running system that concerns all modules."""

    MODULES_DISABLED = "modules_disabled"
    SIGNATURES_ENFORCED = "signatures_enforced"
    MODPROBE = "kernel.modprobe"


@dataclass(frozen=True, slots=True)
class ModuleRequirement:
    """What a policy wants of a module.

    Attributes:
        name: the module, with `_`.
        wanted: its state.
        reason: why, a sentence.
        reference: such as the number of a control; empty if there is none.
        initcalls: its init functions, which `initcall_blacklist=` can skip where it is built in.
    """

    name: str
    wanted: Wanted
    reason: str
    reference: str = ""
    initcalls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwitchRequirement:
    """What a policy wants of a system switch.

    Attributes:
        name: the switch.
        wanted: true or false; for kernel.modprobe the paths that are accepted.
        reason: why, a sentence.
        reference: such as the number of a control; empty if there is none.
    """

    name: Switch
    wanted: bool | tuple[str, ...]
    reason: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy.

    Attributes:
        name: the name of its file without the suffix.
        title: what it is, in a few words.
        version: of the document that it follows; empty if it follows none.
        source: where that was published; empty if it follows none.
        modules: what it wants of modules.
        switches: what it wants of switches.
    """

    name: str
    title: str
    version: str
    source: str
    modules: tuple[ModuleRequirement, ...]
    switches: tuple[SwitchRequirement, ...]

    @property
    def requirements(self) -> tuple[ModuleRequirement | SwitchRequirement, ...]:
        """What it wants of modules and then of switches."""
        return (*self.modules, *self.switches)


def wanted_words(wanted: Wanted | bool | tuple[str, ...]) -> str:
    """Return what is wanted of a module or a switch in words."""
    if isinstance(wanted, bool):
        return "yes" if wanted else "no"
    return " or ".join(path or "empty" for path in wanted) if isinstance(wanted, tuple) else wanted


def parse_policy(text: str, name: str) -> Policy:
    """Return the policy in a TOML text.

    Args:
        text: the content of the file.
        name: what errors call the file.

    Raises:
        PolicyError: it is not a valid policy.
    """
    import tomllib

    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Too large numbers and too deep nesting do not raise a TOMLDecodeError.
        raise PolicyError(f"{name} is not valid TOML: {clean(str(error))}.") from error
    reader = _Reader(name, "the policy", found)
    schema = found.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise PolicyError(
            f"{name}: schema must be {SCHEMA}.", "It is the version of the format of policies."
        )
    known = ("schema", "title", "version", "source", "module", "switch")
    reader.check(known)
    policy = Policy(
        name,
        reader.text("title"),
        reader.text("version", ""),
        reader.text("source", ""),
        tuple(map(_module, reader.tables("module"))),
        tuple(map(_switch, reader.tables("switch"))),
    )
    names = [str(each.name) for each in policy.requirements]
    if not names:
        raise PolicyError(f"{name} wants nothing.", "A policy has [[module]] or [[switch]] tables.")
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise PolicyError(f"{name} names {clean(twice[0])} twice.", "Remove one of them.")
    return policy


def _module(table: _Reader) -> ModuleRequirement:
    table.check(("name", "wanted", "reason", "reference", "initcalls"))
    name = table.text("name")
    if not name or any(char in name for char in "*?[]/. \t\n"):
        raise table.error(f"{clean(shortened(name))!r} is not a module's name.")
    return ModuleRequirement(
        canonical(name),
        Wanted(table.choice("wanted", tuple(Wanted))),
        table.text("reason"),
        table.text("reference", ""),
        table.texts("initcalls", ()),
    )


def _switch(table: _Reader) -> SwitchRequirement:
    table.check(("name", "wanted", "reason", "reference"))
    switch = Switch(table.choice("name", tuple(Switch)))
    wanted: bool | tuple[str, ...]
    wanted = table.texts("wanted") if switch is Switch.MODPROBE else table.boolean("wanted")
    return SwitchRequirement(switch, wanted, table.text("reason"), table.text("reference", ""))


class _Reader:
    """A table of the file; what is wrong with it becomes an error that names the place."""

    def __init__(self, file: str, place: str, table: Mapping[str, Any]) -> None:
        self._file = file
        self._place = place
        self._table = table

    def error(self, message: str, hint: str = "") -> PolicyError:
        """Return an error about this table."""
        return PolicyError(f"{self._file}: {self._place}: {message}", hint)

    def check(self, known: tuple[str, ...]) -> None:
        """Raise an error for a key that has no meaning."""
        for key in self._table:
            if key not in known:
                hint = did_you_mean(near(key, known, 1)) or f"The keys are {', '.join(known)}."
                raise self.error(f"unknown key “{clean(shortened(key))}”.", hint)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string; it is required without a default."""
        value = self._table.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.error(f"{key} must be a text.")
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of strings; a single one counts as a list."""
        value = self._table.get(key, default)
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
            raise self.error(f"{key} must be a text or a list of texts.")
        if default is None and not values:
            raise self.error(f"{key} is empty.")
        return tuple(values)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self._table.get(key)
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false.")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """Return one of several words."""
        value = self._table.get(key)
        if value not in choices:
            raise self.error(f"{key} must be one of {', '.join(choices)}.")
        return str(value)

    def tables(self, key: str) -> list[_Reader]:
        """Return the tables of `[[key]]`."""
        value = self._table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise self.error(f"write [[{key}]] before each {key}.")
        readers = []
        for number, table in enumerate(value, 1):
            name = table.get("name")
            named = f" ({clean(shortened(name))})" if isinstance(name, str) else ""
            readers.append(_Reader(self._file, f"{key} {number}{named}", table))
        return readers
