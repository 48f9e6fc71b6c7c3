"""Reads a system for the profiles: what it uses, and what it could be made to load."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.devices import read_bus_devices, read_other_aliases
from kmodtui.kernel.file_systems import has_encrypted_disks, read_file_systems
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.release import read_index
from kmodtui.kernel.load_lists import read_listed
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.model.exposure.exposure import Exposure
from kmodtui.model.modprobe_rules import Rule, RuleKind
from kmodtui.model.modules import canonical, is_module_name
from kmodtui.model.profile.profile import Profile, ProfileFacts, ProfileKind, profile
from kmodtui.services.exposure import exposures_of
from kmodtui.services.seen import note_seen, read_seen

_OWN = ("/etc/", "/run/")
"""Where the rules of an administrator are; those of packages are in /usr/lib."""


def read_profile(host: Host, release: str, kind: ProfileKind) -> Profile:
    """Return what a profile would block on a system now. Reads many files.

    Raises:
        KmodtuiError: the index of modules cannot be read, or no module is loaded.
    """
    index = read_index(host, release)
    lookup = ConfiguredIndex(index, read_modprobe_config(host, *index.folders))
    try:
        loaded = tuple(read_modules(host).by_name)
    except KmodtuiError:
        loaded = ()
    note_seen(host, loaded)
    exposures = {each.name: each for each in exposures_of(host, lookup)[0]}
    facts = ProfileFacts(
        places={name: index.place_of(name) for name in index.names if is_module_name(name)},
        along=_along(lookup),
        loaded=loaded,
        in_use=_in_use(host, lookup),
        seen=read_seen() if host.live and not host.badge else (),
        stopped=_stopped(lookup, exposures),
        encrypted="dm_crypt" in loaded or has_encrypted_disks(host),
        exposures=exposures,
    )
    return profile(kind, facts)


def _along(lookup: ConfiguredIndex) -> Callable[[str], Iterable[str]]:
    """Return what finds dependencies, softdeps and weakdeps of a module."""

    @cache
    def along(name: str) -> tuple[str, ...]:
        softdep = lookup.config.softdep(name)
        texts = (*softdep.pre, *softdep.post, *lookup.weakdeps(name))
        soft = (found.name for text in texts for found in lookup.find(text))
        return tuple(dict.fromkeys((*lookup.dependencies(name), *soft)))

    return along


def _stopped(lookup: ConfiguredIndex, exposures: dict[str, Exposure]) -> dict[str, str]:
    """Return the modules that kmodtui or another rule blocks already, with the rule."""
    stopped = {}
    for name in exposures:
        rule = lookup.install(name)
        if rule is not None and (rule.file == BLOCK_FILE or _only_fails(rule)):
            stopped[name] = rule.source
        elif lookup.is_blocked(name):
            stopped[name] = "module_blacklist= on the kernel command line"
    return stopped


def _only_fails(rule: Rule) -> bool:
    return rule.value.strip() in ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true")


def _in_use(host: Host, lookup: ConfiguredIndex) -> dict[str, str]:
    """Return the modules that something on the system names, with what it is."""
    found: dict[str, str] = {}
    resolved: dict[str, tuple[str, ...]] = {}

    def add(text: str, words: str) -> None:
        if text not in resolved:
            resolved[text] = (canonical(text), *(each.name for each in lookup.find(text)))
        for name in resolved[text]:
            found.setdefault(name, words)

    for device in read_bus_devices(host):
        for text in filter(None, (device.modalias, device.module)):
            add(text, f"a device matches it: {device}")
    for text, path in read_other_aliases(host).items():
        add(text, f"a device matches it: {path}")
    for kind, source in read_file_systems(host).items():
        add(f"fs-{kind}", f"{source} names its file system")
        add(kind, f"{source} names its file system")
    for text, source in read_listed(host).items():
        add(text, f"{source} names it")
    for rule in lookup.config.rules:
        if (rule.file and not rule.file.startswith(_OWN)) or rule.file == BLOCK_FILE:
            continue
        if rule.kind is RuleKind.OPTIONS:
            add(rule.name, f"{rule.source} sets options for it")
        elif rule.kind is RuleKind.ALIAS:
            add(rule.value, f"{rule.source} gives it an alias")
        elif rule.kind is RuleKind.INSTALL and not _only_fails(rule):
            for word in rule.value.replace(";", " ").split():
                if is_module_name(word):
                    add(word, f"{rule.source} names it")
    return found
