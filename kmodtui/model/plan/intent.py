"""What a person wants to change, before it is planned."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.model.plan.verb import Verb


@dataclass(frozen=True, slots=True)
class Intent:
    """A requested change that a plan can be made of.

    Attributes:
        verb: the kind of change.
        names: of the modules; the file's path for `INSERT`.
        parameters: `name=value`, for load, insert, reload and set; for `KEEP_OPTIONS`, all that
            kmodtui's file has for the module afterwards.
        file: of a reload, the path of the file to insert; empty for the one that is known.
        sha256: of an insert that undoes something, what the file contained then.
    """

    verb: Verb
    names: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    file: str = ""
    sha256: str = ""
