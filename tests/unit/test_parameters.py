"""Values of parameters are validated as the kernel does, before it is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.demo.parameters import RefusedValueError, shown_value
from kmodtui.model.parameters import (
    INTEGERS,
    FormParameter,
    Setting,
    assignments,
    kept_values,
    problem,
    problems,
    same_value,
    told_default,
    type_words,
    unknown_name,
)

FITS = [
    ("bool", "y n Y N 1 0 on off ON Off yes no true false"),
    ("invbool", "y 0"),
    ("bint", "1 0 y off"),
    ("byte", "0 255 0xff 0377 +7"),
    ("short", "-32768 32767 -0x8000"),
    ("ushort", "65535"),
    ("int", "2147483647 -2147483648 0x7fffffff 017777777777 0"),
    ("uint", "4294967295 0xFFFFFFFF"),
    ("hexint", "0xdeadbeef 12"),
    ("long", "-9223372036854775808"),
    ("ulong", "18446744073709551615 01777777777777777777777"),
    ("array of int", "1 1,2,3 -1,0x10"),
    ("array of bool", "y,n,1,0"),
    ("array of charp", "a,b,,c"),
    ("charp", "any-thing/at.all [bracket] “”"),
    ("string", "x" * 2000),
    ("", "whatever 12,x"),
    ("proto_abbrev", "bare exp any"),
]


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in FITS for value in values.split(" ")]
)
def test_valid_values_are_accepted(kind: str, value: str) -> None:
    assert problem(kind, value) == ""


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("bool", "maybe", "“maybe” is not y, n, 1, 0, on or off."),
        ("bool", "2", "is not y"),
        ("bool", "o", "is not y"),
        ("bool", "", "An empty value is not y"),
        ("byte", "256", "byte must be from 0 to 255."),
        ("byte", "-1", "byte cannot be negative."),
        ("short", "32768", "short must be from -32,768 to 32,767."),
        ("int", "2147483648", "int must be from -2,147,483,648 to 2,147,483,647."),
        ("int", "many", "“many” is not an integer such as 12, 0x0c or 014."),
        ("int", "1.5", "is not an integer"),
        ("int", " 1", "is not an integer"),
        ("int", "٣", "is not an integer"),
        ("int", "089", "089 is octal because it begins with 0"),
        ("int", "9" * 5000, "int must be from"),
        ("ulong", "18446744073709551616", "ulong must be from"),
        ("array of int", "1,x,3", "Value 2: “x” is not an integer"),
        ("array of int", "1,,3", "Value 2: An empty value is not an integer"),
        ("array of byte", "256", "byte must be from 0 to 255."),
        ("charp", "x" * 1025, "at most 1,024 characters; this one has 1,025."),
        ("charp", 'a"b', "quotation mark"),
        ("charp", "a\x1b[2J", "control characters"),
        ("", "a\nb", "one line"),
    ],
)
def test_invalid_values_are_refused_with_the_reason(kind: str, value: str, words: str) -> None:
    assert words in problem(kind, value)


@given(
    st.sampled_from([*INTEGERS, "bool", "invbool", "bint", "array of int", "array of bool"]),
    st.one_of(
        st.integers(-(2**65), 2**65).map(str),
        st.integers(0, 2**65).map(hex),
        st.integers(0, 2**65).map(lambda number: f"0{number:o}"),
        st.text("0123456789abcdefxXyYnNoOtT+-, ", max_size=12),
    ),
)
def test_the_form_and_the_simulated_kernel_agree(kind: str, value: str) -> None:
    if kind == "llong":  # not implemented by the simulated kernel
        return
    try:
        shown_value(kind, value)
    except RefusedValueError:
        assert problem(kind, value)
    else:
        assert problem(kind, value) == ""


def test_an_unknown_name_is_refused_with_a_similar_one() -> None:
    known = ("numdummies", "debug")
    words = "dummy has no parameter numdumies. Did you mean numdummies?"
    assert unknown_name("dummy", "numdumies", known) == words
    assert unknown_name("dummy", "zebra", known) == "dummy has no parameter zebra."
    assert unknown_name("dummy", "x", ()) == "dummy has no parameters."
    assert "is not a parameter name" in unknown_name("dummy", "a;b", known)


def test_dashes_and_parameters_of_every_module_are_accepted() -> None:
    assert unknown_name("snd", "pcm-devs", ("pcm_devs",)) == ""
    assert unknown_name("snd", "dyndbg", ()) == ""
    assert unknown_name("snd", "async_probe", ()) == ""


def test_all_problems_of_a_line_are_reported() -> None:
    types = {"numdummies": "int", "mode": "charp"}
    given_words = ("numdummies=x", "three", "numdumies=1", "mode=a", "num-dummies=2")
    assert problems("dummy", given_words, {**types, "num_dummies": "int"}) == (
        "numdummies: “x” is not an integer such as 12, 0x0c or 014.",
        "“three” is not a parameter: write parameters as key=value.",
        "dummy has no parameter numdumies. Did you mean numdummies?",
    )
    assert problems("dummy", ("unheard=1",), {}, complete=False) == ()
    assert "at most 1,024" in problems("m", ("key=" + "x" * 1021,), {"key": "string"})[0]


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        ("int", "0x10", "16", True),
        ("int", "020", "16", True),
        ("int", "-1", "1", False),
        ("int", "0", "-0", True),
        ("bool", "on", "Y", True),
        ("bool", "no", "Y", False),
        ("array of int", "1,2", "0x1,2", True),
        ("array of int", "1,2", "1,2,3", False),
        ("charp", "a", "A", False),
        ("int", "x", "x", True),
    ],
)
def test_equal_values(kind: str, one: str, other: str, same: bool) -> None:
    assert same_value(kind, one, other) is same


@pytest.mark.parametrize(
    ("kind", "description", "default"),
    [
        ("int", "number of network block devices (default: 16)", "16"),
        ("int", "response delay in nanoseconds (def=0 -> ignore)", "0"),
        ("uint", "Join time in ms (default 200ms)", "200"),
        ("ulong", "Time in ns to complete. Default: 10,000ns", "10000"),
        ("int", "Use netif_carrier_ok; 0 for off, 1 for on (default)", "1"),
        ("int", "FUA support (0=off [default], 1=on)", "0"),
        ("bool", "Enable oplocks. Default: y/Y/1", "y"),
        ("string", 'SCSI INQUIRY product string (def="scsi_debug")', "scsi_debug"),
        ("uint", "max blocks per cmd (def=0xffffffff)", "0xffffffff"),
        ("int", "maximum (default: all available)", ""),
        ("ulong", "Zone capacity. Default: Zone size", ""),
        ("int", "Default LPM policy for mobile chipsets", ""),
        ("int", "", ""),
    ],
)
def test_the_default_mentioned_in_a_description(kind: str, description: str, default: str) -> None:
    assert told_default(description, kind) == default


def test_hints_for_types() -> None:
    assert type_words("bool") == "y or n"
    assert type_words("byte") == "0 … 255"
    assert type_words("array of int") == "an integer; separate several with commas"
    assert type_words("ulong") == "an integer, not negative"
    assert type_words("proto_abbrev") == "a value defined by the driver"


def test_assignments() -> None:
    assert assignments({"a": "1", "b": "x y"}) == ("a=1", "b=x y")


def test_the_values_that_keep_a_module_as_it_is() -> None:
    rows = (
        FormParameter("a", "int", value="5", default="5"),
        FormParameter("b", "int", value="6", default="5"),
        FormParameter("c", "bool", value="Y", settings=(Setting("1", "a.conf:1"),)),
        FormParameter("d", "bool", value="N", settings=(Setting("1", "a.conf:1"),)),
        FormParameter("e", "charp", value="(null)"),
        FormParameter("f", "charp", value=""),
        FormParameter("g", "proto_abbrev", value="auto"),
        FormParameter("h", "int", value=None, why_no_value="hidden"),
        FormParameter("i", "array of int", value="1,2"),
    )
    assert kept_values(rows) == {"b": "6", "d": "N", "i": "1,2"}
    given_then = ("g=bare", "h=7", "dyndbg=+p", "a=1")
    assert kept_values(rows, given_then) == {
        "a": "5",
        "b": "6",
        "d": "N",
        "g": "bare",
        "h": "7",
        "i": "1,2",
        "dyndbg": "+p",
    }
