"""What a recording contains of one module: enough to simulate loading and unloading it.

`modules/NAME` contains

- `proc_line`: its line of /proc/modules after it was loaded
- `kallsyms`: its rows of /proc/kallsyms after it was loaded
- `kallsyms.loading`: its rows while it was Loading, including init and undefined
  symbols; if missing, those of `kallsyms` are used
- `init_size`: size of its init section in bytes, in decimal; if missing, one page
- `sys/`: what appeared in /sys with it, mainly `sys/module/NAME`
- `load.log`, `unload.log`: kernel log records, each `LEVEL TEXT`
- `references`: references that it takes besides those shown as users, each
  `MODULE COUNT`; most modules have none

Its dependencies (`depends=`) and parameters (`parm=`, `parmtype=`) are in the `.modinfo`
section of its .ko file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kmodtui.demo.recording import Files
from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.modules import LoadedModule
from kmodtui.model.text import decode

_PAGE = 4096
_DEFAULT_LEVEL = 6


@dataclass(frozen=True)
class RecordedModule:
    """One module of a recording; its properties are read when they are first used.

    Attributes:
        name: as the kernel spells it, with `_`.
        files: the contents of `modules/NAME`.
        file: its .ko file; None if it was recorded without one.
    """

    name: str
    files: Files
    file: Path | None

    @cached_property
    def settled(self) -> LoadedModule:
        """The module as /proc/modules shows it once it is loaded.

        Raises:
            ValueError: the recording is damaged.
        """
        table = parse_modules(self._read("proc_line"))
        if not table.modules:
            raise ValueError(f"modules/{self.name}/proc_line is not a line of /proc/modules")
        return table.modules[0]

    @cached_property
    def init_size(self) -> int:
        """Size of its init section in bytes, which it has only while it is Loading."""
        text = self._read("init_size").strip()
        return int(text) if text.isdigit() else _PAGE

    @cached_property
    def references(self) -> dict[str, int]:
        """References that it takes besides those for imports, by module, including itself.

        For example libcrc32c holds the module that computes its checksums, and sctp
        holds itself by its sockets.
        """
        fields = (line.split() for line in decode(self._read("references")).splitlines())
        return {name: int(number) for name, number in fields}

    @cached_property
    def rows(self) -> bytes:
        """Its rows of /proc/kallsyms once it is loaded."""
        return self._read("kallsyms")

    @cached_property
    def loading_rows(self) -> bytes:
        """Its rows of /proc/kallsyms while it is Loading."""
        return self._read("kallsyms.loading") or self.rows

    @property
    def sysfs(self) -> Files:
        """The contents of /sys/module/NAME; the holders are those when it was recorded."""
        above = f"sys/module/{self.name}/"
        return {
            path.removeprefix(above): file
            for path, file in self.files.items()
            if path.startswith(above)
        }

    @cached_property
    def load_log(self) -> tuple[tuple[int, str], ...]:
        """Level and text of each record logged by loading it."""
        return self._log("load.log")

    @cached_property
    def unload_log(self) -> tuple[tuple[int, str], ...]:
        """Level and text of each record logged by unloading it."""
        return self._log("unload.log")

    @cached_property
    def depends(self) -> tuple[str, ...]:
        """Modules that it imports symbols from, and so holds a reference to."""
        return self._info.depends if self._info else ()

    @cached_property
    def parameter_types(self) -> dict[str, str]:
        """Types of its parameters as in `parmtype`: `int`, `charp`, `array of uint`.

        The type is empty if the module parses the value itself, such as max_loop of loop:
        then there is a `parm` string but no `parmtype`.
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
