"""What a person wants done to the kernel's modules, before it is planned."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.model.verb import Verb


@dataclass(frozen=True, slots=True)
class Intent:
    """A wish that a plan can be made of.

    Attributes:
        verb: what is wanted.
        names: of the modules; the file's path for `INSERT`.
        parameters: `name=value`, for load, insert, reload and set.
    """

    verb: Verb
    names: tuple[str, ...]
    parameters: tuple[str, ...] = ()
