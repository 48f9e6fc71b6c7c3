"""The drawer of the kernel's log: it follows what comes, and shows what a person asks for."""

from __future__ import annotations

import re

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.log.tail import LogTail
from kmodtui.ui.widgets.lines.log import LogLines
from tests.ui.kernel_log import fresh, lines, open_log, state, texts
from tests.ui.stage import Stage, opened

ERR, WARNING, INFO = 3, 4, 6


def say(kernel: SimulatedKernel, count: int, text: str = "line") -> None:
    for number in range(count):
        kernel.printk(INFO, f"{text} {number}")


async def test_l_opens_it_at_the_newest_line_and_closes_it_again(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("btrfs")
    async with opened(demo) as stage:
        await open_log(stage)
        assert stage.focused_pane == "log"
        await stage.until("Btrfs loaded, crc32c=crc32c-generic")
        newest = stage.highlighted("#log-lines")
        assert re.match(r"  \[ *\d+\.\d{6}\] info   Btrfs loaded, crc32c", newest)
        # The panes stay beside it.
        assert all(words in stage.text for words in ("1 Modules", "3 Info", "4 Change"))
        await stage.press("L")
        await stage.until_gone("Btrfs loaded")
        assert stage.focused_pane == "modules"
        assert stage.cursor


async def test_what_comes_is_followed_and_told_from_what_was_there(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("tun")
    async with opened(demo) as stage:
        await open_log(stage)
        assert fresh(stage) == []
        kernel.load("btrfs")
        await stage.until("Btrfs loaded")
        assert fresh(stage)[-1].startswith("Btrfs loaded")
        assert not any("TUN/TAP" in text for text in fresh(stage))
        say(kernel, 50)
        await stage.until("line 49")
        assert stage.highlighted("#log-lines").endswith("line 49")
        # Once it was closed, all of that is old.
        await stage.press("L", "L")
        await stage.until("following")
        assert texts(stage)[-1] == "line 49"
        assert fresh(stage) == []


async def test_levels_have_words_and_colours(demo: Demo, kernel: SimulatedKernel) -> None:
    for level in range(8):
        kernel.printk(level, f"level {level}")
    async with opened(demo) as stage:
        await open_log(stage)
        words = [line[17:23].strip() for line in lines(stage)]
        assert words == ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"]
        colours = {level: stage.colour_of(f"level {level}") for level in (ERR, WARNING, INFO)}
        assert len(set(colours.values())) == 3


async def test_who_has_moved_up_is_left_there_and_told_what_came(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    say(kernel, 40)
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("k", "k")
        await stage.until(lambda: "scrolled up" in state(stage))
        before = texts(stage)
        say(kernel, 30, "later")
        await stage.until(lambda: "scrolled up, 30 new below" in state(stage))
        assert texts(stage) == before
        assert stage.highlighted("#log-lines").endswith("line 37")
        await stage.press("G")
        await stage.until("later 29", lambda: "following" in state(stage))
        say(kernel, 1, "last")
        await stage.until("last 0")
        assert "new below" not in state(stage)


async def test_the_wheel_holds_it_too(demo: Demo, kernel: SimulatedKernel) -> None:
    say(kernel, 60)
    async with opened(demo) as stage:
        await open_log(stage)
        view = stage.dashboard.query_one(LogLines)
        view.scroll_to(y=5, animate=False)
        await stage.until("line 5", lambda: "scrolled up" in state(stage))
        say(kernel, 3, "later")
        await stage.until(lambda: "scrolled up, 3 new below" in state(stage))
        assert "line 5" in stage.text
        await stage.press("G")
        await stage.until("later 2", lambda: "following" in state(stage))


async def test_slash_shows_only_what_contains_a_text_and_n_goes_through_it(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    for number in range(40):
        kernel.printk(INFO, f"{'usb' if number % 10 == 0 else 'net'} {number}: is up")
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("n")
        await stage.until(lambda: "No search text" in stage.toasts)
        await stage.press("slash", *"USB")
        await stage.until("filter kernel log: USB", lambda: "4 of 40 messages" in state(stage))
        await stage.press("enter")
        assert texts(stage) == [f"usb {number}: is up" for number in (0, 10, 20, 30)]
        await stage.press("N", "N")
        await stage.until(lambda: "usb 10" in stage.highlighted("#log-lines"))
        await stage.press("n")
        await stage.until(lambda: "usb 20" in stage.highlighted("#log-lines"))
        # What comes and does not fit is not shown, what fits is.
        kernel.printk(INFO, "net 99: is up")
        kernel.printk(INFO, "usb 99: is up")
        await stage.until(lambda: "5 of 42 messages" in state(stage))
        assert texts(stage)[-1] == "usb 99: is up"
        # Where the search ends, what was found stands among its neighbours.
        await stage.press("escape")
        await stage.until("net 19", "net 21")
        assert "usb 20" in stage.highlighted("#log-lines")
        await stage.press("escape")
        await stage.until_gone("╭─ L Kernel log")


async def test_a_single_hit_is_left_in_view_when_the_search_ends(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    say(kernel, 60)
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("slash", *"line 25", "enter")
        await stage.until("1 of 60 messages")
        await stage.press("escape")
        await stage.until("line 24", "line 26")
        assert stage.highlighted("#log-lines").endswith("line 25")
        # A search for the newest line ends where following goes on.
        await stage.press("slash", *"line 59", "enter")
        await stage.until("1 of 60 messages")
        await stage.press("escape")
        await stage.until("line 58", lambda: "following" in state(stage))


async def test_f_shows_what_is_as_bad_or_worse(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.printk(INFO, "all is well")
    kernel.printk(WARNING, "take care")
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("f")
        await stage.until("warnings and worse · 1 of 2 messages")
        assert texts(stage) == ["take care"]
        await stage.press("f")
        await stage.until("errors and worse · 0 of 2 messages")
        none = "No match in 2 messages for: errors and worse. f shows less"
        assert none in stage.pane_words("log")
        kernel.printk(ERR, "it broke")
        await stage.until("it broke")
        assert texts(stage) == ["it broke"]
        await stage.press("f")
        await stage.until("all is well")


async def test_m_shows_the_lines_that_name_the_selected_module(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("btrfs")
    kernel.load("tun")
    async with opened(demo) as stage:
        await stage.select("btrfs")
        await open_log(stage)
        await stage.press("m")
        await stage.until("L Kernel log: btrfs")
        assert [text.split(",")[0] for text in texts(stage)] == ["Btrfs loaded"]
        # It goes with the cursor of the modules.
        await stage.select("tun")
        await stage.until("L Kernel log: tun")
        assert texts(stage) == ["tun: Universal TUN/TAP device driver, 1.6"]
        await stage.select("hello")
        await stage.until(lambda: "for: mentions hello" in stage.pane_words("log"))
        await stage.press("L", "L", "m")
        await stage.until("Btrfs loaded", "TUN/TAP")


async def test_text_of_the_log_is_data(demo: Demo, kernel: SimulatedKernel) -> None:
    kernel.printk(INFO, "[bold]loud[/] [/nothing] \x1b[31mred\x07 \u202eback \\x1b[0m")
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.until("[bold]loud[/] [/nothing] \\x1b[31mred\\x07 \\u202eback \\x1b[0m")
        await stage.press("slash", *"[/", "enter")
        await stage.until("/[/ · 1 of 1 message")


async def test_a_long_line_is_broken_and_all_of_it_seen(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    words = [f"word{number}" for number in range(60)]
    kernel.printk(INFO, " ".join(words))
    kernel.printk(INFO, "0x" + "abcdef" * 30)
    for size in ((140, 40), (80, 24), (44, 16)):
        async with opened(demo, size=size) as stage:
            await open_log(stage)
            await stage.press("z", "g")
            await stage.calm()
            seen = " ".join(" ".join(text.split()) for text in lines(stage))
            assert all(word in seen for word in words[:20])
            frame = stage.pane("log").splitlines()
            assert {len(line) for line in frame} == {size[0]}
            await stage.press("G")
            await stage.calm()
            assert "ef" in stage.highlighted("#log-lines")
            joined = "".join("".join(lines(stage)).split())
            assert joined.count("abcdef") >= 20


async def test_only_the_newest_are_kept_and_it_says_so(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        stage.dashboard.query_one(LogLines).tail = LogTail(kept=100)
        say(kernel, 500)
        await open_log(stage)
        await stage.until("line 499", "100 messages")
        await stage.press("g")
        await stage.until("400 older messages dropped")
        await stage.press("j", "j")
        await stage.until(lambda: "line 401" in stage.highlighted("#log-lines"))
        # Who reads an old line keeps it in view until it is let go itself.
        say(kernel, 60, "later")
        await stage.until("460 older messages dropped", lambda: "scrolled up" in state(stage))


async def test_thousands_of_lines_at_once_are_shown(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo) as stage:
        await open_log(stage)
        say(kernel, 5000)
        await stage.until("line 4999", "5,000 messages")
        await stage.press("g")
        await stage.until(lambda: texts(stage)[0] == "line 0")


async def test_nothing_is_written_while_nothing_is_logged(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    say(kernel, 100)
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.calm()
        before = stage.terminal.written
        await stage.calm(0.5)
        assert stage.terminal.written == before


async def test_tab_goes_round_through_it_while_it_is_open(demo: Demo) -> None:
    async with opened(demo) as stage:
        await open_log(stage)
        for name in ("modules", "tree", "info", "symbols", "log"):
            await stage.press("tab")
            await stage.until(lambda name=name: stage.focused_pane == name)
        await stage.press("L")
        await stage.until(lambda: stage.focused_pane == "symbols")
        await stage.press("tab")
        await stage.until(lambda: stage.focused_pane == "modules")


async def test_z_gives_it_the_whole_screen(demo: Demo, kernel: SimulatedKernel) -> None:
    say(kernel, 60)
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("z")
        await stage.until(lambda: len(stage.part("#log")) == 38)
        await stage.until(lambda: texts(stage)[-1] == "line 59")
        assert "1 Modules" not in stage.text
        await stage.press("escape")
        await stage.until("1 Modules", "L Kernel log", lambda: texts(stage)[-1] == "line 59")


@pytest.mark.parametrize("size", [(80, 24), (60, 16)], ids=str)
async def test_in_a_narrow_terminal_it_is_one_more_pane(
    demo: Demo, kernel: SimulatedKernel, size: tuple[int, int]
) -> None:
    say(kernel, 60)
    async with opened(demo, size=size) as stage:
        assert "L Log" not in stage.lines[1]
        await open_log(stage)
        await stage.until("[L Log]", "line 59")
        assert len(stage.part("#log")) == size[1] - 3
        await stage.press("1")
        await stage.until("[1 Modules]", "  L Log")
        assert "line 59" not in stage.text
        # Covered, it is brought back before it is closed.
        await stage.press("L")
        await stage.until("[L Log]", "line 59")
        await stage.press("L")
        await stage.until("[1 Modules]", lambda: "L Log" not in stage.lines[1])


async def test_it_stays_at_its_line_through_other_sizes(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    say(kernel, 100, "a line that is long enough to be broken in a narrow terminal")
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press(*["k"] * 20)
        await stage.until(lambda: "terminal 79" in stage.highlighted("#log-lines"))
        await stage.resize(80, 24)
        await stage.until("[L Log]")
        await stage.calm()
        assert "a line that is long" in stage.highlighted("#log-lines")
        await stage.resize(120, 40)
        await stage.until(lambda: "terminal 79" in stage.highlighted("#log-lines"))
        await stage.press("G")
        await stage.resize(80, 24)
        await stage.until("[L Log]", "terminal 99")


async def test_keys_typed_in_one_go_open_and_close_it(demo: Demo) -> None:
    async with opened(demo) as stage:
        await open_log(stage)
        await stage.press("L", "L", "L")
        await stage.until_gone("╭─ L Kernel log")
        assert stage.focused_pane == "modules"


async def test_a_load_in_the_dashboard_is_heard(demo: Demo) -> None:
    async with opened(demo) as stage:
        await open_log(stage)
        await load_btrfs(stage)
        await stage.until(lambda: any("Btrfs loaded" in text for text in fresh(stage)))


async def load_btrfs(stage: Stage) -> None:
    await stage.press("plus")
    await stage.until("Load a module")
    await stage.type("btrfs")
    await stage.press("enter")
    await stage.until("y load")
    await stage.press("y")
    await stage.until("Enter close")
    await stage.press("enter")
    await stage.until(lambda: stage.screen is stage.dashboard)
