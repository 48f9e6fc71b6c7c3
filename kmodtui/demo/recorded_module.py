"""What a recording holds of one module: enough to make it come and go as it did there.

`modules/NAME` holds

- `proc_line`: its line of /proc/modules while it was loaded and settled
- `kallsyms`: its rows of /proc/kallsyms then
- `kallsyms.loading`: its rows while it was Loading, init and undefined symbols
  included; where that was not recorded, `kallsyms` stands for it
- `init_size`: bytes of init memory, in decimal; where absent it counts as one page
- `sys/`: what came below /sys with it, `sys/module/NAME` above all
- `load.log`, `unload.log`: kernel-log records, each `LEVEL TEXT`
- `references`: what it holds beside the users' lists, `OTHER COUNT`; mostly absent

Whom a module takes symbols from (`depends=`) and the types of its parameters
(`parmtype=`) stand in the `.modinfo` section of its .ko file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kmodtui.demo.recording import Files
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.modules import LoadedModule
from kmodtui.model.text import decode

_PAGE = 4096
_DEFAULT_LEVEL = 6


@dataclass(frozen=True)
class RecordedModule:
    """One module of a recording, read when it is asked for.

    Attributes:
        name: as the kernel has it, with `_`.
        files: `modules/NAME` of the recording.
        file: its .ko, which need not exist: a module can be recorded without.
    """

    name: str
    files: Files
    file: Path | None

    @cached_property
    def settled(self) -> LoadedModule:
        """Its line of /proc/modules once it is Live.

        Raises:
            ValueError: the recording is damaged.
        """
        table = parse_modules(self._read("proc_line"))
        if not table.modules:
            raise ValueError(f"modules/{self.name}/proc_line is no line of /proc/modules")
        return table.modules[0]

    @cached_property
    def init_size(self) -> int:
        """Bytes that it holds more while it is Loading."""
        text = self._read("init_size").strip()
        return int(text) if text.isdigit() else _PAGE

    @cached_property
    def references(self) -> dict[str, int]:
        """References that it takes, beside those for symbols, by module; itself among them.

        libcrc32c holds the module that computes for it, sctp itself with its sockets.
        """
        fields = (line.split() for line in decode(self._read("references")).splitlines())
        return {name: int(number) for name, number in fields}

    @cached_property
    def rows(self) -> bytes:
        """Its rows of /proc/kallsyms once it is Live."""
        return self._read("kallsyms")

    @cached_property
    def loading_rows(self) -> bytes:
        """Its rows of /proc/kallsyms while it is Loading."""
        return self._read("kallsyms.loading") or self.rows

    @property
    def sysfs(self) -> Files:
        """What came in /sys/module/NAME with it; the holders are those of that moment."""
        above = f"sys/module/{self.name}/"
        return {
            path.removeprefix(above): file
            for path, file in self.files.items()
            if path.startswith(above)
        }

    @cached_property
    def load_log(self) -> tuple[tuple[int, str], ...]:
        """Level and text of what was logged while it was loaded."""
        return self._log("load.log")

    @cached_property
    def unload_log(self) -> tuple[tuple[int, str], ...]:
        """Level and text of what was logged while it was unloaded."""
        return self._log("unload.log")

    @cached_property
    def depends(self) -> tuple[str, ...]:
        """Modules that it takes symbols from, directly: those that it will hold a reference to."""
        for key, value in self._modinfo:
            if key == "depends":
                return tuple(name.replace("-", "_") for name in value.split(",") if name)
        return ()

    @cached_property
    def parameter_types(self) -> dict[str, str]:
        """Type by parameter, in the words of `parmtype`: `int`, `charp`, `array of uint`."""
        types = (value.partition(":") for key, value in self._modinfo if key == "parmtype")
        return {name: kind for name, _, kind in types}

    @cached_property
    def _modinfo(self) -> tuple[tuple[str, str], ...]:
        try:
            data = self.file.read_bytes() if self.file else b""
        except OSError:
            return ()
        entries = decode(_section(data, b".modinfo")).split("\0")
        pairs = (entry.partition("=") for entry in entries)
        return tuple((key, value) for key, equals, value in pairs if equals)

    def _log(self, name: str) -> tuple[tuple[int, str], ...]:
        records = []
        for line in decode(self._read(name)).splitlines():
            level, _, text = line.partition(" ")
            if level.isdigit():
                records.append((int(level), text))
            elif line:
                records.append((_DEFAULT_LEVEL, line))
        return tuple(records)

    def _read(self, name: str) -> bytes:
        return self.files[name].data if name in self.files else b""


def _section(data: bytes, wanted: bytes) -> bytes:
    """Return the contents of a section of a 64-bit little-endian ELF file; empty if it has none.

    The recording's files are our own, so this reads no more of `man 5 elf` than they need.
    """
    if len(data) < 64 or not data.startswith(b"\x7fELF\x02\x01"):
        return b""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_index = struct.unpack_from("<HHH", data, 58)

    def header(index: int) -> tuple[int, int, int]:
        name, _type, _flags, _address, offset, length = struct.unpack_from(
            "<IIQQQQ", data, table + index * size
        )
        return name, offset, length

    try:
        _, names, _ = header(names_index)
        for index in range(count):
            name, offset, length = header(index)
            if data[names + name : data.find(b"\0", names + name)] == wanted:
                return data[offset : offset + length]
    except struct.error:
        return b""
    return b""
