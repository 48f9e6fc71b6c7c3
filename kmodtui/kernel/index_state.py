"""Whether the index of a kernel release is whole and up to date: what is missing, what is older.

modprobe says nothing of either: it finds less, or something else.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodtui.kernel.catalog import ModuleIndex
from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.text import clean

_TEXTS = {
    "modules.alias": "no alias of a module is known",
    "modules.symbols": "nobody tells which module has a symbol",
    "modules.softdep": "the softdeps of modules are not known",
}
_OF_PACKAGE = {
    "modules.builtin": "nobody tells what is built in",
}
_BINARIES = ("modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin")
_OTHERS = ("updates", "updates/dkms", "extra", "weak-updates", "kernel")
"""Folders that modules are put into; their time tells when one came or went last."""

_SLACK = 60.0
"""Seconds that depmod may take from its first file to its last."""


def index_problems(index: ModuleIndex, names: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Return what is missing or out of date, each with what helps. Asks for times of files.

    Args:
        index: of a release.
        names: modules whose own files are to be looked at as well.
    """
    depmod = f"Run depmod {clean(index.release)} as root."
    folder = clean(index.folder)
    there = {
        name: _time(index, name) for name in ("modules.dep", *_TEXTS, *_OF_PACKAGE, *_BINARIES)
    }
    found = [
        Problem(f"{folder}/{name}", f"It is missing: {lacking}. {depmod}")
        for name, lacking in _TEXTS.items()
        if there[name] is None
    ]
    found += [
        Problem(
            f"{folder}/{name}", f"It is missing: {lacking}. Install the kernel's package again."
        )
        for name, lacking in _OF_PACKAGE.items()
        if there[name] is None
    ]
    # A tree that was copied without any of them is no place where modprobe runs.
    if any(there[name] is not None for name in _BINARIES):
        found += _twins(folder, there, depmod)
    written = there["modules.dep"]
    if written is None:
        return tuple(found)
    for other in _OTHERS:
        changed = _time(index, other)
        if changed is not None and changed > written + _SLACK:
            told = f"It is older than {other}/, where a module has come or gone since. {depmod}"
            found.append(Problem(f"{folder}/modules.dep", told))
            break
    for name in names:
        path = index.path_of(name)
        changed = _time_of(index, path) if path else None
        if changed is not None and changed > written + _SLACK:
            told = (
                f"It is older than {clean(name)}'s file: what that needs may be another. {depmod}"
            )
            found.append(Problem(f"{folder}/modules.dep", told))
    return tuple(found)


def _twins(folder: str, there: dict[str, float | None], depmod: str) -> list[Problem]:
    """Return what is wrong with the binary files: modprobe reads them, and not the others."""
    found = []
    for name in _BINARIES:
        binary, text = there[name], there[name.removesuffix(".bin")]
        if binary is None:
            told = f"It is missing, and modprobe reads it. {depmod}"
            found.append(Problem(f"{folder}/{name}", told))
        elif text is not None and name != "modules.builtin.bin" and binary < text - _SLACK:
            other = name.removesuffix(".bin")
            told = f"It is older than {other}, and modprobe reads it. {depmod}"
            found.append(Problem(f"{folder}/{name}", told))
    return found


def _time(index: ModuleIndex, name: str) -> float | None:
    return _time_of(index, f"{index.folder}/{name}")


def _time_of(index: ModuleIndex, path: str) -> float | None:
    """Return when a file was written last, None if it is not there."""
    try:
        return index.host.stat(path).st_mtime
    except OSError:
        return None
