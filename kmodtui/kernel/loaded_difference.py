"""Whether the file of a module is the one that is loaded."""

from __future__ import annotations

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.sysfs import read_live_module
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.text import clean

_NOTE = "/sys/module/{}/notes/.note.gnu.build-id"


def loaded_difference(host: Host, index: ModuleIndex, name: str) -> str:
    """Return that a loaded module is not the one in its file, in a sentence; empty if it may be.

    They are compared by srcversion, a checksum of the sources, and by build ID, which differs
    with every build. Both can be missing, in the kernel as well as in the file.
    """
    path = index.path_of(name)
    live = read_live_module(host, name)
    if path is None or live is None or not live.loadable:
        return ""
    try:
        info = index.read_info(name)
    except KmodtuiError:
        return ""
    why = difference(host, name, info)
    if not why:
        return ""
    return (
        f"The loaded {clean(name)} is not the one in {clean(path)}: {why}. A reload loads the file."
    )


def difference(host: Host, name: str, info: ModuleInfo) -> str:
    """Return why a loaded module is not the one in a file, in words; empty if it may be."""
    live = read_live_module(host, name)
    if live is None:
        return ""
    if live.srcversion and info.srcversion and live.srcversion != info.srcversion:
        return (
            f"it was built from other sources (srcversion {live.srcversion}, file "
            f"{info.srcversion})"
        )
    build_id = _build_id(host, name)
    if build_id and info.build_id and build_id != info.build_id:
        return f"it is another build (build ID {build_id[:12]}…, file {info.build_id[:12]}…)"
    same_sources = live.srcversion and live.srcversion == info.srcversion
    if not same_sources and live.version and info.version and live.version != info.version:
        return f"it has another version ({live.version}, file {info.version})"
    if "O" in live.taint and info.intree:
        return "it was built outside of the kernel's sources (taint O), the file was not"
    return ""


def is_same_build(host: Host, name: str, info: ModuleInfo) -> bool:
    """Return whether a loaded module is certainly the one in a file."""
    live = read_live_module(host, name)
    if live is None or info.module_name != name or difference(host, name, info):
        return False
    build_id = _build_id(host, name)
    return bool(live.srcversion and live.srcversion == info.srcversion) or bool(
        build_id and build_id == info.build_id
    )


def loaded_build(host: Host, name: str) -> str:
    """Return the srcversion and the build ID of a loaded module, as far as the kernel has them."""
    live = read_live_module(host, name)
    return f"{live.srcversion} {_build_id(host, name)}".strip() if live is not None else ""


def _build_id(host: Host, name: str) -> str:
    """Return the build ID of a loaded module in hexadecimal; empty if the kernel shows none."""
    if "/" in name:
        return ""
    try:
        note = host.read(_NOTE.format(name), 256)
    except OSError:
        return ""
    # name size, descriptor size, type, "GNU\0", descriptor
    return note[16:].hex() if note[12:16] == b"GNU\0" else ""
