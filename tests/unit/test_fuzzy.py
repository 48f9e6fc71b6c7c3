"""Searching for modules by what a person remembers of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.fuzzy import Haystack, Rank, distance, folded, marked


def haystack(*names: str, **descriptions: str) -> Haystack:
    entries = [CatalogEntry(name) for name in names]
    entries += [CatalogEntry(name, description=text) for name, text in descriptions.items()]
    return Haystack(entries)


def found(hay: Haystack, query: str) -> list[str]:
    return [hay.entries[hit.place].name for hit in hay.search(query)]


def test_the_ways_of_finding_stand_in_their_order() -> None:
    hay = Haystack(
        [
            CatalogEntry("other", description="A thing for net users"),
            CatalogEntry("n_e_t"),
            CatalogEntry("unix", aliases=("net-pf-1",)),
            CatalogEntry("subnet"),
            CatalogEntry("virtio_net"),
            CatalogEntry("netfs"),
            CatalogEntry("ethernet0", aliases=("net",)),
            CatalogEntry("net"),
        ]
    )
    assert [(hay.entries[hit.place].name, hit.rank) for hit in hay.search("net")] == [
        ("net", Rank.NAME),
        ("ethernet0", Rank.ALIAS),
        ("netfs", Rank.PREFIX),
        ("virtio_net", Rank.WORD),
        ("subnet", Rank.SUBSTRING),
        ("unix", Rank.ALIAS_PART),
        ("n_e_t", Rank.SUBSEQUENCE),
        ("other", Rank.DESCRIPTION),
    ]


def test_the_best_way_to_find_a_module_counts() -> None:
    hay = Haystack([CatalogEntry("net", aliases=("net-pf-1",), description="A net")])
    assert [hit.rank for hit in hay.search("net")] == [Rank.NAME]


def test_shorter_names_come_first_among_equals_and_then_the_alphabet() -> None:
    assert found(haystack("snd_zzz", "snd_a_long_one", "snd_aaa", "snd"), "snd") == [
        "snd",
        "snd_aaa",
        "snd_zzz",
        "snd_a_long_one",
    ]


@pytest.mark.parametrize("query", ["crc32c_intel", "crc32c-intel", "CRC32C-Intel"])
def test_dashes_and_capitals_make_no_difference(query: str) -> None:
    hay = haystack("crc32c_intel", "crc32c_intel_more")
    assert found(hay, query) == ["crc32c_intel", "crc32c_intel_more"]
    assert hay.search(query)[0].rank is Rank.NAME


def test_two_names_that_differ_in_capitals_alone_are_told_apart() -> None:
    hay = haystack("xt_DSCP", "xt_dscp", "xt_dscp_more")
    assert found(hay, "xt_dscp")[0] == "xt_dscp"
    assert found(hay, "xt-DSCP")[0] == "xt_DSCP"
    assert set(found(hay, "xt_Dscp")[:2]) == {"xt_DSCP", "xt_dscp"}


def test_all_words_of_a_query_have_to_fit_wherever_they_do() -> None:
    hay = haystack(
        "wireless_core",
        e1000="Intel Ethernet driver",
        iwlwifi="Intel wireless",
        ath9k="Atheros wireless",
    )
    assert found(hay, "intel wireless") == ["iwlwifi"]
    assert found(hay, "wireless intel") == ["iwlwifi"]
    assert found(hay, "e1000 ethernet") == ["e1000"]
    assert found(hay, "wireless") == ["wireless_core", "ath9k", "iwlwifi"]


def test_letters_are_found_in_their_order_from_where_a_part_of_the_name_begins() -> None:
    hay = haystack("nf_conntrack", "btrfs", "snd_hda_intel", "a_name_that_is_far_too_long_for_b")
    assert found(hay, "nfct") == ["nf_conntrack"]
    assert found(hay, "bfs") == ["btrfs"]
    assert found(hay, "hdai") == ["snd_hda_intel"]
    assert found(hay, "sfb") == []  # in this order nowhere
    assert found(hay, "trs") == []  # not from the beginning of a part
    assert found(hay, "ab") == []  # strewn too far


def test_words_of_a_description_count_from_their_beginning() -> None:
    hay = haystack(can_raw="CAN (raw) protocol", scan="Scans interfaces")
    assert found(hay, "raw") == ["can_raw"]
    assert found(hay, "interf") == ["scan"]
    assert found(hay, "faces") == []


def test_an_empty_query_has_everything_by_name() -> None:
    assert found(haystack("b", "c", "a"), " ") == ["a", "b", "c"]
    assert Haystack(()).search("a") == []


@pytest.mark.parametrize("query", ["(", "[a", "\\", "*", "?", ".", "\n", "\x00", "a" * 5000, "İ"])
def test_signs_of_patterns_are_letters_like_others(query: str) -> None:
    assert found(haystack("btrfs", "xfs"), query) in ([], ["btrfs", "xfs"])
    assert found(haystack("btrfs", "xfs"), ".") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("btfrs", "btrfs"),
        ("btrf", "btrfs"),
        ("btrfss", "btrfs"),
        ("Btrfz", "btrfs"),
        ("virtoi-net", "virtio_net"),
        ("snd_hda_intle", "snd_hda_intel"),
    ],
)
def test_a_slip_of_the_hand_is_answered_with_what_was_meant(typed: str, meant: str) -> None:
    hay = haystack("xfs", "ext4", "btrfs", "virtio_net", "snd_hda_intel", "snd_hda_codec")
    assert hay.near(typed)[0] == meant


def test_nothing_near_is_nothing_and_never_more_than_three() -> None:
    assert haystack("btrfs").near("nvidia") == ()
    assert haystack("btrfs").near("") == ()
    assert len(haystack("ext2", "ext3", "ext4", "ext5", "ext6").near("extx")) == 3


def test_what_was_found_in_a_name_is_marked() -> None:
    def shown(query: str, name: str) -> str:
        marks = marked(query, name)
        return "".join(c.upper() if on else c for c, on in zip(name, marks, strict=True))

    assert shown("net", "virtio_net") == "virtio_NET"
    assert shown("net", "subnet_net") == "subnet_NET"
    assert shown("nfct", "nf_conntrack") == "NF_ConnTrack"
    assert shown("intel", "iwlwifi") == "iwlwifi"
    assert shown("hda snd", "snd_hda_intel") == "SND_HDA_intel"
    assert shown("", "btrfs") == "btrfs"


names = st.text("abcx_", min_size=1, max_size=9)


@given(st.lists(names, max_size=12), st.text("abcx-", min_size=1, max_size=5))
def test_whatever_contains_the_query_is_found_and_nothing_twice(
    some: list[str], query: str
) -> None:
    hay = haystack(*some)
    hits = hay.search(query)
    indexes = [hit.place for hit in hits]
    assert len(set(indexes)) == len(indexes)
    assert [hit.rank for hit in hits] == sorted(hit.rank for hit in hits)
    names = [entry.name for entry in hay.entries]
    assert {i for i, name in enumerate(names) if folded(query) in name} <= set(indexes)
    for hit in hits:
        letters = iter(names[hit.place])
        assert all(letter in letters for letter in folded(query))


@given(names, names)
def test_the_distance_is_the_same_from_both_ends(one: str, other: str) -> None:
    assert distance(one, other, 20) == distance(other, one, 20)
    assert distance(one, other, 2) == min(distance(one, other, 20), 3)
    assert (distance(one, other, 20) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance(one, other, 20) <= max(len(one), len(other))


@given(names, names)
def test_marks_are_as_many_as_the_letters(query: str, name: str) -> None:
    marks = marked(query, name)
    assert len(marks) == len(name)
    assert not any(marks) or sum(marks) == len(query)
