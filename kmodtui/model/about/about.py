"""The first page about a module: what it is, provides and supports, and who needs it."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.about.facts import BusDevice, ModuleFacts
from kmodtui.model.about.hardware import device_name, is_hardware, supported
from kmodtui.model.about.interfaces import provided_by_aliases
from kmodtui.model.about.links import links
from kmodtui.model.about.page import Page, Section, Statement, section, some
from kmodtui.model.build import build_lines
from kmodtui.model.modprobe_rules import option_words
from kmodtui.model.text import clean, counted
from kmodtui.model.usage import Use

MOST_DEVICES = 8
MOST_PARAMETERS = 6
MOST_CHARACTERS = 160
"""Length of a parameter's description; the page of modinfo has all of it."""


def about(facts: ModuleFacts) -> Page:
    """Return what a module does, in one page; no module is without a statement."""
    sections = (
        *section("provides", "Provides", _provides(facts)),
        *section("supports", "Supports this hardware", _supports(facts)),
        *section("present", "Of that, in this machine", _present(facts)),
        *section("matches", "Loaded by", _other_aliases(facts)),
        *section("used_by", "Used by", _used_by(facts)),
        *section("needs", "Needs", _needs(facts)),
        *section("parameters", "Parameters", _parameters(facts)),
        *section("links", "Read more", links(facts)),
        *section("build", "Build", _build(facts)),
    )
    return page(facts, sections)


def _build(facts: ModuleFacts) -> Iterator[Statement]:
    for kind, text in build_lines(facts.build) if facts.build is not None else ():
        yield Statement(kind, text, (facts.file,))


def page(facts: ModuleFacts, sections: tuple[Section, ...]) -> Page:
    """Return a page about a module with these sections."""
    return Page(
        facts.name, facts.status, facts.category, facts.description, facts.problem, sections
    )


def _software(facts: ModuleFacts) -> list[str]:
    return [alias for alias in facts.aliases if not is_hardware(alias)]


# --- what it provides -------------------------------------------------------------------------


def _provides(facts: ModuleFacts) -> Iterator[Statement]:
    yield from _registered(facts)
    from_aliases, _ = provided_by_aliases(_software(facts), facts.file)
    yield from from_aliases
    if facts.firmware:
        names = [clean(name) for name in facts.firmware]
        text = f"may request firmware: {some(names, 3)}"
        yield Statement("firmware", text, (f"{facts.file}: firmware={names[0]}",))


def _registered(facts: ModuleFacts) -> Iterator[Statement]:
    """Yield what the running kernel shows that the module has registered."""
    kernel, name = facts.kernel, facts.name
    if kernel is None:
        return
    found: dict[str, list[tuple[str, str]]] = {}
    for device in kernel.class_devices:
        # A device is made by the nearest driver; those further up are only in between.
        if device.modules[:1] == (name,):
            found.setdefault(device.kind, []).append((device.name, device.path))
    for use in facts.usage.by_module.get(name, ()):
        if use.kind == "network interface":
            interface = use.what.partition(",")[0]
            if interface not in (known for known, _ in found.get(use.kind, ())):
                found.setdefault(use.kind, []).append((interface, use.evidence))
    for kind, devices in found.items():
        text = f"{kind} {some(device for device, _ in devices)}"
        yield Statement(kind, text, tuple(path for _, path in devices[:1]))
    for kind, things, file in (
        ("algorithm", kernel.algorithms.get(name, ()), "/proc/crypto"),
        ("protocol", kernel.protocols.get(name, ()), "/proc/net/protocols"),
        ("sound card", kernel.sound_cards.get(name, ()), "/proc/asound/modules"),
    ):
        if things:
            names = list(dict.fromkeys(things))
            text = f"{counted(len(names), kind)}: {some(names)}"
            yield Statement(kind, text, (f"{file}: {names[0]}, module {name}",))


# --- hardware ---------------------------------------------------------------------------------


def _supports(facts: ModuleFacts) -> tuple[Statement, ...]:
    return supported(facts.aliases, facts.file, facts.names)


def _present(facts: ModuleFacts) -> Iterator[Statement]:
    for device in facts.devices[:MOST_DEVICES]:
        yield device_statement(facts, device)
    if (more := len(facts.devices) - MOST_DEVICES) > 0:
        yield Statement("device", f"and {more:,} more", ("/sys/bus",))


def device_statement(facts: ModuleFacts, device: BusDevice) -> Statement:
    """Return a device with its name, its driver and what proves it."""
    text = titled(facts, device)
    if device.module == facts.name:
        evidence = [f"{device.path}/driver/module: {facts.name}"]
        text += ": driven by this module"
    elif device.driver:
        evidence = [f"{device.path}/driver: {device.driver}"]
        module = f"module {device.module}" if device.module else f"driver {device.driver}"
        text += f": driven by {module} instead"
    else:
        evidence = [f"{device.path}/modalias: {device.modalias}"]
        text += ": no driver is bound to it"
    return Statement("device", text, tuple(evidence))


def titled(facts: ModuleFacts, device: BusDevice) -> str:
    """Return the name of a device if hwdata has it, and its address."""
    name = device_name(device.modalias, facts.names)
    return f"{name} ({device})" if name else str(device)


# --- others -----------------------------------------------------------------------------------


def _other_aliases(facts: ModuleFacts) -> Iterator[Statement]:
    """Yield the names by which it is loaded that say nothing else about it."""
    _, others = provided_by_aliases(_software(facts), facts.file)
    if others:
        names = [clean(alias) for alias in others]
        text = f"the {'name' if len(names) == 1 else 'names'} {some(names)}"
        yield Statement("alias", text, (f"{facts.file}: alias {names[0]}",))
    if facts.builtin:
        text = "nothing: it is compiled into the kernel and always there"
        yield Statement("builtin", text, (f"{facts.index}/modules.builtin: {facts.place}",))
    elif not facts.aliases and not facts.problem:
        text = "its name, or as a dependency: it has no alias, so no device requests it"
        yield Statement("alias", text, (facts.file,))


def _used_by(facts: ModuleFacts) -> Iterator[Statement]:
    if facts.loaded is not None and facts.loaded.users:
        names = facts.loaded.users
        verb = "needs it" if len(names) == 1 else "need it"
        text = f"{some(names)}, loaded, {verb}: it stops working without it"
        if len(names) > 1:
            text = f"{some(names)}, loaded, {verb}: they stop working without it"
        yield Statement("holder", text, (f"/proc/modules: {facts.name} … {','.join(names)},",))
    for use in facts.usage.by_module.get(facts.name, ()):
        yield use_statement(use)
    holders = facts.loaded.users if facts.loaded else ()
    others = [name for name in facts.dependents if name not in holders]
    if others:
        also = "other " if holders else ""
        need = "needs" if len(others) == 1 else "need"
        text = f"{counted(len(others), f'{also}installed module')} {need} it: {some(others)}"
        yield Statement("dependent", text, (f"{facts.dependency_list}: {others[0]}: …",))
    elif facts.index and not holders and not facts.usage.by_module.get(facts.name):
        if facts.builtin:
            return
        yield Statement("dependent", "no installed module needs it",
                        (f"{facts.dependency_list}",))  # fmt: skip


def use_statement(use: Use) -> Statement:
    """Return a use of a module with its evidence."""
    return Statement("use", str(use), (use.evidence,))


def _needs(facts: ModuleFacts) -> Iterator[Statement]:
    if facts.dependencies:
        names = some(facts.dependencies, 6)
        evidence = f"{facts.dependency_list}: {facts.place}: …"
        if facts.loaded is not None:
            evidence = "/proc/modules"
        yield Statement("dependency", names, (evidence,))


def _parameters(facts: ModuleFacts) -> Iterator[Statement]:
    """Yield parameters that are set somewhere, then those that are described."""
    values = {value.name: value for value in facts.values}
    declared = {parameter.name: parameter for parameter in facts.parameters}
    configured = {}
    for option in facts.options:
        for word in option_words(option.text):
            configured[word.partition("=")[0].replace("-", "_")] = (word, option.source)
    order = dict.fromkeys(
        (*configured, *(p.name for p in facts.parameters if p.description), *declared, *values)
    )
    for name in list(order)[:MOST_PARAMETERS]:
        yield _parameter(facts, name, configured.get(name))
    if (more := len(order) - MOST_PARAMETERS) > 0:
        yield Statement("parameter", f"and {more:,} more", (facts.file,))


def _parameter(facts: ModuleFacts, name: str, configured: tuple[str, str] | None) -> Statement:
    value = next((value for value in facts.values if value.name == name), None)
    parameter = next((one for one in facts.parameters if one.name == name), None)
    text, evidence = clean(name), []
    if value is not None and value.value is not None:
        text += f" = {value.value}"
        evidence.append(f"/sys/module/{facts.name}/parameters/{name}")
    if parameter is not None and parameter.description:
        text += f": {_sentence(parameter.description)}"
    if parameter is not None:
        evidence.append(f"{facts.file}: parm={name}")
    if configured is not None:
        word, source = configured
        text += f" (set to {clean(word.partition('=')[2])} in {source})"
        evidence.append(f"{source}: {clean(word)}")
    return Statement("parameter", text, tuple(evidence))


def _sentence(text: str) -> str:
    """Return a description in one line, at most as long as fits on the page."""
    words = " ".join(text.replace("\\n", " ").replace("\\t", " ").split())
    return words if len(words) <= MOST_CHARACTERS else f"{words[: MOST_CHARACTERS - 1].rstrip()}…"
