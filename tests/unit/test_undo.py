"""What was changed is taken back by what undoes it, and only what has really changed."""

from __future__ import annotations

import pytest

from kmodtui.model.own_file import OwnFile
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.plan import Action, Option, Plan, PlanCommand, Step, merged
from kmodtui.model.plan.undo import (
    UndoEntry,
    loaded,
    reloaded,
    restored,
    set_back,
    unloaded,
    words_of,
)
from kmodtui.model.plan.verb import Verb
from kmodtui.services.planning.undo_list import MOST, UndoList


def plan(name: str, *steps: tuple[Action, str], **fields: object) -> Plan:
    made = tuple(Step(action, module, "requested") for action, module in steps)
    commands = (PlanCommand(Verb.LOAD, (name,)),)
    return Plan(Verb.LOAD, (name,), made, commands, **fields)  # type: ignore[arg-type]


def test_a_load_is_taken_back_newest_first_and_nothing_by_nothing() -> None:
    done = loaded("load of btrfs", ["btrfs", "xor"])
    assert done == UndoEntry("load of btrfs", (Intent(Verb.UNLOAD, ("btrfs", "xor")),))
    assert loaded("load of btrfs", []) is None


def test_an_unload_is_taken_back_oldest_first_with_parameters_and_without_what_comes_along() -> (
    None
):
    done = unloaded(
        "unload of nbd, vfat",
        ("nbd", "vfat"),
        ["vfat", "nbd", "fat", "helper"],
        {"nbd": ("nbds_max=4",), "helper": ("level=2",)},
        {"fat", "helper"},
    )
    assert done is not None
    assert done.back == (
        Intent(Verb.LOAD, ("helper",), ("level=2",)),
        Intent(Verb.LOAD, ("nbd",), ("nbds_max=4",)),
        Intent(Verb.LOAD, ("vfat",)),
    )
    assert unloaded("unload of a", ("a",), [], {}, ()) is None


def test_writes_are_taken_back_in_the_other_order() -> None:
    done = set_back("change of a, b of m", [("m", "a", "1"), ("m", "b", "x y")])
    assert done is not None
    assert [intent.parameters for intent in done.back] == [("b=x y",), ("a=1",)]
    assert {intent.verb for intent in done.back} == {Verb.SET}
    assert set_back("nothing", []) is None


@pytest.mark.parametrize("was", ["", "(null)", None, "a\tb", "a\u200db", r"a\xffb"])
def test_a_value_that_cannot_be_put_back_is_told_and_never_written(was: str | None) -> None:
    done = set_back("change of a, b of m", [("m", "a", was), ("m", "b", "1")])
    assert done is not None
    assert done.back == (Intent(Verb.SET, ("m",), ("b=1",)),)
    assert done.not_restored[0].startswith("a of m cannot be restored: its previous value ")
    alone = set_back("change of a of m", [("m", "a", was)])
    assert alone is not None
    assert alone.back == ()


def test_a_reload_and_a_blacklisting_are_taken_back_by_their_like() -> None:
    again = reloaded("reload of nbd", {"nbd": ("nbds_max=16",)})
    assert again == UndoEntry("reload of nbd", (Intent(Verb.RELOAD, ("nbd",), ("nbds_max=16",)),))
    done = restored(
        "b", [(OwnFile.BLACKLIST, "nbd", None), (OwnFile.BLACKLIST, "dm", "blacklisted")]
    )
    assert done is not None
    assert done.back == (Intent(Verb.UNBLACKLIST, ("nbd",)), Intent(Verb.BLACKLIST, ("dm",)))


def test_what_was_kept_is_restored_as_it_was_in_each_file() -> None:
    done = restored(
        "keeping of nbd",
        [(OwnFile.BOOT, "nbd", None), (OwnFile.OPTIONS, "nbd", "nbds_max=4 max_part=2")],
    )
    assert done is not None
    assert done.back == (
        Intent(Verb.FORGET, ("nbd",)),
        Intent(Verb.KEEP_OPTIONS, ("nbd",), ("nbds_max=4", "max_part=2")),
    )
    back = restored("b", [(OwnFile.OPTIONS, "nbd", None), (OwnFile.BOOT, "nbd", "kept")])
    assert back is not None
    assert [intent.verb for intent in back.back] == [Verb.FORGET_OPTIONS, Verb.KEEP]


def test_a_change_is_named_after_what_was_changed() -> None:
    assert words_of(plan("btrfs")) == "load of btrfs"
    change = Plan(Verb.SET, ("psmouse",), (), parameters=("rate=5", "proto=any"))
    assert words_of(change) == "change of rate, proto of psmouse"


def test_plans_become_one_in_their_order_without_a_step_twice() -> None:
    one = plan("a", (Action.INSMOD, "lib"), (Action.INSMOD, "a"))
    other = plan("b", (Action.INSMOD, "lib"), (Action.SKIP, "a"), (Action.INSMOD, "b"))
    whole = merged([one, other])
    assert [(step.action, step.module) for step in whole.steps] == [
        (Action.INSMOD, "lib"),
        (Action.INSMOD, "a"),
        (Action.INSMOD, "b"),
    ]
    assert whole.targets == ("a", "b")
    assert [command.names for command in whole.commands] == [("a",), ("b",)]
    assert merged([one]) is one


def test_two_parameters_of_one_module_stay_two_steps() -> None:
    parts = [
        Plan(Verb.SET, ("m",), (Step(Action.SET, "m", "was 1", options=(Option(text),)),))
        for text in ("a=2", "b=2")
    ]
    assert len(merged(parts).steps) == 2


def test_one_that_cannot_be_done_refuses_them_all() -> None:
    whole = merged([plan("a"), plan("b", refused="b is loaded already.", remedy="Unload it.")])
    assert whole.refused == "b is loaded already."
    assert whole.remedy == "Unload it."
    assert whole.commands == ()


def test_the_list_gives_the_newest_back_first_and_forgets_the_oldest() -> None:
    undo = UndoList()
    assert undo.last is None
    for number in range(MOST + 5):
        undo.note(UndoEntry(f"change {number}", ()))
    undo.note(None)
    seen = []
    while (done := undo.last) is not None:
        seen.append(done.words)
        undo.remove(done)
    assert seen == [f"change {number}" for number in reversed(range(5, MOST + 5))]


def test_of_changes_that_are_alike_the_one_that_is_meant_is_forgotten() -> None:
    first, between, last = (UndoEntry(words, ()) for words in ("load", "change", "load"))
    assert first == last
    undo = UndoList()
    for done in (first, between, last):
        undo.note(done)
    undo.remove(last)
    assert undo.last is between
    undo.remove(between)
    assert undo.last is first


def test_what_a_module_was_given_is_remembered() -> None:
    undo = UndoList()
    undo.note_given("nbd", ["nbds_max=4"])
    assert undo.given("nbd") == ("nbds_max=4",)
    assert undo.given("tun") == ()
