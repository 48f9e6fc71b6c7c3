"""What modprobe looks up before it acts: modules.dep, .alias, .softdep, .builtin.

Formats: `man 5 modules.dep`, `man 5 depmod.d`, and for softdeps `man 5 modprobe.d`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from kmodtui.model.modules import canonical
from kmodtui.model.text import decode


@dataclass(frozen=True)
class ModuleIndex:
    """The indexes of one kernel release, read when they are asked for.

    Attributes:
        folder: `/lib/modules/RELEASE` below the simulated machine's root.
        shown: the same as the machine sees it, for messages.
    """

    folder: Path
    shown: str

    def lookup(self, name: str) -> tuple[str, ...]:
        """Return the modules that `name` stands for: itself, or by alias one or several."""
        wanted = canonical(name)
        if wanted in self._lines:
            return (wanted,)
        return tuple(
            dict.fromkeys(
                module for pattern, module in self._aliases if fnmatchcase(wanted, pattern)
            )
        )

    def is_builtin(self, name: str) -> bool:
        """Return whether a module of that name is compiled into the kernel."""
        return canonical(name) in self._builtin

    def path(self, module: str) -> str:
        """Return a module's file as the machine sees it."""
        file = self._lines[module][0]
        return file if file.startswith("/") else f"{self.shown}/{file}"

    def file(self, module: str) -> Path | None:
        """Return a module's file on this machine; None if the index does not name it."""
        line = self._lines.get(module)
        return self.folder / line[0] if line else None

    def dependencies(self, module: str) -> tuple[str, ...]:
        """Return what a module needs, transitively, in the order in which it is loaded."""
        line = self._lines.get(module, ("", ()))
        return tuple(reversed(line[1]))

    def softdeps(self, module: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the modules to load before and after, of the first line about the module."""
        return self._softdeps.get(module, ((), ()))

    @cached_property
    def _lines(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        lines = {}
        for line in self._text("modules.dep"):
            path, colon, needs = line.partition(":")
            if colon:
                lines[canonical(path)] = path, tuple(map(canonical, needs.split()))
        return lines

    @cached_property
    def _aliases(self) -> list[tuple[str, str]]:
        aliases = []
        for file in ("modules.symbols", "modules.alias"):
            for line in self._text(file):
                fields = line.split()
                if len(fields) == 3 and fields[0] == "alias":
                    aliases.append((_normalized(fields[1]), fields[2]))
        return aliases

    @cached_property
    def _softdeps(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        softdeps: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        for line in self._text("modules.softdep"):
            fields = line.split()
            if len(fields) < 3 or fields[0] != "softdep":
                continue
            # Words before the first `pre:` or `post:` count for nothing; Debian has such a line.
            before: list[str] = []
            after: list[str] = []
            place: list[str] = []
            for word in fields[2:]:
                if word == "pre:":
                    place = before
                elif word == "post:":
                    place = after
                else:
                    place.append(word)
            found = tuple(
                tuple(module for word in words for module in self.lookup(word))
                for words in (before, after)
            )
            softdeps.setdefault(canonical(fields[1]), (found[0], found[1]))
        return softdeps

    @cached_property
    def _builtin(self) -> frozenset[str]:
        return frozenset(map(canonical, self._text("modules.builtin")))

    def _text(self, file: str) -> list[str]:
        try:
            lines = decode((self.folder / file).read_bytes()).splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line and not line.startswith("#")]


def _normalized(pattern: str) -> str:
    """Return an alias pattern with `_` for `-`, save inside brackets."""
    parts = pattern.split("[")
    return "[".join(
        [
            parts[0].replace("-", "_"),
            *(
                f"{inside}]{outside.replace('-', '_')}" if bracket else inside
                for inside, bracket, outside in (part.partition("]") for part in parts[1:])
            ),
        ]
    )
