"""The privileged helper of the demo: the real one's checks and answers, on a simulated kernel.

It takes and gives the same lines as `privileged/helper.py` and runs that
file's own operations, so everything but modprobe itself is what happens on a
real machine. It needs no root and changes nothing but the simulation.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from typing import Any

from kmodtui import __version__
from kmodtui.demo.modprobe import PATH, Outcome, Run
from kmodtui.demo.moments import Point, at_once
from kmodtui.demo.parameters import RefusedValueError, shown_value
from kmodtui.demo.simulated_kernel import SimulatedKernel
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
"""Seconds that a module spends at each point, at pace 1: about what a real machine takes."""


class SimulatedMachine(helper.Machine):
    """The simulated machine as the helper sees it."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        super().__init__(str(kernel.folder.root), kernel.release)
        self._kernel = kernel

    def modprobe(self) -> str:
        """Return where modprobe would be; it is simulated as well."""
        return PATH

    def show_depends(self, modprobe: str, name: str) -> helper.Ended:  # noqa: ARG002
        """Return the simulated modprobe's plan; it has no install rules to follow."""
        return helper.Ended(0, self._kernel.modprobe.show_depends(name))

    def write_parameter(self, name: str, key: str, value: str) -> str:
        """Write what the kernel would show of the value; OSError where it would refuse."""
        path = f"{self.root}/sys/module/{name}/parameters/{key}"
        if not os.stat(path).st_mode & 0o222:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        recorded = self._kernel.recording(name)
        try:
            shown = shown_value(recorded.parameter_types.get(key, "") if recorded else "", value)
        except RefusedValueError as refusal:
            raise OSError(refusal.errno, os.strerror(refusal.errno)) from None
        return super().write_parameter(name, key, f"{shown}\n")

    def check_trusted(self, status: os.stat_result, path: str) -> None:
        """Trust the recording, which belongs to whoever runs the demo."""


class SimulatedHelper:
    """A `privileged.client.Transport` with a simulated helper at its other end."""

    def __init__(self, kernel: SimulatedKernel, *, pace: float = 1.0) -> None:
        """Begin a session, which says hello first.

        Args:
            kernel: what it loads into.
            pace: factor for `DURATION`; 0 takes no time at all.
        """
        self._kernel = kernel
        self._machine = SimulatedMachine(kernel)
        self._pace = pace
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._jobs: set[asyncio.Task[None]] = set()
        self._open = True
        hello = {
            "protocol": helper.PROTOCOL,
            "version": __version__,
            "pid": os.getpid(),
            "uid": 0,
            "operations": sorted(helper.OPERATIONS),
            "modprobe": PATH,
        }
        self._say({"hello": hello})

    async def send(self, line: bytes) -> None:
        """Take a request; see `Transport.send`."""
        if not self._open:
            raise BrokenPipeError
        job = asyncio.create_task(self._serve(line), name="simulated helper")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def receive(self) -> bytes:
        """Return the next line of the helper; see `Transport.receive`."""
        return await self._lines.get()

    async def close(self) -> None:
        """End the session. What is under way ends as well, at once."""
        self._open = False
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        self._lines.put_nowait(b"")

    @property
    def last_words(self) -> str:
        """Nothing: it does not die."""
        return ""

    def _say(self, message: dict[str, Any]) -> None:
        self._lines.put_nowait(json.dumps(message).encode("ascii") + b"\n")

    async def _serve(self, line: bytes) -> None:
        number: int | None = None
        told: dict[str, Any] = {}
        began = time.monotonic()
        try:
            request = helper.parse(line)
            number = request["id"]
            helper.check_fields(request)
            listed = request["names"] if "names" in request else [request["name"]]
            names = helper.checked_names(listed)
            told = {"before": self._states(names), "subject": names[0]}
            outcome = await self._operate(request, names, told)
        except helper.FAILURES as error:
            outcome = helper.broken_off(error)
            told = {"subject": getattr(error, "subject", "")}
        else:
            told["after"] = self._states(names)
        took = round(time.monotonic() - began, 3)
        self._say({"id": number, "result": {**told, **outcome.told(), "took": took}})

    async def _operate(
        self, request: dict[str, Any], names: list[str], told: dict[str, Any]
    ) -> helper.Outcome:
        """Do what was asked as the helper would, noting down in `told` what was run."""
        steps = helper.OPERATIONS[request["op"]].begin(self._machine, names, request)
        told["output"] = ""
        try:
            step = next(steps)
            while True:
                told["subject"], told["command"] = step
                ran = await self._in_time(self._kernel.modprobe.run(step[1]), request["id"])
                told["exit"] = ran.exit
                told["output"] += ran.output
                step = steps.send(helper.Ended(ran.exit, ran.output))
        except StopIteration as end:
            outcome: helper.Outcome = end.value
            return outcome

    async def _in_time(self, run: Run, number: int) -> Outcome:
        """Let modprobe take its time, telling what the kernel logs meanwhile."""
        told = len(self._kernel.log)
        while True:
            try:
                moment = next(run)
            except StopIteration as end:
                self._tell_log(number, told)
                outcome: Outcome = end.value
                return outcome
            told = self._tell_log(number, told)
            try:
                await asyncio.sleep(self._pace * DURATION[moment.point])
            except asyncio.CancelledError:
                # Nobody waits any more, which does not stop a kernel.
                at_once(run)
                raise

    def _tell_log(self, number: int, told: int) -> int:
        for record in self._kernel.log[told:]:
            fields = {name: getattr(record, name) for name in ("seq", "usec", "level", "text")}
            self._say({"id": number, "log": fields})
        return len(self._kernel.log)

    def _states(self, names: list[str]) -> dict[str, str | None]:
        return {name: self._kernel.state(name) for name in names}
