"""Checks whether the module index of a kernel release is complete and up to date.

modprobe does not report either problem: it finds fewer modules, or outdated data.
"""

from __future__ import annotations

from collections.abc import Iterable

from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.model.modprobe_rules import Problem
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
    depmod = f"Run depmod {clean(index.release)} as root."
    reinstall = "Reinstall the kernel package."
    folder = clean(index.folder)
    checked = ("modules.dep", *_TEXT_FILES, *_KERNEL_BUILD_FILES, *_BINARIES)
    times = {name: _mtime(index, name) for name in checked}
    found = [
        Problem(f"{folder}/{name}", f"It is missing, so {effect}. {remedy}")
        for files, remedy in ((_TEXT_FILES, depmod), (_KERNEL_BUILD_FILES, reinstall))
        for name, effect in files.items()
        if times[name] is None
    ]
    # modprobe does not run in a tree that was copied without any of them.
    if any(times[name] is not None for name in _BINARIES):
        found += _binary_problems(folder, times, depmod)
    written = times["modules.dep"]
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
