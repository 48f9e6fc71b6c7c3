"""A module of the simulated kernel that was inserted from a file, as `insmod` does it.

What a recording would contain of it is made from the file: name, memory, symbols, parameters,
srcversion, build ID and taint flags. If the file has the name of a recorded module, that
one's symbols and log are used.

Sources: `load_module` and `check_modinfo` in `kernel/module/main.c`, `kernel/module/sysfs.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from kmodtui.demo.recorded_module import RecordedModule
from kmodtui.demo.recording import Files, RecordedFile
from kmodtui.errors import KmodtuiError
from kmodtui.kernel.module_file.elf_file import ElfFile
from kmodtui.kernel.module_file.info import module_info
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.text import decode

_ADDRESS = 0xFFFFFFFFC9000000
_SIZE = 16384
_INITIAL = {"charp": "(null)", "bool": "N", "invbool": "Y"}
"""What an uninitialized variable is shown as, by type; numbers are 0."""


def read_image(image: bytes) -> tuple[ElfFile, ModuleInfo] | None:
    """Return a module file in memory and its modinfo; None if the kernel would not parse it."""
    try:
        elf = ElfFile("file", BytesIO(image))
        return elf, module_info(elf, "file.ko")
    except KmodtuiError:
        return None


def inserted_module(
    elf: ElfFile, info: ModuleInfo, file: Path, recorded: RecordedModule | None
) -> RecordedModule:
    """Return what a recording would contain of a module file.

    Args:
        elf: the file.
        info: its modinfo.
        file: where its content is kept while the module is loaded.
        recorded: the recorded module of that name; None if there is none.
    """
    name = info.module_name
    # Debian's kernels have CONFIG_MODULE_FORCE_LOAD: without a version magic, they only taint.
    taints = "".join(
        flag
        for flag, lacks in (("F", info.vermagic), ("O", info.intree), ("E", info.signature))
        if not lacks
    )
    files: Files = dict(recorded.files) if recorded else _made_up(elf, name)
    files = {path: each for path, each in files.items() if not path.endswith("/srcversion")}
    size = recorded.settled.size if recorded else _SIZE
    shown = f" ({taints})" if taints else ""
    texts = {
        "proc_line": f"{name} {size} 0 - Live 0x{_ADDRESS:016x}{shown}\n",
        "load.log": "".join(_warnings(name, taints)) + decode(_data(files, "load.log")),
        f"sys/module/{name}/taint": f"{taints}\n",
    }
    if info.srcversion:
        texts[f"sys/module/{name}/srcversion"] = f"{info.srcversion}\n"
    # Those of the file, with the recorded values and permissions where they are the same.
    above = f"sys/module/{name}/parameters/"
    declared = {f"{above}{parameter.name}": parameter for parameter in info.parameters}
    files = {
        path: each for path, each in files.items() if not path.startswith(above) or path in declared
    }
    for path, parameter in declared.items():
        if recorded is None or path not in recorded.files:
            texts[path] = f"{_INITIAL.get(parameter.type, '0')}\n"
    files |= {path: RecordedFile(text.encode()) for path, text in texts.items()}
    if info.build_id:
        build_id = bytes.fromhex(info.build_id)
        note = struct.pack("<III", 4, len(build_id), 3) + b"GNU\0" + build_id
        files[f"sys/module/{name}/notes/.note.gnu.build-id"] = RecordedFile(note)
    return RecordedModule(name, files, file)


def _made_up(elf: ElfFile, name: str) -> Files:
    try:
        defined = [decode(symbol.name) for symbol in elf.symbols() if symbol.section]
    except KmodtuiError:
        defined = []
    rows = (
        f"{_ADDRESS + 32 * number:016x} t {symbol}\t[{name}]\n"
        for number, symbol in enumerate(filter(None, defined))
    )
    attributes = {"coresize": str(_SIZE), "initsize": "0", "initstate": "live", "refcnt": "0"}
    return {
        "kallsyms": RecordedFile("".join(rows).encode()),
        **{
            f"sys/module/{name}/{key}": RecordedFile(f"{value}\n".encode())
            for key, value in attributes.items()
        },
    }


def _warnings(name: str, taints: str) -> Iterator[str]:
    if "F" in taints:
        yield f"4 {name}: bad vermagic: kernel tainted.\n"
    if "O" in taints:
        yield f"4 {name}: loading out-of-tree module taints kernel.\n"
    if "E" in taints:
        yield (
            f"5 {name}: module verification failed: signature and/or required key missing - "
            "tainting kernel\n"
        )


def _data(files: Files, path: str) -> bytes:
    return files[path].data if path in files else b""
