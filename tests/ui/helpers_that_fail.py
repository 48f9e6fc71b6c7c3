"""Ways to root that go wrong: a helper that dies, that waits, that is refused."""

from __future__ import annotations

import asyncio
import json

from kmodtui.demo import Demo
from kmodtui.demo.simulated_helper import SimulatedHelper
from kmodtui.errors import ElevationRefusedError
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground


class Pipe:
    """The lines of a simulated helper, to be held back or broken off."""

    def __init__(self, demo: Demo, scope: Scope) -> None:
        self._helper = SimulatedHelper(demo.kernel, scope, pace=0)
        self.operations: set[str] = set()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.breaks_on_send = False
        self.breaks_on_result = False
        self._broken = False
        self._last: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def end(self, bye: str = "") -> None:
        """Let the helper end now: with this reason, or killed."""
        told = {"serial": next(self._helper._answers), "bye": {"reason": bye}}
        self._last.set_result(json.dumps(told).encode() + b"\n" if bye else b"")

    def say(self, message: dict[str, object]) -> None:
        """Let the helper send a message of its own."""
        self._helper._lines.put_nowait(json.dumps(message).encode() + b"\n")

    async def send(self, line: bytes) -> None:
        if self.breaks_on_send:
            raise BrokenPipeError
        self.operations.add(json.loads(line)["op"])
        await self._helper.send(line)

    async def receive(self) -> bytes:
        line = b"" if self._broken else await self._next()
        if b'"result"' in line:
            if self.breaks_on_result:
                self._broken = True
                return b""
            await self.flowing.wait()
        return line

    async def _next(self) -> bytes:
        answer = asyncio.ensure_future(self._helper.receive())
        await asyncio.wait({answer, self._last}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return self._last.result()

    async def close(self) -> None:
        await self._helper.close()

    @property
    def stderr_text(self) -> str:
        return "Killed" if self._broken or self.breaks_on_send else ""


class RootThrough:
    """Root by way of pipes that a test holds in its hands; one for each session."""

    sentence = "A test lets you through."
    held = "A test holds root."
    state = "root: off"
    denied = None

    def __init__(self, demo: Demo, *, first: str = "") -> None:
        """Let the first session break `on_send` or `on_result`, or `wait` with its result."""
        self._demo = demo
        self._first = first
        self.sessions: list[Pipe] = []

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        pipe = Pipe(self._demo, scope)
        if not self.sessions:
            pipe.breaks_on_send = self._first == "on_send"
            pipe.breaks_on_result = self._first == "on_result"
            if self._first == "wait":
                pipe.flowing.clear()
        self.sessions.append(pipe)
        return await HelperClient.connect(pipe, "a test")


class RootRefused:
    """A password that was wrong three times."""

    sentence = "sudo will ask for your password."
    held = "A test holds root."
    state = "root: off"
    denied = None

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        raise ElevationRefusedError("sudo did not let you through.", "Ask for your rights.")


class RootBroken:
    """A fault of kmodtui itself on the way to root."""

    sentence = "A test breaks."
    held = "A test holds root."
    state = "root: off"
    denied = None

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        raise RuntimeError("this is a fault")
