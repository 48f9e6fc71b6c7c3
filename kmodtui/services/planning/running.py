"""What a plan should say about modules that are loaded: another file, settings that go."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.loaded_difference import loaded_difference
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.kernel.sysfs import read_parameters
from kmodtui.model.parameters import (
    FormParameter,
    Setting,
    assignments,
    kept_values,
    key_of,
    told_default,
    without_null,
)
from kmodtui.model.plan.facts import PlanFacts
from kmodtui.model.plan.plan import Action, Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import clean


def running_notes(plan: Plan, lookup: ConfiguredIndex, facts: PlanFacts) -> tuple[str, ...]:
    """Return sentences about the targets of a plan that are loaded now. Reads files."""
    if plan.verb not in (Verb.LOAD, Verb.RELOAD):
        return ()
    loaded = [name for name in plan.targets if name in facts.table.by_name]
    host = lookup.index.host
    # That of a file outside of the index is in the plan already.
    of_index = (name for name in loaded if name not in facts.origins)
    differences = (loaded_difference(host, lookup.index, name) for name in of_index)
    lost = (sentence for name in loaded for sentence in _lost(plan, lookup, name, facts))
    return (*filter(None, differences), *lost)


def _lost(plan: Plan, lookup: ConfiguredIndex, name: str, facts: PlanFacts) -> Iterator[str]:
    """Yield which current values of parameters a reload does not keep, and how to keep them."""
    if plan.verb is not Verb.RELOAD or plan.refused:
        return
    try:
        file = facts.origins.get(name)
        index = lookup.index
        info = read_module_file(index.host, file.path) if file else index.read_info(name)
        declared = {p.name: p for p in info.parameters}
    except KmodtuiError:
        return
    settings = lookup.config.settings(name)
    rows = []
    for shown in read_parameters(lookup.index.host, name):
        found = declared.get(shown.name)
        kind = found.type if found else ""
        default = told_default(found.description, kind) if found else ""
        setting = settings.get(key_of(shown.name))
        value = (setting.text.partition("=")[2] or "1") if setting else ""
        places = (Setting(value.strip('"'), setting.source),) if setting else ()
        rows.append(FormParameter(shown.name, kind, "", default, places, shown.value))
    given = {
        key_of(word.partition("=")[0])
        for step in plan.steps
        if step.action is Action.INSMOD and step.module == name
        for option in step.options
        for word in (option.text,)
    }
    kept = {key: value for key, value in kept_values(rows).items() if key_of(key) not in given}
    if kept:
        words = " ".join(_quoted(word) for word in assignments(kept))
        yield (
            f"These values of {clean(name)} are lost, unless they are the defaults: "
            f"{', '.join(kept)}. To keep them, reload with {clean(words)}"
        )
    broken = [row.name for row in rows if row.value and without_null(row.type, row.value) is None]
    if broken:
        yield f"{', '.join(broken)} of {clean(name)} cannot be kept: unset values between others."
    quoted = [row.name for row in rows if '"' in (row.value or "") and row.name not in kept]
    if quoted:
        yield (
            f"{', '.join(quoted)} of {clean(name)} cannot be kept: the kernel accepts no "
            'quotation mark (") in a value.'
        )


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word
