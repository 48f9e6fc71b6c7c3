"""Loading with keys: name, plan, confirmation, outcome; and every way out of it."""

from __future__ import annotations

import re

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import ModuleState
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.dialogs.picker import ModulePicker
from kmodtui.ui.dialogs.plan import PlanDialog
from tests.ui.helpers_that_fail import RootBroken, RootRefused, RootThrough
from tests.ui.stage import SIZES, Stage, opened


async def ask(stage: Stage, text: str) -> None:
    """Open the dialog and type."""
    await stage.press("plus")
    await stage.until("Load a module", " of 22 modules")
    await stage.type(text)


async def plan(stage: Stage, text: str) -> None:
    """Go on to the plan."""
    await ask(stage, text)
    await stage.press("enter")
    await stage.until(lambda: isinstance(stage.screen, PlanDialog))
    await stage.until("Esc cancel")


async def confirm(stage: Stage, text: str) -> None:
    """Go on to what came of it."""
    await plan(stage, text)
    await stage.press("y")
    await stage.until("Enter close")
    await stage.calm()  # title and keys can be drawn before the page between them


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_btrfs_is_loaded_with_keys_and_its_symbols_are_shown(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await ask(stage, "btr")
        await stage.until("1 of 22 modules")
        await stage.type("fs")
        await stage.press("enter")
        await stage.until("Load btrfs", " y load", "Esc cancel")
        steps = [line.split()[1:4] for line in stage.part("#plan-body")]
        steps = [step for step in steps if step and step[0] in ("insmod", "skip")]
        assert [words[:2] for words in steps] == [
            ["skip", "crc32c_generic"],
            ["insmod", "libcrc32c"],
            ["insmod", "xor"],
            ["insmod", "raid6_pq"],
            ["insmod", "zstd_compress"],
            ["insmod", "blake2b_generic"],
            ["insmod", "btrfs"],
        ]
        assert "command modprobe -- btrfs" in stage.words
        assert "nothing on your machine is changed" in stage.words
        assert "btrfs" not in kernel.loaded
        await stage.press("y")
        await stage.until("Loaded btrfs", "Confirmed in /proc/modules.", "Enter close")
        await stage.until("+369 symbols in 6 modules")
        # One duration, that of the command: the reading's beside it would need a word more.
        assert len(re.findall(r"\d\.\d\d s\b", stage.words)) == 1
        assert "kernel log during the change" in stage.text
        assert "Btrfs loaded, crc32c=crc32c-generic" in stage.text
        assert kernel.loaded[0] == "btrfs"
        await stage.press("enter")
        await stage.until(lambda: stage.cursor == "btrfs")
        assert stage.focused_pane == "modules"
        assert "root: on (demo)" in stage.header
        await stage.press("4")
        await stage.until("4 Change 1", "▸ btrfs", "+240")


async def test_suggestions_begin_with_what_begins_so(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "fa")
        await stage.until("4 of 22 modules")
        rows = [line.split() for line in stage.part("#load-names") if line.split()]
        assert [row[:2] for row in rows] == [
            ["fat", "available"],
            ["failover", "loaded"],
            ["net_failover", "loaded"],
            ["vfat", "available"],
        ]


async def test_a_suggestion_is_taken_from_the_list(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "vfa")
        await stage.until("1 of 22 modules")
        await stage.press("down")
        await stage.press("enter")
        await stage.until("Load vfat", "needed by vfat")


async def test_a_name_that_nothing_fits_is_said_while_typing(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "xyz")
        await stage.until("No match for “xyz” in names, aliases, descriptions and categories.")


async def test_an_alias_is_told_as_such(demo: Demo) -> None:
    async with opened(demo) as stage:
        await plan(stage, "rtnl-link-dummy")
        assert "Load dummy" in stage.text
        assert "rtnl-link-dummy is an alias of dummy." in stage.words


async def test_parameters_are_in_plan_and_kernel(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await plan(stage, "dummy numdummies=3")
        assert "command modprobe -- dummy numdummies=3" in stage.words
        await stage.press("y")
        await stage.until("Loaded dummy", "Enter close")
        shown = kernel.folder.read("/sys/module/dummy/parameters/numdummies")
        assert shown == b"3\n"
        await stage.press("enter", "1")
        await stage.until("3 Info: dummy", "numdummies = 3")


async def test_a_wrong_value_is_explained_with_the_kernels_own_line(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await confirm(stage, "dummy numdummies=many")
        assert "Wrong value for numdummies" in stage.text
        assert "which is of type int" in stage.words
        assert "dummy: `many' invalid for parameter `numdummies'" in stage.text
        assert "dummy" not in kernel.loaded
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert "dummy" not in stage.modules


async def test_a_value_that_the_init_refuses_is_explained(demo: Demo) -> None:
    async with opened(demo) as stage:
        await confirm(stage, "nbd max_part=9999")
        assert "Invalid argument for nbd" in stage.text


async def test_a_parameter_that_there_is_not_is_told_after_the_load(demo: Demo) -> None:
    async with opened(demo) as stage:
        await confirm(stage, "dummy numdumies=3")
        assert "Loaded dummy, but numdumies was ignored" in stage.words
        assert "numdummies" in stage.words
        assert "dummy: unknown parameter 'numdumies' ignored" in stage.text


async def test_a_word_that_is_no_parameter_is_told_before_anything(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "dummy three")
        await stage.press("enter")
        await stage.until("“three” is not a parameter: write parameters as key=value.")
        assert isinstance(stage.screen, ModulePicker)
        await stage.press(*["backspace"] * 5)
        await stage.type('"')
        await stage.press("enter")
        await stage.until("Unbalanced quotes")


async def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(demo: Demo) -> None:
    async with opened(demo) as stage:
        await ask(stage, "btfrs")
        await stage.press("enter")
        await stage.until("has no module or alias btfrs. Did you mean btrfs?")
        assert isinstance(stage.screen, ModulePicker)
        await stage.press(*["backspace"] * 3)
        await stage.type("rfs")
        await stage.press("enter")
        await stage.until("Load btrfs")


async def test_what_is_loaded_already_or_built_in_cannot_be_confirmed(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        for name, words in (
            ("ext4", "ext4 is already loaded."),
            ("virtio", "virtio is built into this kernel"),
        ):
            await ask(stage, name)
            await stage.press("enter")
            await stage.until(words, "Esc close")
            assert stage.part("#dialog-keys") == [" Esc close"]
            log = len(kernel.log)
            await stage.press("y")
            await stage.calm()
            assert isinstance(stage.screen, PlanDialog)
            assert stage.part("#dialog-keys") == [" Esc close"]
            assert len(kernel.log) == log
            assert "root: off" in stage.header
            await stage.press("escape")
            await stage.until(lambda: stage.screen is stage.dashboard)


async def test_escape_at_the_name_does_nothing(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await ask(stage, "btrfs")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await nothing_happened(stage, kernel)


async def test_escape_at_the_plan_does_nothing(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await plan(stage, "btrfs")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await nothing_happened(stage, kernel)


async def test_no_key_but_y_confirms(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await plan(stage, "btrfs")
        for key in (
            "enter",
            "space",
            "Y",
            "n",
            "plus",
            "u",
            "j",
            "k",
            "tab",
            "d",
            "r",
            "s",
            "slash",
        ):
            await stage.press(key)
        await stage.calm()
        assert isinstance(stage.screen, PlanDialog)
        assert " y load" in stage.text
        await stage.press("escape")
        await nothing_happened(stage, kernel)


async def nothing_happened(stage: Stage, kernel: SimulatedKernel) -> None:
    await stage.calm()
    assert stage.app.is_running
    assert len(kernel.loaded) == 10
    assert not kernel.log
    assert "root: off" in stage.header
    assert "Waiting for a module" in stage.pane_words("symbols")


async def test_y_twice_runs_once(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, root=(root := RootThrough(demo))) as stage:
        await plan(stage, "tun")
        stage.send("y", "y", "y")
        await stage.until("Loaded tun", "Enter close")
        await stage.press("y")
        await stage.calm()
        assert [r.text for r in kernel.log] == ["tun: Universal TUN/TAP device driver, 1.6"]
        assert len(root.sessions) == 1
        assert "Loaded tun" in stage.text


async def test_escape_while_it_runs_stops_the_waiting_and_the_table_shows_the_truth(
    demo: Demo,
) -> None:
    async with opened(demo, root=RootThrough(demo, first="wait")) as stage:
        await plan(stage, "tun")
        await stage.press("y")
        await stage.until("Loading tun…", "Esc run in background")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.until(lambda: "tun" in stage.modules, "4 Change 1")


async def test_what_hangs_and_was_left_keeps_nobody_waiting(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    """The helper does one thing after the other, so it is told to leave this one to itself."""
    async with opened(Demo(demo.host, kernel, pace=1000)) as stage:
        await plan(stage, "tun")
        await stage.press("y")
        await stage.until("Loading tun…", lambda: kernel.state("tun") is ModuleState.LOADING)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert kernel.state("tun") is ModuleState.LOADING
        await plan(stage, "vfat")
        await stage.press("y")
        await stage.until("Loading vfat…", lambda: kernel.state("fat") is ModuleState.LOADING)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_progress_and_log_lines_are_shown_while_it_runs(demo: Demo) -> None:
    async with opened(demo, root=(root := RootThrough(demo, first="wait"))) as stage:
        await plan(stage, "tun")
        await stage.press("y")
        await stage.until("Loading tun… ", "tun: Universal TUN/TAP device driver, 1.6")
        await stage.until("Loading tun… 0.5 s")
        root.sessions[0].flowing.set()
        await stage.until("Loaded tun", "Enter close")


@pytest.mark.parametrize("when", ["on_send", "on_result"])
async def test_a_helper_that_dies_is_told_with_what_the_kernel_shows_and_the_next_one_works(
    demo: Demo, kernel: SimulatedKernel, when: str
) -> None:
    async with opened(demo, root=(root := RootThrough(demo, first=when))) as stage:
        await confirm(stage, "tun")
        await stage.until("The privileged helper failed", "Killed")
        happened = "tun" in kernel.loaded
        assert happened is (when == "on_result")
        assert f"tun is {'loaded' if happened else 'not loaded'} now." in stage.words
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.until(lambda: ("tun" in stage.modules) is happened)
        await confirm(stage, "vfat")
        await stage.until("Loaded vfat")
        assert len(root.sessions) == 2
        assert "vfat" in kernel.loaded


async def test_being_refused_root_is_told_and_nothing_happens(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, root=RootRefused()) as stage:
        await plan(stage, "tun")
        assert "sudo will ask for your password." in stage.words
        await stage.press("y")
        await stage.until("No root privileges", "sudo did not let you through.", "Enter close")
        assert "tun" not in kernel.loaded


async def test_a_fault_on_the_way_is_told_and_does_not_leave_the_dialog_running(
    demo: Demo,
) -> None:
    async with opened(demo, root=RootBroken(), faults=["this is a fault"]) as stage:
        await plan(stage, "tun")
        await stage.press("y")
        await stage.until("Internal error (a bug in kmodtui)", "Outcome unknown")
        await stage.until_gone("Loading tun…")


async def test_a_module_that_another_shell_was_faster_to_load_is_told(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await plan(stage, "tun")
        kernel.load("tun")
        await stage.press("y")
        await stage.until("tun is already loaded", "Enter close")


async def test_what_others_do_meanwhile_is_not_told_as_ones_own(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await plan(stage, "tun")
        await stage.other_shell(lambda: kernel.load("vfat"))
        await stage.press("y")
        await stage.until("Loaded tun", "Enter close")
        await stage.until(lambda: "+35 symbols in 1 module" in stage.words)
        await stage.other_shell(lambda: kernel.load("btrfs"))
        assert "+35 symbols in 1 module" in stage.words
        assert "btrfs" not in stage.words
        await stage.press("enter")
        await stage.until("4 Change 3", "loaded btrfs")


async def test_read_only_shows_plans_and_does_not_carry_them_out(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    hint = "Start kmodtui without --read-only."
    root = NoRoot("kmodtui was started with --read-only.", hint)
    async with opened(demo, root=root) as stage:
        assert "read-only" in stage.header
        assert stage.colour_of("+ Load") == stage.colour_of("s Sort")
        await stage.select("hello")
        for keys, title in ((["minus"], "Unload hello"), (["b", "k"], "Block hello")):
            await stage.press(keys[0])
            if keys[1:]:
                await stage.until("Keep from loading: hello")
                await stage.press(*keys[1:])
            await stage.until(title, lambda: f"started with --read-only. {hint}" in stage.words)
            await stage.until("Esc close")
            assert "privilege" not in stage.text
            await stage.press("y", "enter")
            await stage.calm()
            assert isinstance(stage.screen, PlanDialog)
            assert stage.part("#dialog-keys") == [
                f"kmodtui was started with --read-only. {hint}",
                " Esc close",
            ]
            await stage.press("escape")
            await stage.until(lambda: stage.screen is stage.dashboard)
        await ask(stage, "btrfs")
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog))
        await stage.until("Load btrfs", "insmod", "Esc close")
        assert f"started with --read-only. {hint}" in stage.words
        await stage.press("y")
        await stage.calm()
        assert isinstance(stage.screen, PlanDialog)
        assert "btrfs" not in kernel.loaded
        assert "hello" in kernel.loaded


@pytest.mark.parametrize("size", [(39, 10), (20, 5)], ids=str)
async def test_a_plan_that_cannot_be_read_is_not_confirmed(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    async with opened(demo) as stage:
        await plan(stage, "btrfs")
        await stage.resize(*size)
        await stage.until(lambda: "too small" in " ".join(stage.text.split()))
        assert "btrfs" not in stage.text
        await stage.press("y")
        await stage.calm()
        assert "btrfs" not in kernel.loaded
        await stage.resize(120, 40)
        await stage.until("Load btrfs", "y load")
        await stage.press("y")
        await stage.until("Loaded btrfs")


async def test_a_plan_opened_where_there_is_no_room_is_not_confirmed(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(39, 10)) as stage:
        stage.send("plus", *"btrfs", "enter")
        await stage.until(lambda: isinstance(stage.screen, PlanDialog))
        await stage.until(lambda: "too small" in " ".join(stage.text.split()))
        await stage.press("y")
        await stage.calm()
        assert "btrfs" not in kernel.loaded
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_in_the_smallest_terminal_the_keys_of_a_plan_are_seen(demo: Demo) -> None:
    async with opened(demo, size=(40, 10)) as stage:
        stage.send("plus", *"btrfs", "enter")
        await stage.until(" y load", "Esc cancel")
        assert "insmod" in stage.text or "skip" in stage.text


async def test_a_module_that_logs_much_is_shown_by_its_last_lines(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await plan(stage, "btrfs")
        dialog = stage.screen
        assert isinstance(dialog, PlanDialog)
        drawn = dialog._body.content
        for number in range(3000):
            dialog._add_record(LogRecord(number, number, 4, f"line {number}"))
        assert dialog._body.content is drawn
        dialog._tick()
        await stage.until("line 2999", lambda: "line 2970" not in stage.text)
