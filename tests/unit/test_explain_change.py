"""What came of a parameter or a blacklist that was written, in words."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from kmodtui.model.explain.change import explain_blacklist, explain_parameter
from kmodtui.model.explain.explain import Facts, Kind
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.result import Result, ResultCode

HERE = "/etc/modprobe.d/kmodtui-blacklist.conf"


def wrote(before: str | None, after: str | None, **fields: Any) -> Result:
    answer: dict[str, Any] = {"ok": True, "code": ResultCode.DONE, **fields}
    return Result(**answer, before={"rate": before}, after={"rate": after})


def test_a_value_that_the_kernel_shows_is_done_with_the_old_one() -> None:
    facts = Facts(parameters={"rate": "int"})
    told = explain_parameter("psmouse", "rate=0x10", wrote("100", "16"), facts)
    assert (told.kind, told.title) == (Kind.DONE, "Set rate of psmouse to 0x10")
    assert told.cause == "Confirmed in /sys. It was 100."
    assert told.shown == ("/sys/module/psmouse/parameters/rate: 16",)


def test_a_value_that_the_kernel_made_another_of_is_a_warning() -> None:
    facts = Facts(parameters={"rate": "int"})
    told = explain_parameter("psmouse", "rate=500", wrote("100", "200"), facts)
    assert (told.kind, told.title) == (Kind.WARNING, "rate of psmouse is 200")
    assert "accepted 500 but shows 200. It was 100." in told.cause


def test_a_driver_may_show_its_own_type_as_it_likes() -> None:
    told = explain_parameter("psmouse", "rate=any", wrote("bare", "auto"))
    assert told.kind is Kind.DONE
    assert told.cause == "The kernel accepted it and shows auto. It was bare."


def test_a_value_that_nobody_can_read_is_done_because_it_was_taken() -> None:
    told = explain_parameter("psmouse", "rate=5", wrote(None, None), Facts())
    assert (told.kind, told.cause, told.shown) == (Kind.DONE, "The kernel accepted it.", ())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EINVAL, "does not accept '5' for its parameter rate, which is of type bool."),
        (errno.ERANGE, "does not accept '5'"),
        (errno.EACCES, "only reads rate when it is loaded"),
        (errno.EPERM, "Reload psmouse with the new value."),
        (errno.ENOENT, "unloaded in the meantime, or does not show this parameter"),
        (errno.EXDEV, "EXDEV"),
    ],
)
def test_a_refused_value_is_told_with_what_to_do(number: int, words: str) -> None:
    answer = wrote("Y", "Y", ok=False, code=ResultCode.FAILED, errno=number, subject="psmouse")
    told = explain_parameter("psmouse", "rate=5", answer, Facts(parameters={"rate": "bool"}))
    assert told.kind is Kind.FAILURE
    assert words in f"{told.cause} {told.remedy}"


def test_a_module_that_has_gone_before_its_parameter_was_written() -> None:
    answer = wrote(None, None, ok=False, code=ResultCode.NOT_LOADED, subject="psmouse")
    told = explain_parameter("psmouse", "rate=5", answer)
    assert told.title == "psmouse is not loaded"


def test_a_blacklisted_module_stays_loaded_and_can_come_in_other_ways() -> None:
    module = LoadedModule("nouveau", 1, 0, (), ModuleState.LIVE, "", False, 0)
    answer = Result(True, ResultCode.DONE)
    told = explain_blacklist(["nouveau"], answer, Facts(loaded={"nouveau": module}))
    assert (told.kind, told.title) == (Kind.DONE, "Blacklisted nouveau")
    assert "nouveau stays loaded until it is unloaded." in told.cause
    assert "by its name" in told.remedy
    assert "initramfs" in told.remedy
    assert told.shown == (f"{HERE}: blacklist nouveau",)


def test_removed_from_the_blacklist_is_told_with_the_rules_of_others() -> None:
    answer = Result(True, ResultCode.DONE)
    told = explain_blacklist(["nouveau"], answer, back=True)
    assert (told.kind, told.title) == (Kind.DONE, "Removed nouveau from the blacklist")
    facts = Facts(blacklisted_by={"nouveau": ["/etc/modprobe.d/nvidia.conf:2"]})
    told = explain_blacklist(["nouveau"], answer, facts, back=True)
    assert (told.kind, told.shown) == (Kind.WARNING, ("/etc/modprobe.d/nvidia.conf:2",))


@pytest.mark.parametrize(
    ("number", "why", "remedy"),
    [
        (errno.ENOSPC, "file system of /etc/modprobe.d is full", "df /etc/modprobe.d"),
        (errno.EROFS, "is on a read-only file system", "remount"),
        (errno.EPERM, "root is not allowed", "lsattr"),
        (errno.EACCES, "security module", "audit log"),
        (errno.EIO, "the disk reported an error", "kernel log"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_with_cause_and_remedy(
    number: int, why: str, remedy: str
) -> None:
    answer = Result(False, ResultCode.FAILED, errno=number, subject="nouveau")
    told = explain_blacklist(["nouveau"], answer)
    assert told.kind is Kind.FAILURE
    assert told.cause.startswith(f"{HERE} was not changed: ")
    assert why in told.cause
    assert errno.errorcode[number] in told.cause
    assert remedy in told.remedy
    assert told.shown == (HERE,)


def test_the_place_that_the_helper_does_not_trust_is_named() -> None:
    message = "/etc/modprobe.d is writable by users other than root."
    answer = Result(False, ResultCode.NO_MODULES, errno=errno.EPERM, message=message)
    assert explain_blacklist(["nouveau"], answer).title.endswith("does not trust /etc/modprobe.d")
