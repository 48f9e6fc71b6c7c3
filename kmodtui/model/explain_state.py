"""Why a module cannot be unloaded, from what the kernel shows of it."""

from __future__ import annotations

from kmodtui.model.explanation import Case, Explanation, Kind
from kmodtui.model.modules import ModuleState
from kmodtui.model.text import clean, counted


def by_state(case: Case) -> Explanation | None:
    """Return what the module's own state says against unloading it; None if nothing."""
    module, name = case.module, case.name
    if module is None:
        if case.answer.after.get(name, "") is not None:
            return None
        return Explanation(
            f"{name} is not loaded any more",
            f"Somebody else unloaded {name} at the same moment.",
            kind=Kind.WARNING,
        )
    if module.permanent:
        return Explanation(
            f"{name} is permanent",
            f"{name} has no exit function: it stays in the kernel until the next boot.",
            shown=(f"/proc/modules: {name} [permanent]",),
        )
    if module.state is ModuleState.LOADING:
        return Explanation(
            f"{name} is still loading",
            f"{name} has not finished its init function yet.",
            shown=(f"/proc/modules: {name} Loading",),
            remedy="Try again when it is Live.",
        )
    if module.state is ModuleState.UNLOADING:
        return Explanation(
            f"{name} is already unloading",
            f"{name} is on its way out; if it stays so, its exit function hangs.",
            shown=(f"/proc/modules: {name} Unloading",),
            remedy="Wait; if it never goes, only a reboot helps.",
        )
    if module.users:
        users = ", ".join(module.users)
        return Explanation(
            f"{name} is in use by {users}",
            f"{counted(len(module.users), 'module')} of this kernel cannot do without it.",
            shown=(f"/proc/modules: {name} {module.refcount} {','.join(module.users)}",),
            remedy=f"Unload {users} first.",
        )
    if module.other_references:
        count = counted(module.other_references, "reference")
        return Explanation(
            f"{name} is in use",
            " ".join(
                filter(
                    None,
                    (
                        f"{count} to it, and no module's: "
                        "a mount, an open file, a device or a socket.",
                        case.facts.holder_words or "The kernel keeps no list of whose they are.",
                        case.facts.unseen,
                    ),
                )
            ),
            shown=(
                f"/proc/modules: {name} {module.refcount} -",
                *map(clean, case.facts.other_holders),
            ),
            remedy="Find and close what uses it: unmount, stop the program, take the interface "
            "down.",
        )
    if module.refcount is None:
        return Explanation(
            "This kernel cannot unload modules",
            "It was built without CONFIG_MODULE_UNLOAD.",
            shown=(f"/proc/modules: {name} - -",),
            remedy="Reboot without loading it.",
        )
    return None
