"""Names of PCI and USB hardware by number, as the hwdata project collects them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class IdNames:
    """One of hwdata's files; numbers are lower-case hexadecimal, as in the file.

    Attributes:
        file: its path, for evidence; empty if it is not installed.
        text: its content.
    """

    file: str = ""
    text: str = ""

    def vendor(self, vendor: str) -> str:
        """Return the name of a vendor; empty if unknown."""
        return self._names.get(vendor, "")

    def device(self, vendor: str, device: str) -> str:
        """Return the name of a device; empty if unknown."""
        return self._names.get(f"{vendor}:{device}", "")

    def class_of(self, code: str) -> str:
        """Return the name of a class, given two, four or six digits; empty if unknown."""
        return self._classes.get(code, "")

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return self._parsed[0]

    @cached_property
    def _classes(self) -> Mapping[str, str]:
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[dict[str, str], dict[str, str]]:
        """Parse lines `8086  Intel`, `<tab>100e  82540EM`, `C 01  Mass storage`."""
        names: dict[str, str] = {}
        classes: dict[str, str] = {}
        above, into, sub = "", names, ""
        for line in self.text.splitlines():
            if not line or line[0] == "#":
                continue
            if line[0] != "\t":
                number, _, name = line.partition("  ")
                if number.startswith("C "):
                    above, into = number[2:], classes
                elif len(number) == 4 and _HEXADECIMAL.issuperset(number):
                    above, into = number, names
                else:
                    above = ""  # another list of the same file, such as HID types
                if above:
                    into[above] = name.strip()
            elif not above:
                continue
            elif line[1:2] != "\t":
                number, _, name = line[1:].partition("  ")
                sub = f"{above}:{number}" if into is names else above + number
                into[sub] = name.strip()
            elif into is classes:
                number, _, name = line[2:].partition("  ")
                into[sub + number] = name.strip()
        return names, classes


@dataclass(frozen=True)
class HardwareNames:
    """The names of PCI and USB hardware; empty files if hwdata is not installed."""

    pci: IdNames = field(default_factory=IdNames)
    usb: IdNames = field(default_factory=IdNames)
