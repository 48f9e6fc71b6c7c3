"""What came of a load or unload is what the kernel shows, whatever the helper says."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kmodtui.demo import Demo
from kmodtui.errors import HelperDiedError
from kmodtui.model.explain.explain import Explanation, Kind
from kmodtui.model.plan.intent import Intent
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.scope import Scope
from kmodtui.privileged.protocol import Hello
from kmodtui.privileged.session import LogSink
from kmodtui.services.machine import Machine
from kmodtui.services.planning.actions import perform
from kmodtui.services.planning.planning import plan_for
from tests.support.simulated import make_demo

DONE = Result(True, ResultCode.DONE, exit=0)
REFUSED = Result(False, ResultCode.FAILED, errno=errno.EPERM, exit=1)


def nothing() -> None:
    """What a helper does that only talks."""


@dataclass
class Teller:
    """A session with a helper that does one thing and then says, or dies of, something else."""

    told: Result | HelperDiedError
    does: Callable[[], object] = nothing
    hello = Hello(1, "", 1, 0, ("load", "unload"))
    via = "told"
    alive = True

    async def load(
        self, name: str, parameters: Sequence[str] = (), on_log: LogSink | None = None
    ) -> Result:
        return self._answer()

    async def unload(
        self, names: Sequence[str], on_log: LogSink | None = None, *, wait: float = 0.0
    ) -> Result:
        return self._answer()

    async def reload(
        self, name: str, parameters: Sequence[str] = (), on_log: LogSink | None = None
    ) -> Result:
        raise NotImplementedError

    async def write_parameter(self, name: str, parameter: str) -> Result:
        raise NotImplementedError

    async def closed(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.alive = False

    def _answer(self) -> Result:
        self.does()
        if isinstance(self.told, HelperDiedError):
            raise self.told
        return self.told


@dataclass
class Slow(Teller):
    """One that has begun, and takes its time."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(
        self, name: str, parameters: Sequence[str] = (), on_log: LogSink | None = None
    ) -> Result:
        self.begun.set()
        await self.goes_on.wait()
        return self._answer()


class Root:
    """Root is had at once, and is this session; others do something meanwhile."""

    state = sentence = held = ""
    denied = None

    def __init__(self, channel: Teller, others: Callable[[], object] = nothing) -> None:
        self._channel = channel
        self._others = others

    async def open(self, _: object, scope: Scope) -> Teller:
        self._others()
        return self._channel


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return make_demo(tmp_path)


async def outcome(demo: Demo, verb: str, name: str, helper: Teller) -> Explanation:
    machine = Machine(demo.host, Root(helper))
    plan = await plan_for(machine, [Intent(Verb(verb), (name,))])
    return await perform(machine, plan, nullcontext, lambda _: None)


@pytest.mark.parametrize(
    ("verb", "name", "words"),
    [
        ("load", "btrfs", "btrfs is still not loaded"),
        ("unload", "hello", "hello is still loaded"),
    ],
)
async def test_done_is_a_failure_where_the_kernel_does_not_show_it(
    demo: Demo, verb: str, name: str, words: str
) -> None:
    told = await outcome(demo, verb, name, Teller(DONE))
    assert (told.kind, told.title) == (Kind.FAILURE, words)


async def test_what_a_load_that_failed_has_brought_is_told(demo: Demo) -> None:
    def half() -> None:
        demo.kernel.load("fat")

    refused = Result(False, ResultCode.FAILED, "Invalid argument", errno.EINVAL)
    told = await outcome(demo, "load", "vfat", Teller(refused, half))
    assert told.kind is Kind.FAILURE
    assert told.cause.endswith("fat was loaded before that and stays loaded; U unloads it.")
    demo.kernel.unload("fat")
    nothing_came = await outcome(demo, "load", "vfat", Teller(refused))
    assert "stays" not in nothing_came.cause


async def test_done_is_a_failure_while_the_module_is_still_loading(demo: Demo) -> None:
    def begin() -> None:
        steps = demo.kernel.modprobe.load("dummy")
        while demo.kernel.state("dummy") is None:
            next(steps)
        begun.append(steps)

    begun: list[object] = []
    told = await outcome(demo, "load", "dummy", Teller(DONE, begin))
    assert told.kind is Kind.FAILURE


async def test_done_is_done_where_the_kernel_shows_it(demo: Demo) -> None:
    helper = Teller(DONE, lambda: demo.kernel.load("btrfs"))
    told = await outcome(demo, "load", "btrfs", helper)
    assert (told.kind, told.title) == (Kind.DONE, "Loaded btrfs")


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("/proc/sys/kernel/modules_disabled", b"1\n", "modules_disabled: 1"),
        ("/sys/kernel/security/lockdown", b"none [integrity] confidentiality\n", "integrity"),
        ("/proc/cmdline", b"quiet module_blacklist=btrfs\n", "module_blacklist=btrfs"),
    ],
)
async def test_a_refusal_is_told_with_the_lock_that_the_kernel_shows(
    demo: Demo, path: str, content: bytes, words: str
) -> None:
    demo.kernel.folder.write(path, content)
    told = await outcome(demo, "load", "btrfs", Teller(REFUSED))
    assert told.kind is Kind.FAILURE
    assert words in "\n".join((told.cause, *told.shown))


async def test_a_lock_that_is_set_after_kmodtui_began_is_found(demo: Demo) -> None:
    def lock() -> None:
        demo.kernel.folder.write("/proc/sys/kernel/modules_disabled", b"1\n")

    told = await outcome(demo, "unload", "hello", Teller(REFUSED, lock))
    assert told.title == "Loading and unloading are disabled until reboot"


@pytest.mark.parametrize(
    ("happens", "words"), [(True, "btrfs is loaded now."), (False, "btrfs is not loaded now.")]
)
async def test_a_helper_that_dies_is_told_with_what_the_kernel_shows_now(
    demo: Demo, happens: bool, words: str
) -> None:
    death = HelperDiedError("The privileged helper has ended.", "Read again.")
    helper = Teller(death, (lambda: demo.kernel.load("btrfs")) if happens else nothing)
    told = await outcome(demo, "load", "btrfs", helper)
    assert told.kind is Kind.FAILURE
    assert told.cause.startswith("The privileged helper has ended.")
    assert told.cause.endswith(words)


# --- what can be taken back afterwards --------------------------------------------------------


async def test_what_others_do_is_not_taken_back(demo: Demo) -> None:
    def others() -> None:
        demo.kernel.load("vfat")
        demo.kernel.unload("hello")

    def both() -> None:
        demo.kernel.load("btrfs")
        demo.kernel.load("tun")

    machine = Machine(demo.host, Root(Teller(DONE, both), others))
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("btrfs",))])
    told = await perform(machine, plan, nullcontext, lambda _: None)
    assert told.kind is Kind.DONE
    done = machine.done.last
    assert done is not None
    assert done.back[0].names[0] == "btrfs"
    assert not {"vfat", "fat", "tun"} & set(done.back[0].names)


@pytest.mark.parametrize("verb", ["load", "unload"])
async def test_a_change_that_was_refused_leaves_nothing_to_take_back(demo: Demo, verb: str) -> None:
    def others() -> None:
        demo.kernel.load("vfat")
        demo.kernel.unload("hello")

    name = "vfat" if verb == "load" else "hello"
    machine = Machine(demo.host, Root(Teller(REFUSED), others))
    plan = await plan_for(machine, [Intent(Verb(verb), (name,))])
    told = await perform(machine, plan, nullcontext, lambda _: None)
    assert told.kind is Kind.FAILURE
    assert machine.done.last is None


async def test_what_another_shell_has_loaded_while_this_load_was_refused_is_its_own(
    demo: Demo,
) -> None:
    helper = Teller(REFUSED, lambda: demo.kernel.load("dummy"))
    machine = Machine(demo.host, Root(helper))
    await perform(
        machine,
        await plan_for(machine, [Intent(Verb.LOAD, ("dummy",))]),
        nullcontext,
        lambda _: None,
    )
    assert "dummy" in demo.kernel.loaded
    assert machine.done.last is None


async def test_a_load_that_nobody_waits_for_any_more_can_be_taken_back(demo: Demo) -> None:
    slow = Slow(DONE, lambda: demo.kernel.load("dummy"))
    machine = Machine(demo.host, Root(slow))
    plan = await plan_for(machine, [Intent(Verb.LOAD, ("dummy",))])
    work = asyncio.create_task(perform(machine, plan, nullcontext, lambda _: None))
    await slow.begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    slow.goes_on.set()
    async with asyncio.timeout(10):
        while machine.done.last is None:  # noqa: ASYNC110  nothing is told when nobody waits
            await asyncio.sleep(0)
    assert machine.done.last.back == (Intent(Verb.UNLOAD, ("dummy",)),)
