"""What no well-behaved kernel writes, and what goes away while it is looked at."""

from __future__ import annotations

import asyncio

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.ui.stage import opened

GARBAGE = b"one two \x1b[31mthree [/red]\n"


async def test_a_malformed_line_is_skipped_and_reported_once(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        kernel.append("/proc/modules", GARBAGE)
        await stage.until(lambda: "Malformed line in /proc/modules, skipped" in stage.toasts)
        assert "skipped: one two \\x1b[31mthree [/red]" in stage.toasts
        assert len(stage.modules) == 10
        stage.app.clear_notifications()
        await stage.until_gone("Malformed line")
        kernel.hold("ext4", 1)
        await stage.until(lambda: stage.row("ext4")[3] == "2")
        await stage.other_shell(lambda: kernel.load("vfat"))
        await stage.calm()
        assert "Malformed line" not in stage.text


async def test_of_many_malformed_lines_only_some_are_reported(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    """Each notification takes milliseconds: 3,000 of them kept it busy for two minutes."""
    kernel.append("/proc/modules", b"".join(b"bad line %d\n" % i for i in range(3000)))
    async with opened(demo) as stage:
        await stage.until(lambda: "skipped, and 2,997 more." in stage.toasts)
        assert "skipped: bad line 2 " in stage.toasts
        assert len(stage.screen.query("Toast")) == 4


async def test_what_fails_in_a_dialog_that_has_closed_does_not_end_the_dashboard(
    demo: Demo,
) -> None:
    """A timer of the palette looks for its list, which may have been removed already."""
    failed = asyncio.Event()

    def fail() -> None:
        failed.set()
        raise RuntimeError("too late")

    async with opened(demo) as stage:
        await stage.press("question_mark")
        await stage.until("keys, columns and flags")
        dialog = stage.screen
        stage.send("escape")
        while dialog in stage.app.screen_stack:  # noqa: ASYNC110
            await asyncio.sleep(0)
        dialog.call_next(fail)
        await failed.wait()
        await stage.press("question_mark")
        await stage.until("keys, columns and flags")
        assert not stage.app.return_code


async def test_a_line_that_was_cut_off_takes_nothing_else_away(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.append("/proc/modules", b"half 4096 0 - Li")
    async with opened(demo) as stage:
        assert stage.modules == list(kernel.loaded)
        await stage.until(lambda: "skipped: half 4096 0 - Li" in stage.toasts)


async def test_names_and_users_are_never_escapes_or_markup(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.append("/proc/modules", b"\x1b[2J[b]x 4096 1 [/b]\xff, Live 0x0000000000000000 (\x07)\n")
    async with opened(demo, size=(200, 50)) as stage:
        await stage.until("\\x1b[2J[b]x", "[/b]\\xff", "\\x07")
        await stage.press("G")
        await stage.until(lambda: stage.cursor.startswith("\\x1b[2J[b]x"))
        await stage.press("d", "v")
        await stage.until("4 Symbols of \\x1b[2J[b]x")
        await stage.press("u")
        await stage.until("Unload \\x1b[2J[b]x")


async def test_symbols_that_make_no_sense_are_shown_as_they_are(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.append(
        "/proc/kallsyms",
        b"zzzz t not_an_address\t[hello]\nffffffffc0000000 t \x1b[0m[b]\t[hello]\n",
    )
    async with opened(demo, size=(200, 50)) as stage:
        await stage.press("v", "4", "G")
        await stage.until("4 Symbols of hello", "\\x1b[0m[b]")


async def test_an_empty_table_says_what_to_do(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/modules", b"")
    async with opened(demo, ready=False) as stage:
        await stage.until("No modules are loaded. Press + to load one.")
        await stage.until("Select a module to see what it does.")
        await stage.until("Select a module to see its dependencies.")


async def test_a_table_that_vanishes_is_told_once_and_found_again(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        table = kernel.folder.read("/proc/modules")
        kernel.folder.remove("/proc/modules")
        await stage.until("No loadable modules")
        stage.app.clear_notifications()
        await stage.until_gone("No loadable modules")
        await stage.calm()
        assert "No loadable modules" not in stage.text
        assert len(stage.modules) == 10
        kernel.folder.write("/proc/modules", table.replace(b"evdev 28672 2", b"evdev 28672 3"))
        await stage.until(lambda: stage.row("evdev")[3] == "3")


async def test_a_file_of_a_module_that_is_no_module_is_told_in_its_pane(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    for number, data in enumerate((b"", b"\x7fELF", b"no module at all")):
        path = f"/lib/modules/{kernel.release}/updates/hello.ko"
        kernel.folder.write(path, data)
        async with opened(demo, size=(200, 50)) as stage:
            await stage.until("3 Info: hello", "hello.ko", "greeting = hello")
            if number == 0:
                await stage.until("is empty")
            kernel.hold("hello", 1)
            await stage.until(lambda n=number: stage.row("hello")[3] == str(n + 1))


async def test_what_sysfs_takes_away_meanwhile_is_no_matter(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        kernel.folder.remove("/sys/module")
        await stage.select("virtio_net")
        await stage.press("I")
        await stage.until("3 modinfo: virtio_net", "not shown by the kernel")
