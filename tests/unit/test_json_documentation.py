"""docs/json.md and what the verbs print as JSON are the same: fields, types and examples."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from kmodtui.cli import VERBS, run
from kmodtui.demo import open_demo
from kmodtui.demo.recording import packaged_recording
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.own_file import OwnFile
from kmodtui.model.timeline.event_json import event_json
from kmodtui.services.snapshots import save, take
from kmodtui.verbs.events import stream
from tests.support.events import one_of_each
from tests.support.rebuilds import watch_events
from tests.support.simulated import make_demo, make_simulated
from tests.support.upgraded import upgraded

DOCUMENT = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
FILES = "Snapshot files"
"""The one section that is not about a verb."""

MORE = {
    "tree": ["tree xor --reverse --demo"],
    "linkage": ["linkage virtio_net failover --demo"],
    "symbols": ["symbols --module ext4 --demo"],
    "check": ["check ext4 --demo", "check hello --root {root}"],
    "plan": ["plan load virtio --root {root}", "plan unload ext4 --demo"],
    "diff": ["diff before.kmodtui changed.kmodtui --symbols"],
    "experiment": ["experiment binder_linux --demo --yes", "experiment dummy x=1 --demo --yes"],
    "list": ["list --root {root}"],
    "load": [
        "load binder_linux --yes --demo",
        "unload crc32c_intel --dry-run --demo",
        "load btrfs --yes --demo",
        "load dummy numdummies=2 --dry-run --demo",
        "unload x_tables ip_tables --yes --demo",
        "unload virtio_net --dry-run --root {root}",
        "reload ip_tables --yes --demo",
    ],
    "crosscheck": ["crosscheck --root hidden"],
    "block": ["block btrfs --dry-run --demo", "block --profile rare --dry-run --demo"],
    "info": ["info hello --root {root}"],
    "about": ["about hello --root {root}"],
    "catalog": ["catalog --root {root}", "catalog sctp --reach any --demo"],
    "config": ["config path", "config init"],
    "audit": [
        "audit",
        "audit --policy anssi-bp-028 --demo",
        "audit --policy nbd.toml --root rules",
    ],
}
"""Commands whose output has fields that the output of the examples does not have."""

VARY = {"helper status", "events", "watch"}
"""Sections whose examples are not what the commands print here and now."""

VARYING = {"taken", "size"}
"""Fields of a snapshot that are different each time."""


@dataclass(frozen=True)
class Field:
    """A row of a table.

    Attributes:
        type: `string`, `list of objects`…
        null: whether it can be null.
        like: the field whose fields it has, for `as in …`.
    """

    type: str
    null: bool
    like: str


@dataclass(frozen=True)
class Section:
    """What the document says about one verb."""

    fields: dict[str, Field]
    examples: list[tuple[str, Any]]
    same_as: str = ""


SAME = re.compile(r"The fields are those of `(\w+)`")
ROW = re.compile(
    r"^\| `(?P<name>[^`]+)` \| (?P<type>[a-z ]+?)"
    r"(?P<nested> like this one)?(?: as in `(?P<like>[^`]+)`)?(?P<null>,? or null)? \|",
    re.MULTILINE,
)
EXAMPLE = re.compile(
    r"^\$ kmodtui ([^\n]+) --json\n```\n```json\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def section(text: str) -> Section:
    """Return what a section says; every row of its tables has to be understood."""
    rows = list(ROW.finditer(text))
    assert len(rows) == text.count("\n| `")
    fields = {
        row["name"]: Field(
            "list of nodes" if row["nested"] else row["type"], bool(row["null"]), row["like"] or ""
        )
        for row in rows
    }
    assert len(fields) == len(rows), "a field is documented twice"
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```json")
    same = SAME.search(text)
    read = [(command, json.loads(shown)) for command, shown in examples]
    return Section(fields, read, same[1] if same else "")


SECTIONS = {
    title: section(text)
    for title, text in (part.split("\n", 1) for part in DOCUMENT.split("\n## ")[1:])
    if title != "Conventions"
}
SECTIONS |= {
    title: replace(each, fields=SECTIONS[each.same_as].fields)
    for title, each in SECTIONS.items()
    if each.same_as
}
STREAM = "events"
"""The verb that prints a line for each change, without end."""

REBUILDS = "watch"
"""The verb that prints lines for each rebuild, without end."""

VERB_SECTIONS = [title for title in SECTIONS if title != FILES]

PLAIN = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


def used(section: Section, value: Any, path: str, place: str) -> Iterator[str]:
    """Check a value against the row of a field; yield the documented names below it.

    Args:
        section: of the document.
        value: what a verb has printed.
        path: where it is, for a message.
        place: the name in the document; empty for the whole object.
    """
    kind = section.fields[place].type if place else "object"
    if place:
        yield place
        if value is None:
            assert section.fields[place].null, f"{path} is null"
            return
    match kind:
        case "object":
            assert isinstance(value, dict), path
            yield from used_below(section, value, path, place, ".")
        case "list of objects":
            assert isinstance(value, list), path
            for each in value:
                yield from used_below(section, each, path, place, "[].")
        case "list of nodes":
            for each in value:
                yield from used_below(section, each, path, "", "")
        case "list of strings":
            assert all(isinstance(each, str) for each in value), path
        case "map to integers":
            assert all(type(each) is int for each in value.values()), path
        case "map to strings":
            assert all(isinstance(text, str) for text in value.values()), path
        case "map to lists of strings":
            assert all(isinstance(text, str) for each in value.values() for text in each), path
        case _:
            assert isinstance(value, PLAIN[kind]), f"{path} is {value!r}"
            assert kind == "boolean" or not isinstance(value, bool), path


def used_below(
    section: Section, value: dict[str, Any], path: str, place: str, dots: str
) -> Iterator[str]:
    like = section.fields[place].like if place else ""
    if like:
        place, dots = like, "[]." if section.fields[like].type.startswith("list") else "."
    for key, below in value.items():
        name = f"{place}{dots if place else ''}{key}"
        assert name in section.fields, f"{path}.{key} is not documented"
        yield from used(section, below, f"{path}.{key}", name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are run: with three snapshots and a simulated system."""
    folder = tmp_path_factory.mktemp("json")
    demo = open_demo(pace=0)
    demo.kernel.load("dummy")
    after = take(demo.host)
    save(after, folder / "after.kmodtui")
    *others, last = after.modules
    changed = replace(after, modules=(*others, last._replace(size=last.size + 4096)))
    save(changed, folder / "changed.kmodtui")
    make_simulated(folder)
    rules = make_simulated(folder / "with_rules")
    for name in ("a.conf", "b.conf", "a.conf.bak"):
        rules.folder.write(f"/etc/modprobe.d/{name}", b"blacklist nbd\n")
    (folder / "rules").symlink_to(rules.folder.root)
    module = '[[module]]\nname = "nbd"\nwanted = "blocked"\nreason = "Unused."\n'
    (folder / "mine.toml").write_text("ligth = true\n")
    (folder / "nbd.toml").write_text(f'schema = 1\ntitle = "Ours"\n{module}')
    upgraded(folder / "upgraded")
    kept = make_simulated(folder / "with_kept")
    kept.folder.write(OwnFile.BOOT, b"nbd\n")
    kept.folder.write(OwnFile.OPTIONS, b"options nbd nbds_max=4\n")
    kept.folder.write("/etc/modprobe.d/a.conf", b"options nbd max_part=1\n")
    (folder / "kept").symlink_to(kept.folder.root)
    hidden = make_simulated(folder / "with_hidden")
    lines = hidden.folder.read("/proc/modules").splitlines(keepends=True)
    hidden.folder.write("/proc/modules", b"".join(lines[1:]))
    (folder / "hidden").symlink_to(hidden.folder.root)
    return folder


Printed = dict[str, list[tuple[str, Any]]]


@pytest.fixture(scope="module")
def printed(folder: Path) -> Printed:
    """The commands of each section with what they print."""
    found: Printed = defaultdict(list)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # Forty demos: unpacking the recording once is enough.
        patch.setattr("kmodtui.demo.packaged_recording", cache(packaged_recording))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        for title in VERB_SECTIONS:
            if title == STREAM:
                found[title].append((STREAM, asyncio.run(_event(make_simulated(folder / STREAM)))))
                found[title] += [(STREAM, event_json(each)) for each in one_of_each()]
                continue
            if title == REBUILDS:
                lines = asyncio.run(watch_events(make_demo(folder / REBUILDS)))
                found[title] += [(REBUILDS, line) for line in lines]
                continue
            examples = [command for command, _ in SECTIONS[title].examples]
            for command in (*examples, *MORE.get(title, ())):
                words = shlex.split(command.format(root=folder / "simulated/root"))
                out = io.StringIO()
                with redirect_stdout(out), redirect_stderr(io.StringIO()):
                    run([*words, "--json"])
                found[title].append((command, json.loads(out.getvalue())))
    return found


async def _event(kernel: SimulatedKernel) -> Any:
    """Return what `events` prints for a load."""
    out, started = io.StringIO(), asyncio.Event()
    with redirect_stdout(out):
        printing = asyncio.create_task(stream(kernel.host, as_json=True, count=1, started=started))
        await started.wait()
        kernel.load("vfat")
        await printing
    return json.loads(out.getvalue())


def test_every_verb_has_a_section_and_an_example() -> None:
    assert {title.split()[0] for title in VERB_SECTIONS} == set(VERBS)
    assert all(SECTIONS[title].examples for title in VERB_SECTIONS)


@pytest.mark.parametrize("title", VERB_SECTIONS)
def test_every_answer_has_a_schema_number_first(title: str, printed: Printed) -> None:
    for command, answer in printed[title]:
        assert next(iter(answer.items())) == ("schema", 1), command


@pytest.mark.parametrize("title", VERB_SECTIONS)
def test_every_field_is_documented_and_every_documented_field_is_there(
    title: str, printed: Printed
) -> None:
    section = SECTIONS[title]
    seen = set()
    for command, answer in printed[title]:
        fields = {key: value for key, value in answer.items() if key != "schema"}
        seen |= set(used_below(section, fields, command, "", ""))
    if not section.same_as:
        assert sorted(section.fields.keys() - seen) == []


def shown_in(example: Any, answer: Any) -> bool:
    """Return whether an example is an answer with parts left out."""
    if isinstance(example, dict):
        return isinstance(answer, dict) and all(
            key in answer and (key in VARYING or shown_in(value, answer[key]))
            for key, value in example.items()
        )
    if isinstance(example, list):
        return isinstance(answer, list) and all(
            any(shown_in(each, other) for other in answer) for each in example
        )
    return bool(example == answer)


@pytest.mark.parametrize("title", [title for title in VERB_SECTIONS if title not in VARY])
def test_every_example_is_what_the_command_prints(title: str, printed: Printed) -> None:
    answers = [answer for _, answer in printed[title]]
    for (command, example), answer in zip(SECTIONS[title].examples, answers, strict=False):
        assert shown_in(example, answer), command


@pytest.mark.parametrize("title", sorted(VARY))
def test_the_example_of_this_machine_has_the_documented_fields(title: str) -> None:
    """What is installed, and what is loaded when, differs from machine to machine."""
    for command, example in SECTIONS[title].examples:
        fields = {key: value for key, value in example.items() if key != "schema"}
        list(used_below(SECTIONS[title], fields, command, "", ""))


def test_the_head_of_a_snapshot_file_is_documented(folder: Path) -> None:
    kernel = make_simulated(folder / "addresses")
    seen = set()
    for addresses in (False, True):
        path = folder / f"{addresses}.kmodtui"
        save(take(kernel.host, addresses=addresses), path)
        magic, packed = path.read_bytes().split(b"\n", 1)
        assert f"`{magic.decode()}`" in DOCUMENT
        head = json.loads(zstd.decompress(packed).split(b"\n", 1)[0])
        seen |= set(used_below(SECTIONS[FILES], head, path.name, "", ""))
    assert sorted(SECTIONS[FILES].fields.keys() - seen) == []
