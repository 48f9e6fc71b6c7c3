"""What is odd about the table of loaded modules as a whole: it is empty, or one hides in it."""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.modules import ModuleState, ModuleTable

# `list --json` imports this, and is as fast as it imports little: no reader of /sys beside it.
_FOLDER = "/sys/module"

NONE_LOADED = "No module is loaded: this kernel supports modules, but has loaded none."
GVISOR = "No module is loaded: this is gVisor, which has no kernel modules."


def table_notes(host: Host, table: ModuleTable) -> tuple[str, ...]:
    """Return sentences about the table; usually none. Reads one directory."""
    if not table.by_name:
        from kmodtui.kernel.gvisor import is_gvisor

        return (GVISOR if is_gvisor(host) else NONE_LOADED,)
    try:
        shown = set(host.listdir(_FOLDER))
    except OSError:
        return ()  # a container, or only root may read it
    if not shown.intersection(table.by_name):
        return ()
    return tuple(
        f"{module.name} has no directory in /sys/module, although other modules have one. It may "
        "hide itself, or have just been unloaded."
        for module in table
        if module.state is ModuleState.LIVE and module.name not in shown
    )
