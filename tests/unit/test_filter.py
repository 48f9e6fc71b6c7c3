"""The filter language: words, exclusions, regular expressions, fields and named filters."""

from __future__ import annotations

import time

import pytest

from kmodtui.model.exposure.exposure import Exposure
from kmodtui.model.filter.complete import complete
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.named import problem_of
from kmodtui.model.filter.parse import parse_filter
from kmodtui.model.filter.sources import ModuleSource
from kmodtui.model.filter.terms import FilterError
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.services.filtering import select
from kmodtui.services.time_limit import TookTooLongError

MODULES = FilterKind.MODULES


def module(name: str, **fields: object) -> LoadedModule:
    usual: dict[str, object] = {
        "size": 16384,
        "refcount": 0,
        "users": (),
        "state": ModuleState.LIVE,
        "taints": "",
        "permanent": False,
        "address": 0,
    }
    return LoadedModule(name=name, **{**usual, **fields})  # type: ignore[arg-type]


TABLE = (
    module("btrfs", size=3 << 20),
    module("xor", refcount=1, users=("btrfs",)),
    module("crc32c_generic", refcount=2, users=("btrfs",)),
    module("vendor_gpu", taints="POE", permanent=True, size=1 << 20),
    module("snd_hda", state=ModuleState.LOADING, refcount=-1),
)
RULES = {"xor": Exposure("xor", ()), "btrfs": Exposure("btrfs", (), closed="a.conf:1: blacklist")}


def names(text: str, named: dict[str, str] | None = None) -> str:
    chosen = parse_filter(text, MODULES, named or {})
    return " ".join(each.name for each in select(chosen, ModuleSource(TABLE, RULES), TABLE))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "btrfs xor crc32c_generic vendor_gpu snd_hda"),
        ("CRC", "crc32c_generic"),
        ("snd-hda", "snd_hda"),
        ("r !x", "btrfs crc32c_generic vendor_gpu"),
        ("!", "btrfs xor crc32c_generic vendor_gpu snd_hda"),
        ("/^[bx]/", "btrfs xor"),
        ("!/^[bx]/ !snd", "crc32c_generic vendor_gpu"),
        ("/a b/", ""),
        ("/r", ""),
        ('"crc32c"', "crc32c_generic"),
        ("size>1M", "btrfs"),
        ("size>=1MiB", "btrfs vendor_gpu"),
        ("size<1.5m size>16K", "vendor_gpu"),
        ("size:16384 refs:0", ""),
        ("refs:0", "btrfs vendor_gpu"),
        ("!refs:0 refs>0", "xor crc32c_generic"),
        ("state:loading", "snd_hda"),
        ("state:lo,un", "snd_hda"),
        ("taint:O", "vendor_gpu"),
        ("taint:OE", "vendor_gpu"),
        ("taint:none xor", "xor"),
        ("signed:no", "vendor_gpu"),
        ("permanent:yes", "vendor_gpu"),
        ("used-by:btrfs", "xor crc32c_generic"),
        ("used-by:=btr", ""),
        ("needs:crc32", "btrfs"),
        ("name:=xor", "xor"),
        ("reach:root", "btrfs xor"),
        ("blocked:yes", "btrfs"),
        ("!blocked:yes", "xor"),
        ("[red]x", ""),
        ("nouveau:", ""),
        ('"size>1M"', ""),
    ],
)
def test_a_module_has_to_match_all_terms(text: str, expected: str) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "cause", "remedy"),
    [
        ("sise>1M", "There is no field “sise” for loaded modules.", "Did you mean size?"),
        ("level:err", "There is no field “level”", "The fields are name, size"),
        ("size>big", "“big” is not a size", "size>1M"),
        ("size>", "the value is missing", "Write a number of bytes"),
        ("refs:a", "“a” is not a whole number", "refs:0"),
        ("state:liev", "“liev” is not a state", "Did you mean live?"),
        ("state>live", "state cannot be compared", "colon"),
        ("signed:maybe", "“maybe” is not yes or no", "signed:yes or signed:no"),
        ("taint:o", "o is not a taint flag", "Did you mean O?"),
        ("/(/", "/(/ is not a valid regular expression", "quotes"),
        ("@unusd", "There is no filter @unusd.", "Did you mean @unused?"),
        ("!@pair", "@pair has more than one term", "one by one"),
        ("@circle", "refers to itself", "[filters]"),
        ("x" * 600, "too long", ""),
    ],
)
def test_an_invalid_filter_says_why_and_what_to_write(text: str, cause: str, remedy: str) -> None:
    named = {"unused": "refs:0", "pair": "a b", "circle": "@circle"}
    with pytest.raises(FilterError) as caught:
        parse_filter(text, MODULES, named)
    assert cause in caught.value.message
    assert remedy in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_named_filter_stands_for_its_terms() -> None:
    named = {"unused": "refs:0", "large": "@unused size>1M"}
    assert names("@large", named) == "btrfs"
    assert names("!@unused r", named) == "xor crc32c_generic"
    assert problem_of("large", named) is None
    assert problem_of("log", {"log": "level:err"}) is None
    wrong = problem_of("log", {"log": "level:error level:odd"})
    assert wrong is not None
    assert "“error” is not a log level" in wrong.message


def test_a_regular_expression_that_takes_forever_is_cancelled() -> None:
    table = (module("a" * 55 + "_"),)
    begin = time.monotonic()
    with pytest.raises(TookTooLongError, match="took too long"):
        select(parse_filter("/(a+)+$/", MODULES), ModuleSource(table), table, 0.05)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("before", "proposals"),
    [
        ("si", "size: signed:"),
        ("btrfs !re", "refs: reach:"),
        ("state:", "live loading unloading"),
        ("state:l", "live loading"),
        ("@un", "@unused"),
        ("/si", ""),
        ('"si', ""),
        ("btrfs", ""),
    ],
)
def test_fields_values_and_named_filters_are_completed(before: str, proposals: str) -> None:
    assert " ".join(complete(before, MODULES, ["unused"]).proposals) == proposals
