"""What the kernel itself shows of a loaded module whose file is not found.

Sources: /proc/modules, and /sys/module/NAME with its notes and sections (`kernel/module/sysfs.c`).
"""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.kernel.sysfs import FOLDER, read_live_module, read_sections
from kmodtui.model.module_info import LOADED, ModuleInfo
from kmodtui.model.modules import LoadedModule

_MAX_NOTE = 4096  # bytes; a build ID has 36
_NOTE_HEADER = 16  # bytes: the sizes of name and content, the type, the name `GNU`


def read_loaded_info(host: Host, module: LoadedModule) -> ModuleInfo:
    """Return the module's information in the form of a modinfo section.

    `parm` has the current value in place of a description, because the kernel keeps none.
    """
    name = module.name
    live = read_live_module(host, name)
    sections = read_sections(host, name) or {}
    build_id = _build_id(host, name)
    fields = [
        ("name", name),
        ("version", live.version if live else ""),
        ("srcversion", live.srcversion if live else ""),
        ("build_id", build_id),
        ("state", module.state),
        ("size", str(module.size)),
        ("refcnt", "" if module.refcount is None else str(module.refcount)),
        ("holders", ",".join(module.users)),
        ("taint", module.taints),
        ("sections", " ".join(sections)),
    ]
    strings = [f"{key}={value}" for key, value in fields if value]
    for parameter in live.parameters if live else ():
        value = parameter.why_hidden if parameter.value is None else f"now {parameter.value}"
        strings.append(f"parm={parameter.name}:{value}")
    data = "\0".join(strings).encode("utf-8", "surrogateescape")
    return ModuleInfo(name, LOADED, data, build_id=build_id)


def _build_id(host: Host, name: str) -> str:
    """Return the GNU build ID in hexadecimal; empty if the kernel does not show it."""
    try:
        note = host.read(f"{FOLDER}/{name}/notes/.note.gnu.build-id", _MAX_NOTE)
    except OSError:
        return ""
    return note[_NOTE_HEADER:].hex() if note[12:16] == b"GNU\0" else ""
