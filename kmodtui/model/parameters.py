"""Whether a value fits a module's parameter, told before the kernel is asked.

The types are those of `parmtype`; what each takes is after `kernel/params.c`
(STANDARD_PARAM_DEF, param_set_bool, param_array) and `lib/kstrtox.c`. A type that
is not known here is the driver's own, and its values are the driver's concern.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

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
"""Lowest and highest value of each type of number; `long` as 64-bit kernels have it."""

TRUTHS = ("bool", "invbool", "bint")
"""Types that are on or off."""

ALWAYS_TAKEN = ("dyndbg", "async_probe")
"""What the kernel takes for every module, whether it declares it or not."""

MAX_STRING = 1024
"""Characters of a `charp` at the most; the kernel answers ENOSPC to more."""

MAX_PARAMETER = 1024
"""Characters of one `key=value` that the helper takes at the most."""

_ARRAY = "array of "
_NUMBER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_TRUTH = re.compile(r"[yn10tf].*|on.*|of.*", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Words by which authors tell a default: `(default: 64)`, `def=0`, `Default is 20.`,
# `0 for off, 1 for on (default)`, `0=off, 1=on [default]`.
_DEFAULT = re.compile(
    r"\bdef(?:ault)?(?: value)?\s*(?:=|:|\bis\b)\s*\"?(?P<behind>-?[\w.,/+-]*\w)\"?"
    r"|\bdefault (?P<number>-?\d[\w.,]*)"
    r"|(?P<before>-?\d+)\s*(?:=|for|-)\s*[\w /]+?\s*[\[(]def(?:ault)?[\])]",
    re.IGNORECASE,
)
_DEFAULT_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d[\d,]*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that the configuration gives a parameter.

    Attributes:
        value: what stands behind the `=`.
        where: `FILE:LINE` of the rule, or the kernel's command line.
    """

    value: str
    where: str


@dataclass(frozen=True, slots=True)
class FormParameter:
    """Everything that is known of one parameter of a module.

    Attributes:
        name: as it is given to modprobe.
        type: such as `int` or `array of charp`; empty where it is not told.
        description: in the author's words; empty where there are none.
        default: as the description tells it; empty where it does not.
        settings: what modprobe.d and the kernel's command line set, the last one counts.
        value: what it is now in the kernel; None where the module is not loaded or hides it.
        why_no_value: why there is no value, in a few words; empty where there is one.
        writable: whether it can be changed while the module stays.
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
        """What it gets where nothing is typed: the last setting, else the default if known."""
        return self.settings[-1].value if self.settings else self.default


def told_default(description: str, kind: str = "") -> str:
    """Return the default that a parameter's description tells; empty if it tells none.

    Descriptions are prose: what does not fit the parameter's type is not believed.
    """
    found = _DEFAULT.search(description)
    told = next(filter(None, found.groups()), "") if found else ""
    element = kind.removeprefix(_ARRAY)
    if element in INTEGERS:
        number = _DEFAULT_NUMBER.match(told)
        told = number[0].replace(",", "") if number else ""
    elif element in TRUTHS:
        told = told.partition("/")[0]
    return told if told and not problem(element, told) else ""


def problem(kind: str, value: str) -> str:
    """Return why the kernel would not take a value, in a sentence; empty if it would.

    Args:
        kind: the parameter's type as in `parmtype`; empty or unknown ones take anything.
        value: the text behind the `=`.
    """
    if _CONTROL.search(value):
        return "A value is one line without control characters."
    if '"' in value:
        return "The kernel takes a quotation mark for its own: a value cannot hold one."
    if kind.startswith(_ARRAY):
        return _array_problem(kind.removeprefix(_ARRAY), value)
    if kind in INTEGERS:
        return _number_problem(kind, value)
    if kind in TRUTHS:
        return "" if _TRUTH.fullmatch(value) else f"{_shown(value)} is none of y, n, 1, 0, on, off."
    if kind == "charp" and len(value) > MAX_STRING:
        return f"A text has at most {MAX_STRING:,} characters, this has {len(value):,}."
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
        return f"{_shown(value)} is no whole number, as 12, 0x0c or 014 is."
    digits = match[2]
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    if base == 8 and not set(digits) <= set("01234567"):
        return f"{value} begins with 0, so it is octal, which has no digit above 7."
    # 64 bits have 22 octal digits: whatever is longer is too large, and need not be read.
    number = int(digits, base) if len(digits.lstrip("0xX")) <= 22 else 2**64
    if match[1] == "-":
        if low == 0:
            return f"{kind} is never negative."
        number = -number
    if not low <= number <= high:
        return f"{kind} goes from {low:,} to {high:,}."
    return ""


def _shown(value: str) -> str:
    return f"“{value}”" if value else "Nothing"


def type_words(kind: str) -> str:
    """Return what a type takes, for a person about to type a value."""
    if kind.startswith(_ARRAY):
        return f"{type_words(kind.removeprefix(_ARRAY))}; several with commas"
    if kind in TRUTHS:
        return "y or n" + (", turned round inside" if kind == "invbool" else "")
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        words = f"{low:,} … {high:,}"
        if high < 2**16:
            return words
        return "a number, never negative" if low == 0 else "a number"
    if kind in ("charp", "string"):
        return "a text"
    return "what the driver makes of it"


def key_of(name: str) -> str:
    """Return a parameter's name as the kernel compares it: `-` and `_` are one."""
    return name.replace("-", "_")


def unknown_name(module: str, name: str, known: Collection[str]) -> str:
    """Return why a module takes no parameter of a name, with the nearest; empty if it does."""
    if not _KEY.fullmatch(key_of(name)):
        return f"“{name}” is no name of a parameter: letters, digits and _ only."
    keys = {key_of(one): one for one in known}
    if key_of(name) in (*keys, *ALWAYS_TAKEN):
        return ""
    close = get_close_matches(key_of(name), list(keys), n=1, cutoff=0.6)
    near = f" Did you mean {keys[close[0]]}?" if close else ""
    if not known:
        return f"{module} takes no parameters, and so no {name}."
    return f"{module} has no parameter {name}.{near}"


def split_assignment(text: str) -> tuple[str, str] | None:
    """Return name and value of `name=value`; None where there is no `=`."""
    name, equals, value = text.partition("=")
    return (name, value) if equals else None


def assignments(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return `name=value` for each parameter that was given a value."""
    return tuple(f"{name}={value}" for name, value in values.items())


def problems(
    module: str, parameters: Iterable[str], types: Mapping[str, str], *, complete: bool = True
) -> tuple[str, ...]:
    """Return what is wrong with `key=value` words that are to be given to a module.

    Args:
        module: for the sentences.
        parameters: the words.
        types: type by name of the module's parameters.
        complete: whether `types` names all that there are; without it, unknown ones pass.
    """
    found = []
    by_key = {key_of(name): kind for name, kind in types.items()}
    for text in parameters:
        assignment = split_assignment(text)
        if assignment is None:
            found.append(f"“{text}” is no parameter: they are written key=value.")
            continue
        name, value = assignment
        if (complete or not _KEY.fullmatch(key_of(name))) and (
            why := unknown_name(module, name, types)
        ):
            found.append(why)
        elif why := problem(by_key.get(key_of(name), ""), value):
            found.append(f"{name}: {why}")
        elif len(text) > MAX_PARAMETER:
            found.append(f"{name}: key and value have at most {MAX_PARAMETER:,} characters.")
    return tuple(found)


def same_value(kind: str, one: str, other: str) -> bool:
    """Return whether two values of a type mean the same: `0x10` and `16`, `on` and `Y`."""
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
    """Return what a module has to be given so that its parameters are as they are now.

    That is what was given to it, as far as that is known, and every value that the kernel
    shows, unless it would come by itself or would not be taken back.

    Args:
        parameters: of a loaded module.
        given: `key=value` words that it was loaded with, if that is known.
    """
    kept = {}
    words = dict(filter(None, map(split_assignment, given)))
    for parameter in parameters:
        known = words.pop(parameter.name, None)
        value = parameter.value
        if value is None or (known is not None and not _is_plain(parameter.type)):
            value = known
        if value is None or (known is None and not _worth_keeping(parameter, value)):
            continue
        kept[parameter.name] = value
    return kept | words


def _is_plain(kind: str) -> bool:
    """Return whether a type shows what it takes; a driver's own may show something else."""
    return kind.removeprefix(_ARRAY) in (*INTEGERS, *TRUTHS, "charp", "string")


def _worth_keeping(parameter: FormParameter, value: str) -> bool:
    """Return whether a value that the kernel shows would be taken back, and changes anything."""
    if not _is_plain(parameter.type):
        return False
    if value in ("", "(null)") or problem(parameter.type, value):
        return False
    starting = parameter.starting_value
    return not starting or not same_value(parameter.type, starting, value)
