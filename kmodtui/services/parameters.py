"""Everything that is known of a module's parameters, gathered for the form that changes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.live_module import ParameterValue
from kmodtui.model.module_info import Parameter
from kmodtui.model.modules import canonical
from kmodtui.model.parameters import FormParameter, Setting, key_of, told_default
from kmodtui.services.machine import Machine

Settings = Mapping[str, tuple[Setting, ...]]
"""What the configuration sets, in the order in which it counts, by parameter."""


async def read_form(machine: Machine, name: str) -> tuple[FormParameter, ...]:
    """Return a module's parameters in the file's order, those the kernel alone knows behind.

    Raises:
        KmodtuiError: neither its file nor the kernel tells any.
    """
    return await asyncio.to_thread(_read, machine, canonical(name))


def _read(machine: Machine, name: str) -> tuple[FormParameter, ...]:
    now = {key_of(value.name): value for value in read_parameters(machine.host, name)}
    try:
        declared = machine.module_info(name).parameters
    except KmodtuiError:
        if not now:
            raise
        declared = ()
    known = {key_of(parameter.name) for parameter in declared}
    others = tuple(Parameter(v.name, "", "") for key, v in now.items() if key not in known)
    loaded = name in read_modules(machine.host).by_name
    return tuple(
        _gathered(parameter, now.get(key_of(parameter.name)), {}, loaded)
        for parameter in (*declared, *others)
    )


def _gathered(
    parameter: Parameter, now: ParameterValue | None, settings: Settings, loaded: bool
) -> FormParameter:
    why = now.why_hidden if now else "the kernel does not show it" if loaded else ""
    return FormParameter(
        parameter.name,
        parameter.type,
        parameter.description,
        told_default(parameter.description, parameter.type),
        settings.get(key_of(parameter.name), ()),
        now.value if now and loaded else None,
        why,
        bool(now and now.writable and loaded),
    )
