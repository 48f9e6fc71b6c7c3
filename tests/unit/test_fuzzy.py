"""Fuzzy search for modules, and “did you mean”."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model.catalog_entry import CatalogEntry
from kmodtui.model.did_you_mean import distance
from kmodtui.model.fuzzy import Rank, SearchIndex, folded, marked


def haystack(*names: str, **descriptions: str) -> SearchIndex:
    entries = [CatalogEntry(name) for name in names]
    entries += [CatalogEntry(name, description=text) for name, text in descriptions.items()]
    return SearchIndex(entries)


def found(hay: SearchIndex, query: str) -> list[str]:
    return [hay.entries[hit.place].name for hit in hay.search(query)]


def test_better_matches_come_first() -> None:
    hay = SearchIndex(
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


def test_the_best_match_of_a_module_counts() -> None:
    hay = SearchIndex([CatalogEntry("net", aliases=("net-pf-1",), description="A net")])
    assert [hit.rank for hit in hay.search("net")] == [Rank.NAME]


def test_shorter_names_come_first_among_equals_and_then_the_alphabet() -> None:
    assert found(haystack("snd_zzz", "snd_a_long_one", "snd_aaa", "snd"), "snd") == [
        "snd",
        "snd_aaa",
        "snd_zzz",
        "snd_a_long_one",
    ]


def test_what_is_built_in_comes_last_among_equals() -> None:
    hay = SearchIndex([CatalogEntry("btree", builtin=True), CatalogEntry("btrfs")])
    assert found(hay, "btr") == ["btrfs", "btree"]
    assert found(hay, "btree") == ["btree"]


def test_modules_are_found_by_their_category_last() -> None:
    hay = SearchIndex(
        [
            CatalogEntry("ath9k", "kernel/drivers/net/wireless/ath/ath9k.ko"),
            CatalogEntry("mac80211", "kernel/net/mac80211/mac80211.ko", description="For wifi"),
            CatalogEntry("snd", "kernel/sound/core/snd.ko"),
        ]
    )
    assert found(hay, "wifi") == ["mac80211", "ath9k"]
    assert found(hay, "wi-fi") == ["ath9k", "mac80211"]
    assert found(hay, "wireless driver") == ["ath9k"]
    assert found(hay, "audio") == ["snd"]
    assert hay.search("audio")[0].rank is Rank.CATEGORY


@pytest.mark.parametrize("query", ["crc32c_intel", "crc32c-intel", "CRC32C-Intel"])
def test_dashes_and_case_make_no_difference(query: str) -> None:
    hay = haystack("crc32c_intel", "crc32c_intel_more")
    assert found(hay, query) == ["crc32c_intel", "crc32c_intel_more"]
    assert hay.search(query)[0].rank is Rank.NAME


def test_of_names_that_differ_in_case_the_typed_one_comes_first() -> None:
    hay = haystack("xt_DSCP", "xt_dscp", "xt_dscp_more")
    assert found(hay, "xt_dscp")[0] == "xt_dscp"
    assert found(hay, "xt-DSCP")[0] == "xt_DSCP"
    assert set(found(hay, "xt_Dscp")[:2]) == {"xt_DSCP", "xt_dscp"}


def test_all_words_of_a_query_have_to_match_anywhere() -> None:
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


def test_a_subsequence_matches_from_the_start_of_a_part_of_the_name() -> None:
    hay = haystack("nf_conntrack", "btrfs", "snd_hda_intel", "a_name_that_is_far_too_long_for_b")
    assert found(hay, "nfct") == ["nf_conntrack"]
    assert found(hay, "bfs") == ["btrfs"]
    assert found(hay, "hdai") == ["snd_hda_intel"]
    assert found(hay, "sfb") == []  # not in this order
    assert found(hay, "trs") == []  # not from the start of a part
    assert found(hay, "ab") == []  # too far apart


def test_words_of_a_description_match_from_their_start() -> None:
    hay = haystack(can_raw="CAN (raw) protocol", scan="Scans interfaces")
    assert found(hay, "raw") == ["can_raw"]
    assert found(hay, "interf") == ["scan"]
    assert found(hay, "faces") == []


def test_an_empty_query_matches_all_modules_by_name() -> None:
    assert found(haystack("b", "c", "a"), " ") == ["a", "b", "c"]
    assert SearchIndex(()).search("a") == []


@pytest.mark.parametrize("query", ["(", "[a", "\\", "*", "?", ".", "\n", "\x00", "a" * 5000, "İ"])
def test_regex_characters_have_no_special_meaning(query: str) -> None:
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
def test_did_you_mean_for_a_typing_mistake(typed: str, meant: str) -> None:
    hay = haystack("xfs", "ext4", "btrfs", "virtio_net", "snd_hda_intel", "snd_hda_codec")
    assert hay.near(typed)[0] == meant


def test_did_you_mean_has_at_most_three_names_or_none() -> None:
    assert haystack("btrfs").near("nvidia") == ()
    assert haystack("btrfs").near("") == ()
    assert len(haystack("ext2", "ext3", "ext4", "ext5", "ext6").near("extx")) == 3


def test_the_match_in_a_name_is_highlighted() -> None:
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
def test_every_name_that_contains_the_query_is_found_once(some: list[str], query: str) -> None:
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
def test_the_distance_is_symmetric(one: str, other: str) -> None:
    assert distance(one, other, 20) == distance(other, one, 20)
    assert distance(one, other, 2) == min(distance(one, other, 20), 3)
    assert (distance(one, other, 20) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance(one, other, 20) <= max(len(one), len(other))


@given(names, names)
def test_there_is_one_mark_for_each_character(query: str, name: str) -> None:
    marks = marked(query, name)
    assert len(marks) == len(name)
    assert not any(marks) or sum(marks) == len(query)
