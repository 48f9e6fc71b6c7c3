"""Root in the demo."""

from __future__ import annotations

from kmodtui.demo import NOTICE, Demo
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.root.access import OFF


class DemoRoot:
    """Root in the demo: no password is needed, and only the simulation is changed."""

    sentence = held = NOTICE
    denied = None
    state = OFF

    def __init__(self, demo: Demo) -> None:
        self._demo = demo

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:  # noqa: ARG002
        """Start the simulated helper."""
        return await self._demo.start_channel(scope)
