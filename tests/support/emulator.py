"""A terminal in memory that is strict: it draws what the standard defines, and refuses the rest.

It is faster than pyte, knows what pyte does not (REP, both halves of wide characters), and
raises for every sequence that a terminal of its kind might not understand.
"""

from __future__ import annotations

import re

from rich.cells import split_graphemes

_TOKEN = re.compile(
    r"\x1b\[(?P<private>[?<>=]?)(?P<parameters>[0-9;]*)(?P<between>\$?)(?P<final>[a-zA-Z])"
    r"|\x1b\](?P<command>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|(?P<control>[\x00-\x1f\x7f])|(?P<text>[^\x00-\x1f\x7f]+)"
)
_SINGLE = re.compile("[\x20-\x7e\u2500-\u257f]*").fullmatch
_ENDS = {22: {1, 2}, 23: {3}, 24: {4, 21}, 25: {5, 6}, 27: {7}, 28: {8}, 29: {9}, 55: {53}}
_ATTRIBUTES = frozenset().union(*_ENDS.values())
_SEEN_ON_BLANKS = {4, 7, 9, 21, 53}

Look = tuple[frozenset[int], str, str]
PLAIN: Look = (frozenset(), "", "")


class Emulator:
    """A screen of cells.

    Attributes:
        columns, rows: the size.
        fed: how many bytes were written.
        questions: what was asked of the terminal.
    """

    def __init__(
        self,
        columns: int,
        rows: int,
        *,
        fills: bool = True,
        erases: bool = True,
        repeats: bool = True,
        crops: bool = False,
    ) -> None:
        """Switch it on.

        Args:
            columns, rows: the size.
            fills: erased cells get the background that was set.
            erases: it knows ECH.
            repeats: it knows REP.
            crops: what is written outside the screen is lost, and no error.
        """
        self._crops = crops
        self.columns, self.rows = columns, rows
        self.fed = 0
        self.questions: list[str] = []
        self._fills, self._erases, self._repeats = fills, erases, repeats
        self.cells: list[list[tuple[str, Look]]] = []
        self.row = self.column = 0
        self.pen = PLAIN
        self._last = " "
        self.resize(columns, rows)

    def crop(self, columns: int, rows: int) -> None:
        """Change the size; what fits on the screen stays, and the rest is blank."""
        cells = self.cells
        self.resize(columns, rows)
        self.cells = [[(" ", PLAIN)] * columns for _ in range(rows)]
        for number, row in enumerate(cells[:rows]):
            self.cells[number][: len(row)] = row[:columns]
            if len(row) > columns and not row[columns][0]:
                self.cells[number][-1] = (" ", row[columns - 1][1])

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; nothing on the screen is as it was."""
        self.columns, self.rows = columns, rows
        self.cells = [[("#", PLAIN)] * columns for _ in range(rows)]
        self.row = self.column = 0

    def feed(self, data: str) -> None:
        """Do what a program writes."""
        self.fed += len(data.encode())
        position = 0
        while position < len(data):
            token = _TOKEN.match(data, position)
            assert token, f"no terminal understands {data[position : position + 20]!r}"
            position = token.end()
            if token["text"]:
                self._text(token["text"])
            elif token["command"]:
                self.questions.append(token[0])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._sequence(token)

    def picture(self) -> list[list[tuple[str, Look]]]:
        """Return what a person sees: blanks have a background and no other colour."""
        return [
            [("", PLAIN) if not text else (text, _seen(text, look)) for text, look in row]
            for row in self.cells
        ]

    def text(self) -> str:
        """Return the characters."""
        return "\n".join("".join(text for text, _ in row) for row in self.cells)

    def _text(self, text: str) -> None:
        if _SINGLE(text):
            for character in text:
                self._put(character, 1)
        else:
            for start, end, width in split_graphemes(text)[0]:
                self._put(text[start:end], width)

    def _put(self, character: str, width: int) -> None:
        if self._crops and (self.column + width > self.columns or self.row >= self.rows):
            row = self.cells[min(self.row, self.rows - 1)]
            if self.row < self.rows and self.column < self.columns and width == 2:
                self._break(row, self.column)
                row[self.column] = (" ", self.pen)
            self.column += width
            return
        row = self.cells[self.row]
        if not width:
            at = self.column - 1
            if at >= 0 and not row[at][0]:
                at -= 1
            if at >= 0:
                row[at] = (row[at][0] + character, row[at][1])
            return
        assert self.column + width <= self.columns, "text behind the last column"
        for at in range(self.column, self.column + width):
            self._break(row, at)
        row[self.column] = (character, self.pen)
        if width == 2:
            row[self.column + 1] = ("", self.pen)
        self.column += width
        self._last = character

    def _break(self, row: list[tuple[str, Look]], at: int) -> None:
        """Leave blanks in place of the other half of a wide character."""
        if not row[at][0] and at:
            row[at - 1] = (" ", row[at - 1][1])
        if at + 1 < self.columns and not row[at + 1][0]:
            row[at + 1] = (" ", row[at + 1][1])

    def _control(self, control: str) -> None:
        match control:
            case "\r":
                self.column = 0
            case "\n":  # as the terminal's line discipline passes it on
                self.column = 0
                self._down(1)
            case "\x0b":
                self._down(1)
            case "\b":
                assert 0 < self.column < self.columns, "BS where terminals differ"
                self.column -= 1
            case "\x07":
                pass
            case _:
                raise AssertionError(f"control character {control!r}")

    def _down(self, rows: int) -> None:
        self.row += rows
        assert self._crops or 0 <= self.row < self.rows, "moved off the screen"

    def _sequence(self, token: re.Match[str]) -> None:
        final = token["final"]
        if token["private"] or token["between"]:
            if token["between"] or final == "u":
                self.questions.append(token[0])
            return
        numbers = [int(number or 0) for number in token["parameters"].split(";")]
        first = numbers[0] or 1
        if final in "CDXKb":
            assert final == "K" or self.column < self.columns, "where terminals differ"
        match final:
            case "m":
                self.pen = _styled(self.pen, numbers)
            case "H":
                second = numbers[1] if len(numbers) > 1 else 1
                self.row, self.column = first - 1, (second or 1) - 1
                inside = self.row < self.rows and self.column < self.columns
                assert self._crops or inside, "moved off the screen"
            case "A" | "B":
                self._down(first if final == "B" else -first)
            case "C" | "D":
                self.column += first if final == "C" else -first
                assert 0 <= self.column < self.columns, "moved off the screen"
            case "X":
                assert self._erases, "this terminal does not know ECH"
                self._erase(self.column, self.column + first)
            case "K":
                assert token["parameters"] == ""
                self._erase(self.column, self.columns)
            case "J":
                for row in self.cells:
                    row[:] = [(" ", PLAIN)] * self.columns
            case "b":
                assert self._repeats, "this terminal does not know REP"
                self._text(self._last * first)
            case _:
                raise AssertionError(f"sequence {token[0]!r}")

    def _erase(self, start: int, end: int) -> None:
        row = self.cells[self.row]
        assert start < end <= self.columns
        for at in range(start, end):
            self._break(row, at)
            row[at] = (" ", (frozenset(), "", self.pen[2] if self._fills else ""))


def _seen(text: str, look: Look) -> Look:
    attributes, ink, ground = look
    if text == " " and not attributes & _SEEN_ON_BLANKS:
        return frozenset(), "", ground
    return attributes, ink, ground


def _styled(pen: Look, numbers: list[int]) -> Look:
    attributes, ink, ground = pen
    rest = list(numbers)
    while rest:
        number = rest.pop(0)
        if number == 0:
            attributes, ink, ground = PLAIN
        elif number in (38, 48):
            count = 4 if rest[0] == 2 else 2
            colour = ":".join(str(part) for part in rest[:count])
            assert len(rest) >= count
            del rest[:count]
            ink, ground = (colour, ground) if number == 38 else (ink, colour)
        elif number in _ATTRIBUTES:
            attributes = attributes | {number}
        elif number in _ENDS:
            attributes = attributes - _ENDS[number]
        elif number == 39:
            ink = ""
        elif number == 49:
            ground = ""
        elif 30 <= number <= 37 or 90 <= number <= 97:
            ink = str(number)
        elif 40 <= number <= 47 or 100 <= number <= 107:
            ground = str(number)
        else:
            raise AssertionError(f"attribute {number}")
    return attributes, ink, ground
