"""The picker: what is offered for what is typed, and what Enter, Tab and the arrows do with it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.dialogs.check_first import InsertCheckDialog
from kmodtui.ui.dialogs.parameters import ParameterForm
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.support.elf import make_module
from tests.support.simulated import make_demo
from tests.support.small_recording import PARTS, Part
from tests.ui.stage import SIZES, Stage, opened


async def ask(stage: Stage, text: str = "") -> None:
    """Open the picker and type, once all files have been read: they change the order."""
    await stage.press("plus")
    await stage.until(
        "Load a module", " of 22 modules", lambda: not re.search("reading [━╌]", stage.text)
    )
    await stage.type(text)


def rows(stage: Stage) -> list[list[str]]:
    return [line.split() for line in stage.part("#load-names") if line.strip()]


def names(stage: Stage) -> list[str]:
    return [row[0] for row in rows(stage)]


def card(stage: Stage) -> str:
    return " ".join(" ".join(stage.part("#load-card")).split())


def line(stage: Stage) -> str:
    return stage.part("#load-input")[0].strip()


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_every_module_is_there_with_what_it_is(demo: Demo, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as stage:
        await ask(stage)
        await stage.until("22 of 22 modules · 2 of 2 built in")
        assert names(stage)[:3] == ["binder_linux", "blake2b_generic", "btrfs"]
        for name, standing in (
            ("vfat", "available"),
            ("ext4", "loaded"),
            ("virtio", "built"),
        ):
            await stage.type(name)
            await stage.until(lambda name=name: names(stage)[:1] == [name])
            assert rows(stage)[0][1] == standing
            await stage.press(*["backspace"] * len(name))


async def test_the_card_tells_what_is_known_of_the_module(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "numd")
        await stage.press(*["backspace"] * 4)
        await stage.type("dummy")
        await stage.until(lambda: "Dummy netdevice driver" in card(stage))
        assert "dummy available · network driver" in card(stage)
        assert "GPL · in-tree · not signed" in card(stage)
        assert "params numdummies (int)" in card(stage)
        assert "aliases rtnl-link-dummy" in card(stage)
        assert "file kernel/drivers/net/dummy.ko" in card(stage)
        await stage.press(*["backspace"] * 5)
        await stage.type("hello")
        await stage.until(lambda: "hello loaded · external" in card(stage))
        assert "out-of-tree" in card(stage)


async def test_words_of_the_description_find_a_module(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "network block")
        await stage.until("1 of 22 modules")
        assert names(stage) == ["nbd"]


async def test_enter_takes_the_highlighted_row(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage)
        assert not stage.highlighted("#load-names")
        await stage.press("enter")
        await stage.until("Enter the name of a module.")
        await stage.type("dumy")
        await stage.until("1 of 22 modules")
        assert "dummy" in stage.highlighted("#load-names")
        await stage.press("enter")
        await stage.until("Load dummy", "Esc cancel")


async def test_a_name_that_was_begun_is_taken_for_the_first_that_begins_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "btr")
        await stage.until("1 of 22 modules")
        await stage.press("enter")
        await stage.until("Load btrfs", "Esc cancel")


@pytest.mark.parametrize(
    "text", ["raid6-pq", "raid6_pq", "RAID6-PQ", "raid6-pq.ko", "raid6_pq.ko.xz"]
)
async def test_all_ways_to_write_a_name_are_one(demo: Demo, text: str) -> None:
    async with opened(demo) as stage:
        await ask(stage, text)
        await stage.until("1 of 22 modules")
        assert names(stage) == ["raid6_pq"]
        await stage.press("enter")
        await stage.until("Load raid6_pq", "Esc cancel")


async def test_the_name_of_the_file_stands_beside_where_it_differs(tmp_path: Path) -> None:
    parts = {**PARTS, "snd_pcm": Part("sound/core/snd-pcm.ko", 16384)}
    async with opened(make_demo(tmp_path, parts=parts)) as stage:
        await stage.press("plus")
        await stage.until("Load a module", " of 23 modules")
        await stage.type("snd-pcm")
        await stage.until(lambda: rows(stage)[0][:3] == ["snd_pcm", "snd-pcm.ko", "available"])
        assert "snd_pcm snd-pcm.ko available · sound" in card(stage)


async def test_arrows_choose_while_the_keys_stay_in_the_line(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "fa")
        await stage.until("4 of 22 modules")
        stage.send("down", "down", "down", "up")
        await stage.until(lambda: "net_failover" in stage.highlighted("#load-names"))
        stage.send("down", "enter")
        await stage.until("Load vfat", "Esc cancel")


async def test_a_burst_of_arrow_and_enter_takes_what_the_arrow_reached(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage)
        stage.send(*"fa", "down", "down", "down", "enter")
        await stage.until("Load vfat", "Esc cancel")


async def test_typing_on_forgets_what_was_chosen(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "bt")
        stage.send("down", *"frs", "enter")
        await stage.until("has no module or alias btfrs. Did you mean btrfs?")


async def test_tab_completes_the_name_and_leaves_the_parameters(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "dumm numdummies=3")
        await stage.press("tab")
        assert line(stage) == "dummy numdummies=3"
        await stage.press("enter")
        await stage.until("Load dummy", "numdummies=3")


async def test_a_chosen_line_keeps_while_parameters_are_typed(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "fa")
        await stage.until("4 of 22 modules")
        await stage.press("down", "down", "down")
        await stage.type(" a=1")
        await stage.press("enter")
        await stage.until("Load vfat", "a=1")


async def test_what_may_have_been_meant_is_there_to_be_chosen(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "btfrs")
        await stage.until("No match for “btfrs”. Did you mean btrfs?")
        assert names(stage) == ["btrfs"]
        assert stage.highlighted("#load-names") == "", "nothing is chosen yet"
        stage.send("enter", "enter")
        await stage.until("has no module or alias btfrs. Did you mean btrfs?")
        await stage.calm()
        assert isinstance(stage.screen, ModulePicker)
        assert line(stage) == "btfrs"
        stage.send("down", "enter")
        await stage.until("Load btrfs", "Esc cancel")


async def test_an_alias_is_told_as_such_and_taken_as_it_stands(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "virtio:d00000001v00001AF4")
        await stage.until("is an alias of 1 module")
        assert names(stage)[0] == "virtio_net"
        await stage.press("enter")
        await stage.until("virtio_net is already loaded")


async def test_an_alias_that_is_a_name_stands_before_the_description(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "ext3")
        await stage.until(lambda: names(stage)[:1] == ["ext4"])
        # The description is read from its file, and may come a moment later.
        await stage.until(lambda: "ext3 Fourth Extended Filesystem" in " ".join(rows(stage)[0]))


@pytest.fixture
def pci(kernel: SimulatedKernel) -> None:
    """A machine with one card that a module is for, and one that nobody knows."""
    folder = "/sys/bus/pci/devices"
    kernel.folder.write(f"{folder}/0000:00:03.0/modalias", b"virtio:d00000001v00001AF4\n")
    kernel.folder.write(f"{folder}/0000:00:04.0/modalias", b"pci:v00001234d00005678\n")


@pytest.mark.usefixtures("pci")
@pytest.mark.parametrize("text", ["0000:00:03.0", "00:03.0", "/sys/bus/pci/devices/0000:00:03.0"])
async def test_a_device_stands_for_its_module(demo: Demo, text: str) -> None:
    async with opened(demo) as stage:
        await ask(stage, text)
        await stage.until("1 module for virtio:d00000001v00001AF4")
        assert names(stage) == ["virtio_net"]
        await stage.press("enter")
        await stage.until("virtio_net is already loaded")


@pytest.mark.usefixtures("pci")
async def test_a_device_that_no_module_is_for_keeps_the_line(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "00:04.0")
        await stage.until("No module of this kernel matches pci:v00001234d00005678")
        await stage.press("enter")
        await stage.calm()
        assert isinstance(stage.screen, ModulePicker)
        await stage.press("backspace")
        await stage.type("9")
        await stage.until("No match for “00:04.9”")
        await stage.press("backspace")
        await stage.type("5")
        await stage.until("There is no device 00:04.5.")


async def test_a_path_is_completed_and_its_file_checked_before_its_plan(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write("/home/me/build/mine.ko", make_module((b"license=GPL", b"name=mine")))
    kernel.folder.write("/home/me/build/mine.c", b"int x;")
    async with opened(demo) as stage:
        await ask(stage, "/ho")
        await stage.until(lambda: names(stage) == ["home/"])
        await stage.press("tab")
        await stage.until(lambda: names(stage) == ["me/"])
        await stage.press("tab")
        await stage.until(lambda: names(stage) == ["build/"])
        await stage.press("tab")
        await stage.until(lambda: names(stage) == ["mine.ko"])
        await stage.press("tab")
        assert line(stage) == "/home/me/build/mine.ko"
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.screen, InsertCheckDialog), "Check of mine.ko")
        await stage.until("p: plan to insert it")
        await stage.press("escape")
        await stage.until("Load a module")
        assert line(stage) == "/home/me/build/mine.ko"
        await stage.press("enter")
        await stage.until("p: plan to insert it")
        await stage.press("p")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog), "Insert mine")
        assert "mine" not in kernel.loaded


async def test_a_file_that_has_changed_since_its_check_is_not_inserted(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    path = "/home/me/mine.ko"
    kernel.folder.write(path, make_module((b"license=GPL", b"name=mine")))
    async with opened(demo) as stage:
        await ask(stage, "/home/me/")
        await stage.until("1 file or directory")
        await stage.type("mine.ko")
        await stage.press("enter")
        await stage.until("p: plan to insert it", "vermagic")
        kernel.folder.write(path, make_module((b"license=GPL", b"name=mine", b"author=other")))
        await stage.press("p")
        await stage.until("The file has changed since it was checked.", "Esc close")
        await stage.press("y")
        await stage.calm()
        assert "mine" not in kernel.loaded
        await stage.press("escape")
        await ask(stage, path)
        await stage.press("enter")
        await stage.until("p: plan to insert it")
        await stage.press("p")
        await stage.until("y insert")


async def test_who_could_change_the_file_is_told_before_it_is_inserted_and_after(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    path = "/home/me/build/dummy.ko"
    kernel.folder.write(path, make_module((b"license=GPL", b"name=dummy")))
    kernel.folder.locate("/home/me/build").chmod(0o777)
    if os.geteuid() == 0:
        for part in ("/home/me", "/home/me/build", path):
            os.chown(kernel.folder.locate(part), 54321, 54321)
    async with opened(demo) as stage:
        await ask(stage, path)
        await stage.press("enter")
        await stage.until("p: plan to insert it")
        await stage.press("p")
        await stage.until("y insert")
        writable = "/home/me/build is writable by everyone"
        owned = "/home/me, build and dummy.ko are owned by user 54321"
        told = [writable, owned] if os.geteuid() == 0 else [writable]
        assert all(words in stage.words for words in told)
        await stage.press("y")
        await stage.until("Inserted dummy", "the file that was read")
        assert all(words in stage.words for words in told)


async def test_the_digest_that_is_confirmed_is_seen_on_a_small_screen(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    path = kernel.index.path_of("btrfs")  # it needs so much that the plan is longer than that
    assert path
    digest = hashlib.sha256(demo.host.read(path)).hexdigest()
    async with opened(demo, size=(80, 24)) as stage:
        await ask(stage, path)
        await stage.press("enter")
        await stage.until("p: plan to insert it")
        await stage.press("p")
        await stage.until("y insert", "needed by btrfs")
        assert digest[:40] in stage.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are root's alone")
async def test_of_a_file_that_root_alone_can_change_nothing_is_said(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    path = "/srv/dummy.ko"
    kernel.folder.write(path, make_module((b"license=GPL", b"name=dummy")))
    async with opened(demo) as stage:
        await ask(stage, path)
        await stage.press("enter")
        await stage.until("p: plan to insert it")
        await stage.press("p")
        await stage.until("y insert")
        assert "ownership" not in stage.words
        await stage.press("y")
        await stage.until("Inserted dummy")
        assert "the file that was read" not in stage.words


async def test_a_path_that_leads_nowhere_is_said(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "/nowhere/x.ko")
        await stage.until("/nowhere: No such file or directory")
        await stage.press("enter")
        await stage.calm()
        assert isinstance(stage.screen, ModulePicker)


async def test_the_form_of_parameters_is_asked_for_and_left_again(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await ask(stage, "dummy")
        await stage.press("ctrl+e")
        await stage.until(lambda: isinstance(stage.screen, ParameterForm), "numdummies")
        await stage.press("escape")
        await stage.until("Load a module", lambda: line(stage) == "dummy")
        await stage.press("ctrl+e")
        await stage.until(lambda: isinstance(stage.screen, ParameterForm), "numdummies")
        await stage.type("3")
        await stage.press("enter")
        await stage.until("Load dummy", "numdummies=3")
        assert "dummy" not in kernel.loaded


async def test_the_form_of_a_module_that_there_is_not_is_refused_in_the_dialog(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "nvidia")
        await stage.press("ctrl+e")
        await stage.until("has no module or alias nvidia")
        assert isinstance(stage.screen, ModulePicker)


async def test_depmod_is_followed_while_the_picker_is_open(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    folder = f"/lib/modules/{kernel.release}"
    async with opened(demo) as stage:
        await ask(stage, "brandnew")
        await stage.until("0 of 22 modules", "No match for “brandnew”")
        module = make_module((b"license=GPL", b"description=Came later"))
        kernel.folder.write(f"{folder}/updates/brandnew.ko", module)
        index = kernel.folder.read(f"{folder}/modules.dep")
        kernel.folder.write(f"{folder}/modules.dep", index + b"updates/brandnew.ko:\n")
        await stage.until("1 of 23 modules", lambda: "Came later" in card(stage))


async def test_all_modules_can_be_looked_at_without_any_right(demo: Demo) -> None:
    root = NoRoot("kmodtui was started with --read-only.", "Start it without.")
    async with opened(demo, root=root) as stage:
        await stage.press("c")
        await stage.until(f"Modules of {demo.kernel.release}", "22 of 22 modules")
        await stage.type("dummy")
        await stage.until(lambda: "Dummy netdevice driver" in card(stage))
        await stage.press("enter")
        await stage.until("Load dummy", "started with --read-only.", "Esc close")
        await stage.press("y", "escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert "dummy" not in demo.kernel.loaded


async def test_enter_in_the_catalog_shows_a_loaded_module_and_plans_another(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("c")
        await stage.until(f"Modules of {demo.kernel.release}", "22 of 22 modules")
        await stage.type("jbd2")
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard, "3 Info: jbd2")
        assert stage.focused_pane == "info"
        await stage.press("c")
        await stage.until("22 of 22 modules")
        assert stage.highlighted("#load-names")
        first = stage.highlighted("#load-names").split()[0]
        await stage.press("enter")
        await stage.until(f"Load {first}", "Esc cancel")


async def test_what_comes_from_files_stays_text(tmp_path: Path) -> None:
    hostile = Part("drivers/evil.ko", 4096, description="\x1b[31m[red]x[/red]\x07", license="[b]")
    async with opened(make_demo(tmp_path, parts={**PARTS, "evil": hostile})) as stage:
        await stage.press("plus")
        await stage.until("Load a module", " of 23 modules")
        await stage.type("evil[")
        await stage.until("No match for “evil[”")
        await stage.press("backspace")
        await stage.until(lambda: r"\x1b[31m[red]x[/red]\x07" in card(stage))
        assert "[b] · in-tree" in card(stage)
