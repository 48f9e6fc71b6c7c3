"""All details of a module, for the information pane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.loaded_difference import loaded_difference
from kmodtui.kernel.loaded_info import read_loaded_info
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.live_module import ParameterValue
from kmodtui.model.module_info import LOADED, ModuleInfo, Parameter
from kmodtui.model.modules import LoadedModule, canonical, taint_words
from kmodtui.model.text import clean
from kmodtui.services.machine import Machine
from kmodtui.services.usage import usage_of


@dataclass(frozen=True, slots=True)
class ShownParameter:
    """A parameter as the module file declares it, with its current value.

    Attributes:
        name: as for modprobe.
        type: such as `int`; empty if the file does not declare it.
        description: empty if the file has none.
        value: its current value; None if the kernel does not show it.
        why_no_value: why there is no value, in a few words.
    """

    name: str
    type: str
    description: str
    value: str | None
    why_no_value: str


@dataclass(frozen=True, slots=True)
class ModuleDetails:
    """What the information pane shows.

    Attributes:
        name: the module.
        loaded: whether it is loaded.
        builtin: whether it is built into the kernel.
        description: from its modinfo; may be empty.
        problem: why its file cannot be read, as a sentence; empty if it can.
        fields: modinfo keys with all their values, in the file's order.
        parameters: in the file's order, followed by those that only the kernel shows.
    """

    name: str
    loaded: bool
    builtin: bool
    description: str
    problem: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    parameters: tuple[ShownParameter, ...]


async def read_details(machine: Machine, loaded: LoadedModule | None, name: str) -> ModuleDetails:
    """Return the details of a module; problems are part of them and never raised."""
    return await asyncio.to_thread(_read, machine, loaded, name)


def _read(machine: Machine, loaded: LoadedModule | None, name: str) -> ModuleDetails:
    info, problem = None, ""
    try:
        info = machine.module_info(name)
    except KmodtuiError as error:
        problem = str(error)
        info = info_without_file(machine, loaded)
        problem = "" if info and info.has_file else problem
    values = read_parameters(machine.host, name) if loaded or (info and info.builtin) else ()
    return ModuleDetails(
        name=name,
        loaded=loaded is not None,
        builtin=bool(info and info.builtin),
        description=info.description if info else "",
        problem=problem,
        fields=(
            *_difference(machine, loaded),
            *_blacklists(machine, name),
            *_other_users(machine, loaded),
            *_fields(info, loaded),
        ),
        parameters=_parameters(info, values, loaded is not None),
    )


def info_without_file(machine: Machine, loaded: LoadedModule | None) -> ModuleInfo | None:
    """Return what is known of a loaded module that the index does not have."""
    if loaded is None:
        return None
    other = None
    if machine.origin(loaded.name) is None:
        other = machine.index_or_empty().info_of_other_file(loaded.name)
    return other or read_loaded_info(machine.host, loaded)


def _difference(
    machine: Machine, loaded: LoadedModule | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield that the file is not the module that is loaded."""
    if loaded is None or not machine.looks_at_running:
        return
    if (origin := machine.origin(loaded.name)) is not None:
        sentence = machine.origins.difference(loaded.name, origin)
    else:
        sentence = loaded_difference(machine.host, machine.index_or_empty(), loaded.name)
    if sentence:
        yield "warning", (sentence,)


def _blacklists(machine: Machine, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    config = machine.config()
    name = canonical(name)
    rules = []
    if rule := config.blacklisted(name):
        rules.append(f"not loaded by alias, only by name ({clean(rule.source)})")
    if name in config.blocked:
        rules.append("the kernel refuses it (module_blacklist= on the kernel command line)")
    if rules:
        yield "blacklist", tuple(rules)


def _other_users(
    machine: Machine, loaded: LoadedModule | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the mounts, devices and others that use a module, as the field `used by`."""
    if loaded is None:
        return
    host, index, names = machine.host, machine.index_now(), (loaded.name,)
    usage = usage_of(host, index, names, open_files=False)
    found = sum(use.references for use in usage.holders(loaded.name))
    if found < loaded.other_references:
        usage = usage_of(host, index, names)  # reads the open files of all processes as well
    if uses := usage.by_module.get(loaded.name):
        yield "used by", tuple(map(str, uses))


def _fields(
    info: ModuleInfo | None, loaded: LoadedModule | None
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    fields: dict[str, list[str]] = {}
    if loaded is not None and loaded.taints:
        words = ", ".join(taint_words(loaded.taints))
        fields["taint"] = [f"{loaded.taints}: {words}"]
    if info is not None:
        fields["filename"] = [clean(info.filename)]
        # Parameters, the description, and the columns of the table are shown elsewhere.
        elsewhere: tuple[str, ...] = ("parm", "parmtype", "description")
        if info.filename == LOADED:
            elsewhere += ("name", "state", "size", "refcnt", "holders", "taint")
        for field in info.fields:
            if field.key not in elsewhere:
                fields.setdefault(field.key, []).append(field.value)
        if info.signature is not None and info.signature.signer_name:
            fields["signer"] = [info.signature.signer_name]
    return tuple((key, tuple(values)) for key, values in fields.items())


def _parameters(
    info: ModuleInfo | None, values: tuple[ParameterValue, ...], loaded: bool
) -> tuple[ShownParameter, ...]:
    now = {value.name: value for value in values}
    declared = list(info.parameters) if info and info.filename != LOADED else []
    known = {parameter.name for parameter in declared}
    declared += [Parameter(name, "", "") for name in now if name not in known]
    missing = "not shown by the kernel" if loaded else "not loaded"
    return tuple(
        ShownParameter(
            parameter.name,
            parameter.type,
            parameter.description,
            value=now[parameter.name].value if parameter.name in now else None,
            why_no_value=now[parameter.name].why_hidden if parameter.name in now else missing,
        )
        for parameter in declared
    )
