"""The picker: decides what a line that was typed to choose a module stands for.

The line is a name, an alias, a few words, a device or a path, followed by parameters.
Whatever is wrong with it is said, and the line stays as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import EXTENSIONS
from kmodtui.kernel.module_file.content import resolved
from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.did_you_mean import did_you_mean
from kmodtui.model.load_line import LoadRequest, split_line
from kmodtui.model.modules import canonical
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.services.files import digest_of
from kmodtui.services.machine import Machine
from kmodtui.services.picker.matching import (
    InputKind,
    PathChoice,
    Suggestions,
    full_path,
    kind_of,
    no_match,
)
from kmodtui.services.planning.planning import plan_for


@dataclass(frozen=True, slots=True)
class Entered:
    """The state of the picker when Enter was pressed.

    Attributes:
        line: what was typed.
        chosen: the row of the list that the cursor was moved to; None if it was not moved.
        form: whether the form of the parameters is to be shown.
    """

    line: str
    chosen: CatalogEntry | PathChoice | None = None
    form: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """Nothing was chosen; the text says why, and what to do."""

    text: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A directory was chosen: its path replaces what was typed."""

    path: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A module was chosen, and can be planned."""

    request: LoadRequest


@dataclass(frozen=True, slots=True)
class NeedsForm:
    """A module was chosen; the form of its parameters comes next, then `Picker.accept`."""

    name: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeedsCheck:
    """A file was chosen; `request` is right once it has been checked."""

    request: LoadRequest


Outcome = Message | Completed | Chosen | NeedsForm | NeedsCheck


class Picker:
    """Turns what was entered into a module, a file, or a message."""

    def __init__(
        self, machine: Machine, answer_to: Callable[[str], Awaitable[Suggestions]]
    ) -> None:
        """Pick modules of `machine`; `answer_to` returns what a text offers."""
        self._machine = machine
        self._answer_to = answer_to

    @property
    def _index(self) -> ModuleIndex | None:
        """The release's index; None until it has been read, and if there is none."""
        return self._machine.index_if_read

    async def pick(self, entered: Entered) -> Outcome:
        """Return what was meant.

        Raises:
            KmodtuiError: it is known what was meant, but it cannot be planned.
        """
        try:
            query, parameters = split_line(entered.line)
        except ValueError as error:
            return Message(str(error))
        form = entered.form
        if isinstance(entered.chosen, PathChoice):
            return await self._path(entered.chosen, parameters)
        if entered.chosen is not None:
            return await self.accept(entered.chosen.name, parameters, form=form)
        if not query:
            return Message("Enter the name of a module.")
        match kind_of(query):
            case InputKind.PATH:
                return await self._typed_path(query, parameters)
            case InputKind.DEVICE:
                return await self._device(query, parameters, form=form)
            case InputKind.MODULE:
                return await self._name(query, parameters, form=form)

    async def accept(
        self, name: str, parameters: tuple[str, ...], *, form: bool = False
    ) -> Outcome:
        """Return a module that can be planned; for `form`, one that exists.

        Raises:
            UnknownModuleError: there is no such module.
            KmodtuiError: it cannot be planned.
        """
        if not form:
            await plan_for(self._machine, [Intent(Verb.LOAD, (name,), parameters)])
            return Chosen(LoadRequest(name, parameters))
        index = self._index
        if index is not None:
            names = index.resolve(name)
            if not names:
                raise index.unknown(name)
            name = names[0]
        return NeedsForm(name, parameters)

    async def _device(self, query: str, parameters: tuple[str, ...], *, form: bool) -> Outcome:
        answer = await self._answer_to(query)
        if answer.entries:
            return await self.accept(answer.entries[0].name, parameters, form=form)
        return Message(answer.words)

    async def _name(self, query: str, parameters: tuple[str, ...], *, form: bool) -> Outcome:
        """Return the module of a name or an alias, or the best match for a text."""
        first, *others = query.split()
        problem = None
        if not others:
            is_file_name = first.endswith(EXTENSIONS)
            try:
                name = canonical(first) if is_file_name else first
                return await self.accept(name, parameters, form=form)
            except UnknownModuleError as error:
                problem = error
                if is_file_name and self._machine.host.exists(full_path(first)):
                    return await self._typed_path(f"./{first}", parameters)
        elif self._index is not None and self._index.resolve(first):
            return Message(f"“{others[0]}” is not a parameter: write parameters as key=value.")
        answer = await self._answer_to(query)
        if answer.entries:
            # The row that is highlighted. It is only planned: nobody loads what was not meant.
            return await self.accept(answer.entries[0].name, parameters, form=form)
        if problem is not None:
            return Message(f"{problem.message} {did_you_mean(answer.near)}".rstrip())
        return Message(no_match(answer))

    async def _typed_path(self, query: str, parameters: tuple[str, ...]) -> Outcome:
        answer = await self._answer_to(query)
        exact = [choice for choice in answer.paths if choice.path.rstrip("/") == query.rstrip("/")]
        if query.endswith("/") and answer.paths and not exact:
            return Message("Choose a file of this directory with ↓, or type more of its name.")
        if exact or len(answer.paths) == 1:
            return await self._path((exact or answer.paths)[0], parameters)
        several = "Several files begin like this: choose one with ↓, or type more of its name."
        return Message(answer.words or several)

    async def _path(self, choice: PathChoice, parameters: tuple[str, ...]) -> Outcome:
        if choice.size is None:
            return Completed(choice.path)
        path = full_path(choice.path)
        # Before the check reads the file: a change in between is noticed by the plan.
        digest = await digest_of(self._machine, resolved(self._machine.host, path))
        return NeedsCheck(LoadRequest(path, parameters, "insert", digest))
