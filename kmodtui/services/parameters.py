"""All parameters of a module, for the form that changes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.modprobe.config import ModprobeConfig
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.live_module import ParameterValue
from kmodtui.model.modprobe_rules import option_words
from kmodtui.model.module_info import Parameter
from kmodtui.model.modules import canonical
from kmodtui.model.parameters import (
    FormParameter,
    Setting,
    assignments,
    kept_values,
    key_of,
    told_default,
    without_null,
)
from kmodtui.services.machine import Machine

Settings = Mapping[str, tuple[Setting, ...]]
"""The settings in modprobe's configuration by parameter, in order; the last one wins."""

NOT_GIVABLE = "its value has characters that cannot be passed to modprobe"
"""Why a parameter that the kernel shows has no value in a form."""


async def read_form(machine: Machine, name: str) -> tuple[FormParameter, ...]:
    """Return a module's parameters in the file's order, then those that only the kernel shows.

    Raises:
        KmodtuiError: its file cannot be read, and the kernel shows no parameters.
    """
    return await asyncio.to_thread(read_form_now, machine, name)


def read_form_now(
    machine: Machine, name: str, config: ModprobeConfig | None = None
) -> tuple[FormParameter, ...]:
    """Like `read_form`, but read in this thread; `config` is read as well if it is None."""
    name = canonical(name)
    settings = _settings(config or machine.config(), name)
    shown = read_parameters(machine.host, name)
    now = {key_of(value.name): _givable(machine, name, value) for value in shown}
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
        _gathered(parameter, now.get(key_of(parameter.name)), settings, loaded)
        for parameter in (*declared, *others)
    )


def kept_now(machine: Machine, name: str) -> tuple[str, ...]:
    """Return the parameters that would load a module with its current values. Reads files."""
    return kept_and_lost(machine, name)[0]


def kept_and_lost(
    machine: Machine, name: str, config: ModprobeConfig | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parameters of `kept_now`, and a sentence for each value that has to be omitted.

    Reads files.

    Args:
        machine: has the parameters that kmodtui loaded the module with.
        name: of the module.
        config: modprobe's configuration; None to read it.
    """
    given = machine.done.given(name)
    try:
        rows = read_form_now(machine, name, config)
    except KmodtuiError:
        return given, ()
    lost = (
        f"{row.name} of {name} cannot be kept: {row.why_no_value}."
        for row in rows
        if row.why_no_value == NOT_GIVABLE
    )
    unset = (
        f"{row.name} of {name} cannot be kept: it has unset values between others."
        for row in rows
        if row.value and without_null(row.type, row.value) is None
    )
    return assignments(kept_values(rows, given)), (*lost, *unset)


def _givable(machine: Machine, name: str, shown: ParameterValue) -> ParameterValue:
    """Return a parameter, without its value if cleaning has changed that."""
    # Cleaning replaces a control character by an escape such as `\t`, which would be passed to
    # modprobe as two characters. But a value can also contain a backslash itself.
    if shown.value is None or "\\" not in shown.value:
        return shown
    try:
        raw = machine.host.read(f"/sys/module/{name}/parameters/{shown.name}")
    except OSError:
        raw = b""
    if raw.removesuffix(b"\n") == shown.value.encode():
        return shown
    return replace(shown, value=None, why_hidden=NOT_GIVABLE)


def _settings(config: ModprobeConfig, name: str) -> Settings:
    found: dict[str, list[Setting]] = {}
    for option in config.options(name):
        for word in option_words(option.text):
            key, equals, value = word.partition("=")
            setting = Setting(value.strip('"') if equals else "1", option.source)
            found.setdefault(key_of(key), []).append(setting)
    return {key: tuple(settings) for key, settings in found.items()}


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
