"""How a module file was built, as far as the file shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kmodtui.model.text import human_size


@dataclass(frozen=True, slots=True)
class SizedName:
    """A section or a symbol, and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """Facts about the build of a module file.

    Attributes:
        build_id: the linker's build ID, in hexadecimal; empty if there is none.
        compilers: what .comment says, each once: the compiler and its version.
        debug: kinds of debug information: `DWARF 5`, `DWARF` of an unknown version, `BTF`.
        sources: the source files that DWARF names, as the compiler was given them.
        sections: the largest ones that are loaded, largest first.
        symbols: the largest functions and data, largest first.
        disk: bytes of the file.
        size: bytes of the file once it is decompressed.
        memory: bytes that it takes when it is loaded, estimated; None if unknown.
    """

    build_id: str = ""
    compilers: tuple[str, ...] = ()
    debug: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sections: tuple[SizedName, ...] = ()
    symbols: tuple[SizedName, ...] = ()
    disk: int = 0
    size: int = 0
    memory: int | None = None


_MOST_SOURCES = 8


def build_lines(build: BuildFacts) -> Iterator[tuple[str, str]]:
    """Yield the facts as phrases, each after a word for programs."""
    for compiler in build.compilers:
        yield "compiler", f"built by {compiler}"
    if build.build_id:
        yield "build ID", f"build ID {build.build_id}"
    yield "debug information", f"debug information: {' and '.join(build.debug) or 'none'}"
    if build.sources:
        shown = ", ".join(build.sources[:_MOST_SOURCES])
        more = len(build.sources) - _MOST_SOURCES
        also = f" and {more} more" if more > 0 else ""
        yield "source files", f"source files: {shown}{also}"
    packed = f", {human_size(build.size)} decompressed" if build.size != build.disk else ""
    memory = f", about {human_size(build.memory)} in memory" if build.memory is not None else ""
    yield "size", f"{human_size(build.disk)} on disk{packed}{memory}"
    for kind, rows in (("sections", build.sections), ("symbols", build.symbols)):
        if rows:
            words = ", ".join(f"{row.name} {human_size(row.size)}" for row in rows)
            yield kind, f"largest {kind}: {words}"
