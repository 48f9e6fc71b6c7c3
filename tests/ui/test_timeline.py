"""The timeline with keys: every change since the start is a line, and any two points compare."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.history import Change, CountedRows, Event, Timeline, Totals
from kmodtui.model.log.record import LogRecord
from kmodtui.model.symbols.table import OwnerDelta, SymbolDelta
from kmodtui.model.timeline.event import CommandRun
from kmodtui.model.timeline.event_list import EventList
from kmodtui.services.kernel_log import Batch
from kmodtui.services.planning.reports import CommandEnded
from kmodtui.services.timeline.recorder import Recorder
from kmodtui.services.timeline.recording import read_recording
from kmodtui.ui.screens.timeline import TimelineScreen
from kmodtui.ui.widgets.lines.events import EventLines
from kmodtui.ui.widgets.totals_graph import TotalsGraph
from tests.support.events import one_of_each
from tests.ui.stage import SIZES, Stage, opened


async def with_history(stage: Stage) -> None:
    """Load btrfs and dummy, and unload btrfs: three changes."""
    await stage.other_shell(lambda: stage.kernel.load("btrfs"))
    await stage.other_shell(lambda: stage.kernel.load("dummy"))
    await stage.other_shell(lambda: stage.kernel.unload("btrfs"))


async def timeline(stage: Stage) -> None:
    await stage.press("t")
    await stage.until(lambda: isinstance(stage.screen, TimelineScreen))
    await stage.handled()


def events(stage: Stage) -> list[str]:
    """The lines of the events, without their times."""
    return [line[12:].strip() for line in stage.part("#event-lines") if line.strip()]


async def test_every_change_by_whomever_is_a_line(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        await stage.until("Change 3")
        assert [line.split() for line in events(stage)] == [
            ["start", "10", "modules"],
            ["+", "btrfs", "and", "5", "more", "+369"],
            ["+", "dummy", "+20"],
            ["−", "btrfs", "and", "5", "more", "−369"],
        ]
        assert "3 events" in stage.text
        # The newest is under the cursor, and its change beside it.
        await stage.until(lambda: "−369" in stage.highlighted("#event-lines"))
        await stage.until(lambda: "unloaded btrfs" in stage.pane_words("change-pane"))


async def test_the_change_beside_follows_the_cursor(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        await stage.press("k")
        await stage.until("loaded dummy", "Change 2")
        await stage.press("g")
        await stage.until("when kmodtui started: 10 modules")
        assert "Change 2" not in stage.text


async def test_what_happens_meanwhile_is_added_and_followed(demo: Demo) -> None:
    async with opened(demo) as stage:
        await timeline(stage)
        await stage.until("every module loaded or unloaded")
        stage.kernel.load("tun")
        await stage.until("Change 1", "loaded tun")
        await stage.press("g")
        stage.kernel.load("vfat")
        await stage.until("+ vfat fat")
        # Who looks at something else is left there.
        assert "start" in stage.highlighted("#event-lines")


async def test_two_marks_are_compared(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        await stage.press("space", "g", "j", "space")
        await stage.until("2 marks")
        marked = [line.startswith("◆") for line in stage.part("#event-lines")[:4]]
        assert marked == [False, True, False, True]
        await stage.press("c")
        await stage.until("change 1 compared with change 3")
        await stage.until(
            lambda: "+20 −369 symbols in 7 modules" in stage.pane_words("change-pane")
        )
        await stage.until(lambda: "loaded dummy unloaded btrfs" in stage.pane_words("change-pane"))
        await stage.press("escape")
        await stage.until("Change 1")


async def test_a_mark_is_compared_with_the_cursor(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        await stage.press("g", "space", "G", "c")
        await stage.until("start compared with change 3")
        await stage.until(lambda: "+20 symbols in 1 module" in stage.pane_words("change-pane"))
        # btrfs and its dependencies were loaded and unloaded in between.
        await stage.until(
            lambda: "loaded and unloaded blake2b_generic btrfs" in stage.pane_words("change-pane")
        )


async def test_a_third_mark_takes_the_oldest_ones_place(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        await stage.press("g", "space", "j", "space", "j", "space")
        await stage.until("2 marks")
        marked = [line.startswith("◆") for line in stage.part("#event-lines")[:4]]
        assert marked == [False, True, True, False]
        await stage.press("space")
        await stage.until("1 mark ")


async def test_nothing_marked_is_said(demo: Demo) -> None:
    async with opened(demo) as stage:
        await timeline(stage)
        await stage.press("c")
        await stage.until(lambda: "Set two marks with Space" in stage.toasts)


async def test_enter_twice_goes_into_the_change_and_esc_comes_back(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        await stage.press("k", "enter", "enter")
        await stage.until(lambda: stage.app.focused and stage.app.focused.id == "change-lines")
        await stage.press("G", "enter")
        await stage.until("▾ dummy")
        await stage.press("slash", *"fn_1", "enter")
        await stage.until("/fn_1")
        await stage.press("escape")
        await stage.until_gone("/fn_1")
        await stage.press("escape")
        await stage.until(lambda: stage.app.focused and stage.app.focused.id == "event-lines")
        await stage.press("escape")
        await stage.until(lambda: stage.screen is stage.dashboard)


async def test_where_it_is_narrow_one_pane_is_shown_at_a_time(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        stage.kernel.load("dummy")
        await stage.until(lambda: len(stage.app.live.timeline) == 1)
        await timeline(stage)
        await stage.until("+ dummy")
        assert "loaded dummy" not in stage.text
        await stage.press("enter", "enter")
        await stage.until("loaded dummy")
        assert "+ dummy" not in stage.text
        await stage.press("escape")
        await stage.until("+ dummy")


async def test_a_module_that_came_and_went_unseen_is_an_event(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, interval=60) as stage:
        kernel.load("tun")
        kernel.unload("tun")
        await stage.until(lambda: len(stage.app.live.timeline) == 1)
        await timeline(stage)
        await stage.until("loaded+unloaded tun", "loaded and unloaded tun")


async def test_where_names_would_not_fit_behind_a_word_there_is_a_sign(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(110, 30), interval=60) as stage:
        for module in ("tun", "dummy"):
            kernel.load(module)
            kernel.unload(module)
        await stage.until(lambda: len(stage.app.live.timeline) == 1)
        await timeline(stage)
        await stage.until("loaded+unloaded dummy tun")
        await stage.resize(48, 24)
        await stage.until("± dummy tun")


async def test_symbols_that_were_added_and_removed_at_once_are_both_counted(demo: Demo) -> None:
    many, more = (CountedRows(counts=(("t", count),)) for count in (12_345, 67_890))
    change = Change(1, 0.0, symbols=SymbolDelta((OwnerDelta("tun", many, more),)))
    async with opened(demo, size=(80, 24)) as stage:
        await timeline(stage)
        events = (Event(change, Totals()),)
        stage.screen.query_one(EventLines).show(
            Timeline(began=time.time(), events=events), EventList()
        )
        await stage.until("+12,345 −67,890")
        await stage.resize(48, 24)
        await stage.until("±67,890")


def at_once(count: int) -> Timeline:
    """A timeline of modules that are loaded and unloaded by turns, all in the same second."""
    totals = [Totals(number % 2, 4096 * (number % 2), number % 2) for number in range(count + 1)]
    events = tuple(Event(Change(n, 100.0), totals[n]) for n in range(1, count + 1))
    return Timeline(began=1.0, totals=totals[0], events=events)


async def test_each_event_has_its_own_step_in_the_graph(demo: Demo) -> None:
    async with opened(demo) as stage:
        await timeline(stage)
        graph = stage.screen.query_one(TotalsGraph)
        graph.show(at_once(3), 1, (2,))
        await stage.until(lambda: "█" in stage.part("TotalsGraph")[-2])
        *_, memory, signs = stage.part("TotalsGraph")
        curve = re.search("[▁█]+", memory)
        assert curve is not None
        steps = [len(step) for step in re.findall("▁+|█+", curve[0])]
        assert len(steps) == 4
        assert max(steps) - min(steps) <= 1
        assert signs.index("▲") - curve.start() == steps[0]
        assert signs.index("◆") - curve.start() == steps[0] + steps[1]


async def test_of_more_events_than_columns_those_around_the_cursor_are_shown(demo: Demo) -> None:
    async with opened(demo, size=(80, 24)) as stage:
        await timeline(stage)
        graph = stage.screen.query_one(TotalsGraph)
        for cursor in (0, 500, 1000):
            graph.show(at_once(1000), cursor, ())
            await stage.until(lambda: re.search("▁█▁█▁█▁█", stage.part("TotalsGraph")[-2]))
            assert "▲" in stage.part("TotalsGraph")[-1]


async def test_symbols_that_cannot_be_read_do_not_keep_events_away(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.remove("/proc/kallsyms")
    async with opened(demo, ready=False) as stage:
        await stage.until(lambda: stage.app.live.timeline.began)
        await timeline(stage)
        assert "10 modules" in stage.text


async def test_the_columns_have_their_heading_from_the_start(demo: Demo) -> None:
    async with opened(demo) as stage:
        await timeline(stage)
        await stage.until("time      loaded + and unloaded −")
        await stage.resize(200, 50)
        await stage.until(lambda: "symbols      total     memory" in stage.text)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_curves_tell_the_totals_at_the_cursor(demo: Demo, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as stage:
        stage.kernel.load("btrfs")
        await stage.until(lambda: len(stage.app.live.timeline) == 1)
        before, after = (stage.app.live.timeline.totals_at(point).symbols for point in (0, 1))
        await timeline(stage)
        await stage.until(lambda: f"{after:,}" in "\n".join(stage.part("TotalsGraph")))
        assert "█" in "\n".join(stage.part("TotalsGraph"))
        await stage.press("g")
        await stage.until(lambda: f"  {before:,}  {before:,} … {after:,}" in stage.text)
        assert stage.part("TotalsGraph")[-1].split()[1] == "▲"


async def test_events_of_other_kinds_are_lines_too_and_open_to_what_belongs_to_them(
    demo: Demo,
) -> None:
    async with opened(demo) as stage:
        await stage.other_shell(lambda: stage.kernel.load("tun"))
        run = CommandRun("modprobe -- nbd", "failure", "nbd was refused", "It is blocked.")
        stage.app.machine.command_began.publish(run.command)
        stage.app.machine.command_ended.publish(CommandEnded(time.time(), run, ("nbd",)))
        records = (LogRecord(2, 2_000_000, 6, "tun: ready"), LogRecord(3, 3, 6, "audit: other"))
        stage.app.live.events.take_log(Batch(records, fresh=True))
        await stage.until(lambda: len(stage.app.live.events.events) == 4)
        await timeline(stage)
        assert [line.split()[:2] for line in events(stage)][-3:] == [
            ["+", "tun"],
            ["command", "modprobe"],
            ["log", "tun:"],
        ]
        await stage.until(lambda: "info" in stage.pane_words("change-pane"))
        await stage.press("k", "enter", "enter")
        await stage.until(
            lambda: "result failure: nbd was refused" in stage.pane_words("change-pane")
        )
        assert "It is blocked." in stage.pane_words("change-pane")
        await stage.press("escape", "k")
        await stage.until(lambda: "tun: ready" in stage.pane_words("change-pane"))
        await stage.press(*"fffff")
        await stage.until("only log messages: 1 event")
        assert [line.split()[0] for line in events(stage)] == ["start", "log"]
        await stage.press(*"ff")
        await stage.until("3 events")


async def test_a_recording_is_shown_in_the_same_timeline_and_clearly_only_read(
    demo: Demo, tmp_path: Path
) -> None:
    path = tmp_path / "week.kmodtui-record"
    with Recorder(path, size=1 << 20, keep=0) as recorder:
        for each in one_of_each():
            recorder.add(each)
    async with opened(demo, size=(80, 24), recording=read_recording(path)) as stage:
        await stage.until("REPLAY", "read only", "gap  12 messages lost")
        words = [line.split()[2] for line in stage.part("#event-lines")[1:4]]
        assert words == ["+", "failed", "parameter"]
        demo.kernel.load("tun")
        await stage.press("g")
        await stage.press("tab")
        await stage.until("when the recording began", "is only read")
        await stage.press("escape")
        await stage.press("escape")
        await stage.until(lambda: stage.app._exit)
        assert stage.app.live.timeline.began == 0


async def test_events_are_filtered_by_words_and_fields(demo: Demo) -> None:
    async with opened(demo) as stage:
        await with_history(stage)
        await timeline(stage)
        lines = stage.screen.query_one(EventLines)
        everything = lines.line_count()
        await stage.press("slash")
        await stage.type("kind:modules btrfs")
        await stage.until("filter events:", lambda: 1 < lines.line_count() < everything)
        await stage.press("enter")
        await stage.until("/kind:modules btrfs · ")
        await stage.press("escape")
        await stage.until(lambda: lines.line_count() == everything)
