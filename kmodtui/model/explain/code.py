"""What the helper's result codes mean: nothing was run, the time was up, nothing changed."""

from __future__ import annotations

import errno as e
from typing import assert_never

from kmodtui.model.explain.explanation import LOADS, Case, Explanation
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import ResultCode
from kmodtui.model.text import clean


def by_code(case: Case) -> Explanation | None:
    """Return what the code of the result means by itself; None if it only means a failure."""
    facts, name, result = case.facts, case.name, case.result
    match result.code:
        case ResultCode.DONE | ResultCode.FAILED:
            return None
        case ResultCode.ALREADY_LOADED:
            state = f" and is {case.module.state}" if case.module else ""
            return Explanation(
                f"{name} is already loaded",
                f"{name} is in the kernel{state}; loading it again changes nothing.",
                remedy="Reload it to change its parameters.",
            )
        case ResultCode.BUILT_IN:
            return Explanation(
                f"{name} is built in",
                f"{name} is compiled into the kernel: it can be neither loaded nor unloaded.",
                remedy="Set its parameters on the kernel command line only: "
                f"{name}.parameter=value.",
            )
        case ResultCode.NOT_LOADED:
            return Explanation(
                f"{name} is not loaded",
                f"{name} is not in the kernel. It may have been unloaded in the meantime.",
                remedy="There is nothing to do." + case.near(name, facts.loaded),
            )
        case ResultCode.UNKNOWN_MODULE:
            return _unknown_module(case)
        case ResultCode.TIMEOUT:
            return _timeout(case)
        case ResultCode.NOT_DONE:
            return _not_done(case)
        case ResultCode.NO_MODULES if result.errno == e.EPERM:  # found, and not owned by root
            return _refused(
                case,
                f"The helper does not trust {_place(result.message)}",
                "Whoever can write there could have their own modules loaded. Restore the "
                "package's ownership and permissions: chown root, chmod go-w.",
            )
        case ResultCode.NO_MODULES:
            remedy = facts.no_index[1] or "Install the package of the running kernel."
            return _refused(case, "The kernel's modules cannot be found", remedy)
        case ResultCode.NO_MODPROBE:
            return _refused(
                case,
                "There is no usable modprobe",
                "Install kmod. BusyBox's modprobe has other options.",
            )
        case ResultCode.BUSY:
            return _refused(case, "Too many requests", "Wait until a running request has ended.")
        case ResultCode.INVALID:
            return _refused(
                case, "The helper refused the request", "Check the name and the parameters."
            )
        case ResultCode.STOPPED:
            return _refused(case, "Waiting was cancelled", "Nothing was unloaded in the meantime.")
        case ResultCode.CHANGED_FILE:
            return _refused(
                case,
                "The file has changed since it was confirmed",
                "Check the file, then make a new plan.",
            )
        case ResultCode.COMPRESSED:
            return _refused(
                case,
                "This kernel cannot decompress the file",
                "Decompress it with xz -d, zstd -d or gzip -d, then insert the result.",
            )
        case _:
            assert_never(result.code)


def _place(message: str) -> str:
    """Return the path that the helper's message begins with."""
    word = message.partition(" ")[0]
    return word if word.startswith("/") else "/lib/modules"


def _refused(case: Case, title: str, remedy: str) -> Explanation:
    """Return a refusal whose cause the helper itself has put into words."""
    cause = case.result.message or "The helper gave no reason."
    return Explanation(title, cause, remedy=remedy)


def _unknown_module(case: Case) -> Explanation:
    name, facts = case.name, case.facts
    if facts.no_index[0]:
        cause, remedy = facts.no_index
        return Explanation(f"No modules of kernel {facts.release}", cause, remedy=remedy)
    return Explanation(
        f"There is no module {name}",
        f"The index of the running kernel{f' {facts.release}' if facts.release else ''} has no "
        f"{name}.",
        remedy=(
            case.near(name, facts.available).strip()
            or "Check the name. The module may be in another package of the kernel."
        ),
    )


def _timeout(case: Case) -> Explanation:
    name = case.name
    state = case.result.after.get(name) or (case.module.state if case.module else None)
    init = "init" if case.verb in LOADS else "exit"
    return Explanation(
        f"{name} timed out",
        f"After {case.result.took:.0f} s {name} is still "
        + (f"{state}: its {init} function does not return." if state else "not loaded."),
        remedy="It continues in the background and cannot be cancelled. The modules pane shows "
        "when it ends; if it never does, only a reboot helps.",
        unknown=True,
    )


def _not_done(case: Case) -> Explanation | None:
    name = case.name
    rule = case.facts.install_rules.get(name)
    match case.verb:
        case Verb.LOAD | Verb.INSERT | Verb.RELOAD:
            return Explanation(
                f"{name} is still not loaded",
                f"modprobe reported success, but the kernel does not show {name}."
                + (" An install rule replaces loading it." if rule else ""),
                remedy="Check modprobe.d for rules about it.",
                shown=(clean(rule),) if rule else (),
            )
        case Verb.UNLOAD:
            return Explanation(
                f"{name} is still loaded",
                f"modprobe reported success, but the kernel still shows {name}: a remove rule "
                "replaces unloading it, or it was loaded again at once.",
                remedy="Check modprobe.d and the udev rules for it.",
            )
        case Verb.SET | Verb.BLACKLIST | Verb.UNBLACKLIST:
            return None
        case Verb.BLOCK | Verb.LOG_LOADS | Verb.UNBLOCK:
            return None
        case Verb.KEEP | Verb.FORGET | Verb.KEEP_OPTIONS | Verb.FORGET_OPTIONS:
            return None
        case _:
            assert_never(case.verb)
