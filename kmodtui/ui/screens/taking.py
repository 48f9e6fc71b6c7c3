"""What the picker does with what was chosen: it closes with it, or says why it cannot be had."""

from __future__ import annotations

from dataclasses import dataclass

from textual.screen import ModalScreen
from textual.worker import Worker

from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.catalog import EXTENSIONS, ModuleIndex
from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.did_you_mean import did_you_mean
from kmodtui.model.fuzzy import Rank
from kmodtui.model.intent import Intent
from kmodtui.model.load_line import LoadRequest, split_line
from kmodtui.model.modules import canonical
from kmodtui.model.verb import Verb
from kmodtui.services.files import digest_of, resolved
from kmodtui.services.machine import Machine
from kmodtui.services.picking import (
    Answer,
    Kind,
    PathChoice,
    full_path,
    kind_of,
    nothing_fits,
)
from kmodtui.services.planning import plan_for


@dataclass(frozen=True, slots=True)
class Wish:
    """What stood in the picker at the key that takes it.

    Attributes:
        line: what was typed.
        chosen: what the list's cursor was moved to by hand; None if it was not.
        form: whether the parameters are to be asked for.
    """

    line: str
    chosen: CatalogEntry | PathChoice | None
    form: bool


class Taking(ModalScreen[LoadRequest | None]):
    """A picker's way out: everything that is wrong is said, and the line stays as it is."""

    machine: Machine
    index: ModuleIndex | None = None

    _taking: Worker[None] | None = None
    _warned = ""  # the text of which it was said that it is no name
    _left = False

    # What the picker tells and is told

    async def answer_to(self, query: str) -> Answer:
        """Return what a text offers, once it is known which modules there are."""
        raise NotImplementedError

    def replace_query(self, query: str) -> None:
        """Put something in the place of what was typed, without the parameters behind it."""
        raise NotImplementedError

    def say(self, words: str) -> None:
        """Tell something until the next key."""
        raise NotImplementedError

    # Taking

    def take(self, wish: Wish) -> None:
        """Close with what is wished, if that can be had; one wish at a time."""
        if self._taking is not None and not self._taking.is_finished:
            return

        async def taking() -> None:
            try:
                await self._take(wish)
            except KmodtuiError as error:
                self.say(str(error))

        self._taking = self.run_worker(taking, group="take", exit_on_error=False)

    async def _take(self, wish: Wish) -> None:
        try:
            query, parameters = split_line(wish.line)
        except ValueError as error:
            self.say(str(error))
            return
        if isinstance(wish.chosen, PathChoice):
            await self._take_path(wish.chosen, parameters)
        elif wish.chosen is not None:
            await self._accept(wish.chosen.name, parameters, wish)
        elif not query:
            self.say("Type the name of a module.")
        elif kind_of(query) is Kind.PATH:
            await self._take_typed_path(query, parameters)
        elif kind_of(query) is Kind.DEVICE:
            await self._take_device(query, parameters, wish)
        else:
            await self._take_name(query, parameters, wish)

    async def _take_device(self, query: str, parameters: tuple[str, ...], wish: Wish) -> None:
        answer = await self.answer_to(query)
        if answer.entries:
            await self._accept(answer.entries[0].name, parameters, wish)
        else:
            self.say(answer.words)

    async def _take_name(self, query: str, parameters: tuple[str, ...], wish: Wish) -> None:
        """Take a name or an alias as it was typed, or what stands on top of the list for it."""
        first, *others = query.split()
        problem = None
        if not others:
            try:
                is_file_name = first.endswith(EXTENSIONS)
                await self._accept(canonical(first) if is_file_name else first, parameters, wish)
            except UnknownModuleError as error:
                problem = error
                if is_file_name and self.machine.host.exists(full_path(first)):
                    await self._take_typed_path(f"./{first}", parameters)
                    return
            else:
                return
        elif self.index is not None and self.index.resolve(first):
            self.say(f"“{others[0]}” is no parameter: they are written key=value.")
            return
        answer = await self.answer_to(query)
        top = answer.entries[0].name if answer.entries else ""
        sure = answer.rank is not None and answer.rank < Rank.SUBSEQUENCE
        if top and (sure or self._warned == query):
            await self._accept(top, parameters, wish)
        elif top:
            self._warned = query
            self.say(f"No module is called “{query}”. Enter once more takes {top}, ↓ another one.")
        elif problem is not None:
            self.say(f"{problem.message} {did_you_mean(answer.near)}".rstrip())
        else:
            self.say(nothing_fits(answer))

    async def _take_typed_path(self, query: str, parameters: tuple[str, ...]) -> None:
        answer = await self.answer_to(query)
        exact = [choice for choice in answer.paths if choice.path.rstrip("/") == query.rstrip("/")]
        if query.endswith("/") and answer.paths and not exact:
            self.say("Choose a file of this folder with ↓, or type on.")
        elif exact or len(answer.paths) == 1:
            await self._take_path((exact or answer.paths)[0], parameters)
        else:
            self.say(answer.words or "Several files begin so: choose one with ↓, or type on.")

    async def _take_path(self, choice: PathChoice, parameters: tuple[str, ...]) -> None:
        if choice.size is None:
            self.replace_query(choice.path)
            return
        from kmodtui.ui.screens.check_first import CheckFirst

        path = full_path(choice.path)
        # Before the check reads it: what comes in between is noticed at the plan.
        digest = await digest_of(self.machine, resolved(self.machine.host, path))
        check = CheckFirst(self.machine, path)
        await self.app.push_screen_wait(check)
        if check.goes_on:
            self.leave(LoadRequest(path, parameters, "insert", digest))

    async def _accept(self, name: str, parameters: tuple[str, ...], wish: Wish) -> None:
        """Close with a module that can be planned at all.

        Raises:
            UnknownModuleError: there is no such module.
            KmodtuiError: it cannot be planned.
        """
        if wish.form:
            values = await self._ask_for_parameters(name, parameters)
            if values is None:
                return
            parameters = values
        await plan_for(self.machine, [Intent(Verb.LOAD, (name,), parameters)])
        self.leave(LoadRequest(name, parameters))

    async def _ask_for_parameters(
        self, name: str, parameters: tuple[str, ...]
    ) -> tuple[str, ...] | None:
        """Open the form; return what was given there, None if it was left with Esc."""
        from kmodtui.ui.screens.parameters import ParameterForm

        if self.index is not None:
            names = self.index.resolve(name)
            if not names:
                raise self.index.unknown(name)
            name = names[0]
        return await self.app.push_screen_wait(ParameterForm(self.machine, name, parameters))

    def leave(self, request: LoadRequest | None) -> None:
        """Close, once."""
        if not self._left:
            self._left = True
            self.dismiss(request)
