"""Why a load or unload ended as it did: cause, evidence and remedy, in sentences.

The judgement rests on the errno, the kernel's own log lines and the state of
the modules, never on a tool's English. The kernel's log is looked at first,
because one errno has a dozen causes; then the state; then the errno.
"""

from __future__ import annotations

import errno as e
import os
import re
from collections.abc import Sequence
from dataclasses import replace

from kmodtui.errors import ElevationError, KmodtuiError
from kmodtui.model.explain_log import explain_log
from kmodtui.model.explanation import (
    NO_FACTS,
    Answer,
    Case,
    Explanation,
    Facts,
    Kind,
    LogLine,
    Operation,
    speaker,
)
from kmodtui.model.modules import ModuleState, canonical
from kmodtui.model.text import clean, counted

__all__ = [
    "NO_FACTS",
    "Answer",
    "Explanation",
    "Facts",
    "Kind",
    "LogLine",
    "Operation",
    "explain",
    "explain_error",
]


def explain(
    operation: Operation, names: Sequence[str], answer: Answer, facts: Facts = NO_FACTS
) -> Explanation:
    """Return why the helper's answer to a load or unload of `names` is what it is."""
    case = Case(operation, tuple(map(canonical, names)), answer, facts)
    if answer.ok:
        return _done(case)
    found = (
        _by_code(case)
        or (explain_log(case) if operation == "load" else None)
        or (_by_state(case) if operation == "unload" else None)
        or _by_lock(case)
        or (_by_errno(case) if operation == "load" else None)
        or _unknown(case)
    )
    if not (found.evidence or found.output or found.shown):
        log = case.evidence
        found = replace(found, evidence=log, output=() if log else case.last_output)
    return replace(
        found, title=clean(found.title), cause=clean(found.cause), remedy=clean(found.remedy)
    )


def explain_error(operation: Operation, names: Sequence[str], error: KmodtuiError) -> Explanation:
    """Return what an error of the helper or of getting root means for a load or unload."""
    whom = ", ".join(names)
    if isinstance(error, ElevationError):
        outcome = f"{whom} was not {operation}ed."  # nobody has touched the kernel
    else:
        outcome = f"It was to {operation} {whom}."
    return Explanation(
        error.title,
        clean(f"{error.message} {outcome}"),
        (),
        clean(error.hint),
    )


# --- it worked ----------------------------------------------------------------------------

_IGNORED = re.compile(r"^[^:]+: unknown parameter '([^']*)' ignored")


def _done(case: Case) -> Explanation:
    took = f"{case.answer.took:.2f} s"
    title = f"{'Loaded' if case.operation == 'load' else 'Unloaded'} {', '.join(case.names)}"
    inserted = case.asked.union(case.tried)
    # Others load modules at the same moment: what the kernel said of theirs is left out.
    ours = [text for text in case.texts if speaker(text) in inserted.union(("",))]
    ignored = [(speaker(text), found[1], text) for text in ours if (found := _IGNORED.match(text))]
    if not ignored:
        taints = tuple(clean(text) for text in ours if re.search(r"taint", text))
        return Explanation(
            clean(title), f"The kernel shows it. It took {took}.", taints, "", Kind.DONE
        )
    named = ", ".join(parameter for _, parameter, _ in ignored)
    causes = [f"{module} has no parameter {parameter}" for module, parameter, _ in ignored]
    own = [parameter for module, parameter, _ in ignored if module in case.asked]
    hints = "".join(case.near(parameter, case.facts.parameters) for parameter in own)
    return Explanation(
        clean(f"{title}, but {named} did nothing"),
        clean(f"{', '.join(causes)}; the kernel drops such a one silently."),
        tuple(clean(text) for _, _, text in ignored),
        clean(f"Look at the module's parameters.{hints} Reload it to set them."),
        Kind.WARNING,
    )


# --- the helper ran nothing, or waits no longer -------------------------------------------


def _by_code(case: Case) -> Explanation | None:
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
        case "no-modules" | "no-modprobe" | "busy" | "invalid":
            return Explanation(
                {
                    "no-modules": "The kernel's modules cannot be found",
                    "no-modprobe": "There is no usable modprobe",
                    "busy": "Too much at once",
                    "invalid": "The helper refused the request",
                }[answer.code],
                answer.message or "The helper gave no reason.",
                remedy={
                    "no-modules": "Install the package of the running kernel, or reboot into the "
                    "installed one.",
                    "no-modprobe": "Install kmod; BusyBox's modprobe has other options.",
                    "busy": "Wait until something that is under way has ended.",
                    "invalid": "Check the name and the parameters.",
                }[answer.code],
            )
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
    init = "init" if case.operation == "load" else "exit"
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
    if case.operation == "load":
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


# --- the state of the module, after a failed unload -----------------------------------------


def _by_state(case: Case) -> Explanation | None:
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
            f"{count} to it, and no module's: a mount, an open file, a device or a socket. The "
            "kernel keeps no list of whose they are.",
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


# --- what root itself may not do ------------------------------------------------------------


def _by_lock(case: Case) -> Explanation | None:
    if case.answer.errno != e.EPERM:
        return None
    facts, verb = case.facts, f"{case.operation}ing"
    if facts.modules_disabled:
        return Explanation(
            "Modules are locked until reboot",
            f"kernel.modules_disabled is set: nobody, root included, may {case.operation} any.",
            shown=("/proc/sys/kernel/modules_disabled: 1",),
            remedy="It cannot be taken back; reboot, and find what sets it (sysctl.d).",
        )
    for word in facts.command_line.split():
        key, _, value = word.partition("=")
        if key == "module_blacklist" and case.name in map(canonical, value.split(",")):
            return Explanation(
                f"The boot line forbids {case.name}",
                f"The kernel was booted with module_blacklist= for {case.name}.",
                shown=(f"/proc/cmdline: {clean(word)}",),
                remedy="Take it from the boot line and reboot.",
            )
    if facts.in_user_namespace:
        return Explanation(
            "Root of this container is not root of the kernel",
            f"{verb.capitalize()} modules needs CAP_SYS_MODULE on the host.",
            remedy="Do it on the host.",
        )
    # Lockdown asks for signatures of what is loaded; unloading is no concern of it.
    if case.operation == "load" and facts.lockdown not in ("", "none"):
        return Explanation(
            "The kernel is locked down",
            f"Lockdown is {facts.lockdown}: unsigned modules are refused.",
            shown=(f"/sys/kernel/security/lockdown: {facts.lockdown}",),
            remedy="Sign the module and enrol its key, or switch Secure Boot off in the firmware.",
        )
    return Explanation(
        "The kernel does not permit it",
        f"{verb.capitalize()} was refused although the helper is root: it lacks CAP_SYS_MODULE, or "
        "a security module forbids it.",
        remedy="In a container do it on the host; else look for denials in the audit log.",
    )


# --- the errno, after a failed load ---------------------------------------------------------


def _by_errno(case: Case) -> Explanation | None:
    name = case.name
    rule = case.facts.install_rules.get(name)
    if rule or re.search(r"^install ", case.answer.output, re.MULTILINE):
        run = [line for line in case.answer.output.splitlines() if line.startswith("install ")]
        return Explanation(
            f"An install rule stands in for {name}",
            f"modprobe.d has a command that is run instead of loading {name}, and it failed.",
            remedy="Change or remove the rule, if you know why it is there.",
            output=tuple(map(clean, run)),
            shown=(clean(rule),) if rule else (),
        )
    match case.answer.errno:
        case e.ENODEV | e.ENXIO:
            wanted = ", ".join(case.facts.wanted_devices[:4])
            return Explanation(
                f"{name} found no device",
                f"The init of {name} found no hardware that it drives."
                + (f" It looks for {wanted}." if wanted else ""),
                remedy="Nothing is wrong if this machine has no such device.",
            )
        case e.EEXIST:
            return Explanation(
                f"{name} is there already",
                f"{name}, or something that it registers under the same name, exists already.",
                remedy="Look whether it is loaded or built in.",
            )
        case e.EKEYREJECTED | e.ENOKEY | e.EBADMSG:
            why = {
                e.EKEYREJECTED: "its signature is not valid, or its key is not trusted",
                e.ENOKEY: "it is not signed with a key that this kernel knows",
                e.EBADMSG: "its signature is damaged",
            }[case.answer.errno]
            return Explanation(
                f"The kernel rejects the signature of {name}",
                f"{name} was refused because {why}.",
                remedy="Install the distribution's package again, or sign it and enrol the key.",
            )
        case e.ENOEXEC:
            return Explanation(
                f"The file of {name} is no module for this kernel",
                f"The kernel cannot use the file of {name}: it is damaged, or built for another "
                "kernel or architecture.",
                remedy="Install it again, or rebuild it for the running kernel.",
            )
        case e.ENOENT:
            return Explanation(
                f"{name} needs a symbol that is not there",
                f"{name} uses a symbol that no loaded module exports.",
                remedy="Load the module that exports it; the kernel log names it.",
            )
        case e.EBUSY:
            return Explanation(
                f"{name} is being loaded, or what it needs is taken",
                f"Another load of {name} is under way, or a resource that it wants is in use.",
                remedy="Try again in a moment.",
            )
        case e.EINVAL:
            return Explanation(
                f"{name} refused to start",
                f"The kernel or the init of {name} found an argument invalid: most often a "
                "parameter.",
                remedy="Check the parameters, also those in modprobe.d.",
            )
        case e.ENOMEM:
            return Explanation(
                f"No memory for {name}",
                f"The kernel had no memory for {name}, or for what its parameters ask.",
                remedy="Free memory, or ask for less.",
            )
    return None


def _unknown(case: Case) -> Explanation:
    answer = case.answer
    reason = ""
    if answer.errno is not None:
        reason = f": {os.strerror(answer.errno)} ({e.errorcode.get(answer.errno, answer.errno)})"
    elif answer.exit is not None:
        reason = f": modprobe ended with status {answer.exit} and the kernel gave no reason"
    return Explanation(
        f"Could not {case.operation} {case.name}",
        f"{case.name} was not {case.operation}ed{reason}.",
        remedy="The kernel log around that time may tell more.",
    )
