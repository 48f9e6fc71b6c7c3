"""Why a command cannot be used now, for menus, the palette and the help."""

from __future__ import annotations

from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.services.machine import Machine
from kmodtui.ui.command import Command

_UNLOADING = ("dashboard.unload", "dashboard.reload")


def why_unavailable(command: Command, machine: Machine) -> str:
    """Return why a command cannot be used on a machine now; empty if it can."""
    if command.needs_root and (denied := machine.root.denied) is not None:
        return denied.message.removesuffix(".")
    if command.action == "drop_root" and not machine.sessions.all_open:
        return "root is off"
    return ""


def why_not_on_module(command: Command, module: LoadedModule | None, *, marked: bool) -> str:
    """Return why a command cannot be used on a module; empty if it can, as far as is known.

    Only what the last reading shows: a plan finds out more.

    Args:
        command: a command of the dashboard.
        module: the module; None if it is not loaded.
        marked: whether modules are marked, which are then unloaded instead.
    """
    if module is None:
        return "the module is not loaded"
    if command.id not in _UNLOADING or marked:
        return ""
    if module.state is ModuleState.LOADING:
        return "its init function has not returned yet"
    if module.state is ModuleState.UNLOADING:
        return "its exit function has not returned yet"
    if module.permanent:
        return "it has no exit function (permanent)"
    if module.refcount is None:
        return "this kernel cannot unload modules"
    if module.users:
        return f"in use by {', '.join(module.users)}"
    return ""
