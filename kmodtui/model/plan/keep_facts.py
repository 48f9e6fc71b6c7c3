"""What a plan needs to know to keep a module for the next boot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kmodtui.model.about.facts import Listing
from kmodtui.model.plan.plan import Option


@dataclass(frozen=True, slots=True)
class KeepFacts:
    """What is known of one module, whose options kmodtui changes or which it has loaded at boot.

    Attributes:
        listings: where modules are listed that are loaded at every boot, if it is among them.
        before: the option `name=value` for each parameter that is set now; the last rule wins.
        settings: the same under the rules as they will be.
        types: types by parameter name; None if its file cannot be read.
        values: what the kernel shows of its parameters now, by name.
        image: path of the initramfs, which has a copy of the options; empty if there is none.
        rebuild: the command that builds it again.
        missing: the directory of one of kmodtui's files that does not exist; empty if none.
        unread: whether nothing was found that reads modules-load.d at boot.
    """

    listings: tuple[Listing, ...] = ()
    before: Mapping[str, Option] = field(default_factory=dict)
    settings: Mapping[str, Option] = field(default_factory=dict)
    types: Mapping[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    rebuild: str = ""
    missing: tuple[str, ...] = ()
    unread: bool = False
