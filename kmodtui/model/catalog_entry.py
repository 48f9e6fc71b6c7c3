"""A module of a kernel release as the catalog has it: what it is, whether it is loaded or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from kmodtui.model.category import category, is_external
from kmodtui.model.module_info import ModuleInfo, Parameter
from kmodtui.model.text import clean, decode


class Standing(StrEnum):
    """How things stand with a module, in the word that is shown."""

    LOADED = "loaded"
    AVAILABLE = "available"
    BUILTIN = "built in"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One module of a release. All text is safe for a screen.

    Attributes:
        name: as the kernel has it, with `_`.
        path: its file below the release's folder, or absolute; for a built-in module
            the one that it would have. Empty where nothing tells.
        builtin: whether it is compiled into the kernel.
        aliases: other names of it, without those that are patterns for hardware.
        read: whether its file, or the kernel's notes on it, has been read yet.
        problem: why its file tells nothing, in a sentence; empty if it does.
        description: in its author's words; empty where there are none.
        license: that decides about GPL-only symbols.
        version: the author's; most have none.
        intree: whether it was built from the kernel's own sources.
        signer: whose key it is signed with; empty if it is not signed.
        firmware: files that it may ask for.
        parameters: that it takes.
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
        """Name of its file; empty if it has none of its own."""
        return "" if self.builtin else self.path.rpartition("/")[2]

    @property
    def other_name(self) -> str:
        """Name of its file where that is no plain `NAME.ko`: `crc32c-intel.ko`; else empty."""
        file = self.file
        return "" if file.split(".", 1)[0] == self.name else file

    @property
    def external(self) -> bool:
        """Whether it is no part of the kernel's own package."""
        return is_external(self.path)

    @property
    def category(self) -> str:
        """What kind of thing it is, in a few words; empty if nothing tells."""
        return category(self.path)

    def standing(self, loaded: Iterable[str]) -> Standing:
        """Return how things stand, if `loaded` are the modules that are loaded."""
        if self.builtin:
            return Standing.BUILTIN
        return Standing.LOADED if self.name in loaded else Standing.AVAILABLE


def described(
    entry: CatalogEntry, info: ModuleInfo | None = None, problem: str = ""
) -> CatalogEntry:
    """Return an entry with what its file says of it, or why that could not be read."""
    if info is None:
        return CatalogEntry(
            entry.name, entry.path, entry.builtin, entry.aliases, True, clean(problem)
        )
    fields: dict[str, list[str]] = {"firmware": []}
    with_parameters = False
    for field in info.fields:
        key = field.raw_key
        if key in _TOLD:
            # Line ends and rows of blanks in a description mean nothing.
            value = clean(" ".join(decode(field.raw).split()))
            fields.setdefault(_TOLD[key], []).append(value)
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


_TOLD = {key.encode(): key for key in ("description", "license", "version", "intree", "firmware")}


def _first(fields: dict[str, list[str]], key: str) -> str:
    return next(iter(fields.get(key, ())), "")


@dataclass(frozen=True)
class Catalog:
    """Every module of a kernel release, sorted by name.

    Attributes:
        release: of the kernel.
        entries: one for each module, whether it has a file or is compiled in.
    """

    release: str
    entries: tuple[CatalogEntry, ...]

    @cached_property
    def by_name(self) -> dict[str, CatalogEntry]:
        """The same by name."""
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def complete(self) -> bool:
        """Whether everything that the files say has been read."""
        return all(entry.read for entry in self.entries)

    @cached_property
    def with_file(self) -> int:
        """How many modules have a file; the others are built in."""
        return sum(not entry.builtin for entry in self.entries)
