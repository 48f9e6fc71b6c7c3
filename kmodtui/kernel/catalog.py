"""The modules that a kernel release has: the indexes that depmod writes, and look-ups in them.

Formats: `man 5 modules.dep`, `tools/depmod.c` and `libkmod/libkmod-module.c` in
kmod. The text indexes are read, not their binary twins: they hold the same.
Each is read when it is first asked for. Softdeps and weakdeps are not here: kmod
takes their indexes for files of modprobe.d, see `modprobe_config`.
"""

from __future__ import annotations

import os
from functools import cached_property

from kmodtui.errors import UnknownModuleError, UnreadableError
from kmodtui.kernel.alias_index import AliasIndex, has_wildcard, normalised
from kmodtui.kernel.compression import unreadable
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file import read_module_file
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.module_info import BUILTIN, ModuleInfo
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

FOLDERS = ("/lib/modules", "/usr/lib/modules")
EXTENSIONS = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


class ModuleIndex:
    """What depmod found out about the modules of one kernel release.

    Names are those of kmod: `-` and `_` are one, and `_` is returned.
    """

    def __init__(self, host: Host, release: str, folder: str) -> None:
        self.host = host
        self.release = release
        self.folder = folder

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The modules that have a file, sorted."""
        return tuple(sorted(self._rows))

    @cached_property
    def builtin_names(self) -> tuple[str, ...]:
        """The modules that are compiled into the kernel, sorted."""
        return tuple(sorted(self._builtin))

    def __contains__(self, name: str) -> bool:
        return canonical(name) in self._rows

    def path_of(self, name: str) -> str | None:
        """Return the file of a module; None if it has none."""
        row = self._rows.get(canonical(name))
        return self._absolute(row.partition(":")[0]) if row is not None else None

    def place_of(self, name: str) -> str:
        """Return where a module lies, as the index has it: below the release's folder, mostly.

        For a built-in module where it would lie; empty for one that there is not.
        """
        name = canonical(name)
        row = self._rows.get(name)
        if row is None:
            return self._builtin.get(name, "")
        return clean(row.partition(":")[0])

    def other_names(self) -> dict[str, tuple[str, ...]]:
        """Return the aliases of all modules that are names and no patterns, by module."""
        found: dict[str, list[str]] = {}
        builtin = (
            f"alias {decode(string[6:])} {name}"
            for name, strings in self._builtin_modinfo.items()
            for string in strings
            if string.startswith(b"alias=")
        )
        for line in (*self._lines("modules.alias"), *builtin):
            if line.startswith("alias ") and not has_wildcard(line):
                alias, _, module = line[6:].rpartition(" ")
                found.setdefault(module, []).append(clean(alias))
        return {clean(module): tuple(dict.fromkeys(names)) for module, names in found.items()}

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return what has to be loaded before a module, in the order of loading.

        All of it: modules.dep holds what dependencies depend on, too. Empty for a
        module that needs nothing, and for one that is not there.
        """
        files = self._rows.get(canonical(name), "").partition(":")[2].split()
        return tuple(_name_of(file) for file in reversed(files))

    def is_builtin(self, name: str) -> bool:
        """Return whether a module is compiled into the kernel."""
        return canonical(name) in self._builtin

    def builtin_info(self, name: str) -> ModuleInfo:
        """Return what a built-in module says of itself; little, before Linux 5.2.

        Raises:
            UnknownModuleError: no module of that name is built in.
        """
        name = canonical(name)
        if name not in self._builtin and name not in self._builtin_modinfo:
            raise self.unknown(name)
        return ModuleInfo(name, BUILTIN, b"\0".join(self._builtin_modinfo.get(name, ())))

    def resolve(self, text: str) -> tuple[str, ...]:
        """Return the modules that a name or an alias stands for, in kmod's order.

        The first of these that knows it: names of files, symbols, aliases, names
        of built-in modules, their aliases. (Rules of modprobe.d come before all.)
        Empty if none does.
        """
        alias = normalised(text)
        if alias is None:
            return ()
        if alias in self._rows:
            return (alias,)
        if alias.startswith("symbol:") and (found := self._symbols.get(alias)):
            return found
        if found := self._aliases.matching(alias):
            return found
        if alias in self._builtin:
            return (alias,)
        return self._builtin_aliases.matching(alias)

    def read_info(self, name: str) -> ModuleInfo:
        """Return what a module says of itself, from its file or as a built-in one.

        Raises:
            UnknownModuleError: there is no such module.
            UnreadableError: its file cannot be read.
            ModuleFileError: its file is damaged.
        """
        path = self.path_of(name)
        if path is None:
            return self.builtin_info(name)
        try:
            return read_module_file(self.host, path)
        except UnreadableError as error:
            if self.host.exists(path):
                raise
            raise UnreadableError(
                f"{error.message} {clean(self.folder)}/modules.dep still names it.",
                f"Run depmod {clean(self.release)} as root.",
            ) from None

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error for a name that nothing stands for, with names that are near."""
        names = near(text, (*self.names, *self.builtin_names))
        return UnknownModuleError(
            f"Kernel {clean(self.release)} has no module or alias {clean(text)}.",
            did_you_mean(names),
        )

    @cached_property
    def _rows(self) -> dict[str, str]:
        """Lines of modules.dep by name; what they hold is taken apart when asked for."""
        lines = self._lines("modules.dep", required=True)
        return {_name_of(line.partition(":")[0]): line for line in lines if ":" in line}

    @cached_property
    def _builtin(self) -> dict[str, str]:
        """Where each built-in module would lie, by name."""
        return {_name_of(line): clean(line) for line in self._lines("modules.builtin")}

    @cached_property
    def _builtin_modinfo(self) -> dict[str, list[bytes]]:
        """The strings of each built-in module, without its name.

        Only a module's first run of strings counts: kmod stops at the run's end.
        """
        strings: dict[str, list[bytes]] = {}
        last, run = b"", None
        for line in self._read("modules.builtin.modinfo").split(b"\0"):
            name, dot, string = line.partition(b".")
            if not dot:
                continue
            if name != last:
                key = clean(decode(name))
                last, run = name, strings.setdefault(key, []) if key not in strings else None
            if run is not None:
                run.append(string)
        return strings

    @cached_property
    def _aliases(self) -> AliasIndex:
        return AliasIndex(self._lines("modules.alias"))

    @cached_property
    def _builtin_aliases(self) -> AliasIndex:
        return AliasIndex(
            f"alias {decode(string[6:])} {name}"
            for name, strings in self._builtin_modinfo.items()
            for string in strings
            if string.startswith(b"alias=")
        )

    @cached_property
    def _symbols(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for line in self._lines("modules.symbols"):
            words = line.split()
            if len(words) == 3 and words[0] == "alias":
                found[words[1]] = (*found.get(words[1], ()), words[2])
        return found

    def _lines(self, file: str, *, required: bool = False) -> list[str]:
        data = self._read(file, required=required)
        return [line for line in os.fsdecode(data).split("\n") if line and line[0] != "#"]

    def _read(self, file: str, *, required: bool = False) -> bytes:
        path = f"{self.folder}/{file}"
        try:
            return self.host.read(path)
        except FileNotFoundError:
            if required:
                raise _no_index(self.folder, self.release) from None
            return b""
        except OSError as error:
            raise unreadable(path, error) from None

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.folder}/{path}"


def read_index(host: Host, release: str) -> ModuleIndex:
    """Return the index of a kernel release's modules.

    Raises:
        UnreadableError: the release has no folder, or depmod has not run there.
    """
    for folder in FOLDERS:
        if host.exists(f"{folder}/{release}/modules.dep"):
            return ModuleIndex(host, release, f"{folder}/{release}")
    for folder in FOLDERS:
        if host.exists(f"{folder}/{release}"):
            raise _no_index(f"{folder}/{release}", release)
    others = installed_releases(host)
    raise UnreadableError(
        f"Kernel {clean(release)} has no folder in /lib/modules.",
        f"Installed are {', '.join(map(clean, others))}. If the kernel was upgraded, reboot."
        if others
        else "No kernel's modules are installed here.",
    )


def installed_releases(host: Host) -> tuple[str, ...]:
    """Return the kernel releases whose modules are installed, sorted by name."""
    for folder in FOLDERS:
        try:
            names = host.listdir(folder)
        except OSError:
            continue
        return tuple(name for name in names if host.exists(f"{folder}/{name}/modules.dep"))
    return ()


def is_path(text: str, files: Host) -> bool:
    """Return whether `modinfo TEXT` would take the text for a file's path, not for a name."""
    return "/" in text or (text.endswith(EXTENSIONS) and files.exists(_full_path(text)))


def find_module(
    host: Host, release: str, text: str, files: Host | None = None
) -> tuple[ModuleInfo, ...]:
    """Return what `modinfo TEXT` shows: of a file, or of every module that TEXT stands for.

    Args:
        host: the system whose modules are meant.
        release: of its kernel.
        text: a file's path, a module's name or an alias. Text with a `/`, or the
            name of a module file that is there, is a path.
        files: the system that paths are of; `host` if not given.

    Raises:
        UnknownModuleError: nothing is called that.
        UnreadableError: the file or the index cannot be read.
        ModuleFileError: the file is no kernel module.
    """
    files = files or host
    if is_path(text, files):
        return (read_module_file(files, _full_path(text)),)
    index = read_index(host, release)
    names = index.resolve(text)
    if not names:
        raise index.unknown(text)
    return tuple(index.read_info(name) for name in names)


def _full_path(path: str) -> str:
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def _name_of(path: str) -> str:
    return clean(canonical(path))


def _no_index(folder: str, release: str) -> UnreadableError:
    return UnreadableError(
        f"{clean(folder)} has no modules.dep, the index of modules.",
        f"Run depmod {clean(release)} as root.",
    )
