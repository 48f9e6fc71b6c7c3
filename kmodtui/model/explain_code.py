"""What the helper's own codes mean: it ran nothing, or waits no longer, or sees no change."""

from __future__ import annotations

import errno as e

from kmodtui.model.explanation import LOADS, Case, Explanation
from kmodtui.model.text import clean

# Codes whose cause the helper itself tells: title and remedy.
_TOLD = {
    "no-modules": (
        "The kernel's modules cannot be found",
        "Install the package of the running kernel, or reboot into the installed one.",
    ),
    "no-modprobe": (
        "There is no usable modprobe",
        "Install kmod; BusyBox's modprobe has other options.",
    ),
    "untrusted": (
        "The helper does not trust what it finds",
        "Whoever can write there could have modules of their own loaded. Give it back to root, "
        "as its package had it: chown root, chmod go-w.",
    ),
    "busy": ("Too much at once", "Wait until something that is under way has ended."),
    "invalid": ("The helper refused the request", "Check the name and the parameters."),
    "stopped": ("The waiting was stopped", "Nothing was unloaded while it waited."),
    "changed-file": (
        "The file is not the one that was confirmed",
        "Somebody has written it since: look at it again, and plan anew.",
    ),
    "compressed": (
        "This kernel cannot decompress the file",
        "Decompress it first, with xz -d, zstd -d or gzip -d, and insert that.",
    ),
}


def by_code(case: Case) -> Explanation | None:
    """Return what the code of the answer tells by itself; None if it tells that it failed."""
    facts, name, answer = case.facts, case.name, case.answer
    match answer.code:
        case "already-loaded":
            state = f" and is {case.module.state}" if case.module else ""
            return Explanation(
                f"{name} is loaded already",
                f"{name} is in the kernel{state}; loading it again changes nothing.",
                remedy="Reload it if it is to get other parameters.",
            )
        case "built-in":
            return Explanation(
                f"{name} is built in",
                f"{name} is part of the kernel's image: it cannot be loaded, nor unloaded.",
                remedy=f"Its parameters are set on the boot line only: {name}.parameter=value.",
            )
        case "not-loaded":
            return Explanation(
                f"{name} is not loaded",
                f"{name} is not in the kernel: somebody else may have unloaded it meanwhile.",
                remedy="Nothing is to be done." + case.near(name, facts.loaded),
            )
        case "unknown-module":
            return _unknown_module(case)
        case code if code in _TOLD:
            if code == "no-modules" and answer.errno == e.EPERM:
                code = "untrusted"  # they are there, and whoever can write there is not root
            title, remedy = _TOLD[code]
            return Explanation(title, answer.message or "The helper gave no reason.", remedy=remedy)
        case "timeout":
            return _timeout(case)
        case "not-done":
            return _not_done(case)
    return None


def _unknown_module(case: Case) -> Explanation:
    name, facts = case.name, case.facts
    if not facts.index_found:
        return Explanation(
            f"No modules of kernel {facts.release}",
            f"The folder /lib/modules/{facts.release} of the running kernel is gone: the kernel "
            "was upgraded, and its modules were removed with it.",
            remedy="Reboot into the installed kernel.",
        )
    return Explanation(
        f"There is no module {name}",
        f"The index of the running kernel{f' {facts.release}' if facts.release else ''} has no "
        f"{name}.",
        remedy=(
            case.near(name, facts.available).strip()
            or "It may be in another package of the kernel, or its name is another one."
        ),
    )


def _timeout(case: Case) -> Explanation:
    name = case.name
    state = case.answer.after.get(name) or (case.module.state if case.module else None)
    init = "init" if case.operation in LOADS else "exit"
    return Explanation(
        f"{name} hangs",
        f"After {case.answer.took:.0f} s {name} is still "
        + (f"{state}: its {init} function does not return." if state else "not there."),
        remedy="It was left to itself and cannot be broken off. The dashboard will show when it "
        "ends; if it never does, only a reboot helps.",
    )


def _not_done(case: Case) -> Explanation:
    name = case.name
    rule = case.facts.install_rules.get(name)
    if case.operation in LOADS:
        return Explanation(
            f"{name} is not loaded after all",
            f"modprobe reported success, but the kernel does not show {name}."
            + (" An install rule replaces loading it." if rule else ""),
            remedy="Look at the rules for it in modprobe.d.",
            shown=(clean(rule),) if rule else (),
        )
    return Explanation(
        f"{name} is still loaded",
        f"modprobe reported success, but the kernel still shows {name}: a remove rule replaces "
        "unloading it, or something loaded it again at once.",
        remedy="Look at the rules for it in modprobe.d, and at udev's.",
    )
