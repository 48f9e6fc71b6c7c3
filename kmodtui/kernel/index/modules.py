"""The modules of a kernel release: the indexes that depmod writes, and lookups in them.

Formats: `man 5 modules.dep`, `tools/depmod.c` and `libkmod/libkmod-module.c` in kmod. The
text indexes are read, which have the same content as the binary ones. Each is read when it
is first needed. Soft and weak dependencies are read elsewhere, see `kernel.modprobe`,
because kmod treats their indexes like files in modprobe.d.
"""

from __future__ import annotations

import os
from functools import cached_property

from kmodtui.errors import UnknownModuleError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import AliasIndex, has_wildcard, normalised
from kmodtui.kernel.module_file.compression import unreadable
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.module_info import BUILTIN, ModuleInfo
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

FOLDERS = ("/lib/modules", "/usr/lib/modules")
EXTENSIONS = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


class ModuleIndex:
    """The index that depmod wrote for the modules of a kernel release.

    As in kmod, `-` and `_` are the same in names, and returned names have `_`.
    """

    def __init__(self, host: Host, release: str, folder: str) -> None:
        self.host = host
        self.release = release
        self.folder = folder

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the modules that have a file, sorted."""
        return tuple(sorted(self._rows))

    @cached_property
    def builtin_names(self) -> tuple[str, ...]:
        """The names of the built-in modules, sorted."""
        return tuple(sorted(self._builtin))

    def __contains__(self, name: str) -> bool:
        return canonical(name) in self._rows

    def path_of(self, name: str) -> str | None:
        """Return the path of a module's file; None if the index lists none."""
        row = self._rows.get(canonical(name))
        return self._absolute(row.partition(":")[0]) if row is not None else None

    def place_of(self, name: str) -> str:
        """Return a module's path as the index has it, usually relative to the release's directory.

        For a built-in module it is the path that its file would have; empty for an unknown
        module.
        """
        name = canonical(name)
        row = self._rows.get(name)
        if row is None:
            return self._builtin.get(name, "")
        return clean(row.partition(":")[0])

    def other_names(self) -> dict[str, tuple[str, ...]]:
        """Return the aliases without wildcards, by module."""
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
        """Return the modules that have to be loaded before a module, in load order.

        This includes indirect dependencies. Empty for a module without dependencies, and
        for an unknown one.
        """
        files = self._rows.get(canonical(name), "").partition(":")[2].split()
        return tuple(_name_of(file) for file in reversed(files))

    def is_builtin(self, name: str) -> bool:
        """Return whether a module is built into the kernel."""
        return canonical(name) in self._builtin

    def builtin_info(self, name: str) -> ModuleInfo:
        """Return the modinfo of a built-in module, which is nearly empty before Linux 5.2.

        Raises:
            UnknownModuleError: there is no built-in module of that name.
        """
        name = canonical(name)
        if name not in self._builtin and name not in self._builtin_modinfo:
            raise self.unknown(name)
        return ModuleInfo(name, BUILTIN, b"\0".join(self._builtin_modinfo.get(name, ())))

    def resolve(self, text: str) -> tuple[str, ...]:
        """Return the modules that a name or an alias resolves to, in kmod's order; may be empty.

        The first of these that has a match counts: file names, symbols, aliases, names of
        built-in modules, their aliases. The rules of modprobe.d, which come before all of
        them, are not applied here.
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
        """Return the modinfo of a module, from its file or as a built-in module.

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
                f"{error.message} {clean(self.folder)}/modules.dep still lists it.",
                f"Run depmod {clean(self.release)} as root.",
            ) from None

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error for an unknown name or alias, with suggestions."""
        names = near(text, (*self.names, *self.builtin_names))
        return UnknownModuleError(
            f"Kernel {clean(self.release)} has no module or alias {clean(text)}.",
            did_you_mean(names),
        )

    @cached_property
    def _rows(self) -> dict[str, str]:
        """The lines of modules.dep by module name, not yet split."""
        lines = self._lines("modules.dep", required=True)
        return {_name_of(line.partition(":")[0]): line for line in lines if ":" in line}

    @cached_property
    def _builtin(self) -> dict[str, str]:
        """The paths of modules.builtin by module name."""
        return {_name_of(line): clean(line) for line in self._lines("modules.builtin")}

    @cached_property
    def _builtin_modinfo(self) -> dict[str, list[bytes]]:
        """The modinfo strings of each built-in module, without the module's name.

        Only the first contiguous run of a module's strings counts, because kmod stops there.
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
    """Return the module index of a kernel release.

    Raises:
        UnreadableError: the release has no directory, or depmod has not been run for it.
    """
    for folder in FOLDERS:
        if host.exists(f"{folder}/{release}/modules.dep"):
            return ModuleIndex(host, release, f"{folder}/{release}")
    for folder in FOLDERS:
        if host.exists(f"{folder}/{release}"):
            raise _no_index(f"{folder}/{release}", release)
    others = installed_releases(host)
    raise UnreadableError(
        f"Kernel {clean(release)} has no directory in /lib/modules.",
        f"Installed: {', '.join(map(clean, others))}. If the kernel was upgraded, reboot."
        if others
        else "No kernel modules are installed here.",
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
    """Return whether `modinfo TEXT` would treat the text as a path and not as a name."""
    return "/" in text or (text.endswith(EXTENSIONS) and files.exists(full_path(text)))


def find_module(
    host: Host, release: str, text: str, files: Host | None = None
) -> tuple[ModuleInfo, ...]:
    """Return what `modinfo TEXT` shows, for a file or for each module that TEXT resolves to.

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
    index = read_index(host, release)
    names = index.resolve(text)
    if not names:
        raise index.unknown(text)
    return tuple(index.read_info(name) for name in names)


def full_path(path: str) -> str:
    """Return an absolute path as modinfo makes it: with the current directory before it."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def _name_of(path: str) -> str:
    return clean(canonical(path))


def _no_index(folder: str, release: str) -> UnreadableError:
    return UnreadableError(
        f"{clean(folder)} has no modules.dep, the module index.",
        f"Run depmod {clean(release)} as root.",
    )
