"""What the kernel's errno means where its log says nothing: locks first, then the number."""

from __future__ import annotations

import errno as e
import os
import re

from kmodtui.model.explain.explanation import LOADS, Case, Explanation
from kmodtui.model.explain.signature import enrolment, signed_by
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean

# A patch of SUSE's kmod; the kernel knows nothing of it.
_UNSUPPORTED = re.compile(r"module '([^']*)' is unsupported")


def by_lock(case: Case) -> Explanation | None:
    """Return what forbids it even to root; None if nothing does."""
    if case.result.errno != e.EPERM:
        return None
    facts = case.facts
    for line in case.result.output.splitlines():
        if _UNSUPPORTED.search(line):
            return Explanation(
                f"{case.name} is not supported by SUSE",
                f"modprobe of SUSE refuses {case.name}: SUSE does not support it, and "
                "allow_unsupported_modules is 0.",
                remedy="Copy /lib/modprobe.d/10-unsupported-modules.conf to /etc/modprobe.d and "
                "set allow_unsupported_modules to 1 there.",
                output=(clean(line.strip()),),
            )
    verb = case.verb.gerund("modules")
    if facts.modules_disabled:
        return Explanation(
            "Loading and unloading are disabled until reboot",
            f"kernel.modules_disabled is 1: not even root may {case.verb.infinitive('modules')}.",
            shown=("/proc/sys/kernel/modules_disabled: 1",),
            remedy="It cannot be reset. Reboot, and find what sets it (sysctl.d).",
        )
    for word in facts.command_line.split():
        key, _, value = word.partition("=")
        if key == "module_blacklist" and case.name in map(canonical, value.split(",")):
            return Explanation(
                f"{case.name} is blocked by the kernel command line",
                f"The kernel was booted with module_blacklist= for {case.name}.",
                shown=(f"/proc/cmdline: {clean(word)}",),
                remedy="Remove it from the kernel command line and reboot.",
            )
    if facts.in_user_namespace:
        return Explanation(
            "Root in this container is not root on the host",
            f"{_capitalized(verb)} requires CAP_SYS_MODULE on the host.",
            remedy="Do it on the host.",
        )
    # Lockdown wants signatures of what is loaded; it does not concern unloading.
    if case.verb in LOADS and facts.lockdown not in ("", "none"):
        return Explanation(
            "The kernel is locked down",
            f"Lockdown is {facts.lockdown}: unsigned modules are refused.",
            shown=(f"/sys/kernel/security/lockdown: {facts.lockdown}",),
            remedy="Sign the module and enrol its key, or disable Secure Boot in the firmware.",
        )
    return Explanation(
        "The kernel does not permit it",
        f"{_capitalized(verb)} was refused although the helper runs as root: it lacks "
        "CAP_SYS_MODULE, or a security module denies it.",
        remedy="In a container, do it on the host. Otherwise look for denials in the audit log.",
    )


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]


def by_errno(case: Case) -> Explanation | None:
    """Return what the errno of a failed load means; None where it means nothing by itself."""
    name = case.name
    rule = case.facts.install_rules.get(name)
    if rule or re.search(r"^install ", case.result.output, re.MULTILINE):
        run = [line for line in case.result.output.splitlines() if line.startswith("install ")]
        return Explanation(
            f"An install rule replaces loading {name}",
            f"modprobe.d has a command that is run instead of loading {name}, and it failed.",
            remedy="Change or remove the rule, if you know why it is there.",
            output=tuple(map(clean, run)),
            shown=(clean(rule),) if rule else (),
        )
    match case.result.errno:
        case e.ENODEV | e.ENXIO:
            wanted = ", ".join(case.facts.wanted_devices[:4])
            return Explanation(
                f"{name} found no device",
                f"The init function of {name} found no hardware that it supports."
                + (f" It matches {wanted}." if wanted else ""),
                remedy="Nothing is wrong if this machine has no such device.",
            )
        case e.EEXIST:
            return Explanation(
                f"{name} already exists",
                f"{name}, or something that it registers under the same name, already exists.",
                remedy="Check whether it is already loaded or built in.",
            )
        case e.EKEYREJECTED | e.ENOKEY | e.EBADMSG:
            why = {
                e.EKEYREJECTED: "its signature is not valid, or its key is not trusted",
                e.ENOKEY: "it is not signed with a key that this kernel knows",
                e.EBADMSG: "its signature is damaged",
            }[case.result.errno]
            return Explanation(
                f"The kernel rejects the signature of {name}",
                f"{name} was refused because {why}.{signed_by(case)}",
                remedy=enrolment(case)
                or "Install the distribution's package again, or sign it and enrol the key.",
            )
        case e.ENOEXEC:
            return Explanation(
                f"The file of {name} is not a module for this kernel",
                f"The kernel cannot use the file of {name}: it is damaged, or built for another "
                "kernel or architecture.",
                remedy="Install it again, or rebuild it for the running kernel.",
            )
        case e.ENOENT:
            return Explanation(
                f"{name} has an unresolved symbol",
                f"{name} imports a symbol that no loaded module exports.",
                remedy="Load the module that exports it; the kernel log names the symbol.",
            )
        case e.EBUSY:
            return Explanation(
                f"{name} is being loaded, or a resource is taken",
                f"{name} is already being loaded, or a resource that it needs is in use.",
                remedy="Try again in a moment.",
            )
        case e.EINVAL:
            return Explanation(
                f"Invalid argument for {name}",
                f"The kernel or the init function of {name} reported an invalid argument: most "
                f"often a parameter.{_given(case)}",
                remedy="Check the parameters, also those in modprobe.d.",
            )
        case e.ENOMEM:
            return Explanation(
                f"Not enough memory for {name}",
                f"The kernel could not allocate memory for {name}, or for what its parameters "
                "request.",
                remedy="Free memory, or give its parameters smaller values.",
            )
    return None


def _given(case: Case) -> str:
    given = case.facts.given
    return f" It was loaded with {', '.join(given)}." if given else ""


def unknown(case: Case) -> Explanation:
    """Return what can be said where no cause is known."""
    result = case.result
    reason = ""
    if result.errno is not None:
        reason = f": {os.strerror(result.errno)} ({e.errorcode.get(result.errno, result.errno)})"
    elif result.exit is not None:
        reason = f": modprobe exited with status {result.exit} and the kernel gave no reason"
    return Explanation(
        f"Could not {case.verb.infinitive(case.name)}",
        f"{case.name} was not {case.verb.past}{reason}.",
        remedy="Check the kernel log around that time.",
    )
