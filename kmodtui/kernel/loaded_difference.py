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
    why = _difference(host, name, live.srcversion, info)
    if not why:
        return ""
    return (
        f"The loaded {clean(name)} is not the one in {clean(path)}: {why}. A reload loads the file."
    )


def _difference(host: Host, name: str, srcversion: str, info: ModuleInfo) -> str:
    if srcversion and info.srcversion and srcversion != info.srcversion:
        return f"it was built from other sources (srcversion {srcversion}, file {info.srcversion})"
    build_id = _build_id(host, name)
    if build_id and info.build_id and build_id != info.build_id:
        return f"it is another build (build ID {build_id[:12]}…, file {info.build_id[:12]}…)"
    return ""


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
