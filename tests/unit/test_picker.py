"""The picker: what Enter makes of a line, without a screen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import KmodtuiError, UnknownModuleError
from kmodtui.kernel.index.release import read_index
from kmodtui.model.fuzzy import SearchIndex
from kmodtui.model.load_line import LoadRequest
from kmodtui.services.catalog.catalog import names_of
from kmodtui.services.machine import Machine
from kmodtui.services.picker.matching import (
    InputKind,
    PathChoice,
    Suggestions,
    answer_device,
    answer_modules,
    answer_path,
    kind_of,
)
from kmodtui.services.picker.picker import (
    Chosen,
    Completed,
    Entered,
    Message,
    NeedsCheck,
    NeedsForm,
    Picker,
)
from kmodtui.services.root.demo import DemoRoot
from tests.support.elf import make_module
from tests.support.simulated import make_demo


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


@pytest.fixture
async def picker(demo: Demo) -> Picker:
    machine = Machine(demo.host, DemoRoot(demo))
    index = await machine.index()
    catalog = names_of(read_index(demo.host, machine.release))
    haystack = SearchIndex(catalog.entries)

    async def answer_to(text: str) -> Suggestions:
        match kind_of(text):
            case InputKind.PATH:
                return answer_path(demo.host, text)
            case InputKind.DEVICE:
                return answer_device(demo.host, haystack, index, text)
            case InputKind.MODULE:
                return answer_modules(haystack, index, text)

    return Picker(machine, answer_to)


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("dummy", LoadRequest("dummy", ())),
        ("dummy numdummies=2", LoadRequest("dummy", ("numdummies=2",))),
        ("blake2b-generic", LoadRequest("blake2b-generic", ())),
        ("fs-btrfs", LoadRequest("fs-btrfs", ())),
        ("dummy.ko", LoadRequest("dummy", ())),
        ("btr", LoadRequest("btrfs", ())),
        ("btfs", LoadRequest("btrfs", ())),
    ],
)
async def test_a_name_an_alias_or_a_clear_match_is_chosen(
    picker: Picker, line: str, request_: LoadRequest
) -> None:
    assert await picker.pick(Entered(line)) == Chosen(request_)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "Enter the name of a module."),
        ('dummy "', "quot"),
        ("dummy seven", "“seven” is not a parameter: write parameters as key=value."),
        ("qqqqqq", "qqqqqq"),
    ],
)
async def test_what_is_wrong_is_said(picker: Picker, line: str, words: str) -> None:
    outcome = await picker.pick(Entered(line))
    assert isinstance(outcome, Message)
    assert words in outcome.text


async def test_the_row_under_the_cursor_counts_more_than_the_line(
    picker: Picker, demo: Demo
) -> None:
    release = Machine(demo.host, DemoRoot(demo)).release
    entries = names_of(read_index(demo.host, release)).entries
    tun = next(entry for entry in entries if entry.name == "tun")
    outcome = await picker.pick(Entered("dummy numdummies=2", tun))
    assert outcome == Chosen(LoadRequest("tun", ("numdummies=2",)))


async def test_a_module_that_cannot_be_planned_is_an_error(picker: Picker) -> None:
    with pytest.raises(KmodtuiError):
        await picker.accept("nonsense", ())


async def test_the_form_comes_before_the_plan(picker: Picker) -> None:
    outcome = await picker.pick(Entered("fs-btrfs a=b", form=True))
    assert outcome == NeedsForm("btrfs", ("a=b",))
    assert await picker.accept("btrfs", ()) == Chosen(LoadRequest("btrfs", ()))
    with pytest.raises(UnknownModuleError):
        await picker.accept("nonsense", (), form=True)


async def test_a_file_is_checked_first_with_the_digest_that_it_has_now(
    picker: Picker, demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = make_module([b"license=GPL", b"name=mine"])
    demo.kernel.folder.write(f"{tmp_path}/mine.ko", data)
    path = str(tmp_path / "mine.ko")
    request = LoadRequest(path, ("a=b",), "insert", hashlib.sha256(data).hexdigest())
    assert await picker.pick(Entered(f"{path} a=b")) == NeedsCheck(request)
    # Not in the index, but a file of this directory.
    outcome = await picker.pick(Entered("mine.ko a=b"))
    assert outcome == NeedsCheck(replace(request, name=f"{tmp_path}/./mine.ko"))
    assert await picker.pick(Entered("x", PathChoice("./dir/", None))) == Completed("./dir/")


async def test_a_path_that_is_not_complete_is_not_guessed(picker: Picker, demo: Demo) -> None:
    for name in ("mine.ko", "mine2.ko"):
        data = make_module([b"license=GPL", b"name=mine"])
        demo.kernel.folder.write(f"/srv/{name}", data)
    outcome = await picker.pick(Entered("/srv/mi"))
    assert isinstance(outcome, Message)
    assert outcome.text.startswith("Several files begin like this")
    outcome = await picker.pick(Entered("/srv/"))
    assert isinstance(outcome, Message)
    assert "of this directory" in outcome.text
