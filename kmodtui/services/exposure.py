"""The exposure of the modules of an observed system."""

from __future__ import annotations

import stat
from collections.abc import Collection

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.aliases import normalised
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.block.way import Barrier
from kmodtui.model.block.ways import evaluate
from kmodtui.model.exposure.exposure import Exposure, ExposureFacts, exposures
from kmodtui.model.exposure.request import Switches
from kmodtui.model.modprobe_rules import RuleKind

_FOR_OTHERS = 0o006


def read_exposures(host: Host, release: str) -> tuple[tuple[Exposure, ...], Switches]:
    """Return the exposure of each module that has a file, and the switches that decide it.

    Raises:
        KmodtuiError: the index of modules cannot be read.
    """
    index = read_index(host, release)
    return exposures_of(host, ConfiguredIndex(index, read_modprobe_config(host, *index.folders)))


def exposures_of(host: Host, lookup: ConfiguredIndex) -> tuple[tuple[Exposure, ...], Switches]:
    """Return the same for an index and rules that have been read."""
    index = lookup.index
    aliases = index.aliases()
    switches = read_switches(host, aliases, lookup)
    try:
        loaded: Collection[str] = read_modules(host).by_name
    except KmodtuiError:
        loaded = ()
    facts = {name: _facts(name, aliases.get(name, ()), lookup) for name in index.names}
    return exposures(facts, switches, loaded, index.dependencies), switches


def _facts(name: str, aliases: tuple[str, ...], lookup: ConfiguredIndex) -> ExposureFacts:
    config, index = lookup.config, lookup.index
    if config.of(RuleKind.ALIAS):
        aliases = tuple(alias for alias in aliases if _leads_to(alias, name, lookup))
    softdep = config.softdep(name)
    soft = [f.name for text in (*softdep.pre, *softdep.post) for f in lookup.find(text)]
    blacklist = config.blacklisted(name)
    blocked = ""
    if rule := config.install(name):
        found = evaluate(name, name, lookup)
        blocked = str(rule) if found and found.barrier is Barrier.STOPPED else ""
    if name in config.blocked:
        blocked = "module_blacklist= on the kernel command line"
    along = tuple(dict.fromkeys((*index.dependencies(name), *soft)))
    return ExposureFacts(aliases, along, blocked, str(blacklist) if blacklist else "")


def _leads_to(alias: str, name: str, lookup: ConfiguredIndex) -> bool:
    """Return whether no alias rule gives an alias to another module."""
    text = normalised(alias)
    rules = lookup.config.aliased(text) if text else ()
    return not rules or any(rule.value == name for rule in rules)


# --- the switches -----------------------------------------------------------------------------


def read_switches(
    host: Host, aliases: dict[str, tuple[str, ...]], lookup: ConfiguredIndex
) -> Switches:
    """Return the settings that decide who can have modules loaded."""
    names = (alias[8:] for own in aliases.values() for alias in own if alias.startswith("devname:"))
    why = why_no_namespaces(host)
    return Switches(
        modules_disabled=_value(host, "kernel/modules_disabled") == "1",
        autoload=_value(host, "kernel/modprobe") != "",
        namespaces=not why,
        why_no_namespaces=why,
        line_disciplines=_value(host, "dev/tty/ldisc_autoload") != "0",
        crypto_sockets=_has_crypto_sockets(lookup),
        open_nodes=frozenset(name for name in names if _is_open(host, f"/dev/{name}")),
    )


def _value(host: Host, name: str) -> str | None:
    """Return a value in /proc/sys; None if it cannot be read."""
    try:
        return host.read(f"/proc/sys/{name}").decode("ascii", "replace").strip()
    except OSError:
        return None


def why_no_namespaces(host: Host) -> str:
    """Return the setting that keeps ordinary users from making user namespaces; empty if none."""
    for name, value in (
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        if _value(host, name) == value:
            return f"{name.replace('/', '.')} = {value}"
    if host.exists("/proc/self/ns") and not host.exists("/proc/self/ns/user"):
        return "the kernel has no user namespaces"
    return ""


def _has_crypto_sockets(lookup: ConfiguredIndex) -> bool:
    """Return whether AF_ALG sockets are built in, or would be loaded for a user."""
    if lookup.is_builtin("af_alg"):
        return True
    found = evaluate("net-pf-38", "af_alg", lookup)
    return found is not None and found.barrier is not Barrier.STOPPED


def _is_open(host: Host, path: str) -> bool:
    """Return whether any user may open a device node."""
    try:
        status = host.stat(path)
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and bool(status.st_mode & _FOR_OTHERS)
