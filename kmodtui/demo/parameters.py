"""Parsing of module parameters as the kernel does it: a value is accepted or refused.

Follows `kernel/params.c` (STANDARD_PARAM_DEF, param_set_bool, param_array) and
`lib/kstrtox.c`.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Mapping

KERN_ERR, KERN_WARNING = 3, 4  # include/linux/kern_levels.h

_INTEGERS = {
    "byte": (0, 2**8 - 1),
    "hexint": (0, 2**32 - 1),
    "short": (-(2**15), 2**15 - 1),
    "ushort": (0, 2**16 - 1),
    "int": (-(2**31), 2**31 - 1),
    "uint": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "ulong": (0, 2**64 - 1),
    "ullong": (0, 2**64 - 1),
}
_NUMBER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")
_MAX_STRING = 1024


class RefusedValueError(Exception):
    """A value is not valid for the parameter's type.

    Attributes:
        errno: the kernel's error: EINVAL, ERANGE or ENOSPC.
    """

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode[number])
        self.errno = number


def parsed_parameters(
    module: str,
    types: Mapping[str, str],
    parameters: Iterable[str],
    printk: Callable[[int, str], object],
) -> dict[str, str]:
    """Return the value that /sys/module shows of each given parameter.

    Args:
        module: the module's name.
        types: the types of its parameters; others are ignored with a warning in the log.
        parameters: `key=value` or `key` each.
        printk: adds a level and a text to the kernel log.

    Raises:
        RefusedValueError: the kernel refuses a value; the reason is in the log.
    """
    values: dict[str, str] = {}
    for parameter in parameters:
        given, equals, text = parameter.partition("=")
        name = given.replace("-", "_")
        if name not in types:
            printk(KERN_WARNING, f"{module}: unknown parameter '{given}' ignored")
            continue
        value = text.strip('"')
        try:
            values[name] = shown_value(types[name], value if equals else None)
        except RefusedValueError as refusal:
            what = "too large" if refusal.errno == errno.ENOSPC else "invalid"
            printk(KERN_ERR, f"{module}: `{value}' {what} for parameter `{given}'")
            raise
    return values


def shown_value(kind: str, value: str | None) -> str:
    """Return what /sys/module/NAME/parameters/P shows after it was set to `value`.

    Args:
        kind: the parameter's type as in `parmtype`. An unknown type is defined by the driver
            itself and accepts any text.
        value: the text after the `=`; None if there was no `=`.

    Raises:
        RefusedValueError: the kernel refuses the value.
    """
    if kind in ("bool", "invbool", "bint") and value is None:
        value = "1"
    if value is None:
        raise RefusedValueError(errno.EINVAL)
    if kind.startswith("array of "):
        return ",".join(shown_value(kind.removeprefix("array of "), v) for v in value.split(","))
    if kind in _INTEGERS:
        number = _integer(kind, value)
        return f"{number:#08x}" if kind == "hexint" else str(number)
    if kind in ("bool", "invbool"):
        return "Y" if _truth(value) else "N"
    if kind == "bint":
        return "1" if _truth(value) else "0"
    if kind == "charp" and len(value) > _MAX_STRING:
        raise RefusedValueError(errno.ENOSPC)
    return value


def _integer(kind: str, value: str) -> int:
    match = _NUMBER.fullmatch(value)
    low, high = _INTEGERS[kind]
    if match is None or (match[1] == "-" and low == 0):
        raise RefusedValueError(errno.EINVAL)
    digits = match[2]
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    try:
        number = int(digits, base)
    except ValueError:
        raise RefusedValueError(errno.EINVAL) from None
    if match[1] == "-":
        number = -number
    if not low <= number <= high:
        raise RefusedValueError(errno.ERANGE)
    return number


def _truth(value: str) -> bool:
    """Parse a boolean like `kstrtobool`, which looks at no more than two characters."""
    word = value[:2].lower()
    if word[:1] in ("y", "1", "t") or word == "on":
        return True
    if word[:1] in ("n", "0", "f") or word == "of":
        return False
    raise RefusedValueError(errno.EINVAL)
