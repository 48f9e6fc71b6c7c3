"""What an alias for hardware says in words, for the buses without a database of names.

Formats: `do_*_entry` in `scripts/mod/file2alias.c`; numbers of types and vendors from
`include/uapi/linux/serio.h`, `arch/x86/include/asm/processor.h`, `include/uapi/linux/input.h`
and `include/scsi/scsi_proto.h`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_Match = re.Match[str]

_PROCESSORS = {0: "Intel", 1: "Cyrix", 2: "AMD", 4: "UMC", 5: "Centaur", 7: "Transmeta",
               8: "NSC", 9: "Hygon", 10: "Zhaoxin", 11: "Vortex"}  # fmt: skip
_SERIAL = {1: "i8042 port", 2: "RS-232", 3: "HIL", 4: "PS/2 pass-through", 5: "i8042 port (XL)",
           6: "PS/2"}  # fmt: skip
_INPUT_BUSES = {3: "USB", 5: "Bluetooth", 0x18: "I²C", 0x19: "host"}
_SCSI = {0: "disk", 1: "tape", 4: "write-once disk", 5: "CD-ROM", 6: "scanner",
         7: "optical disk", 8: "changer", 13: "enclosure", 14: "simple disk",
         20: "zoned disk"}  # fmt: skip
_DMI = {"bvn": "firmware of", "svn": "made by", "pn": "model", "rvn": "board of", "rn": "board",
        "ct": "chassis type"}  # fmt: skip


def _processor(match: _Match) -> str:
    words = [] if match["vendor"] == "*" else [_named(_PROCESSORS, int(match["vendor"], 16))]
    for key, name in (("family", "family"), ("model", "model")):
        if match[key] != "*":
            words.append(f"{name} {int(match[key], 16):#x}")
    if feature := match["feature"].strip("*,"):
        words.append(f"with feature {feature}")
    return " ".join(words) or "every processor"


def _named(names: dict[int, str], number: int) -> str:
    return names.get(number, f"type {number:#x}")


def _serial(match: _Match) -> str:
    kind = "any port" if match[1] == "*" else _named(_SERIAL, int(match[1], 16))
    return kind if match[2] == "*" else f"{kind}, protocol 0x{match[2].lower()}"


def _phy(match: _Match) -> str:
    """Return the number in hexadecimal; a digit of which a bit may differ is a `?`."""
    nibbles = [match[1][start : start + 4] for start in range(0, 32, 4)]
    return "PHY " + "".join("?" if "?" in bits else f"{int(bits, 2):x}" for bits in nibbles)


def _hid(match: _Match) -> str:
    bus = "any bus" if match[1] == "*" else _named(_INPUT_BUSES, int(match[1], 16))
    numbers = ":".join("*" if part == "*" else part[-4:].lower() for part in match.groups()[1:])
    return f"{numbers} on {bus}"


def _scsi(match: _Match) -> str:
    return _named(_SCSI, int(match[1], 16))


_FORMS: tuple[tuple[re.Pattern[str], Callable[[_Match], str]], ...] = (
    (re.compile(r"pnp:d([A-Za-z0-9]+)\*"), lambda match: match[1]),
    (re.compile(r"eisa:s([A-Za-z0-9]+)\*"), lambda match: match[1]),
    (re.compile(r"mdio:([01?]{32})"), _phy),
    (re.compile(r"serio:ty(\w\w|\*)pr(\w\w|\*)id(?:\w\w|\*)ex(?:\w\w|\*)\*?"), _serial),
    (
        re.compile(
            r"cpu:type:x86,ven(?P<vendor>\w{4}|\*)fam(?P<family>\w{4}|\*)"
            r"mod(?P<model>\w{4}|\*):feature:(?P<feature>.*)"
        ),
        _processor,
    ),
    (re.compile(r"hid:b(\w{4}|\*)g\w*\*?v(\w{8}|\*)p(\w{8}|\*)"), _hid),
    (re.compile(r"scsi:t-0x(\w\w)\*"), _scsi),
)


def identifier(alias: str) -> str:
    """Return the part of an alias that differs between devices, in words where it is known."""
    if compatible := _compatible(alias):
        return compatible
    for pattern, words in _FORMS:
        if match := pattern.fullmatch(alias):
            return words(match)
    if alias.startswith("dmi"):
        return _computer(alias)
    return alias.partition(":")[2].strip("*:")


def _compatible(alias: str) -> str:
    """Return what a node of a device tree is compatible with: of:N*T*Cvendor,modelC*."""
    if not alias.startswith("of:N"):
        return ""
    return alias.partition("T")[2].partition("C")[2].removesuffix("C*")


def _computer(alias: str) -> str:
    words = []
    for part in alias.split(":")[1:]:
        if found := re.fullmatch(r"([a-z]+?)((?:[A-Z0-9*]).*)", part):
            value = found[2].strip("*").replace("*", " ")
            if value:
                words.append(f"{_DMI.get(found[1], found[1])} {value}")
    return ", ".join(words) or alias.partition(":")[2].strip("*:")
