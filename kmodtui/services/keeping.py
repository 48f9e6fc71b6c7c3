"""Modules and options that are kept for the next boot: facts for a plan, and the proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.initramfs import find_initramfs, rebuild_command
from kmodtui.kernel.load_lists import read_boot_listings
from kmodtui.kernel.modprobe.config import ModprobeConfig
from kmodtui.kernel.modprobe.file import parse_rules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.explain.keep import KeepProof
from kmodtui.model.modules import canonical
from kmodtui.model.own_file import OwnFile, OwnStates, option_line
from kmodtui.model.parameters import key_of
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.keep import is_safe, merged_options
from kmodtui.model.plan.keep_facts import KeepFacts
from kmodtui.model.plan.own_change import KEEPING, own_change
from kmodtui.model.plan.verb import Verb
from kmodtui.services.blocking import dry_run
from kmodtui.services.machine import Machine
from kmodtui.services.own_files import read_own_files
from kmodtui.services.parameters import kept_and_lost, read_form_now

_READERS = (
    "/usr/lib/systemd/systemd-modules-load",
    "/lib/systemd/systemd-modules-load",
    "/etc/init.d/kmod",
    "/etc/init.d/modules",
    "/etc/init.d/modules-load",
)
"""Programs that read modules-load.d at boot: of systemd, Debian and OpenRC."""


def keep_facts(
    host: Host,
    index: ModuleIndex,
    config: ModprobeConfig,
    own: OwnStates,
    intents: Sequence[Intent],
) -> dict[str, KeepFacts]:
    """Return what is known of the modules that intents keep or forget, by module. Reads files."""
    mine = [intent for intent in intents if intent.verb in KEEPING]
    names = dict.fromkeys(canonical(name) for intent in mine for name in intent.names)
    if not names:
        return {}
    after = with_options(config, _options_after(own, mine))
    listings = read_boot_listings(host)
    image = find_initramfs(host, index.release)
    directories = {file.rpartition("/")[0] for file in OwnFile}
    # A captured tree may simply not contain them.
    here = host.live and not host.badge
    missing = tuple(path for path in sorted(directories) if here and not host.exists(path))
    unread = here and not any(host.exists(path) for path in _READERS)
    return {
        name: KeepFacts(
            listings.get(name, ()),
            config.settings(name),
            after.settings(name),
            _types(index, name),
            {p.name: p.value for p in read_parameters(host, name) if p.value is not None},
            image,
            rebuild_command(image, index.release) if image else "",
            missing,
            unread,
        )
        for name in names
    }


def _types(index: ModuleIndex, name: str) -> Mapping[str, str] | None:
    try:
        return {p.name: p.type for p in index.read_info(name).parameters}
    except KmodtuiError:
        return None


def _options_after(own: OwnStates, intents: Iterable[Intent]) -> dict[str, str]:
    """Return what kmodtui's options file says after intents, by module."""
    states: dict[str, str | None] = {**own.get(OwnFile.OPTIONS, {})}
    for intent in intents:
        file, state = own_change(intent.verb, intent.parameters)
        if file is OwnFile.OPTIONS:
            states.update((canonical(name), state) for name in intent.names)
    return {name: state for name, state in states.items() if state}


def with_options(config: ModprobeConfig, options: Mapping[str, str]) -> ModprobeConfig:
    """Return the configuration as it would be with this content of the options file."""
    lines = "".join(option_line(name, words) for name, words in sorted(options.items()))
    text = f"# The helper writes a line here, too.\n{lines}"
    return config.replacing(OwnFile.OPTIONS, parse_rules(text, OwnFile.OPTIONS, []))


# --- from a wish to intents -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a module, and what could be.

    Attributes:
        at_boot: whether kmodtui has it loaded at boot.
        options: what kmodtui's options file has for it, `name=value` each.
        listed: the sources that have it loaded at boot, with kmodtui's.
        current: the options that would set its current values.
        notes: sentences about current values that cannot be kept, or need not be.
    """

    at_boot: bool
    options: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    current: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_kept(machine: Machine, name: str) -> Kept:
    """Return what is kept of a module now. Reads files."""
    name, config = canonical(name), machine.config()
    own = read_own_files(machine.host, config)
    listings = read_boot_listings(machine.host).get(name, ())
    current, lost = kept_and_lost(machine, name, config)
    unsafe = (
        f"{option} of {name} cannot be kept: a shell would interpret it."
        for option in current
        if not is_safe(option)
    )
    return Kept(
        name in own[OwnFile.BOOT],
        merged_options(own[OwnFile.OPTIONS].get(name, ""), ()),
        tuple(listing.source for listing in listings),
        tuple(option for option in current if is_safe(option)),
        (*lost, *unsafe, *_unknown_defaults(machine, name, config, current)),
    )


def _unknown_defaults(
    machine: Machine, name: str, config: ModprobeConfig, values: Sequence[str]
) -> Iterator[str]:
    """Yield that some of the current values may be the defaults, which are unknown."""
    try:
        rows = read_form_now(machine, name, config)
    except KmodtuiError:
        rows = ()
    known = {row.name for row in rows if row.starting_value}
    unknown = [key for key in (value.partition("=")[0] for value in values) if key not in known]
    if unknown:
        yield (
            f"{', '.join(unknown)} of {name} may have the default value, which is unknown: it is "
            "kept nevertheless."
        )


def intents_to_keep(
    name: str, options: Sequence[str], now: Kept, *, at_boot: bool
) -> tuple[Intent, ...]:
    """Return what keeps a module, with these options added to those that are kept already."""
    intents = [Intent(Verb.KEEP, (name,))] if at_boot else []
    if options:
        every = merged_options(" ".join(now.options), options)
        intents.append(Intent(Verb.KEEP_OPTIONS, (name,), every))
    return tuple(intents)


def intents_to_forget(names: Sequence[str], now: Mapping[str, Kept]) -> tuple[Intent, ...]:
    """Return what removes everything that is kept of modules from kmodtui's files."""
    options = tuple(name for name in names if now[name].options)
    # Without options, the plan says that it is not kept, and what else has it loaded.
    boot = tuple(name for name in names if now[name].at_boot or not now[name].options)
    intents = (Intent(Verb.FORGET, boot), Intent(Verb.FORGET_OPTIONS, options))
    return tuple(intent for intent in intents if intent.names)


# --- the proof --------------------------------------------------------------------------------


def prove_kept(machine: Machine, names: Iterable[str]) -> tuple[KeepProof, ...]:
    """Return what the system shows of modules after a change, read again."""
    config = machine.config()
    own = read_own_files(machine.host, config)
    listings = read_boot_listings(machine.host)
    here = machine.host.live and not machine.host.badge and machine.looks_at_running
    return tuple(
        KeepProof(
            name,
            name in own[OwnFile.BOOT],
            listings.get(name, ()),
            {key_of(key): option for key, option in config.settings(name).items()},
            _inserts(dry_run([name]) or "", name) if here else "",
        )
        for name in dict.fromkeys(map(canonical, names))
    )


def _inserts(printed: str, name: str) -> str:
    """Return the line of modprobe's dry run that inserts a module; empty if there is none."""
    lines = (line.strip() for line in printed.splitlines())
    found = (
        line for line in lines if line.startswith("insmod ") and canonical(line.split()[1]) == name
    )
    return next(found, "")
