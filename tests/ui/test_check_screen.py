"""The screen that checks a module file before root is used."""

from __future__ import annotations

from pathlib import Path

from kmodtui.demo import Demo
from kmodtui.ui.screens.check import CheckScreen
from tests.support.elf import AARCH64, make_module
from tests.support.small_recording import VERMAGIC
from tests.ui.stage import Stage, opened

MODINFO = (b"license=GPL", b"name=fresh", f"vermagic={VERMAGIC}".encode())
STRUCT = {".gnu.linkonce.this_module": bytes(896)}


def put(demo: Demo, data: bytes) -> str:
    path = "/tmp/fresh.ko"
    Path(demo.host.locate("/tmp")).mkdir(exist_ok=True)
    Path(demo.host.locate(path)).write_bytes(data)
    return path


def let_kallsyms_tell_exports(demo: Demo) -> None:
    """As with CONFIG_KALLSYMS_ALL: then a name without such a row is nobody's."""
    content = demo.host.read("/proc/kallsyms")
    demo.kernel.folder.write("/proc/kallsyms", b"0 r __ksymtab__printk\n" + content)


def check(stage: Stage, path: str) -> None:
    stage.app.push_screen(CheckScreen(stage.dashboard.machine, path))


async def test_the_verdict_stands_first_and_every_question_below_it(demo: Demo) -> None:
    versions = {"_printk": 1, "module_layout": 2}
    path = put(demo, make_module(MODINFO, imports=["_printk"], versions=versions, extra=STRUCT))
    async with opened(demo) as stage:
        check(stage, path)
        await stage.until("Check of fresh.ko", "It is built for this", "It was built for this")
        assert "vermagic" in stage.words
        await stage.press("escape")
        await stage.until_gone("Check of")


async def test_another_kernels_words_are_marked(demo: Demo) -> None:
    vermagic = VERMAGIC.replace("preempt", "rt")
    modinfo = (*MODINFO[:2], f"vermagic={vermagic}".encode())
    async with opened(demo) as stage:
        check(stage, put(demo, make_module(modinfo, extra=STRUCT)))
        await stage.until("It will not load", "ENOEXEC", "[rt]", "[preempt]")
        assert stage.colour_of("[rt]") != stage.colour_of("mod_unload")


async def test_many_symbols_are_folded_until_asked_for(demo: Demo) -> None:
    names = [f"nobody_has_{number}" for number in range(9)]
    data = make_module(MODINFO, imports=names, machine=AARCH64, extra=STRUCT)
    async with opened(demo) as stage:
        let_kallsyms_tell_exports(demo)
        check(stage, put(demo, data))
        await stage.until("exports 9 of its imports", "▸ 4 more")
        stage.send("G", "k", "k", "k")
        await stage.until(lambda: "▸ 4 more" in stage.highlighted("#check-lines"))
        await stage.press("space")
        await stage.until("nobody_has_8")


async def test_what_it_takes_is_listed_by_giver_and_unfolds(demo: Demo) -> None:
    data = make_module(MODINFO, imports=["jbd2_write_0", "lost"], extra=STRUCT)
    async with opened(demo) as stage:
        let_kallsyms_tell_exports(demo)
        check(stage, put(demo, data))
        await stage.until("▸ from jbd2", "▸ unresolved")
        assert "jbd2_write_0" not in stage.text
        stage.send("G", "k")
        await stage.until(lambda: "from jbd2" in stage.highlighted("#check-lines"))
        await stage.press("enter")
        await stage.until("▾ from jbd2", "jbd2_write_0")


async def test_a_file_that_is_not_there_is_told(demo: Demo) -> None:
    async with opened(demo) as stage:
        check(stage, "/tmp/gone.ko")
        await stage.until("There is no file /tmp/gone.ko")


async def test_the_page_fits_small_and_large_terminals(demo: Demo) -> None:
    for size in ((80, 24), (200, 50)):
        async with opened(demo, size=size) as stage:
            check(stage, put(demo, make_module(MODINFO, extra=STRUCT)))
            await stage.until("Check of fresh.ko", "vermagic", "Esc Close")
