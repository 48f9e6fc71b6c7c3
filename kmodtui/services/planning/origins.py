"""What plans need to know about module files outside of the index. Reads files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kmodtui.errors import KmodtuiError, PlanError
from kmodtui.kernel.host import Host
from kmodtui.kernel.module_file.content import file_digest, resolved
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.model.modules import named_module
from kmodtui.model.plan.facts import InsertedFile, PlanFacts
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.services.origins import Origins


def read_inserted(host: Host, path: str) -> InsertedFile:
    """Return what a plan needs to know of a file that is to be inserted.

    Raises:
        KmodtuiError: it cannot be read, or is not a module.
    """
    path = resolved(host, path)
    info = read_module_file(host, path)
    return InsertedFile(path, info.module_name, info.depends, file_digest(host, path))


def with_origins(
    facts: PlanFacts, intents: Sequence[Intent], host: Host, origins: Origins
) -> PlanFacts:
    """Return facts with the files of the loaded modules that intents unload.

    Raises:
        KmodtuiError: a file that a reload has to insert cannot be read.
    """
    names: dict[str, None] = {}
    given: dict[str, InsertedFile] = {}
    reloaded: set[str] = set()
    for intent in intents:
        if intent.verb is Verb.INSERT:
            origins.note_typed(resolved(host, intent.names[0]))
        if intent.verb not in (Verb.UNLOAD, Verb.RELOAD):
            continue
        loaded = [named_module(text, facts.table.by_name) for text in intent.names]
        names.update(dict.fromkeys(name for name in loaded if name in facts.table.by_name))
        if intent.verb is Verb.RELOAD:
            reloaded.update(loaded)
            if intent.file:
                given[loaded[0]] = _given(host, origins, loaded[0], intent.file)
    known = {**origin_facts(host, origins, names), **given}
    unreadable = {name: file.difference for name, file in known.items() if not file.sha256}
    unknown = {name: origins.why_unknown(name) for name in names if name not in known}
    unknown = {**unknown, **unreadable}
    return replace(
        facts,
        origins=known,
        unknown_origins={name: why for name, why in unknown.items() if why and name in reloaded},
    )


def origin_facts(host: Host, origins: Origins, names: Iterable[str]) -> dict[str, InsertedFile]:
    """Return the files of those loaded modules that were inserted from a file, by module."""
    found = {}
    for name in names:
        if (origin := origins.of(name)) is None:
            continue
        difference = origins.difference(name, origin)
        try:
            file = replace(read_inserted(host, origin.path), difference=difference)
            if file.name != name:
                why = f"{file.path} contains the module {file.name} now, and not {name}."
                file = InsertedFile(file.path, name, difference=why)
        except KmodtuiError as error:
            file = InsertedFile(origin.path, name, difference=difference or str(error))
        found[name] = file
    return found


def _given(host: Host, origins: Origins, name: str, path: str) -> InsertedFile:
    """Return the file that a person wants to reload a module from."""
    file = read_inserted(host, path)
    if file.name != name:
        raise PlanError(
            f"{file.path} contains the module {file.name}, not {name}.",
            "Give the file of the loaded module.",
        )
    origin = origins.of(name)
    if origin is None or origin.path != file.path:
        return replace(file, difference=f"{name} is loaded again from {file.path}.")
    return replace(file, difference=origins.difference(name, origin))
