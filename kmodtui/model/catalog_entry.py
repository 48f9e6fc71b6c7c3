"""The catalog: every module of a kernel release, loaded or not, with or without a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from kmodtui.model.category import category, is_external
from kmodtui.model.module_info import ModuleInfo, Parameter
from kmodtui.model.text import clean, decode


class CatalogStatus(StrEnum):
    """Whether a module is loaded; the value is the word that is shown."""

    LOADED = "loaded"
    AVAILABLE = "available"
    BUILTIN = "built in"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One module of a release. All text is safe to show on a terminal.

    Attributes:
        name: as the kernel spells it, with `_`.
        path: its file, relative to the release's directory or absolute; for a built-in
            module the path from modules.builtin. Empty if unknown.
        builtin: whether it is compiled into the kernel.
        aliases: its alternative names, without the hardware patterns.
        read: whether its file (for a built-in module: modules.builtin.modinfo) has been read.
        problem: why its file could not be read, in a sentence; empty if it could.
        description: MODULE_DESCRIPTION; empty if there is none.
        license: MODULE_LICENSE, which decides whether it may use GPL-only symbols.
        version: MODULE_VERSION; most modules have none.
        intree: whether it was built from the kernel's own source tree.
        signer: name of the key it is signed with; empty if it is not signed.
        firmware: firmware files that it may request.
        parameters: the parameters it accepts.
    """

    name: str
    path: str = ""
    builtin: bool = False
    aliases: tuple[str, ...] = ()
    read: bool = False
    problem: str = ""
    description: str = ""
    license: str = ""
    version: str = ""
    intree: bool = False
    signer: str = ""
    firmware: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    @property
    def file(self) -> str:
        """Name of its file without directories; empty for a built-in module."""
        return "" if self.builtin else self.path.rpartition("/")[2]

    @property
    def other_name(self) -> str:
        """Its file name if that is spelled differently, such as `crc32c-intel.ko`; else empty."""
        file = self.file
        return "" if file.split(".", 1)[0] == self.name else file

    @property
    def external(self) -> bool:
        """Whether it does not belong to the kernel's own package."""
        return is_external(self.path)

    @property
    def category(self) -> str:
        """Its category, such as `file system`; empty if unknown."""
        return category(self.path)

    def standing(self, loaded: Iterable[str]) -> CatalogStatus:
        """Return its standing, given the names of the loaded modules."""
        if self.builtin:
            return CatalogStatus.BUILTIN
        return CatalogStatus.LOADED if self.name in loaded else CatalogStatus.AVAILABLE


def described(
    entry: CatalogEntry, info: ModuleInfo | None = None, problem: str = ""
) -> CatalogEntry:
    """Return the entry completed from its modinfo, or with the problem that prevented reading it.

    Args:
        entry: name, path and aliases, as the index has them.
        info: what its file, or the kernel's record of a built-in module, contains.
        problem: why there is no `info`, in a sentence.
    """
    if info is None:
        return CatalogEntry(
            entry.name, entry.path, entry.builtin, entry.aliases, True, clean(problem)
        )
    fields: dict[str, list[str]] = {"firmware": []}
    with_parameters = False
    for field in info.fields:
        key = field.raw_key
        if key in _KEYS:
            # Line ends and repeated blanks in a description carry no meaning.
            value = clean(" ".join(decode(field.raw).split()))
            fields.setdefault(_KEYS[key], []).append(value)
        elif key in (b"parm", b"parmtype"):
            with_parameters = True
    return CatalogEntry(
        name=entry.name,
        path=entry.path,
        builtin=entry.builtin,
        aliases=entry.aliases,
        read=True,
        description=_first(fields, "description"),
        license=_first(fields, "license"),
        version=_first(fields, "version"),
        intree=entry.builtin or _first(fields, "intree") == "Y",
        signer=info.signature.signer_name if info.signature else "",
        firmware=tuple(fields["firmware"]),
        parameters=info.parameters if with_parameters else (),
    )


_KEYS = {key.encode(): key for key in ("description", "license", "version", "intree", "firmware")}


def _first(fields: dict[str, list[str]], key: str) -> str:
    return next(iter(fields.get(key, ())), "")


@dataclass(frozen=True)
class Catalog:
    """Every module of a kernel release, sorted by name.

    Attributes:
        release: kernel release, such as `6.1.0-18-amd64`.
        entries: one for each module, whether it has a file or is built in.
    """

    release: str
    entries: tuple[CatalogEntry, ...]

    @cached_property
    def by_name(self) -> dict[str, CatalogEntry]:
        """The entries by module name."""
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def complete(self) -> bool:
        """Whether all files have been read."""
        return all(entry.read for entry in self.entries)

    @cached_property
    def with_file(self) -> int:
        """Number of modules that have a file; the others are built in."""
        return sum(not entry.builtin for entry in self.entries)
