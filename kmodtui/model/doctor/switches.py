"""The settings of the running kernel that decide who may load modules and see what they do."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.doctor.facts import DoctorFacts
from kmodtui.model.doctor.finding import Finding, Level

_SYSCTL = "/proc/sys/kernel"
_SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"
_LOCKDOWN = "/sys/kernel/security/lockdown"

_NAMESPACES = {
    "user.max_user_namespaces": "10000",
    "kernel.unprivileged_userns_clone": "1",
    "kernel.apparmor_restrict_unprivileged_userns": "0",
}
"""Settings that keep users from making user namespaces, with a value that permits it."""


def loading_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield what the running kernel refuses to load."""
    if not facts.has_modules:
        reason = "This kernel has no loadable modules, or a container hides them."
        remedy = "Use a kernel built with CONFIG_MODULES; in a container, look at the host."
        evidence = ("/proc/modules does not exist",)
        yield Finding("modules", "Loadable modules", Level.OFF, reason, evidence, remedy)
        return
    yield _modules_disabled(facts)
    yield _modprobe(facts)
    yield _sig_enforce(facts)
    yield _lockdown(facts)
    yield _secure_boot(facts)
    yield _loadpin(facts)
    yield _namespaces(facts)


def viewing_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield what the running kernel hides from users."""
    yield _kptr_restrict(facts)
    yield _perf_event_paranoid(facts)
    yield _dmesg_restrict(facts)


# Loading


def _modules_disabled(facts: DoctorFacts) -> Finding:
    key, file = "kernel.modules_disabled", f"{_SYSCTL}/modules_disabled"
    value = facts.system.modules_disabled
    if value is None:
        return _unknown(key, key, file)
    if value:
        reason = "No module can be loaded or unloaded, not even by root."
        remedy = "Remove what sets it, such as a line in /etc/sysctl.d, and reboot."
        return Finding(key, key, Level.OFF, reason, (f"{file}: {value}",), remedy)
    return Finding(key, key, Level.OK, "Root can load and unload modules.", (f"{file}: 0",))


def _modprobe(facts: DoctorFacts) -> Finding:
    key, file = "kernel.modprobe", f"{_SYSCTL}/modprobe"
    path = facts.modprobe
    if path is None:
        return _unknown(key, key, file)
    evidence = (f"{file}: {path}".rstrip(),)
    if not path:
        reason = (
            "Autoloading is off: the kernel never asks for a module. udev and modprobe still "
            "load modules."
        )
        remedy = f"Run sysctl {key}=/sbin/modprobe as root."
        return Finding(key, key, Level.OFF, reason, evidence, remedy)
    if not facts.modprobe_exists and not facts.badge:  # a tree has only some files
        reason = f"The kernel runs {path} to load a module, but there is no such file."
        remedy = f"Install kmod, or set {key} to the path of modprobe."
        return Finding(key, key, Level.OFF, reason, evidence, remedy)
    reason = f"When the kernel needs a module, it runs {path} (autoloading)."
    return Finding(key, key, Level.OK, reason, evidence)


def _sig_enforce(facts: DoctorFacts) -> Finding:
    key = "module.sig_enforce"
    value = facts.system.sig_enforce
    if value is None:
        if facts.config is not None and "MODULE_SIG" not in facts.config.options:
            reason = "This kernel does not verify signatures, so it cannot require them."
            return Finding(key, key, Level.OK, reason, (_SIG_ENFORCE,))
        return _unknown(key, key, _SIG_ENFORCE)
    if value:
        reason = "Only modules that are signed with a trusted key can be loaded."
        remedy = "Sign the module and enrol its key. The setting stays on until the next boot."
        return Finding(key, key, Level.LIMITED, reason, (f"{_SIG_ENFORCE}: Y",), remedy)
    reason = "Signatures are not required by this setting."
    return Finding(key, key, Level.OK, reason, (f"{_SIG_ENFORCE}: N",))


def _lockdown(facts: DoctorFacts) -> Finding:
    key, subject = "lockdown", "Lockdown"
    mode = facts.system.lockdown
    if mode is None:
        if facts.protection.security_modules:
            reason = "The security module lockdown is not active."
            return Finding(key, subject, Level.OK, reason, ("/sys/kernel/security/lsm",))
        return _unknown(key, subject, _LOCKDOWN)
    evidence = (f"{_LOCKDOWN}: {mode}",)
    if mode == "none":
        return Finding(key, subject, Level.OK, "Lockdown forbids nothing.", evidence)
    reason = "Unsigned modules and unsafe parameters are refused, even for root."
    if mode == "confidentiality":
        reason += " Kernel memory cannot be read, either."
    remedy = (
        "Sign the module and enrol its key, or boot without what turns lockdown on: Secure Boot, "
        "or lockdown= on the kernel command line."
    )
    return Finding(key, f"{subject} ({mode})", Level.LIMITED, reason, evidence, remedy)


def _secure_boot(facts: DoctorFacts) -> Finding:
    key, subject = "secure_boot", "Secure Boot"
    file = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    protection = facts.protection
    if protection.secure_boot:
        reason = (
            "The firmware starts only signed kernels. Most distributions then turn on lockdown, "
            "which refuses unsigned modules"
        )
        locked = facts.system.lockdown not in (None, "none") or bool(facts.system.sig_enforce)
        level = Level.LIMITED if locked else Level.OK
        reason += "." if locked else "; this kernel has not done so."
        remedy = (
            "Sign the module and enrol its key with mokutil --import, or disable Secure Boot in "
            "the firmware."
        )
        return Finding(key, subject, level, reason, (file,), remedy if locked else "")
    if protection.secure_boot is False:
        reason = "Secure Boot is disabled in the firmware, so it restricts nothing."
        return Finding(key, subject, Level.OK, reason, (file,))
    if not protection.efi and not facts.badge:
        reason = "This system was not booted by UEFI firmware, so there is no Secure Boot."
        return Finding(key, subject, Level.OK, reason, ("/sys/firmware/efi",))
    return _unknown(key, subject, file)


def _loadpin(facts: DoctorFacts) -> Finding:
    key, subject, file = "loadpin", "LoadPin", f"{_SYSCTL}/loadpin/enforce"
    names = facts.protection.security_modules
    if facts.protection.loadpin:
        reason = (
            "Modules are loaded only from the file system that the first one came from, and not "
            "if user space decompressed them."
        )
        remedy = "Copy the module to that file system, or boot with loadpin.enforce=0."
        return Finding(key, subject, Level.LIMITED, reason, (f"{file}: 1",), remedy)
    if facts.protection.loadpin is False:
        reason = "LoadPin logs modules from other file systems, but permits them."
        return Finding(key, subject, Level.OK, reason, (f"{file}: 0",))
    if names or (facts.config is not None and "SECURITY_LOADPIN" not in facts.config.options):
        source = "/sys/kernel/security/lsm"
        if not names and facts.config is not None:
            source = f"{facts.config.file}: CONFIG_SECURITY_LOADPIN is not set"
        reason = "This security module is not active: a module may be on any file system."
        return Finding(key, subject, Level.OK, reason, (source,))
    return _unknown(key, subject, file)


def _namespaces(facts: DoctorFacts) -> Finding:
    key, subject = "user_namespaces", "User namespaces"
    if facts.why_no_namespaces:
        setting = facts.why_no_namespaces
        reason = (
            "Ordinary users cannot create user namespaces, so they can have fewer modules loaded."
        )
        name = setting.partition(" ")[0]
        remedy = "Use a kernel built with CONFIG_USER_NS."
        if name in _NAMESPACES:
            remedy = f"Run sysctl {name}={_NAMESPACES[name]} as root."
        return Finding(key, subject, Level.LIMITED, reason, (setting,), remedy)
    if facts.namespaces is None:
        return _unknown(key, subject, "/proc/sys/user/max_user_namespaces")
    reason = (
        "Ordinary users can create user namespaces, in which they can have more modules "
        "loaded. kmodtui exposure lists them."
    )
    evidence = (f"/proc/sys/user/max_user_namespaces: {facts.namespaces}",)
    return Finding(key, subject, Level.OK, reason, evidence)


# Viewing


def _kptr_restrict(facts: DoctorFacts) -> Finding:
    key, file = "kernel.kptr_restrict", f"{_SYSCTL}/kptr_restrict"
    value = facts.system.kptr_restrict
    if value is None:
        return _unknown(key, key, file)
    evidence = (f"{file}: {value}",)
    if value >= 2:
        reason = "Addresses of the kernel are hidden from everyone, even from root."
        return Finding(key, key, Level.OFF, reason, evidence, f"Run sysctl {key}=1 as root.")
    if value == 1:
        reason = "Only root (CAP_SYSLOG) sees addresses of the kernel."
        return Finding(key, key, Level.LIMITED, reason, evidence, f"Run sysctl {key}=0 as root.")
    reason = "This setting shows addresses of the kernel to everyone."
    return Finding(key, key, Level.OK, reason, evidence)


def _perf_event_paranoid(facts: DoctorFacts) -> Finding:
    key, file = "kernel.perf_event_paranoid", f"{_SYSCTL}/perf_event_paranoid"
    value = facts.system.perf_event_paranoid
    if value is None:
        return _unknown(key, key, file)
    evidence = (f"{file}: {value}",)
    if value > 1:
        reason = (
            "Above 1, it hides addresses in /proc/kallsyms from users even where kptr_restrict "
            "is 0."
        )
        return Finding(key, key, Level.LIMITED, reason, evidence, f"Run sysctl {key}=1 as root.")
    return Finding(key, key, Level.OK, "This setting does not hide addresses.", evidence)


def _dmesg_restrict(facts: DoctorFacts) -> Finding:
    key, file = "kernel.dmesg_restrict", f"{_SYSCTL}/dmesg_restrict"
    value = facts.system.dmesg_restrict
    if value is None:
        return _unknown(key, key, file)
    evidence = (f"{file}: {value}",)
    if value:
        reason = "Only root (CAP_SYSLOG) may read the kernel log, which says why a load failed."
        return Finding(key, key, Level.LIMITED, reason, evidence, f"Run sysctl {key}=0 as root.")
    return Finding(key, key, Level.OK, "Everyone may read the kernel log.", evidence)


def _unknown(key: str, subject: str, file: str) -> Finding:
    return Finding(key, subject, Level.UNKNOWN, "This system does not show it.", (file,))
