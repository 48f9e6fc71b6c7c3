"""Command: something the user can do with a key or from the palette."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodtui.ui.subject import SubjectKind

if TYPE_CHECKING:
    from textual.binding import Binding

EVERYWHERE = "app"
"""The context whose keys work on every screen, in dialogs and while typing."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something the user can do with a key or from the palette.

    Attributes:
        id: unique, `context.verb`; also the id of the key binding, for remapping keys.
        keys: Textual's names of the keys; the first one is shown in footer and palette.
        action: the action of the widget or screen that carries it out.
        label: a word or two for the footer and the palette.
        help: a phrase for the help screen, the palette and the tooltip.
        terms: other words that find it in the palette, such as the commands of kmod.
        footer: whether it is shown in the footer.
        pinned: whether the footer shows it even where not everything fits.
        needs_root: whether the helper is needed for it; greyed out if root is denied.
        on: what it acts on if the cursor is on such a line: it is in the menu of that line.
    """

    id: str
    keys: tuple[str, ...]
    action: str
    label: str
    help: str
    terms: tuple[str, ...] = ()
    footer: bool = False
    pinned: bool = False
    needs_root: bool = False
    on: tuple[SubjectKind, ...] = ()

    @property
    def context(self) -> str:
        """The context where the keys work: the first part of the id."""
        return self.id.split(".", 1)[0]

    def bindings(self, action: str = "") -> Iterable[Binding]:
        """Return one binding per key, each with an id by which the key can be remapped.

        Args:
            action: what the keys do instead of the command's own action, such as closing
                the page that the command opened.
        """
        # Imported here, so that the registry can be read where there is no dashboard.
        from textual.binding import Binding

        for number, key in enumerate(self.keys):
            yield Binding(
                key,
                action or self.action,
                self.label,
                show=False,
                id=self.id if number == 0 else f"{self.id}.{number}",
                tooltip=self.help,
                priority=self.context == EVERYWHERE,
            )
