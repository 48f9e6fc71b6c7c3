"""Checks whether the module index of a kernel release is complete and up to date.

modprobe does not report either problem: it finds fewer modules, or outdated data.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.model.modprobe_rules import Problem
from kmodtui.model.storage import Storage
from kmodtui.model.text import clean

_TEXT_FILES = {
    "modules.alias": "no module can be found by an alias",
    "modules.symbols": "no module can be found by a symbol",
    "modules.softdep": "the modules' soft dependencies are unknown",
}
_KERNEL_BUILD_FILES = {
    "modules.builtin": "built-in modules are unknown",
}
_BINARIES = ("modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin")
_MODULE_DIRECTORIES = ("updates", "updates/dkms", "extra", "weak-updates", "kernel")
"""Where modules are installed; their mtime shows when a file was last added or removed."""

_SLACK = 60.0
"""Seconds that depmod may need to write all its files."""


def index_problems(index: ModuleIndex, names: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Return which index files are missing or out of date, with remedies. Calls stat(2) only.

    Args:
        index: of a release.
        names: modules whose files are checked as well.
    """
    if not index.folder:
        return ()
    depmod = index.advice.rebuild
    folder = clean(index.folder)
    found = []
    if index.ignored:
        message = f"kmod does not read it, but {folder}: they are different directories."
        found.append(Problem(clean(index.ignored), message))
    if index.scanned:
        found.append(Problem(folder, _without_index(index)))
        return tuple(found)
    checked = ("modules.dep", *_TEXT_FILES, *_KERNEL_BUILD_FILES, *_BINARIES)
    times = {name: _mtime(index, name) for name in checked}
    # libmodprobe needs no more than modules.dep.
    if index.advice.storage is not Storage.PARTITIONS:
        found += [
            Problem(f"{folder}/{name}", f"It is missing, so {effect}. {remedy}")
            for files, remedy in (
                (_TEXT_FILES, depmod),
                (_KERNEL_BUILD_FILES, index.advice.reinstall),
            )
            for name, effect in files.items()
            if times[name] is None and times.get(f"{name}.bin") is None
        ]
    # modprobe does not run in a tree that was copied without any of them.
    if any(times[name] is not None for name in _BINARIES):
        found += _binary_problems(folder, times, depmod)
    written = times["modules.dep"] or times["modules.dep.bin"]
    if written is None:
        return tuple(found)
    for directory in _MODULE_DIRECTORIES:
        changed = _mtime(index, directory)
        if changed is not None and changed > written + _SLACK:
            message = f"It is older than {directory}/, where modules were added or removed since. "
            found.append(Problem(f"{folder}/modules.dep", message + depmod))
            break
    for name in names:
        path = index.path_of(name)
        changed = _mtime_of(index, path) if path else None
        if changed is not None and changed > written + _SLACK:
            message = f"It is older than {clean(name)}'s file: its dependencies may have changed. "
            found.append(Problem(f"{folder}/modules.dep", message + depmod))
    return tuple(found)


def _without_index(index: ModuleIndex) -> str:
    said = "There is no modules.dep: dependencies are what the files themselves declare."
    if index.advice.storage is Storage.OPENWRT:
        return said
    return f"{said} kmod's modprobe needs it, OpenWrt's does not. {index.advice.rebuild}"


def _binary_problems(folder: str, times: dict[str, float | None], depmod: str) -> list[Problem]:
    """Return what is wrong with the binary files, the only ones that modprobe reads."""
    found = []
    for name in _BINARIES:
        binary, text = times[name], times[name.removesuffix(".bin")]
        if binary is None:
            message = f"It is missing, but modprobe needs it. {depmod}"
            found.append(Problem(f"{folder}/{name}", message))
        elif text is not None and name != "modules.builtin.bin" and binary < text - _SLACK:
            other = name.removesuffix(".bin")
            message = f"It is older than {other}, so modprobe uses outdated data. {depmod}"
            found.append(Problem(f"{folder}/{name}", message))
    return found


def _mtime(index: ModuleIndex, name: str) -> float | None:
    return _mtime_of(index, f"{index.folder}/{name}")


def _mtime_of(index: ModuleIndex, path: str) -> float | None:
    """Return when a file was last modified; None if it does not exist."""
    try:
        return index.host.stat(path).st_mtime
    except OSError:
        return None
