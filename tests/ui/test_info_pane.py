"""The pane of information: fields in the file's order, parameters now, text taken literally."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.modules import LoadedModule
from kmodtui.services import details
from kmodtui.services.details import ModuleDetails
from kmodtui.services.machine import Machine
from tests.support.simulated import make_demo
from tests.support.small_recording import PARTS, Parameter, Part
from tests.ui.stage import Stage, opened


@asynccontextmanager
async def opened_modinfo(
    demo: Demo, *, size: tuple[int, int] = (120, 40), interval: float | None = None
) -> AsyncIterator[Stage]:
    """A dashboard that shows what modinfo prints."""
    options = {} if interval is None else {"interval": interval}
    async with opened(demo, size=size, **options) as stage:
        await stage.press("I")
        await stage.until("3 modinfo: ")
        yield stage


def labels(stage: Stage) -> list[str]:
    """The first words of the lines that begin with one, from the top of the pane."""
    lines = [line[1:13].rstrip() for line in stage.part("#info-lines")]
    return [line for line in lines if line and not line.startswith(" ")]


async def test_fields_stand_in_the_order_of_the_file(demo: Demo) -> None:
    async with opened_modinfo(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.until("3 modinfo: ext4", "vermagic")
        seen = labels(stage)
        fields = "filename license alias softdep srcversion depends intree retpoline name vermagic"
        assert [label for label in seen if label in fields.split()] == fields.split()
        assert "Fourth Extended Filesystem" in stage.pane("info")
        assert "/lib/modules/6.1.0-56-amd64/kernel/fs/ext4/ext4.ko" in stage.pane("info")


async def test_parameters_are_shown_with_type_and_value_now(demo: Demo) -> None:
    async with opened_modinfo(demo, size=(200, 50)) as stage:
        await stage.select("hello")
        await stage.until("3 modinfo: hello", "greeting = hello (charp)", "What to say")
        assert "1 parameter" in stage.pane("info")
        await stage.select("virtio_net")
        await stage.until("3 parameters", "napi_tx = Y (bool)", "csum = Y (bool)")


async def test_a_value_that_the_kernel_does_not_show_is_said_to_be_missing(tmp_path: Path) -> None:
    secret = replace(PARTS["hello"], parameters={"key": Parameter("charp", "", None)})
    demo = make_demo(tmp_path, parts={"hello": secret})
    async with opened_modinfo(demo, size=(200, 50)) as stage:
        await stage.until("key  not shown by the kernel (charp)")


async def test_r_reads_the_values_of_parameters_again(demo: Demo) -> None:
    async with opened_modinfo(demo, size=(200, 50), interval=3600) as stage:
        await stage.select("hello")
        await stage.until("greeting = hello (charp)")
        demo.kernel.folder.write("/sys/module/hello/parameters/greeting", b"good day\n")
        await stage.press("r")
        await stage.until("greeting = good day (charp)")


async def test_a_long_list_is_one_line_until_enter_unfolds_it(demo: Demo) -> None:
    async with opened_modinfo(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.until("▸ 5: fs-ext4, ext3, fs-ext3, ext2, fs-ext2")
        await stage.press("3")
        while "alias" not in stage.highlighted("#info-lines"):
            await stage.press("j")
        await stage.press("enter")
        await stage.until("▾ 5")
        values = [line.strip() for line in stage.part("#info-lines")]
        start = values.index("alias        ▾ 5")
        assert values[start + 1 : start + 6] == ["fs-ext4", "ext3", "fs-ext3", "ext2", "fs-ext2"]
        await stage.press("enter")
        await stage.until("▸ 5: fs-ext4")


async def test_the_filter_leaves_the_lines_that_contain_a_text(demo: Demo) -> None:
    async with opened_modinfo(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.until("vermagic")
        await stage.press("3", "slash")
        await stage.type("EXT3")
        await stage.until(lambda: labels(stage) == ["alias", "alias"])
        await stage.press("escape")
        await stage.until("vermagic")


async def test_the_pane_follows_the_module_when_its_state_changes(demo: Demo) -> None:
    async with opened_modinfo(demo) as stage:
        await stage.other_shell(lambda: demo.kernel.load("dummy", "numdummies=3"))
        await stage.press("g")
        await stage.until("3 modinfo: dummy", "Dummy netdevice driver")


async def test_text_of_a_module_is_neither_markup_nor_an_escape(tmp_path: Path) -> None:
    hostile = Part(
        "updates/hostile.ko",
        4096,
        boot=True,
        description="[bold]not bold[/bold] \x1b[31mnot red",
        modinfo=(("author", b"J\xf6rg [/nobody]"), ("info", "two\nlines"), ("[key]", "[@click=x]")),
        parameters={"p": Parameter("int", "[link=evil]here[/link]", "[red]1[/red]")},
    )
    async with opened_modinfo(
        make_demo(tmp_path, parts={"hostile": hostile}), size=(200, 50)
    ) as stage:
        await stage.until("3 modinfo: hostile")
        await stage.until(
            "[bold]not bold[/bold] \\x1b[31mnot red",
            "J\\xf6rg [/nobody]",
            "two\\nlines",
            "[@click=x]",
            "[link=evil]here[/link]",
            "p = [red]1[/red]",
        )


async def test_a_name_with_brackets_is_shown_as_it_is(demo: Demo) -> None:
    demo.kernel.append("/proc/modules", b"[/red]x 4096 0 - Live 0x0000000000000000\n")
    async with opened_modinfo(demo) as stage:
        await stage.press("G")
        await stage.until(lambda: stage.cursor == "[/red]x", "3 modinfo: [/red]x")
        await stage.press("v")
        await stage.until("4 Symbols of [/red]x")
        await stage.press("d")
        await stage.until("no dependents")


async def test_without_the_folder_of_modules_the_pane_says_so_and_everything_else_works(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("vfat")
    kernel.folder.remove(f"/lib/modules/{kernel.release}")
    async with opened_modinfo(demo) as stage:
        await stage.select("hello")
        await stage.until("3 modinfo: hello")
        await stage.until(
            lambda: (
                f"No module files are installed for kernel {kernel.release}"
                in stage.pane_words("info")
            )
        )
        await stage.until(lambda: "greeting = hello" in stage.pane("info"))
        kernel.hold("ext4", 1)
        await stage.until(lambda: stage.row("ext4")[3] == "2")
        await stage.select("net_failover")
        await stage.until(lambda: "no dependencies" not in stage.pane("tree"))
        await stage.press("plus")
        await stage.until(
            "Load a module", lambda: "No module files" in "".join(stage.part("#load-problem"))
        )
        await stage.type("dummy")
        await stage.press("enter")
        await stage.until("Load a module", "The file of dummy cannot be found")
        assert "dummy" not in kernel.loaded


async def test_only_a_change_of_the_module_itself_reads_it_again(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = details.read_details

    async def counting(machine: Machine, loaded: LoadedModule | None, name: str) -> ModuleDetails:
        read.append(name)
        return await original(machine, loaded, name)

    monkeypatch.setattr(details, "read_details", counting)
    async with opened_modinfo(demo) as stage:
        await stage.select("hello")
        await stage.until("modinfo: hello")
        read.clear()
        kernel.hold("ext4")
        await stage.until(lambda: stage.app.live.table.by_name["ext4"].refcount == 2)
        await stage.handled()
        assert read == []
        kernel.hold("hello")
        await stage.until(lambda: read)
        assert set(read) == {"hello"}


async def test_counts_that_never_stand_still_do_not_cut_a_reading_short(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = details.read_details
    ended = []

    async def slow(machine: Machine, loaded: LoadedModule | None, name: str) -> ModuleDetails:
        before = machine_count()
        kernel.hold("hello")
        await stage.until(lambda: machine_count() > before)
        await stage.handled()
        details = await original(machine, loaded, name)
        ended.append(details)
        return details

    def machine_count() -> int:
        return stage.app.live.table.by_name["hello"].refcount or 0

    async with opened_modinfo(demo) as stage:
        await stage.select("hello")
        monkeypatch.setattr(details, "read_details", slow)
        kernel.hold("hello")
        await stage.until(lambda: len(ended) > 1)
        await stage.until("modinfo: hello")
        monkeypatch.setattr(details, "read_details", original)
