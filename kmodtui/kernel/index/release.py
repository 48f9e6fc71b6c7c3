"""Finds the modules of a kernel release, and what a name or a path stands for.

Without depmod's index, the modules are those whose files there are. Where there are no files
either, an empty index still knows why.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property

from kmodtui.errors import (
    KmodtuiError,
    OnlyRootReadsError,
    UnknownModuleError,
    UnreadableError,
)
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import (
    EXTENSIONS,
    advice,
    dangling_link,
    find_places,
    has_index,
    installed_releases,
    may_not_read,
)
from kmodtui.kernel.loaded_info import read_loaded_info
from kmodtui.kernel.module_file.compression import unreadable
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.proc_modules import PATH, read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import LoadedModule, named_module
from kmodtui.model.storage import Advice
from kmodtui.model.text import clean


def read_index(host: Host, release: str) -> ModuleIndex:
    """Return the modules of a kernel release.

    Without depmod's index, they are those whose files there are.

    Raises:
        UnreadableError: the release has no directory, no module in it, or only root may read it.
    """
    places = find_places(host, release)
    folders = [f for f in places.folders if has_index(host, f)]
    index = ModuleIndex(host, release, *folders) if folders else None
    if index is not None:
        index.ignored = places.ignored
        # One without a line is what depmod leaves where it has found nothing, or failed.
        if any(map(index.has_lines, folders)):
            return index
    for folder in places.folders:
        from kmodtui.kernel.index.scanned import ScannedIndex

        try:
            scanned = ScannedIndex(host, release, folder)
        except NotADirectoryError:
            raise UnreadableError(f"{clean(folder)} is not a directory.") from None
        except OSError as error:
            if may_not_read(error):
                raise _only_for_root(folder) from None
            raise unreadable(folder, error) from None
        # Where everything is built in, depmod rightly leaves an empty index.
        if scanned.names or (scanned.builtin_names and index is None):
            scanned.ignored = places.ignored
            return scanned
    if index is not None:
        return index
    if places.unreadable:
        raise _only_for_root(places.unreadable)
    link, target = dangling_link(host, release)
    if link:
        raise _nowhere(host, clean(link), clean(target))
    others = tuple(map(clean, installed_releases(host)))
    if read_system(host).release not in (None, release):
        raise UnreadableError(
            f"Kernel {clean(release)} has no directory in /lib/modules.",
            f"Installed: {', '.join(others)}."
            if others
            else "No kernel modules are installed here.",
        )
    if places.folders:
        raise UnreadableError(
            f"{clean(places.folders[0])} has neither modules.dep, the module index, nor module "
            "files.",
            advice(host, release, places.folders[0]).reinstall,
        )
    loaded = _has_loaded_modules(host)
    raise UnreadableError(*advice(host, release).no_files(others, loaded=loaded))


def index_or_empty(host: Host, release: str) -> ModuleIndex:
    """Return the modules of a release; an index without modules if there is none.

    A loaded module can be unloaded, and a built-in one named, without any index.
    """
    try:
        return checked(read_index(host, release))
    except KmodtuiError as error:
        return EmptyIndex(host, release, error)


def checked(index: ModuleIndex) -> ModuleIndex:
    """Return an index that can be read, and an empty one in place of others."""
    try:
        index.is_builtin("")
        index.path_of("")
    except KmodtuiError as error:
        return EmptyIndex(index.host, index.release, error)
    return index


class EmptyIndex(ModuleIndex):
    """An index without modules that have files."""

    def __init__(self, host: Host, release: str, problem: KmodtuiError) -> None:
        super().__init__(host, release, "")
        self.folders = ()
        self.problem = problem

    @cached_property
    def advice(self) -> Advice:
        """What to do about module files; whether only root may read them."""
        private = isinstance(self.problem, OnlyRootReadsError)
        return replace(advice(self.host, self.release), private=private)

    def read_info(self, name: str) -> ModuleInfo:
        """Return the modinfo of a built-in module; raise the problem for all others."""
        if not self.is_builtin(name):
            raise self.problem
        return self.builtin_info(name)

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error for a module that is not built in, which would need a file."""
        return UnknownModuleError(
            f"The file of {clean(text)} cannot be found. {self.problem.message}",
            self.problem.hint,
        )


def _has_loaded_modules(host: Host) -> bool | None:
    """Return whether the kernel has loaded modules; None for a tree without a /proc."""
    if read_system(host).release is None:
        return None
    try:
        return bool(host.read(PATH, 1))
    except OSError:
        return False


def _nowhere(host: Host, link: str, target: str) -> UnreadableError:
    """Return the error for a link that leads nowhere in place of the modules."""
    remedies = []
    if not host.live:
        remedies.append(f"If the system has {target}, copy it into this tree.")
    if target.startswith("/.modloop"):
        remedies.append(
            "Alpine mounts its modules there: rc-service modloop start. After an upgrade of the "
            "kernel, reboot first."
        )
    elif host.live:
        remedies.append("Mount or install what it leads to.")
    return UnreadableError(
        f"{link} is a link to {target}, which does not exist.", " ".join(remedies)
    )


def _only_for_root(folder: str) -> UnreadableError:
    return OnlyRootReadsError(
        f"{clean(folder)} may not be read by you: only root may.",
        "Loaded modules are shown anyway. To see the files as well, run kmodtui as root.",
    )


def is_path(text: str, files: Host) -> bool:
    """Return whether `modinfo TEXT` would treat the text as a path and not as a name."""
    return "/" in text or (text.endswith(EXTENSIONS) and files.exists(full_path(text)))


def find_module(
    host: Host, release: str, text: str, files: Host | None = None
) -> tuple[ModuleInfo, ...]:
    """Return what `modinfo TEXT` shows, for a file or for each module that TEXT resolves to.

    For a loaded module whose file is not found, it is what the kernel shows.

    Args:
        host: the observed system.
        release: its kernel release.
        text: the path of a file, the name of a module or an alias. Text that contains a
            `/`, or is the name of an existing module file, is a path.
        files: the system that paths refer to; `host` if None.

    Raises:
        UnknownModuleError: there is no such module or alias.
        UnreadableError: the file or the index cannot be read.
        ModuleFileError: the file is not a kernel module.
    """
    files = files or host
    if is_path(text, files):
        return (read_module_file(files, full_path(text)),)
    index = index_or_empty(host, release)
    names = index.resolve(text)
    if names:
        return tuple(index.read_info(name) for name in names)
    if read_system(host).release in (None, release):
        module = _loaded(host, text)
        if module is not None:
            return (index.info_of_other_file(module.name) or read_loaded_info(host, module),)
    if isinstance(index, EmptyIndex):
        raise index.problem
    raise index.unknown(text)


def _loaded(host: Host, text: str) -> LoadedModule | None:
    try:
        loaded = read_modules(host).by_name
    except KmodtuiError:
        return None
    return loaded.get(named_module(text, loaded))


def full_path(path: str) -> str:
    """Return an absolute path as modinfo makes it: with the current directory before it."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"
