"""Patterns match as with fnmatch(3), checked against the C library."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmodtui.kernel.index.aliases import AliasIndex, matches, normalised

LIBC = ctypes.CDLL(None)


@settings(max_examples=1000, deadline=None)
@given(st.text("ab*?[]!-\\", max_size=8), st.text("ab]-!", max_size=6))
def test_patterns_match_as_in_the_c_library(pattern: str, text: str) -> None:
    # The C library treats an unclosed bracket inconsistently. No index has one.
    assume(normalised(pattern) is not None)
    expected = LIBC.fnmatch(pattern.encode(), text.encode(), 0) == 0
    assert matches(pattern, text) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("pci:v*d*", "pci:v1d2", True),
        ("pci:v*d*", "pci:v12", False),
        ("a*b*a", "aba", True),
        ("a*b*a", "aa", False),
        ("ab*ba", "aba", False),
        ("d010[0-5]", "d0105", True),
        ("d010[0-5]", "d0106", False),
        ("d[!0-5]", "d6", True),
        ("d[]x]", "d]", True),
        ("d[!]x]", "d]", False),
        ("d[z-a]", "dm", False),
        ("d[^&~|]", "d&", False),
        ("a?c", "abc", True),
        ("a\\*c", "a*c", True),
        ("a\\*c", "abc", False),
        ("a[b", "a[b", True),
        ("", "", True),
        ("*", "line\nbreak", True),
    ],
)
def test_patterns(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize("star", ["*?", "*[ab]", "*\\a", "?*"])
def test_many_stars_are_matched_fast(star: str) -> None:
    # Trying all combinations of their lengths would take practically forever.
    assert not matches(star * 40 + "X", "a" * 200)
    assert matches(star * 40 + "X", "a" * 200 + "X")


def test_many_brackets_are_matched_fast() -> None:
    pattern = "[\\]" * 200_000
    assert normalised(pattern) == pattern
    assert not matches(pattern, "a")


@pytest.mark.parametrize(
    ("alias", "expected"),
    [
        ("snd-hda-intel", "snd_hda_intel"),
        ("usb:d[0-9]-x[a-f]-", "usb:d[0-9]_x[a-f]_"),
        ("a]b", None),
        ("a[b", None),
        ("a[b]]", None),
    ],
)
def test_dashes_are_underscores_but_not_in_brackets(alias: str, expected: str | None) -> None:
    assert normalised(alias) == expected


def test_modules_are_in_the_order_of_the_lines_without_duplicates() -> None:
    index = AliasIndex(
        ["alias x:1 third", "alias x:* second", "alias x:1* first", "alias x:? second", "noise"]
    )
    assert index.matching("x:1") == ("third", "second", "first")
    assert index.matching("y:1") == ()
