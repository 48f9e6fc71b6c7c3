"""The machine that is looked at: its host, its release, its index, and how root is had there."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from kmodtui.errors import HelperError, KmodtuiError, UnreadableError
from kmodtui.kernel.catalog import ModuleIndex, read_index
from kmodtui.kernel.configured_index import ConfiguredIndex, configured
from kmodtui.kernel.host import Host
from kmodtui.kernel.modprobe_config import ModprobeConfig, read_modprobe_config
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system, read_tainted
from kmodtui.model.module_info import ModuleInfo
from kmodtui.model.text import clean
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.services.live_catalog import LiveCatalog
from kmodtui.services.root import AS_ROOT, RootAccess
from kmodtui.services.session import RootSession
from kmodtui.services.undo_list import UndoList


class Machine:
    """One observed system and what is known of it for as long as kmodtui runs."""

    def __init__(self, host: Host, root: RootAccess, *, release: str = "") -> None:
        """Look at `host`; `release` is another release of /lib/modules than the running one."""
        self.host = host
        self.root = root
        self.facts = read_system(host)
        self.release = release or self.facts.release or ""
        self.index_problem: KmodtuiError | None = None
        self.catalog = LiveCatalog(host, self.release)
        self.done = UndoList()
        self.idle_minutes: int | None = None
        self._index: ModuleIndex | None = None
        self._index_lock = threading.Lock()
        self._info: ModuleInfo | None = None
        self.session = RootSession(root)
        self.abandoned: set[asyncio.Task[Any]] = set()
        """Requests to the helper that nobody waits for any more, unless to note them down."""

    # What is known

    @property
    def index_if_read(self) -> ModuleIndex | None:
        """The release's index if it has been read; reads nothing."""
        return self._index

    async def index(self) -> ModuleIndex | None:
        """Return the release's index, None where there is none; `index_problem` says why."""
        return self._index or await asyncio.to_thread(self.index_now)

    def index_now(self) -> ModuleIndex | None:
        """Return the same, reading in this thread."""
        with self._index_lock:
            if self._index is None:
                try:
                    self._index = read_index(self.host, self.release)
                    self.index_problem = None
                except KmodtuiError as error:
                    self.index_problem = error
        return self._index

    def forget_index(self) -> None:
        """Read the index anew when it is asked for next: its files have changed."""
        with self._index_lock:
            self._index = None
        self._info = None
        self.catalog.forget()

    def module_info(self, name: str) -> ModuleInfo:
        """Return what a module's file says of it. Reads files: not for the event loop.

        Raises:
            KmodtuiError: there is no file, or it is none of a module.
        """
        index = self.index_now()
        if index is None:
            raise self.index_problem or UnreadableError("The index of modules cannot be read.")
        if self._info is None or self._info.name != name:
            self._info = index.read_info(name)
        return self._info

    def tainted(self) -> int:
        """Return the kernel's taint bits now."""
        return read_tainted(self.host) or 0

    @property
    def kernel_words(self) -> str:
        """Which kernel runs, and whose modules are looked at if they are another's."""
        words = f"Linux {self.facts.release or self.release} {self.facts.machine or ''}".strip()
        return words if self.looks_at_running else f"{words}, modules of {self.release}"

    @property
    def looks_at_running(self) -> bool:
        """Whether the index is the running kernel's, so that a plan says what would happen."""
        return self.facts.release in (None, self.release)

    async def loaded_names(self) -> frozenset[str]:
        """Return the names of the modules that are loaded now."""
        table = await asyncio.to_thread(read_modules, self.host)
        return frozenset(table.by_name)

    def config(self) -> ModprobeConfig:
        """Return the rules of modprobe.d and of the boot line as they are now. Reads files."""
        index = self.index_now()
        return read_modprobe_config(self.host, index.folder if index else "")

    def lookup(self) -> ConfiguredIndex:
        """Return the release's modules under these rules. Reads files: not for the event loop.

        Raises:
            KmodtuiError: there is no index; the message says why.
        """
        index = self.index_now()
        if index is None:
            raise self.index_problem or UnreadableError("The index of modules cannot be read.")
        return configured(index)

    # Root

    @property
    def privilege_words(self) -> str:
        """The header's words for the state of root."""
        state = self.root.state
        if (channel := self.session.channel) is not None:
            # kmodtui itself runs as root, not only its helper: keep showing that.
            return f"{state} · helper running" if state == AS_ROOT else f"root: on ({channel.via})"
        return f"{state} ({self.session.ended})" if self.session.ended else state

    @property
    def root_words(self) -> str:
        """How root will be had for the next change, for a person about to confirm it."""
        return self.root.sentence if self.session.channel is None else self.root.held

    async def channel(self, foreground: Foreground) -> HelperClient:
        """Return the session with root, opening one if there is none; see `RootSession.open`.

        The helper serves one request after the other: what hangs there and was abandoned
        by its person is left to itself now, so that nobody has to wait for it.
        """
        channel = await self.session.open(foreground, self.idle_minutes)
        for request in tuple(self.abandoned):
            request.cancel()
        return channel

    async def set_idle(self, minutes: int) -> None:
        """Set after how long without a request root is given up, now and from now on.

        Raises:
            HelperError: the helper does not take that.
        """
        if (channel := self.session.channel) is not None:
            answer = await channel.set_idle(60.0 * minutes)
            if not answer.ok:
                raise HelperError(f"The helper does not take that: {clean(answer.message)}")
        self.idle_minutes = minutes

    async def close(self) -> None:
        """Give root up, if it was had, and stop what goes on beside the screen."""
        self.catalog.close()
        await self.session.close()
