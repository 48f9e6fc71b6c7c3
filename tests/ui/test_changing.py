"""Everything that changes the kernel beyond plain loads and unloads, with keys."""

from __future__ import annotations

import asyncio
import re

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.parameters import FormParameter
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import read_form
from kmodtui.services.root.access import NoRoot
from kmodtui.ui.dialogs import parameters
from kmodtui.ui.dialogs.keep import KeepDialog
from kmodtui.ui.dialogs.parameters import ParameterForm
from kmodtui.ui.dialogs.plan import PlanDialog
from kmodtui.ui.dialogs.restrict import RestrictDialog
from tests.ui.helpers_that_fail import RootThrough
from tests.ui.stage import SIZES, Stage, opened

BLACKLIST = "/etc/modprobe.d/kmodtui-blacklist.conf"
BLOCKS = "/etc/modprobe.d/kmodtui-block.conf"
BOOT = "/etc/modules-load.d/kmodtui.conf"
OPTIONS = "/etc/modprobe.d/kmodtui-options.conf"


def parameter(kernel: SimulatedKernel, module: str, name: str) -> bytes:
    return kernel.folder.read(f"/sys/module/{module}/parameters/{name}")


async def form(stage: Stage, key: str) -> None:
    await stage.press(key)
    await stage.until(lambda: isinstance(stage.screen, ParameterForm))
    await stage.until("+ other")


async def planned(stage: Stage, *words: str) -> None:
    await stage.until(lambda: isinstance(stage.screen, PlanDialog), *words)


async def done(stage: Stage, *words: str) -> None:
    """Confirm once that is offered, and wait for what came of it."""
    await stage.until(lambda: re.search(r" y \w[\w ]* Esc ", stage.text))
    await stage.press("y")
    await stage.until("Enter close", *words)


async def restrict(stage: Stage, key: str) -> None:
    """Choose what to do in the dialog that asks how to keep a module from being loaded."""
    await stage.until(lambda: isinstance(stage.screen, RestrictDialog), "lock")
    await stage.press(key)


async def back(stage: Stage) -> None:
    await stage.press("enter")
    await stage.until(lambda: stage.screen is stage.dashboard)


async def marked(stage: Stage, *names: str) -> None:
    """Mark modules with keys."""
    for name in names:
        await stage.select(name)
        await stage.press("space")


# --- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_writable_parameter_is_changed_while_the_module_stays(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await stage.select("virtio_net")
        await form(stage, "e")
        rows = {line.split()[0]: line.split()[1:] for line in stage.part("#form-lines")}
        assert rows["napi_tx"] == ["w", "Y", "bool"]
        assert rows["csum"] == ["Y", "bool"]
        while "napi_tx =" not in stage.words:
            await stage.press("down")
        await stage.type("n")
        await stage.until("echo n > /sys/module/virtio_net/parameters/napi_tx")
        await stage.press("enter")
        await planned(stage, "Change virtio_net", "was Y", "y change")
        assert parameter(kernel, "virtio_net", "napi_tx") == b"Y\n"
        await done(stage, "Set napi_tx of virtio_net to n", "It was Y.")
        assert parameter(kernel, "virtio_net", "napi_tx") == b"N\n"
        assert "virtio_net" in kernel.loaded
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the change of napi_tx of virtio_net", "napi_tx=Y")
        await done(stage, "Set napi_tx of virtio_net to Y")
        assert parameter(kernel, "virtio_net", "napi_tx") == b"Y\n"
        await back(stage)
        await stage.press("U")
        await stage.until(lambda: "There is no change to undo." in stage.toasts)


async def test_a_read_only_parameter_offers_a_reload_with_the_new_value(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy", "numdummies=2")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await form(stage, "e")
        await stage.until("currently 2")
        await stage.type("3")
        await stage.until("numdummies can only be set by loading: Enter plans a reload.")
        await stage.until("modprobe -r -- dummy", "modprobe -- dummy numdummies=3")
        await stage.press("enter")
        await planned(stage, "Reload dummy", "y reload", "numdummies=3")
        await done(stage, "Reloaded dummy")
        assert parameter(kernel, "dummy", "numdummies") == b"3\n"
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the reload of dummy", "numdummies=2")
        await done(stage, "Reloaded dummy")
        assert parameter(kernel, "dummy", "numdummies") == b"2\n"


async def test_typing_replaces_the_value_that_stands_there(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy", "numdummies=31")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await form(stage, "R")
        await stage.until("numdummies = 31")
        await stage.type("57")
        await stage.until("modprobe -- dummy numdummies=57")
        await stage.press("down", "up", "end")
        await stage.type("8")
        await stage.until("modprobe -- dummy numdummies=578")


async def test_the_form_refuses_what_the_kernel_would_and_names_what_is_meant(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await form(stage, "e")
        await stage.type("many")
        await stage.until("numdummies: “many” is not an integer")
        await stage.press("enter")
        await stage.calm()
        assert isinstance(stage.screen, ParameterForm)
        await stage.press(*["backspace"] * 4, "down")
        await stage.until("other, as key=value:")
        await stage.type("numdumies=1")
        await stage.until("dummy has no parameter numdumies. Did you mean numdummies?")
        await stage.press("enter")
        await stage.calm()
        assert isinstance(stage.screen, ParameterForm)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert not kernel.log[1:]


async def test_a_parameter_that_another_shell_has_taken_away_is_told(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await form(stage, "e")
        await stage.type("hi")
        kernel.unload("hello")
        await stage.press("enter")
        await stage.until("hello is no longer loaded.")
        assert stage.screen is stage.dashboard


async def test_what_modprobe_d_sets_is_shown_with_its_place(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write("/etc/modprobe.d/mine.conf", b"# mine\noptions dummy numdummies=4\n")
    kernel.load("dummy")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await form(stage, "e")
        await stage.until("set to 4 by /etc/modprobe.d/mine.conf:2")


async def test_a_module_without_parameters_says_so_and_takes_what_all_take(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("failover")
        await stage.press("e")
        await stage.until("failover declares no parameters.", "other, as key=value:")
        await stage.type("x=1")
        await stage.until("failover has no parameters.")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_keys_typed_right_behind_e_are_the_value(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        stage.send("e", "h", "u", "q")
        await stage.until("echo huq > /sys/module/hello/parameters/greeting")
        assert stage.app.is_running


async def test_enter_right_behind_shift_r_reloads_with_the_parameters_of_the_module(
    demo: Demo, kernel: SimulatedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, pressed = asyncio.Event(), asyncio.Event()

    async def slow(machine: Machine, name: str) -> tuple[FormParameter, ...]:
        reading.set()
        await pressed.wait()
        return await read_form(machine, name)

    monkeypatch.setattr(parameters, "read_form", slow)
    kernel.load("dummy", "numdummies=2")
    async with opened(demo) as stage:
        await stage.select("dummy")
        stage.send("R")
        await reading.wait()
        form = stage.app.screen
        assert isinstance(form, ParameterForm)
        form.action_accept()
        assert stage.app.screen is form
        pressed.set()
        await planned(stage, "Reload dummy", "rmmod", "insmod", "numdummies=2")


# --- reload, several, undo --------------------------------------------------------------------


async def test_a_reload_keeps_the_parameters_unless_they_are_changed(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy", "numdummies=2")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await form(stage, "R")
        await stage.until("modprobe -- dummy numdummies=2")
        await stage.press("ctrl+t")
        await stage.until(lambda: "numdummies=2" not in stage.text)
        await stage.press("ctrl+t")
        await stage.until("modprobe -- dummy numdummies=2")
        await stage.press("enter")
        await planned(stage, "Reload dummy", "rmmod", "insmod")
        await done(stage, "Reloaded dummy")
        assert parameter(kernel, "dummy", "numdummies") == b"2\n"


async def test_a_module_without_parameters_is_reloaded_without_a_form(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("vfat")
    async with opened(demo) as stage:
        await stage.select("vfat")
        await stage.press("ctrl+r")
        await planned(stage, "Reload vfat")
        await done(stage, "Reloaded vfat")
        assert {"vfat", "fat"} <= set(kernel.loaded)


async def test_a_reload_of_what_is_in_use_is_refused_in_the_plan(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("net_failover")
        await stage.press("R")
        await planned(stage, "net_failover is in use by virtio_net", "Esc close")
        assert "y reload" not in stage.text


async def test_several_are_marked_and_go_with_one_plan_and_one_confirmation(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("tun")
    kernel.load("dummy", "numdummies=2")
    async with opened(demo, root=(root := RootThrough(demo))) as stage:
        await marked(stage, "tun", "dummy")
        await stage.until("2 marked")
        marks = [line.split()[:2] for line in stage.part("#module-lines") if line[:1] == "*"]
        assert marks == [["*", "dummy"], ["*", "tun"]]
        await stage.press("minus")
        await planned(stage, "Unload dummy, tun", "y unload")
        steps = [line.split()[1:3] for line in stage.part("#plan-body") if "rmmod" in line]
        assert steps == [["rmmod", "dummy"], ["rmmod", "tun"]]
        await done(stage, "Unloaded dummy, tun")
        assert not {"tun", "dummy"} & set(kernel.loaded)
        await back(stage)
        await stage.until(lambda: "marked" not in stage.text)
        await stage.press("U")
        await planned(stage, "Undo the unload of dummy, tun")
        assert "numdummies=2" in stage.words
        await done(stage, "Loaded tun, dummy")
        assert parameter(kernel, "dummy", "numdummies") == b"2\n"
        assert "tun" in kernel.loaded
        assert len(root.sessions) == 1


async def test_escape_lets_go_of_the_marks_before_anything_else(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("slash")
        await stage.type("e")
        await stage.press("enter")
        await stage.until("/e ·")
        await stage.press("space")
        await stage.until("1 marked")
        await stage.press("escape")
        await stage.until(lambda: "marked" not in stage.text)
        assert "/e ·" in stage.text
        await stage.press("escape")
        await stage.until(lambda: "/e ·" not in stage.text)


async def test_a_mark_stays_with_its_module_and_goes_with_it(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("tun")
    async with opened(demo) as stage:
        await marked(stage, "tun", "hello")
        await stage.other_shell(lambda: kernel.load("btrfs"))
        assert [li.split()[1] for li in stage.part("#module-lines") if li[:1] == "*"] == [
            "tun",
            "hello",
        ]
        await stage.other_shell(lambda: kernel.unload("tun"))
        await stage.until("1 marked")
        await stage.press("s")
        await stage.press("minus")
        await planned(stage, "Unload hello", "y unload")


async def test_a_load_is_taken_back_with_all_that_came(demo: Demo, kernel: SimulatedKernel) -> None:
    before = set(kernel.loaded)
    async with opened(demo) as stage:
        await stage.press("plus")
        await stage.until("Load a module")
        await stage.type("btrfs")
        await stage.press("enter")
        await planned(stage, "y load")
        await done(stage, "Loaded btrfs")
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the load of btrfs", "y unload")
        await done(stage, "Unloaded")
        assert set(kernel.loaded) == before


async def test_an_undo_does_what_is_left_of_it_and_is_forgotten_where_nothing_is(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy")
    kernel.load("tun")
    async with opened(demo) as stage:
        await marked(stage, "dummy", "tun")
        await stage.press("minus")
        await planned(stage, "Unload")
        await done(stage, "Unloaded")
        await back(stage)
        await stage.select("hello")
        await stage.press("minus")
        await planned(stage, "Unload hello")
        await done(stage, "Unloaded hello")
        await back(stage)
        kernel.load("hello")
        kernel.load("tun")
        await stage.press("U")
        await stage.until("Nothing of the unload of hello is left to undo")
        await stage.press("U")
        await planned(stage, "Undo the unload of", "modprobe -- dummy")
        assert "modprobe -- tun" not in stage.text
        await done(stage, "Loaded dummy")


async def test_a_value_that_cannot_be_put_back_is_told_before_any_older_change(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await stage.press("minus")
        await planned(stage, "Unload dummy")
        await done(stage, "Unloaded dummy")
        await back(stage)
        kernel.folder.write("/sys/module/hello/parameters/greeting", b"(null)\n")
        await stage.select("hello")
        await form(stage, "e")
        await stage.type("moin")
        await stage.press("enter")
        await planned(stage, "Change hello")
        await done(stage, "Set greeting of hello to moin")
        await back(stage)
        await stage.press("U")
        await stage.until("greeting of hello cannot be restored")
        assert parameter(kernel, "hello", "greeting") == b"moin\n"
        await stage.press("U")
        await planned(stage, "Undo the unload of dummy")


async def test_an_undo_that_is_left_with_escape_can_be_had_again(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("tun")
    async with opened(demo) as stage:
        await stage.select("tun")
        await stage.press("minus")
        await planned(stage, "y unload")
        await done(stage, "Unloaded tun")
        await back(stage)
        for _ in range(2):
            await stage.press("U")
            await planned(stage, "Undo the unload of tun", "y load")
            await stage.press("escape")
            await stage.until(lambda: stage.screen is stage.dashboard)
        assert "tun" not in kernel.loaded


# --- blacklist --------------------------------------------------------------------------------


async def test_a_module_is_blacklisted_and_taken_off_again(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("b")
        await restrict(stage, "b")
        await planned(stage, "Blacklist hello", "stays loaded", "y blacklist")
        await done(stage, "Blacklisted hello")
        assert b"blacklist hello\n" in kernel.folder.read(BLACKLIST)
        await back(stage)
        await stage.press("b")
        await restrict(stage, "b")
        await planned(stage, "Remove hello from the blacklist", "y remove")
        await done(stage, "Removed hello from the blacklist")
        assert b"blacklist hello\n" not in kernel.folder.read(BLACKLIST)
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the removal of hello from the blacklist", "y blacklist")
        await done(stage, "Blacklisted hello")
        assert b"blacklist hello\n" in kernel.folder.read(BLACKLIST)


async def test_a_blacklisting_of_somebody_else_is_told_and_left_alone(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write("/etc/modprobe.d/mine.conf", b"blacklist hello\n")
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("b")
        await restrict(stage, "b")
        await planned(stage, "already blacklisted (/etc/modprobe.d/mine.conf:1)", "Esc close")


# --- block ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_module_is_blocked_unloaded_verified_and_all_of_it_undone(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    async with opened(demo, size=size) as stage:
        await stage.select("hello")
        await stage.press("b")
        await restrict(stage, "u")
        await planned(stage, "Block hello", "block", "rmmod", "stopped  by name", "insmod FILE")
        await done(stage, "Blocked hello. Unloaded hello", "Verified by evaluating the rules")
        assert b"\ninstall hello /bin/false\n" in kernel.folder.read(BLOCKS)
        assert "hello" not in kernel.loaded
        assert kernel.load("hello").exit == 1
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the block of hello", "y unblock")
        await done(stage, "Unblocked hello")
        assert kernel.folder.read(BLOCKS) == b""
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the unload of hello", "y load")
        await done(stage, "Loaded hello")
        assert "hello" in kernel.loaded


async def test_blocking_the_driver_of_the_root_file_system_needs_its_name_typed(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    mounted = b"22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n"
    kernel.folder.write("/proc/self/mountinfo", mounted)
    async with opened(demo) as stage:
        await stage.select("ext4")
        await stage.press("b")
        await restrict(stage, "k")
        await planned(stage, "Block ext4", "holds the root file system", "y block")
        await stage.press("y")
        await stage.until("Type ext4 to continue")
        await stage.type("ext")
        await stage.press("enter")
        await stage.until("That is not ext4.")
        assert kernel.folder.read(BLOCKS) == b""
        await stage.type("4")
        await stage.press("enter")
        await stage.until("Blocked ext4")
        assert b"install ext4 /bin/false" in kernel.folder.read(BLOCKS)


async def test_loads_of_a_module_are_logged_and_happen(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("b")
        await restrict(stage, "l")
        await planned(stage, "Log loads of hello", "logged  by name", "y log")
        await done(stage, "Loads of hello are logged", "journalctl -t kmodtui")
        assert kernel.unload("hello").exit == 0
        assert kernel.load("hello").exit == 0
        assert "hello" in kernel.loaded
        await back(stage)
        await stage.press("b")
        await stage.until("End logging")
        await restrict(stage, "l")
        await planned(stage, "Unblock hello", "was logged")


async def test_a_module_that_is_not_loaded_is_blocked_from_the_catalog(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo) as stage:
        await stage.press("c")
        await stage.until("Modules of")
        await stage.type("nbd")
        await stage.until("nbd")
        await stage.press("ctrl+b")
        await restrict(stage, "k")
        await planned(stage, "Block nbd", "y block")
        await done(stage, "Blocked nbd")
        assert b"\nblacklist nbd\n" in kernel.folder.read(BLOCKS)


async def test_an_install_rule_that_comes_first_is_reported_and_nothing_is_written(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.write("/etc/modprobe.d/a.conf", b"install hello /sbin/own hello\n")
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("b")
        await restrict(stage, "k")
        await planned(stage, "hello cannot be blocked", "/etc/modprobe.d/a.conf:1", "Esc close")


# --- root -------------------------------------------------------------------------------------


async def test_root_is_given_up_by_key_and_had_again_by_the_next_change(demo: Demo) -> None:
    async with opened(demo, root=(root := RootThrough(demo))) as stage:
        await stage.press("D")
        await stage.until(lambda: "there are no root privileges to drop" in stage.toasts)
        await stage.select("hello")
        await stage.press("minus")
        await planned(stage, "y unload")
        await done(stage, "Unloaded hello")
        await back(stage)
        await stage.until("root: on (a test)")
        await stage.press("D")
        await stage.until("root: off")
        await stage.until(lambda: "which may ask for your password" in stage.toasts)
        await stage.press("U")
        await planned(stage, "y load")
        await done(stage, "Loaded hello")
        assert len(root.sessions) == 2


async def test_the_idle_time_is_set_from_the_palette(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type("idle time")
        await stage.until("Set how long the helper may be idle")
        await stage.press("enter")
        await stage.until("Drop root privileges after")
        await stage.type("x")
        await stage.press("enter")
        await stage.until("Enter a whole number of minutes from 1 to 480.")
        await stage.press("backspace")
        await stage.type("30")
        await stage.press("enter")
        await stage.until("Root privileges are dropped after 30 minutes")
        assert stage.dashboard.machine.idle_minutes == 30


async def test_read_only_reads_no_addresses_and_takes_no_typing_for_commands(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    hint = "To load and unload modules, start kmodtui without --read-only."
    async with opened(demo, root=NoRoot("kmodtui was started with --read-only.", hint)) as stage:
        before = stage.pane("modules")
        stage.send(*"Asz/qbtrfs")
        await stage.until("Root privileges are not available", "started with --read-only.", hint)
        await stage.calm()
        assert stage.app.is_running
        await stage.press("enter")
        await stage.until(lambda: stage.screen is stage.dashboard)
        assert stage.pane("modules") == before
        assert not kernel.log


@pytest.mark.parametrize("command", ["addresses", "idle time"])
async def test_the_palette_tells_why_a_command_cannot_be_had(demo: Demo, command: str) -> None:
    root = NoRoot("kmodtui was started with --read-only.")
    async with opened(demo, root=root) as stage:
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type(command)
        await stage.until("Unavailable: kmodtui was started with --read-only.")


async def test_the_palette_tells_that_there_is_no_root_to_give_up(demo: Demo) -> None:
    async with opened(demo) as stage:
        not_held = "Unavailable: root is off."
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type("drop root")
        await stage.until(not_held)
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.select("hello")
        await stage.press("minus")
        await planned(stage, "y unload")
        await done(stage, "Unloaded hello")
        await back(stage)
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type("drop root")
        await stage.until("Drop root privileges now")
        assert not_held not in stage.text


async def test_not_to_wait_any_longer_is_told(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, root=RootThrough(demo, first="wait")) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await planned(stage, "y unload")
        await stage.press("y")
        await stage.until("Unloading hello…")
        await stage.press("escape")
        await stage.until("Unloading hello continues; the panes show")
        assert stage.screen is stage.dashboard


async def test_what_is_in_use_is_unloaded_once_it_is_let_go(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.hold("hello", 1)
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await planned(
            stage, "hello is in use. No module holds its reference", "w wait until it is unused"
        )
        await stage.press("y")
        await stage.press("w")
        await planned(stage, "once it is unused", "Waits up to 60 s", "y unload")
        await stage.press("y")
        await stage.until("Waiting to unload hello… 1.0 s", "Esc cancel")
        assert "hello" in kernel.loaded
        kernel.hold("hello", -1)
        await stage.until("Unloaded hello", "Enter close")
        assert "hello" not in kernel.loaded


async def test_waiting_for_what_is_in_use_can_be_stopped(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.hold("hello", 1)
    async with opened(demo) as stage:
        await stage.select("hello")
        await stage.press("minus")
        await planned(stage, "w wait until it is unused")
        await stage.press("w")
        await planned(stage, "y unload")
        await stage.press("y")
        await stage.until("Waiting to unload hello…")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)
        await stage.until(lambda: "hello stays loaded, unless" in stage.toasts)
        assert "continues" not in stage.toasts
        await stage.calm()
        kernel.hold("hello", -1)
        await stage.calm(0.4)
        assert "hello" in kernel.loaded


async def test_what_modules_use_or_what_is_permanent_is_not_waited_for(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("binder_linux")
    async with opened(demo) as stage:
        for name in ("net_failover", "binder_linux"):
            await stage.select(name)
            await stage.press("minus")
            await planned(stage, "Esc close")
            assert "wait" not in stage.part("#dialog-keys")[0]
            await stage.press("w", "y")
            await stage.calm()
            assert stage.part("#dialog-keys")[0].strip() == "Esc close"
            await stage.press("escape")
            await stage.until(lambda: stage.screen is stage.dashboard)


# --- keep -------------------------------------------------------------------------------------


async def keep(stage: Stage, key: str) -> None:
    await stage.press("K")
    await stage.until(lambda: isinstance(stage.screen, KeepDialog), "Options")
    await stage.press(key)


async def test_current_values_are_kept_the_module_loaded_at_boot_and_all_of_it_undone(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("dummy", "numdummies=3")
    async with opened(demo) as stage:
        await stage.select("dummy")
        await keep(stage, "c")
        await planned(stage, "Keep options of dummy", "numdummies=3", OPTIONS, "y keep")
        await done(stage, "Kept dummy", f"{OPTIONS}:2: dummy numdummies=3")
        assert kernel.folder.read(OPTIONS).endswith(b"\noptions dummy numdummies=3\n")
        await back(stage)
        await keep(stage, "b")
        await planned(stage, "Keep dummy", "loaded at every boot", BOOT)
        await done(stage, "Kept dummy", f"{BOOT}:2: dummy")
        await back(stage)
        kernel.unload("dummy")
        kernel.load("dummy")
        assert parameter(kernel, "dummy", "numdummies") == b"3\n"
        for words in ("keeping of dummy", "change of the kept options of dummy"):
            await stage.press("U")
            await planned(stage, f"Undo the {words}", "y forget")
            await done(stage, "Forgot dummy")
            await back(stage)
        assert kernel.folder.read(OPTIONS) == kernel.folder.read(BOOT) == b""


async def test_options_are_entered_changed_and_forgotten(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await stage.select("virtio_net")
        for key in ("n", "y"):
            await keep(stage, "o")
            await stage.until("Options kept for virtio_net", "+ other")
            while "napi_tx =" not in stage.words:
                await stage.press("down")
            await stage.type(key)
            await stage.press("enter")
            await planned(stage, "Keep options of virtio_net", f"napi_tx={key}")
            await done(stage, "Kept virtio_net", "Reload virtio_net to use the options now.")
            assert kernel.folder.read(OPTIONS).endswith(b"virtio_net napi_tx=%s\n" % key.encode())
            await back(stage)
        await keep(stage, "f")
        await planned(stage, "Forget the options of virtio_net", "was napi_tx=y")
        await done(stage, "Forgot virtio_net")
        assert kernel.folder.read(OPTIONS) == b""


async def test_a_load_can_be_kept_in_its_plan(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await stage.press("plus")
        await stage.until("Load a module")
        await stage.type("dummy numdummies=2")
        await stage.press("enter")
        await planned(stage, "Load dummy", "K keep as well")
        await stage.press("K")
        await planned(stage, "K do not keep", f"printf 'dummy\\n' >> {BOOT}", OPTIONS)
        await done(stage, "Loaded dummy. Kept dummy", f"{BOOT}:2: dummy")
        assert "dummy" in kernel.loaded
        assert kernel.folder.read(OPTIONS).endswith(b"options dummy numdummies=2\n")
        await back(stage)
        await stage.press("U")
        await planned(stage, "Undo the keeping of dummy", "y forget")
