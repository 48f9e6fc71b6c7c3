"""The modules of a kernel release: the indexes that depmod writes, and lookups in them.

Formats: `man 5 modules.dep`, `tools/depmod.c` and `libkmod/libkmod-module.c` in kmod. The
text indexes are read, which have the same content as the binary ones. Each is read when it
is first needed. Soft and weak dependencies are read elsewhere, see `kernel.modprobe`,
because kmod treats their indexes like files in modprobe.d.
"""

from __future__ import annotations

import os
from functools import cached_property
from itertools import islice

from kmodtui.errors import KmodtuiError, UnknownModuleError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import AliasIndex, has_wildcard, lookup_form
from kmodtui.kernel.index.places import (
    advice,
    in_other_generation,
)
from kmodtui.kernel.module_file.compression import unreadable
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.sysfs import read_live_module, read_parameters
from kmodtui.kernel.system import read_system
from kmodtui.model.category import is_external
from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.module_info import BUILTIN, ModuleInfo
from kmodtui.model.modules import canonical, kernel_spelling
from kmodtui.model.storage import Advice
from kmodtui.model.text import clean, decode

_MAX_OTHERS = 200  # files that are read to find a module whose file has another name


class ModuleIndex:
    """The index that depmod wrote for the modules of a kernel release.

    As in kmod, `-` and `_` are the same in names, and returned names have `_`.
    """

    def __init__(self, host: Host, release: str, folder: str, *more: str) -> None:
        """Read the index in `folder`, and in `more` for modules that it does not have."""
        self.host = host
        self.release = release
        self.folder = folder
        self.folders = (folder, *more)

    scanned = False
    """Whether it was made from the module files, because depmod has written no index."""

    ignored = ""
    """Another directory of this release, which kmod does not read; usually empty."""

    @cached_property
    def advice(self) -> Advice:
        """What to do about module files and their index on this system."""
        return advice(self.host, self.release, self.folder)

    def has_lines(self, folder: str) -> bool:
        """Return whether modules.dep has a line, or there is only the binary index."""
        try:
            return self.host.stat(f"{folder}/modules.dep").st_size > 0
        except OSError:
            return True

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
        for line in (*self._lines("modules.alias"), *self._builtin_alias_lines):
            if line.startswith("alias ") and not has_wildcard(line):
                alias, _, module = line[6:].rpartition(" ")
                found.setdefault(module, []).append(clean(alias))
        return {clean(module): tuple(dict.fromkeys(names)) for module, names in found.items()}

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """Return the aliases and patterns of the modules that have a file, by module."""
        found: dict[str, list[str]] = {}
        for line in self._lines("modules.alias"):
            if line.startswith("alias "):
                alias, _, module = line[6:].rpartition(" ")
                found.setdefault(module, []).append(alias)
        return {module: tuple(names) for module, names in found.items()}

    def dependents(self, name: str) -> tuple[str, ...]:
        """Return the modules that depend on a module, directly or not, sorted."""
        return self._dependents.get(canonical(name), ())

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return the modules that have to be loaded before a module, in load order.

        This includes indirect dependencies. Empty for a module without dependencies, and
        for an unknown one.
        """
        files = self._rows.get(canonical(name), "").partition(":")[2].split()
        return tuple(_name_of(file) for file in reversed(files))

    @cached_property
    def _dependents(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            for needed in self.dependencies(name):
                found.setdefault(needed, []).append(name)
        return {name: tuple(others) for name, others in found.items()}

    def is_builtin(self, name: str) -> bool:
        """Return whether a module is built into the kernel."""
        name = canonical(name)
        return name in self._builtin or self._is_shown_as_builtin(name)

    def builtin_info(self, name: str) -> ModuleInfo:
        """Return the modinfo of a built-in module, which is nearly empty before Linux 5.2.

        Raises:
            UnknownModuleError: there is no built-in module of that name.
        """
        name = canonical(name)
        strings = self._builtin_modinfo.get(name, [])
        if name not in self._builtin and not strings:
            if not self._is_shown_as_builtin(name):
                raise self.unknown(name)
            shown = read_parameters(self.host, name)
            strings = [f"parm={parameter.name}:".encode() for parameter in shown]
        return ModuleInfo(name, BUILTIN, b"\0".join(strings))

    def resolve(self, text: str) -> tuple[str, ...]:
        """Return the modules that a name or an alias resolves to, in kmod's order; may be empty.

        The first of these that has a match counts: file names, symbols, aliases, names of
        built-in modules, their aliases. The rules of modprobe.d, which come before all of
        them, are not applied here.
        """
        alias = lookup_form(text)
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
        if found := self._builtin_aliases.matching(alias):
            return found
        return (alias,) if self._is_shown_as_builtin(alias) else ()

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
            where = f"{clean(self.folder)}/modules.dep"
            if target := self.link_of(name):
                raise UnreadableError(
                    f"{clean(path)} is a link to {clean(target)}, which does not exist. "
                    f"{where} lists it.",
                    self.advice.restore_target(name, clean(target)),
                ) from None
            raise UnreadableError(
                f"{error.message} {where} still lists it.", self.advice.rebuild
            ) from None

    def info_of_other_file(self, name: str) -> ModuleInfo | None:
        """Return the modinfo of a file of another name that contains a module; None without one.

        The kernel's own files are named after their modules, so only others are read.
        """
        others = (other for other in self.names if is_external(self.place_of(other)))
        for other in islice(others, _MAX_OTHERS):
            try:
                info = self.read_info(other)
            except KmodtuiError:
                continue
            if kernel_spelling(info.text("name")) == name:
                return info
        return None

    def link_of(self, name: str) -> str:
        """Return the target of a module's file that is a symbolic link; empty for others."""
        path = self.path_of(name)
        try:
            return self.host.readlink(path) if path else ""
        except OSError:
            return ""

    def unknown(self, text: str) -> UnknownModuleError:
        """Return the error for an unknown name or alias, with suggestions."""
        if other := self._generation_with(canonical(text)):
            return UnknownModuleError(
                f"{clean(text)} is in {clean(other)}, but not in {clean(self.folder)}, which "
                "belongs to the booted generation.",
                "modprobe finds it after a reboot into the current generation.",
            )
        from kmodtui.kernel.index.missing import package_hint, where_else

        names = near(text, (*self.names, *self.builtin_names))
        return UnknownModuleError(
            f"Kernel {clean(self.release)} has no module or alias {clean(text)}.",
            where_else(self, text) or did_you_mean(names) or package_hint(self, text),
        )

    def _generation_with(self, name: str) -> str:
        """Return NixOS's directory of the generation that will be booted, if it has a module."""
        other = in_other_generation(self.host, self.release, self.folder)
        return other if other and name in ModuleIndex(self.host, self.release, other) else ""

    @cached_property
    def _is_running(self) -> bool:
        return read_system(self.host).release == self.release

    def _is_shown_as_builtin(self, name: str) -> bool:
        """Return whether /sys/module shows built-in code of this name.

        It counts only without modules.builtin, and for the running kernel.
        """
        if self._builtin or not self._is_running:
            return False
        live = read_live_module(self.host, name)
        return live is not None and not live.loadable

    @cached_property
    def _rows(self) -> dict[str, str]:
        """The lines of modules.dep by module name, not yet split."""
        rows = {}
        for folder in reversed(self.folders):
            lines = self._lines("modules.dep", folder, required=True)
            if folder != self.folder:
                lines = [_made_absolute(line, folder) for line in lines]
            # No path contains a NUL byte: such a line is malformed.
            lines = [line for line in lines if ":" in line and "\0" not in line]
            rows.update({_name_of(line.partition(":")[0]): line for line in lines})
        rows.pop("", None)  # a line without a file
        return rows

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
        return AliasIndex(self._builtin_alias_lines)

    @cached_property
    def _builtin_alias_lines(self) -> list[str]:
        """The aliases of built-in modules, as lines of modules.alias.

        Of all runs: kernels of 2026 have the aliases for devices in a second run of a module's
        strings, which modinfo does not print, and depmod puts into modules.builtin.alias.bin.
        """
        lines = []
        for line in self._read("modules.builtin.modinfo").split(b"\0"):
            name, _, string = line.partition(b".")
            if string.startswith(b"alias="):
                lines.append(f"alias {decode(string[6:])} {clean(decode(name))}")
        return lines

    @cached_property
    def _symbols(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for line in self._lines("modules.symbols"):
            words = line.split()
            if len(words) == 3 and words[0] == "alias":
                found.setdefault(words[1], []).append(words[2])
        return {symbol: tuple(modules) for symbol, modules in found.items()}

    def _lines(self, file: str, folder: str = "", *, required: bool = False) -> list[str]:
        """Return the lines of an index file, of all directories unless one is given."""
        data = self._read(file, *((folder,) if folder else self.folders), required=required)
        return [line for line in os.fsdecode(data).split("\n") if line and line[0] != "#"]

    def _read(self, file: str, *folders: str, required: bool = False) -> bytes:
        found = []
        for folder in folders or self.folders:
            path = f"{folder}/{file}"
            try:
                found.append(self.host.read(path))
            except FileNotFoundError:
                binary = self._binary(folder, file)
                if binary is not None:
                    found.append(binary)
                elif required:
                    raise UnreadableError(
                        f"{clean(folder)} has no modules.dep, the module index.",
                        self.advice.rebuild,
                    ) from None
            except OSError as error:
                raise unreadable(path, error) from None
        return found[0] if len(found) == 1 else b"".join(found)

    def _binary(self, folder: str, file: str) -> bytes | None:
        """Return the lines of a binary index where depmod's text is missing; None without one.

        The initramfs of mkinitcpio has no others, and they are what modprobe reads.
        """
        from kmodtui.kernel.index.binary import binary_lines

        path = f"{folder}/{file}.bin"
        try:
            return os.fsencode(
                "".join(f"{line}\n" for line in binary_lines(self.host.read(path), file))
            )
        except OSError:
            return None
        except ValueError:
            raise UnreadableError(f"{clean(path)} is damaged.", self.advice.rebuild) from None

    def _absolute(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.folder}/{path}"


def _made_absolute(line: str, folder: str) -> str:
    """Return a line of modules.dep with absolute paths."""
    path, colon, needed = line.partition(":")
    paths = (path, *needed.split()) if colon else ()
    first, *others = (p if p.startswith("/") else f"{folder}/{p}" for p in paths or (line,))
    return f"{first}: {' '.join(others)}" if colon else line


def _name_of(path: str) -> str:
    return clean(canonical(path))
