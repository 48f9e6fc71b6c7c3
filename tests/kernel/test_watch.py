"""`kmodtui watch` on Debian's kernel, with a driver that is built with its headers."""

from __future__ import annotations

import json
import select
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.dashboard import loaded
from tests.kernel.driver import Driver, Symbols
from tests.kernel.image import Image
from tests.kernel.vm import VM, boot

FOLDER = "/root/drv"
FILE = f"{FOLDER}/drv.ko"
DEVICE = "/dev/kmodtui_drv"
PATIENCE = 120

Event = dict[str, Any]


class Watching:
    """A running `kmodtui watch --auto --json` in the guest."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.events: list[Event] = []

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Return the next event of which something is true."""
        deadline = time.monotonic() + PATIENCE
        assert self._process.stdout is not None
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise AssertionError(f"nothing like that in {self.events[-5:]}")
            line = self._process.stdout.readline()
            assert line, f"it has ended: {self.events[-5:]}"
            self.events.append(json.loads(line))
            if wanted(self.events[-1]):
                return self.events[-1]

    def end_of(self, *kinds: str) -> Event:
        """Return the next event of these kinds, of which no other end is seen before."""
        ends = ("loaded", "failed", "refused", "broken")
        found = self.until(lambda event: event["event"] in (*kinds, *ends))
        assert found["event"] in kinds, found
        return found


@contextmanager
def watching(vm: VM, *words: str) -> Iterator[Watching]:
    command = ["kmodtui", "watch", FILE, *words, "--auto", "--yes", "--json"]
    with subprocess.Popen(
        vm.ssh("root", shlex.join(command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        try:
            yield Watching(process)
        finally:
            vm.run("root", ["pkill", "-f", "kmodtui watch"])
            process.wait(PATIENCE)
            vm.run("root", ["rmmod", "drv"])


def put(vm: VM, data: bytes) -> None:
    """Write the file as a linker does."""
    vm.write("root", FILE, data)


def moved(before: Symbols, after: Symbols) -> Counter[tuple[str, int | None, int | None]]:
    """Return the symbols that nm lists in one build only: name, size before, size after."""
    gone, new = before - after, after - before
    found: Counter[tuple[str, int | None, int | None]] = Counter()
    for name in {name for name, _, _ in (*gone, *new)}:
        olds = sorted(size for n, size, _ in gone.elements() if n == name)
        news = sorted(size for n, size, _ in new.elements() if n == name)
        for number in range(max(len(olds), len(news))):
            old = olds[number] if number < len(olds) else None
            found[name, old, news[number] if number < len(news) else None] += 1
    return found


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.full)])
def test_each_rebuild_is_one_reload_with_the_difference_that_nm_shows(
    vm: VM, tmp_path: Path, times: int, record_property: Any
) -> None:
    driver = Driver(tmp_path, vm.release)
    extra = "static int more; module_param(more, int, 0444);"
    builds = [
        driver.build(n, work=n * 3 % 11, parameters=extra * (n % 2)) for n in range(times + 1)
    ]
    vm.run("root", ["mkdir", "-p", FOLDER], check=True)
    put(vm, builds[0].data)
    seconds = []
    with watching(vm, "loud=2") as watch:
        assert watch.end_of("loaded")["difference"] is None
        for number in range(1, times + 1):
            put(vm, builds[number].data)
            event = watch.end_of("loaded")
            assert event["rebuild"] == number + 1
            told = Counter(
                (each["name"], each["before"], each["after"])
                for each in event["difference"]["symbols"]
            )
            assert told == moved(builds[number - 1].symbols, builds[number].symbols)
            names = [p["name"] for p in event["difference"]["parameters_added"]]
            assert names == ["more"] * (number % 2)
            assert any("bye from build" in each["text"] for each in event["exit_log"])
            assert any("drv: build" in each["text"] for each in event["init_log"])
            assert vm.read("root", "/sys/module/drv/parameters/loud") == b"2\n"
            seconds.append(event["seconds"])
        reloads = [event for event in watch.events if event["event"] == "loaded"]
        assert len(reloads) == times + 1
    record_property("seconds from rebuild to loaded", sorted(seconds)[len(seconds) // 2])


@pytest.mark.full
def test_what_can_go_wrong_is_explained_and_ends_loading_automatically(
    debian: Image, tmp_path: Path
) -> None:
    # A guest of its own: an oops stays until the next boot.
    with boot(image=debian) as vm:
        driver = Driver(tmp_path, vm.release)
        good = driver.build(1).data
        vm.run("root", ["mkdir", "-p", FOLDER], check=True)
        put(vm, good)
        with watching(vm) as watch:
            watch.end_of("loaded")

            put(vm, good[: len(good) // 2])
            watch.until(lambda event: event["event"] == "incomplete")
            event = watch.end_of("broken")
            assert "truncated" in event["problem"]["cause"]
            assert event["loaded"]

            other = good.replace(vm.release.encode(), b"5" * len(vm.release))
            put(vm, other.replace(b"SMP preempt", b"SMP PREEMPT"))
            event = watch.end_of("refused")
            assert event["problem"]["title"] == "It was built for another kernel"

            held = subprocess.Popen(
                vm.ssh("root", f"exec 3>{DEVICE}; echo held; exec cat"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert held.stdout
            assert held.stdout.readline() == b"held\n"
            put(vm, driver.build(2).data)
            event = watch.end_of("refused", "failed")
            assert "in use" in event["problem"]["cause"]
            assert event["loaded"]
            held.communicate()

            put(vm, driver.build(3, init="return -ENODEV;").data)
            event = watch.end_of("failed")
            assert (event["loaded"], event["can_load_earlier"]) == (False, True)
            assert "drv" not in loaded(vm)

            put(vm, driver.build(4).data)
            watch.end_of("loaded")
            vm.run("root", f"echo w >{DEVICE}")
            event = watch.until(lambda each: each["event"] == "warning")
            assert event["place"].startswith("drv_write+0x")
            assert event["source"].partition(":")[0].endswith("drv.c")
            assert "W" in event["taint"]
            put(vm, driver.build(5).data)
            watch.until(lambda each: each["event"] == "ready")
            assert not watch.events[-1]["automatic"]

        put(vm, driver.build(6).data)
        with watching(vm) as watch:
            watch.end_of("loaded")
            vm.run("root", f"echo o >{DEVICE}")
            line = next(
                number
                for number, text in enumerate((tmp_path / "drv.c").read_text().splitlines(), 1)
                if "volatile" in text
            )
            # The source line follows once the debug information was read.
            event = watch.until(lambda each: each["event"] == "oops" and each["source"])
            assert event["place"].startswith("drv_write+0x")
            assert event["source"].endswith(f"drv.c:{line}")
            assert "D" in event["taint"]
