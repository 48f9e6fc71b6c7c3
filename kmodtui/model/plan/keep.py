"""Plans that keep modules and options for the next boot, or forget them, in kmodtui's files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from kmodtui.model.block.way import Barrier
from kmodtui.model.block.ways import evaluate, not_by_name
from kmodtui.model.modprobe_rules import option_words
from kmodtui.model.own_file import OwnFile
from kmodtui.model.parameters import key_of, problems, same_value
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.keep_facts import KeepFacts
from kmodtui.model.plan.plan import Action, Plan, PlanCommand, Step
from kmodtui.model.plan.verb import Verb

_SAFE = re.compile(r"[A-Za-z0-9_.,:=/@%+-]*")


def is_safe(option: str) -> bool:
    """Return whether a shell interprets nothing in the value of an option.

    kmod passes options to a shell where a module has an install rule; the helper refuses others.
    """
    return _SAFE.fullmatch(option.partition("=")[2]) is not None


def plan_keep(name: str, facts: PlanFacts) -> Plan:
    """Return the plan to have a module loaded at every boot.

    Raises:
        UnknownModuleError: there is no such module.
    """
    known = _known(name, facts)
    if _is_builtin(name, facts):
        words = f"{name} is built into the kernel: it is always there."
        return Plan(Verb.KEEP, (name,), (), nothing_to_do=words)
    if _own(OwnFile.BOOT, name, facts):
        words = f"{name} is already kept: kmodtui has it loaded at boot ({OwnFile.BOOT})."
        return Plan(Verb.KEEP, (name,), (), nothing_to_do=words)
    if known.listings:
        source = known.listings[0].source
        words = f"{name} is already loaded at boot ({source})."
        return Plan(Verb.KEEP, (name,), (), nothing_to_do=words)
    if refused := _never_loaded(name, facts) or _missing(known, OwnFile.BOOT):
        return Plan(Verb.KEEP, (name,), (), refused=refused[0], remedy=refused[1])
    warnings = []
    found = evaluate(name, name, facts.lookup)
    if found and found.barrier is Barrier.UNKNOWN:
        warnings.append(f"{found.reason} ({found.source}) instead of loading {name}.".capitalize())
    if known.unread:
        warnings.append(
            "Nothing was found on this system that reads /etc/modules-load.d at boot: neither "
            "systemd-modules-load nor an init script."
        )
    step = Step(Action.KEEP, name, "loaded at every boot", OwnFile.BOOT)
    commands = (PlanCommand(Verb.KEEP, (name,)),)
    return Plan(Verb.KEEP, (name,), (step,), commands, warnings=tuple(warnings))


def plan_forget(name: str, facts: PlanFacts) -> Plan:
    """Return the plan to remove a module from kmodtui's list of modules to load at boot."""
    listings = facts.keeping.get(name, KeepFacts()).listings
    others = [each.source for each in listings if not each.source.startswith(f"{OwnFile.BOOT}:")]
    if not _own(OwnFile.BOOT, name, facts):
        refused, remedy = f"{name} is not kept by kmodtui.", ""
        if others:
            remedy = f"It is loaded at boot by {', '.join(others)}: edit that file as root."
        return Plan(Verb.FORGET, (name,), (), refused=refused, remedy=remedy)
    step = Step(Action.FORGET, name, "no longer loaded at every boot", OwnFile.BOOT)
    warnings = tuple(f"{source} still has it loaded at boot." for source in others)
    commands = (PlanCommand(Verb.FORGET, (name,)),)
    return Plan(Verb.FORGET, (name,), (step,), commands, warnings=warnings)


def plan_keep_options(name: str, options: Sequence[str], facts: PlanFacts) -> Plan:
    """Return the plan to set the options of a module in kmodtui's file to exactly these.

    Raises:
        UnknownModuleError: there is no such module.
    """
    verb, options = Verb.KEEP_OPTIONS, tuple(options)
    known = _known(name, facts)
    if _is_builtin(name, facts):
        words = " ".join(f"{name}.{option}" for option in options)
        return Plan(
            verb,
            (name,),
            (),
            refused=f"{name} is built into the kernel: options in modprobe.d do not apply to it.",
            remedy=f"On the kernel command line: {words}",
        )
    ours = _own(OwnFile.OPTIONS, name, facts)
    if ours == " ".join(options):
        words = f"{ours} of {name} is already kept by kmodtui ({OwnFile.OPTIONS})."
        return Plan(verb, (name,), (), nothing_to_do=words, parameters=options)
    if not ours and (sources := _set_already(options, known)):
        words = f"{' '.join(options)} of {name} is already set ({', '.join(sources)})."
        return Plan(verb, (name,), (), nothing_to_do=words, parameters=options)
    if refused := (
        _malformed(name, options, known)
        or _overridden(name, options, known)
        or _missing(known, OwnFile.OPTIONS)
    ):
        return Plan(verb, (name,), (), refused=refused[0], remedy=refused[1], parameters=options)
    step = Step(
        Action.KEEP_OPTIONS,
        name,
        f"instead of {ours}" if ours else "at its next load",
        OwnFile.OPTIONS,
        tuple(known.settings.values()),
    )
    command = PlanCommand(verb, (name,), options, replaces=bool(ours))
    warnings = tuple(_warnings(name, options, known, facts))
    return Plan(verb, (name,), (step,), (command,), warnings=warnings, parameters=options)


def plan_forget_options(name: str, facts: PlanFacts) -> Plan:
    """Return the plan to remove the options of a module from kmodtui's file."""
    verb, known = Verb.FORGET_OPTIONS, facts.keeping.get(name, KeepFacts())
    ours = _own(OwnFile.OPTIONS, name, facts)
    if not ours:
        sources = dict.fromkeys(option.source for option in known.before.values())
        remedy = f"Its options are set by {', '.join(sources)}: edit that as root."
        refused = f"kmodtui keeps no options of {name}."
        return Plan(verb, (name,), (), refused=refused, remedy=remedy if sources else "")
    left = tuple(known.settings.values())
    reason = f"was {ours}"
    step = Step(Action.FORGET_OPTIONS, name, reason, OwnFile.OPTIONS, left)
    commands = (PlanCommand(verb, (name,)),)
    return Plan(verb, (name,), (step,), commands, warnings=tuple(_old_copy(name, known)))


def _known(name: str, facts: PlanFacts) -> KeepFacts:
    lookup = facts.lookup
    loaded = name in facts.table.by_name
    if not loaded and lookup.path_of(name) is None and not lookup.is_builtin(name):
        raise lookup.unknown(name)
    return facts.keeping.get(name, KeepFacts())


def _is_builtin(name: str, facts: PlanFacts) -> bool:
    return facts.lookup.is_builtin(name) and facts.lookup.path_of(name) is None


def _own(file: OwnFile, name: str, facts: PlanFacts) -> str:
    """Return what one of kmodtui's files says of a module; empty if nothing."""
    return facts.own.get(file, {}).get(name, "")


_Refusal = tuple[str, str] | None


def _never_loaded(name: str, facts: PlanFacts) -> _Refusal:
    """Return why a module would not be loaded at boot, and what to do; None if it would be."""
    stopped = _blocked(name, facts)
    if stopped is None and (rule := facts.lookup.blacklisted(name)):
        stopped = (
            f"systemd-modules-load does not load what is blacklisted ({rule.source})",
            "Remove it from the blacklist first.",
        )
    return stopped and (f"{name} cannot be kept: {stopped[0]}.", stopped[1])


def _blocked(name: str, facts: PlanFacts) -> _Refusal:
    """Return what stops every load of a module, and what to do; None if nothing does."""
    lookup = facts.lookup
    if lookup.is_blocked(name):
        return (
            "the kernel refuses it (module_blacklist= on the kernel command line)",
            "Remove it there, then reboot.",
        )
    found = evaluate(name, name, lookup)
    if found is None:
        found = not_by_name(name, lookup)
        if not found.source:
            return "its file cannot be found", lookup.advice.restore(name)
        return f"{found.reason} ({found.source})", "Remove that rule first."
    if found.barrier is not Barrier.STOPPED:
        return None
    ours = _own(OwnFile.BLOCK, name, facts)
    return (
        f"it is blocked, {found.reason} ({found.source})",
        f"Unblock it first: kmodtui unblock {name}" if ours else "Remove that rule first.",
    )


def _missing(known: KeepFacts, file: OwnFile) -> _Refusal:
    directory = file.rpartition("/")[0]
    if directory not in known.missing:
        return None
    return f"This system has no {directory}.", f"If it reads that directory: sudo mkdir {directory}"


def _malformed(name: str, options: Sequence[str], known: KeepFacts) -> _Refusal:
    """Return which option the kernel, or the helper, would not accept."""
    found = problems(name, options, known.types or {}, complete=known.types is not None)
    unsafe = [option for option in options if not is_safe(option)]
    keys = [key_of(option.partition("=")[0]) for option in options]
    if found:
        return " ".join(found), "It would not take effect, or the load would fail."
    if len(set(keys)) < len(keys):
        return f"An option of {name} is given twice.", "Leave one of them out."
    if unsafe:
        return (
            f"{unsafe[0]} cannot be kept: it has characters that a shell interprets, to which "
            "modprobe passes options where the module has an install rule.",
            "Write the line into a file of your own in /etc/modprobe.d.",
        )
    return None


def _overridden(name: str, options: Iterable[str], known: KeepFacts) -> _Refusal:
    """Return which option another rule would override, because it comes later."""
    for option in options:
        effective = known.settings.get(key_of(option.partition("=")[0]))
        if effective and not effective.source.startswith(f"{OwnFile.OPTIONS}:"):
            return (
                f"{option} of {name} would have no effect: {effective.text} is set later "
                f"({effective.source}).",
                "The last one counts, in the order of file names, then the kernel command line: "
                "change it there.",
            )
    return None


def _set_already(options: Iterable[str], known: KeepFacts) -> list[str]:
    """Return the sources that set all these options as they are; none if one is set otherwise."""
    sources: dict[str, None] = {}
    for option in options:
        now = known.before.get(key_of(option.partition("=")[0]))
        if now is None or now.text.partition("=")[2] != option.partition("=")[2]:
            return []
        sources[now.source] = None
    return list(sources)


def _warnings(
    name: str, options: Iterable[str], known: KeepFacts, facts: PlanFacts
) -> Iterator[str]:
    types = {key_of(key): kind for key, kind in (known.types or {}).items()}
    values = {key_of(key): value for key, value in known.values.items()}
    different = []
    for option in options:
        key, _, value = option.partition("=")
        before = known.before.get(key_of(key))
        if before and not before.source.startswith(f"{OwnFile.OPTIONS}:"):
            yield f"This overrides {before.text} ({before.source})."
        shown = values.get(key_of(key))
        if shown is None or not same_value(types.get(key_of(key), ""), shown, value):
            different.append(key)
    if name in facts.table.by_name and different:
        yield (f"{name} is loaded: {', '.join(different)} takes effect when it is loaded again.")
    if stopped := _blocked(name, facts):
        yield f"{name} is not loaded at present: {stopped[0]}."
    yield from _old_copy(name, known)


def _old_copy(name: str, known: KeepFacts) -> Iterator[str]:
    if known.image:
        yield (
            f"If {known.image} contains {name}, it has an older copy of the options until it is "
            f"built again: {known.rebuild}"
        )


def merged_options(ours: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return the options of kmodtui's file with others added, which replace those of their name."""
    found = {}
    for word in (*option_words(ours), *given):
        name, equals, value = word.partition("=")
        found[key_of(name)] = f"{key_of(name)}{equals}{value}"
    return tuple(found.values())
