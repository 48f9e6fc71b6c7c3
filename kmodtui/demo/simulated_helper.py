"""The demo's helper: the checks and answers of the real one, on a simulated kernel.

It speaks the protocol of `privileged/helper.py` and runs that module's own
operations, so everything but modprobe itself is as on a real machine. It needs no
root privileges and changes nothing but the simulation.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import math
import os
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from kmodtui import __version__
from kmodtui.demo.modprobe import PATH, Outcome, Run
from kmodtui.demo.moments import Point, at_once
from kmodtui.demo.parameters import RefusedValueError, shown_value
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.scope import Scope
from kmodtui.privileged import helper

DURATION = {
    Point.AWAITED: 0.02,
    Point.LOADING: 0.02,
    Point.COMING: 0.04,
    Point.LIVE: 0.02,
    Point.TRIMMED: 0.01,
    Point.UNLOADING: 0.03,
    Point.TORN_DOWN: 0.016,
    Point.GONE: 0.01,
}
"""Seconds that a module spends at each point at pace 1, about as on a real machine."""

_POLL = 0.1  # seconds between checks for new log records and stopped requests


class SimulatedMachine(helper.Machine):
    """The simulated machine, as the helper's operations use it."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        super().__init__(str(kernel.folder.root), kernel.release)
        self._kernel = kernel
        for folder in ("/etc/modprobe.d", "/etc/modules-load.d", "/run"):
            os.makedirs(self.root + folder, exist_ok=True)

    def program(self, name: str) -> str:
        """Return the path of a program of kmod; they are simulated, too."""
        return f"{os.path.dirname(PATH)}/{name}"

    def write_parameter(self, asked: helper.Request) -> helper.Outcome:
        """Write the value as the kernel would show it; fail if the kernel would refuse it."""
        (name,), key = asked["names"], asked["parameter"]
        path = f"{self.root}/sys/module/{name}/parameters/{key}"
        recorded = self._kernel.recording(name)
        kind = recorded.parameter_types.get(key, "") if recorded else ""
        try:
            if os.path.exists(path) and not os.stat(path).st_mode & 0o222:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            value = shown_value(kind, asked["value"])
        except RefusedValueError as refusal:
            return helper.Outcome("failed", os.strerror(refusal.errno), refusal.errno)
        except PermissionError as refusal:
            return helper.outcome_of(refusal)
        return super().write_parameter({**asked, "value": f"{value}\n"})

    def init_module(self, image: bytes, parameters: bytes) -> None:
        """Insert a module file; what is not a module of this kernel is refused with ENOEXEC."""
        self._refused(at_once(self._kernel.insert_file(image, parameters.decode().split())))

    def delete_module(self, name: bytes) -> None:
        """Unload a module by its exact name."""
        self._refused(at_once(self._kernel.delete(name.decode("ascii"))))

    @staticmethod
    def _refused(number: int) -> None:
        if number:
            raise OSError(number, os.strerror(number))

    def check_trusted(self, *paths: str) -> None:
        """Accept any path: the recording is owned by the user who runs the demo."""


class SimulatedHelper:
    """A `privileged.transport.Transport` to a simulated helper."""

    def __init__(
        self, kernel: SimulatedKernel, scope: Scope = Scope.CHANGE, *, pace: float = 1.0
    ) -> None:
        """Start a session; the helper sends its hello first.

        Args:
            kernel: the kernel that it loads modules into.
            scope: what the session may do.
            pace: factor for `DURATION`; 0 is instant.
        """
        self._scope = scope
        self._kernel = kernel
        self._machine = SimulatedMachine(kernel)
        self._pace = pace
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._jobs: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()  # one change at a time
        self._stopped: set[int] = set()
        self._open = True
        self._answers = count(1)
        hello = {
            "protocol": helper.PROTOCOL,
            "version": __version__,
            "pid": os.getpid(),
            "uid": 0,
            "operations": sorted(helper.SCOPES[scope]),
        }
        self._lines.put_nowait(json.dumps({"hello": hello}).encode("ascii") + b"\n")

    async def send(self, line: bytes) -> None:
        """Receive a request; see `Transport.send`."""
        if not self._open:
            raise BrokenPipeError
        job = asyncio.create_task(self._serve(line), name="simulated helper")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def receive(self) -> bytes:
        """Return the next line from the helper; see `Transport.receive`."""
        return await self._lines.get()

    async def close(self) -> None:
        """End the session. Requests in progress are cancelled."""
        self._open = False
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        self._lines.put_nowait(b"")

    @property
    def stderr_text(self) -> str:
        """Empty: the simulated helper has no standard error."""
        return ""

    def _reply(self, message: dict[str, Any]) -> None:
        numbered = {"serial": next(self._answers), **message}
        self._lines.put_nowait(json.dumps(numbered).encode("ascii") + b"\n")

    async def _serve(self, line: bytes) -> None:
        number: int | None = None
        details: dict[str, Any] = {}
        began = time.monotonic()
        try:
            request = helper.parse(line)
            number = request["id"]
            asked = helper.checked(request, self._scope)
            outcome = await self._operate(asked, details)
        except helper.FAILURES as error:
            outcome = helper.outcome_of(error)
        took = round(time.monotonic() - began, 3)
        self._reply({"id": number, "result": {**details, "took": took, **outcome.fields()}})

    async def _operate(self, asked: helper.Request, details: dict[str, Any]) -> helper.Outcome:
        """Carry out a request like the real helper; fill `details` with what was run."""
        operation = asked["op"]
        log = _Log(self._kernel, self._sender(asked), whole=operation == "log")
        match operation:
            case "log":
                await self._wait(asked, math.inf if asked["follow"] else 0.0, log)
            case "stop":
                self._stopped.add(asked["request"])
            case "idle":
                pass
            case _:
                async with self._turn:
                    details.update(before=self._machine.states(asked["names"]), output="")
                    try:
                        return await self._follow(asked, details, log)
                    finally:
                        details["after"] = self._machine.states(asked["names"])
        return helper.Outcome("done")

    async def _follow(
        self, asked: helper.Request, details: dict[str, Any], log: _Log
    ) -> helper.Outcome:
        """Carry out the steps of an operation, like helper.Session.follow on the event loop."""
        steps = helper.OPERATIONS[asked["op"]][0](self._machine, asked)
        sent: helper.Ended | helper.Outcome | None = None
        pause = 0.0
        while await self._wait(asked, pause, log):
            try:
                step = steps.send(sent)
            except StopIteration as end:
                log.send_new()
                outcome: helper.Outcome = end.value
                return outcome
            sent, pause = None, 0.0
            if isinstance(step, float):
                pause = step
            elif isinstance(step, bytes):
                self._sender(asked)({"data": base64.b64encode(step).decode("ascii")})
            elif isinstance(step, list):
                details.update(subject=step[step.index("--") + 1], command=step)
                sent = await self._run(step, asked, log)
                if step[1] == "-v":
                    details.update(exit=sent.exit, output=details["output"] + sent.output)
            else:
                try:
                    sent = step()
                except helper.FAILURES as error:
                    sent = helper.outcome_of(error)
        return helper.STOPPED

    async def _run(self, command: list[str], asked: helper.Request, log: _Log) -> helper.Ended:
        """Run the simulated modprobe.

        If the request is stopped, modprobe continues in the background.
        """
        if "--show-depends" in command:
            return helper.Ended(0, self._kernel.modprobe.show_depends(command[-1]))
        if "-n" in command:
            return helper.Ended(0, "")
        running = asyncio.create_task(self._in_time(self._kernel.modprobe.run(command)))
        self._jobs.add(running)
        running.add_done_callback(self._jobs.discard)
        while not running.done():
            await asyncio.wait({running}, timeout=_POLL)
            log.send_new()
            if asked["id"] in self._stopped:
                raise helper.STOPPED
        ran = running.result()
        return helper.Ended(ran.exit, ran.output)

    def _sender(self, asked: helper.Request) -> Callable[[dict[str, Any]], None]:
        """Return a function that sends part of the answer to a request in progress."""
        return lambda more: self._reply({"id": asked["id"], **more})

    async def _wait(self, asked: helper.Request, seconds: float, log: _Log) -> bool:
        """Wait, and send new log records meanwhile; return False if the request was stopped."""
        until = time.monotonic() + seconds
        while asked["id"] not in self._stopped:
            log.send_new()
            left = until - time.monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(_POLL, left))
        return False

    async def _in_time(self, run: Run) -> Outcome:
        """Run modprobe at the configured pace."""
        while True:
            try:
                moment = next(run)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            try:
                await asyncio.sleep(self._pace * DURATION[moment.point])
            except asyncio.CancelledError:
                # The session has ended, but the kernel still completes the load or unload.
                at_once(run)
                raise


class _Log:
    """Sends the simulated kernel's log for one request: all of it, or only new records."""

    def __init__(
        self, kernel: SimulatedKernel, send: Callable[[dict[str, Any]], None], *, whole: bool
    ) -> None:
        self._kernel = kernel
        self._send = send
        self._sent = 0 if whole else len(kernel.log)

    def send_new(self) -> None:
        """Send the records that have been logged since the last call."""
        for record in self._kernel.log[self._sent :]:
            fields = {name: getattr(record, name) for name in ("seq", "usec", "level", "text")}
            self._send({"log": fields})
        self._sent = len(self._kernel.log)
