"""Styles of cells, each known by one character, and the shortest change from one to another.

A row of the screen is two strings of equal length: its characters and its styles. Comparing
and cutting rows is then as fast as Python compares and cuts strings.
"""

from __future__ import annotations

from typing import NamedTuple

_ENDS = {1: 22, 2: 22, 3: 23, 4: 24, 5: 25, 6: 25, 7: 27, 8: 28, 9: 29, 21: 24, 53: 55}
"""Attributes, and what ends them; ECMA-48, 8.3.117."""

_SEEN_ON_BLANKS = frozenset({4, 7, 9, 21, 53})
"""Attributes that are visible on a blank: underline, reverse, strike out, overline."""

DEFAULT = "\0"
"""The style of a terminal that was reset."""


class Style(NamedTuple):
    """How a character looks.

    Attributes:
        attributes: numbers of SGR, such as 1 for bold.
        ink: parameters of SGR for its colour, such as `38;2;255;0;0`; empty for the terminal's.
        ground: likewise for the background.
    """

    attributes: frozenset[int] = frozenset()
    ink: str = ""
    ground: str = ""

    @property
    def shows_on_blanks(self) -> bool:
        """Whether more than the background of a blank in this style is seen."""
        return not _SEEN_ON_BLANKS.isdisjoint(self.attributes)


class Styles:
    """All styles that have been seen so far.

    Attributes:
        blank: for each style, the style in which a blank looks the same.
    """

    def __init__(self, *, ends_attributes: bool) -> None:
        self._ends_attributes = ends_attributes
        self._known: list[Style] = []
        self._characters: dict[Style, str] = {}
        self._after: dict[str, dict[str, str]] = {}
        self._changes: dict[tuple[str, str], str] = {}
        self.blank: dict[str, str] = {}
        self.character(Style())

    def __getitem__(self, character: str) -> Style:
        return self._known[ord(character)]

    def character(self, style: Style) -> str:
        """Return the character that stands for a style."""
        known = self._characters.get(style)
        if known is None:
            known = self._characters[style] = chr(len(self._known))
            self._known.append(style)
            self._after[known] = {}
            self.blank[known] = (
                known if style.shows_on_blanks else self.character(Style(ground=style.ground))
            )
        return known

    def after(self, current: str, parameters: str) -> str:
        """Return the style that SGR with these parameters makes of the current one."""
        known = self._after[current]
        if parameters not in known:
            known[parameters] = self.character(_changed(self[current], parameters))
        return known[parameters]

    def for_blank(self, pen: str, blank: str, offered: str) -> str:
        """Return a style in which a blank looks like one in style `blank`.

        This is the one that is offered, if it is suitable, because it will be needed next; or
        the one nearest to the pen.
        """
        wanted = self[blank]
        if wanted.shows_on_blanks or self.blank[offered] == blank != offered:
            return offered if self.blank[offered] == blank else blank
        attributes, ink, _ = self[pen]
        return self.character(Style(attributes - _SEEN_ON_BLANKS, ink, wanted.ground))

    def change(self, current: str | None, wanted: str) -> str:
        """Return the shortest sequence that changes one style to another; None is unknown."""
        if current is None:
            return _sequence(["0", *_all_parameters(self[wanted])])
        if current == wanted:
            return ""
        if (current, wanted) not in self._changes:
            self._changes[current, wanted] = self._shortest(self[current], self[wanted])
        return self._changes[current, wanted]

    def _shortest(self, current: Style, wanted: Style) -> str:
        anew = _sequence(["", *_all_parameters(wanted)])
        ended = current.attributes - wanted.attributes
        if ended and not self._ends_attributes:
            return anew
        ends = {_ENDS[attribute] for attribute in ended if attribute in _ENDS}
        kept = {attribute for attribute in current.attributes if _ENDS.get(attribute) not in ends}
        parameters = [str(end) for end in sorted(ends)]
        parameters += [str(attribute) for attribute in sorted(wanted.attributes - kept)]
        if wanted.ink != current.ink:
            parameters.append(wanted.ink or "39")
        if wanted.ground != current.ground:
            parameters.append(wanted.ground or "49")
        return min(_sequence(parameters), anew, key=len)


def _sequence(parameters: list[str]) -> str:
    return f"\x1b[{';'.join(parameters)}m"


def _all_parameters(style: Style) -> list[str]:
    attributes = [str(attribute) for attribute in sorted(style.attributes)]
    return [*attributes, *(colour for colour in (style.ink, style.ground) if colour)]


def _changed(style: Style, parameters: str) -> Style:
    """Return what SGR makes of a style; ValueError for parameters that are unknown."""
    attributes, ink, ground = style
    numbers = [int(number or 0) for number in parameters.split(";")]
    at = 0
    while at < len(numbers):
        number, length = numbers[at], 1
        if number in (38, 48):
            length = 5 if numbers[at + 1 : at + 2] == [2] else 3
            colour = ";".join(str(part) for part in numbers[at : at + length])
            ink, ground = (colour, ground) if number == 38 else (ink, colour)
        elif 30 <= number <= 39 or 90 <= number <= 97:
            ink = "" if number == 39 else str(number)
        elif 40 <= number <= 49 or 100 <= number <= 107:
            ground = "" if number == 49 else str(number)
        elif number == 0:
            attributes, ink, ground = Style()
        elif number in _ENDS:
            attributes |= {number}
        elif number in _ENDS.values():
            attributes = frozenset(one for one in attributes if _ENDS[one] != number)
        else:
            raise ValueError(f"unknown parameter of SGR: {number}")
        at += length
    return Style(attributes, ink, ground)
