"""Minimal reader of DER (ITU-T X.690), the encoding of signatures and certificates."""

from __future__ import annotations

from typing import NamedTuple


class DerError(Exception):
    """The data are not valid DER, or not the expected values."""


class Value(NamedTuple):
    """A DER value.

    Attributes:
        tag: its identifier octet.
        data: its content.
    """

    tag: int
    data: bytes


class Der:
    """Iterates over the values inside a constructed DER value."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._position = 0

    @property
    def more(self) -> bool:
        """Whether there is another value."""
        return self._position < len(self.data)

    def any(self) -> Value:
        """Return the next value, with any tag.

        Raises:
            DerError: there is none, or it is incomplete.
        """
        start = self._position + 2
        header = self.data[self._position : start]
        if len(header) < 2:
            raise DerError
        tag, length = header
        if length >= 0x80:
            width = length - 0x80
            length = int.from_bytes(self.data[start : start + width], "big")
            start += width
            if not 1 <= width <= 4:
                raise DerError
        self._position = start + length
        if self._position > len(self.data):
            raise DerError
        return Value(tag, self.data[start : self._position])

    def take(self, *tags: int) -> list[Der]:
        """Return the next values, which must have these tags; DerError if they have not."""
        values = [self.any() for _ in tags]
        if tuple(value.tag for value in values) != tags:
            raise DerError
        return [Der(value.data) for value in values]

    def one(self, tag: int) -> Der:
        """Return the next value, which must have this tag; DerError if it has not."""
        return self.take(tag)[0]

    def skip(self, tag: int) -> bool:
        """Skip the next value if it has this tag; return whether it had."""
        if self.data[self._position : self._position + 1] != bytes([tag]):
            return False
        self.any()
        return True
