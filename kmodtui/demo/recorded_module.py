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

Whom a module takes symbols from (`depends=`) and its parameters (`parm=`, `parmtype=`)
stand in the `.modinfo` section of its .ko file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kmodtui.demo.recording import Files
from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file import read_module_file
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.module_info import ModuleInfo
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
        return self._info.depends if self._info else ()

    @cached_property
    def parameter_types(self) -> dict[str, str]:
        """Type by parameter, in the words of `parmtype`: `int`, `charp`, `array of uint`.

        Empty for one that has a reader of its own in the module, such as max_loop of loop:
        the kernel knows it, and there is a `parm` for it and no `parmtype`.
        """
        parameters = self._info.parameters if self._info else ()
        return {parameter.name: parameter.type for parameter in parameters}

    @cached_property
    def _info(self) -> ModuleInfo | None:
        try:
            return read_module_file(LocalHost(), str(self.file)) if self.file else None
        except KmodtuiError:
            return None

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
