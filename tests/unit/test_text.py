"""Text is made safe to show, and readable text is not changed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model.text import clean, counted, decode, human_size, natural_key


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    assert decode(b"J\xc3\xb6rg \xff\xc3") == "Jörg \\xff\\xc3"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "[bold]markup[/] stays: no widget parses it",
            "[bold]markup[/] stays: no widget parses it",
        ),
        ("Jörg 日本 “quoted” é", "Jörg 日本 “quoted” é"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\x0dd\\x00"),
        ("\x9b2J", "\\x9b2J"),
        ("\x7f", "\\x7f"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ue000", "\\ue000"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_cleaned_text_is_safe_and_cleaning_is_idempotent(text: str) -> None:
    cleaned = clean(text)
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cf", "Cs", "Co", "Cn"}
    assert "\n" not in cleaned
    assert clean(cleaned) == cleaned


@given(st.binary())
def test_any_bytes_can_be_shown_and_encoded_again(data: bytes) -> None:
    clean(decode(data)).encode("utf-8")


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (20480, "20.0 KiB"),
        (1806336, "1.7 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5000 * 1024**3, "5,000.0 GiB"),
    ],
)
def test_human_sizes(size: int, shown: str) -> None:
    assert human_size(size) == shown


def test_a_size_just_below_a_unit_is_rounded_up_to_it() -> None:
    assert human_size(1024 * 1024 - 1) == "1.0 MiB"


def test_counts_with_their_noun() -> None:
    assert counted(1, "module") == "1 module"
    assert counted(0, "symbol") == "0 symbols"
    assert counted(4474, "symbol") == "4,474 symbols"
    assert counted(2, "dependency", "dependencies") == "2 dependencies"


def test_numbers_in_names_are_sorted_by_their_value() -> None:
    names = ["nbd10", "nbd2", "eth0", "nbd1", "sda", "nbd2p10", "nbd2p9", "nbd02", "nbd", ""]
    assert sorted(names, key=natural_key) == [
        "",
        "eth0",
        "nbd",
        "nbd1",
        "nbd02",
        "nbd2",
        "nbd2p9",
        "nbd2p10",
        "nbd10",
        "sda",
    ]


@given(st.text(), st.text())
def test_different_names_have_different_places(one: str, other: str) -> None:
    assert (natural_key(one) == natural_key(other)) is (one == other)


def test_a_name_of_many_digits_is_sorted_too() -> None:
    many = "9" * 5000
    assert natural_key("x2") < natural_key(f"x{many}")
