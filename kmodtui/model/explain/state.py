"""Why a module cannot be unloaded, from what the kernel shows of it."""

from __future__ import annotations

from typing import assert_never

from kmodtui.model.explain.explanation import Case, Explanation, Kind
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.text import clean, counted
from kmodtui.model.usage import held_by, release_remedy


def by_state(case: Case) -> Explanation | None:
    """Return what in the module's own state prevents unloading it; None if nothing does."""
    module, name = case.module, case.name
    if module is None:
        if case.result.after.get(name, "") is not None:
            return None
        return Explanation(
            f"{name} is no longer loaded",
            f"{name} was unloaded by something else at the same time.",
            kind=Kind.WARNING,
        )
    if module.permanent:
        return Explanation(
            f"{name} is permanent",
            f"{name} cannot be unloaded: it has no exit function ([permanent]).",
            shown=(f"/proc/modules: {name} [permanent]",),
            remedy="It stays until the next boot.",
        )
    match module.state:
        case ModuleState.LOADING:
            return Explanation(
                f"{name} is still loading",
                f"{name} has not finished its init function yet.",
                shown=(f"/proc/modules: {name} Loading",),
                remedy="Try again when it is Live.",
            )
        case ModuleState.UNLOADING:
            return Explanation(
                f"{name} is already unloading",
                f"{name} is running its exit function. If that does not end, it hangs.",
                shown=(f"/proc/modules: {name} Unloading",),
                remedy="Wait. If it never ends, only a reboot helps.",
            )
        case ModuleState.LIVE:
            return _in_use(module, case)
        case _:
            assert_never(module.state)


def _in_use(module: LoadedModule, case: Case) -> Explanation | None:
    name = module.name
    if module.users:
        users = ", ".join(module.users)
        depend = "depends" if len(module.users) == 1 else "depend"
        return Explanation(
            f"{name} is in use by {users}",
            f"{counted(len(module.users), 'loaded module')} {depend} on it.",
            shown=(f"/proc/modules: {name} {module.refcount} {','.join(module.users)}",),
            remedy=f"Unload {users} first.",
        )
    if module.other_references:
        usage = case.facts.usage
        return Explanation(
            f"{name} is in use",
            held_by(usage, name, module.other_references),
            shown=(
                f"/proc/modules: {name} {module.refcount} -",
                *(clean(use.evidence) for use in usage.holders(name)),
            ),
            remedy=release_remedy(usage.holders(name)),
        )
    if module.refcount is None:
        return Explanation(
            "This kernel cannot unload modules",
            "It was built without CONFIG_MODULE_UNLOAD.",
            shown=(f"/proc/modules: {name} - -",),
            remedy="Reboot without loading it.",
        )
    return None
