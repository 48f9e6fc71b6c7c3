"""A recorded Debian system and a simulated kernel that changes it as modules come and go.

`open_demo` is the one way in for everything above.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kmodtui.demo.recording import packaged_recording
from kmodtui.demo.simulated_helper import SimulatedHelper
from kmodtui.demo.simulated_host import SimulatedHost
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.demo.traces import leave_traces, log_boot
from kmodtui.demo.workplace import new_workplace, no_room
from kmodtui.privileged.client import HelperChannel, HelperClient

VIA = "demo"
"""What stands in a session for the way root was had."""

NOTICE = "This is a recorded system with a simulated kernel: nothing on your machine is changed."
"""What the demo says where a real machine would ask for root."""


@dataclass(frozen=True)
class Demo:
    """A running demo.

    Attributes:
        host: the machine, for every reader.
        kernel: what runs in it; `kernel.load` is another shell's modprobe.
        pace: 1 for a kernel that takes its time, 0 for one that takes none.
    """

    host: SimulatedHost
    kernel: SimulatedKernel
    pace: float = 1.0

    async def start_channel(self) -> HelperChannel:
        """Return a session with the demo's helper, which asks for no password."""
        return await HelperClient.connect(SimulatedHelper(self.kernel, pace=self.pace), VIA)


def open_demo(*, pace: float = 1.0, clock: Callable[[], float] = time.monotonic) -> Demo:
    """Unpack the recorded system and boot its kernel.

    Args:
        pace: see `Demo`.
        clock: seconds, for the times of its log.

    Raises:
        UnreadableError: the recording is missing or damaged, or there is no room for it.
    """
    recording = packaged_recording()
    folder = new_workplace()
    try:
        kernel = SimulatedKernel(recording, folder, clock=clock)
        leave_traces(kernel)
        log_boot(kernel)
    except OSError as error:
        raise no_room(error) from error
    return Demo(kernel.host, kernel, pace)
