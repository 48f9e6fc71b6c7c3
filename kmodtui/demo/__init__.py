"""The demo: a recorded Debian system, and a simulated kernel that loads and unloads its modules.

Other packages use it through `open_demo`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kmodtui.demo.devices import leave_devices
from kmodtui.demo.recording import packaged_recording
from kmodtui.demo.simulated_helper import SimulatedHelper
from kmodtui.demo.simulated_host import SimulatedHost
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.demo.traces import leave_traces, log_boot
from kmodtui.demo.workplace import new_workplace, no_room
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient

VIA = "demo"
"""Takes the place of the elevation program (such as `sudo`) in a root session."""

NOTICE = "This is a recorded system with a simulated kernel: nothing on your machine is changed."
"""Shown in the demo where a real machine would show how it becomes root."""


@dataclass(frozen=True)
class Demo:
    """A running demo.

    Attributes:
        host: the simulated machine, for the readers in `kernel/`.
        kernel: its kernel; `kernel.load` acts like modprobe in another shell.
        pace: factor for the duration of loads and unloads: 1 is realistic, 0 is instant.
    """

    host: SimulatedHost
    kernel: SimulatedKernel
    pace: float = 1.0

    async def start_channel(self, scope: Scope = Scope.CHANGE) -> HelperClient:
        """Return a session with the simulated helper; it asks for no password."""
        helper = SimulatedHelper(self.kernel, scope, pace=self.pace)
        return await HelperClient.connect(helper, VIA)


def open_demo(*, pace: float = 1.0, clock: Callable[[], float] = time.monotonic) -> Demo:
    """Unpack the recorded system and boot its kernel.

    Args:
        pace: see `Demo`.
        clock: returns seconds, for the timestamps of the kernel log.

    Raises:
        UnreadableError: the recording is missing or damaged, or there is no space for it.
    """
    recording = packaged_recording()
    folder = new_workplace()
    try:
        kernel = SimulatedKernel(recording, folder, clock=clock)
        leave_devices(kernel)
        leave_traces(kernel)
        log_boot(kernel)
    except OSError as error:
        raise no_room(error) from error
    return Demo(kernel.host, kernel, pace)
