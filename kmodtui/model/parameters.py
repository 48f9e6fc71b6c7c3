"""Validating values of module parameters before they are passed to the kernel.

The types are those of `parmtype`; what each accepts follows `kernel/params.c`
(STANDARD_PARAM_DEF, param_set_bool, param_array) and `lib/kstrtox.c`. Any other
type is defined by the driver itself, and its values are not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kmodtui.model.did_you_mean import did_you_mean, near

INTEGERS = {
    "byte": (0, 2**8 - 1),
    "hexint": (0, 2**32 - 1),
    "short": (-(2**15), 2**15 - 1),
    "ushort": (0, 2**16 - 1),
    "int": (-(2**31), 2**31 - 1),
    "uint": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "ulong": (0, 2**64 - 1),
    "llong": (-(2**63), 2**63 - 1),
    "ullong": (0, 2**64 - 1),
}
"""Lowest and highest value of each integer type; `long` as on 64-bit kernels."""

TRUTHS = ("bool", "invbool", "bint")
"""The boolean types."""

ALWAYS_TAKEN = ("dyndbg", "async_probe")
"""Parameters that the kernel accepts for every module, declared or not."""

MAX_STRING = 1024
"""Maximum length of a `charp` value; the kernel refuses a longer one with ENOSPC."""

MAX_PARAMETER = 1024
"""Maximum length of one `key=value` that the helper accepts."""

_ARRAY = "array of "
_UNSET = "(null)"
_NUMBER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_TRUTH = re.compile(r"[yn10tf].*|on.*|of.*", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# How descriptions mention a default: `(default: 64)`, `def=0`, `Default is 20.`,
# `0 for off, 1 for on (default)`, `0=off, 1=on [default]`.
_DEFAULT = re.compile(
    r"\bdef(?:ault)?(?: value)?\s*(?:=|:|\bis\b)\s*\"?(?P<behind>-?[\w.,/+-]*\w)\"?"
    r"|\bdefault (?P<number>-?\d[\w.,]*)"
    r"|(?P<before>(?<!\d)-?\d++)\s*+(?:=|for|-)\s*+(?:(?!\d\s*+for)[\w /])++\s*+"
    r"[\[(]def(?:ault)?[\])]",
    re.IGNORECASE,
)
# Possessive repetitions (`++`), and words that end before the next `NUMBER for`: nothing is
# tried twice, so that a long description takes no longer than reading it.
_DEFAULT_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d[\d,]*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that the configuration sets for a parameter.

    Attributes:
        value: the text after the `=`.
        where: `FILE:LINE` of the rule, or the kernel command line.
    """

    value: str
    where: str


@dataclass(frozen=True, slots=True)
class FormParameter:
    """Everything known about one parameter of a module.

    Attributes:
        name: its name, as passed to modprobe.
        type: such as `int` or `array of charp`; empty if unknown.
        description: MODULE_PARM_DESC; empty if there is none.
        default: the default value that the description mentions; empty if none.
        settings: the values set by modprobe.d and the kernel command line; the last one wins.
        value: its value in the kernel; None if the module is not loaded or the value is hidden.
        why_no_value: why there is no value, in a few words; empty if there is one.
        writable: whether it can be changed while the module is loaded.
    """

    name: str
    type: str = ""
    description: str = ""
    default: str = ""
    settings: tuple[Setting, ...] = ()
    value: str | None = None
    why_no_value: str = ""
    writable: bool = False

    @property
    def starting_value(self) -> str:
        """Its value if none is given: the last setting, else the default; empty if unknown."""
        return self.settings[-1].value if self.settings else self.default


def told_default(description: str, kind: str = "") -> str:
    """Return the default that a parameter's description mentions; empty if it mentions none.

    Descriptions are prose, so whatever is not a valid value of the type is ignored.
    """
    found = _DEFAULT.search(description)
    default = next(filter(None, found.groups()), "") if found else ""
    element = kind.removeprefix(_ARRAY)
    if element in INTEGERS:
        number = _DEFAULT_NUMBER.match(default)
        default = number[0].replace(",", "") if number else ""
    elif element in TRUTHS:
        default = default.partition("/")[0]
    return default if default and not problem(element, default) else ""


def problem(kind: str, value: str) -> str:
    """Return why the kernel would refuse a value, in a sentence; empty if it would accept it.

    Args:
        kind: the parameter's type as in `parmtype`; if empty or unknown, any value is valid.
        value: the text after the `=`.
    """
    if _CONTROL.search(value):
        return "A value must be one line without control characters."
    if '"' in value:
        return "A value cannot contain a quotation mark: the kernel uses it to quote values."
    if kind.startswith(_ARRAY):
        return _array_problem(kind.removeprefix(_ARRAY), value)
    if kind in INTEGERS:
        return _number_problem(kind, value)
    if kind in TRUTHS:
        return "" if _TRUTH.fullmatch(value) else f"{_shown(value)} is not y, n, 1, 0, on or off."
    if kind == "charp" and len(value) > MAX_STRING:
        return f"A string has at most {MAX_STRING:,} characters; this one has {len(value):,}."
    return ""


def _array_problem(kind: str, value: str) -> str:
    for number, element in enumerate(value.split(","), 1):
        if why := problem(kind, element):
            return why if "," not in value else f"Value {number}: {why}"
    return ""


def _number_problem(kind: str, value: str) -> str:
    low, high = INTEGERS[kind]
    match = _NUMBER.fullmatch(value)
    if match is None:
        return f"{_shown(value)} is not an integer such as 12, 0x0c or 014."
    digits = match[2]
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    if base == 8 and not set(digits) <= set("01234567"):
        return f"{value} is octal because it begins with 0: its digits must be 0 to 7."
    # 64 bits have at most 22 octal digits: anything longer is too large, whatever it is.
    number = int(digits, base) if len(digits.lstrip("0xX")) <= 22 else 2**64
    if match[1] == "-":
        if low == 0:
            return f"{kind} cannot be negative."
        number = -number
    if not low <= number <= high:
        return f"{kind} must be from {low:,} to {high:,}."
    return ""


def _shown(value: str) -> str:
    return f"“{value}”" if value else "An empty value"


def type_words(kind: str) -> str:
    """Return which values a type accepts, as a hint for the input line."""
    if kind.startswith(_ARRAY):
        return f"{type_words(kind.removeprefix(_ARRAY))}; separate several with commas"
    if kind in TRUTHS:
        return "y or n" + (", stored inverted" if kind == "invbool" else "")
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        words = f"{low:,} … {high:,}"
        if high < 2**16:
            return words
        return "an integer, not negative" if low == 0 else "an integer"
    if kind in ("charp", "string"):
        return "a string"
    return "a value defined by the driver"


def key_of(name: str) -> str:
    """Return a parameter's name as the kernel compares it, with `_` for `-`."""
    return name.replace("-", "_")


def unknown_name(module: str, name: str, known: Collection[str]) -> str:
    """Return that a module has no such parameter, with a similar one; empty if it has it."""
    if not _KEY.fullmatch(key_of(name)):
        return f"“{name}” is not a parameter name: use only letters, digits, _ and -."
    keys = {key_of(one): one for one in known}
    if key_of(name) in (*keys, *ALWAYS_TAKEN):
        return ""
    question = did_you_mean(near(name, known, 1))
    if not known:
        return f"{module} has no parameters."
    return f"{module} has no parameter {name}. {question}".rstrip()


def split_assignment(text: str) -> tuple[str, str] | None:
    """Return the name and value of `name=value`; None if there is no `=`."""
    name, equals, value = text.partition("=")
    return (name, value) if equals else None


def assignments(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return `name=value` for each parameter."""
    return tuple(f"{name}={value}" for name, value in values.items())


def problems(
    module: str, parameters: Iterable[str], types: Mapping[str, str], *, complete: bool = True
) -> tuple[str, ...]:
    """Return what is wrong with the parameters given to a module, a sentence each.

    Args:
        module: the module's name, for the messages.
        parameters: `key=value` each.
        types: the types of the module's parameters, by name.
        complete: whether `types` has all parameters; if not, unknown ones are accepted.
    """
    found = []
    by_key = {key_of(name): kind for name, kind in types.items()}
    for text in parameters:
        assignment = split_assignment(text)
        if assignment is None:
            found.append(f"“{text}” is not a parameter: write parameters as key=value.")
            continue
        name, value = assignment
        if (complete or not _KEY.fullmatch(key_of(name))) and (
            why := unknown_name(module, name, types)
        ):
            found.append(why)
        elif why := problem(by_key.get(key_of(name), ""), value):
            found.append(f"{name}: {why}")
        elif len(text) > MAX_PARAMETER:
            found.append(f"{name}: {name}=VALUE has at most {MAX_PARAMETER:,} characters.")
    return tuple(found)


def same_value(kind: str, one: str, other: str) -> bool:
    """Return whether two values of a type are equal, such as `0x10` and `16`, or `on` and `Y`."""
    if kind.startswith(_ARRAY):
        element = kind.removeprefix(_ARRAY)
        ours, theirs = one.split(","), other.split(",")
        return len(ours) == len(theirs) and all(
            same_value(element, mine, yours) for mine, yours in zip(ours, theirs, strict=True)
        )
    if problem(kind, one) or problem(kind, other):
        return one == other
    if kind in TRUTHS:
        return _truth(one) == _truth(other)
    if kind in INTEGERS:
        return _integer(one) == _integer(other)
    return one == other


def _truth(value: str) -> bool:
    return value[:1].lower() in ("y", "1", "t") or value[:2].lower() == "on"


def _integer(value: str) -> int:
    digits = value.lstrip("+-")
    octal = len(digits) > 1 and digits.startswith("0") and digits[1] not in "xX"
    number = int(digits, 8 if octal else 0)
    return -number if value.startswith("-") else number


def kept_values(parameters: Iterable[FormParameter], given: Iterable[str] = ()) -> dict[str, str]:
    """Return the values to load a module with so that its parameters stay as they are now.

    That is whatever it was loaded with, as far as known, and every value that the kernel
    shows, except those that would be set anyway or that the kernel would not accept.

    Args:
        parameters: the parameters of a loaded module.
        given: the `key=value` words that it was loaded with, if known.
    """
    kept = {}
    words = dict(filter(None, map(split_assignment, given)))
    for parameter in parameters:
        known = words.pop(parameter.name, None)
        value = parameter.value
        if value is None or (known is not None and not _is_plain(parameter.type)):
            value = known
        if value is not None and known is None:
            value = without_null(parameter.type, value)
        if value is None or (known is None and not _worth_keeping(parameter, value)):
            continue
        kept[parameter.name] = value
    return kept | words


def without_null(kind: str, value: str) -> str | None:
    """Return the value that is to be given to get a shown one; None if there is none.

    The kernel shows a string that is not set as `(null)`. At the end of an array it is omitted;
    between others it cannot be given.
    """
    if kind.removeprefix(_ARRAY) not in ("charp", "string"):
        return value
    elements = value.split(",") if kind.startswith(_ARRAY) else [value]
    while elements and elements[-1] == _UNSET:
        elements.pop()
    return None if _UNSET in elements else ",".join(elements)


def _is_plain(kind: str) -> bool:
    """Return whether a type shows values in the form it accepts; a driver's own type may not."""
    return kind.removeprefix(_ARRAY) in (*INTEGERS, *TRUTHS, "charp", "string")


def _worth_keeping(parameter: FormParameter, value: str) -> bool:
    """Return whether the kernel would accept a value it shows, and it would change anything."""
    if not _is_plain(parameter.type):
        return False
    if value in ("", _UNSET) or problem(parameter.type, value):
        return False
    starting = parameter.starting_value
    return not starting or not same_value(parameter.type, starting, value)
