"""The observed machine: its host, kernel release, index of modules, and way to root.

The dashboard shows the modules before it uses most of this: what reads the index, the
configuration and the catalog is imported by the methods that need it.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from kmodtui.errors import HelperError, KmodtuiError, UnreadableError
from kmodtui.kernel.host import Host
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system, read_tainted
from kmodtui.model.scope import Scope
from kmodtui.model.text import clean
from kmodtui.services.planning.undo_list import UndoList
from kmodtui.services.root.access import AS_ROOT, RootAccess
from kmodtui.services.root.session import RootSessions
from kmodtui.services.topic import Topic

if TYPE_CHECKING:
    from kmodtui.kernel.index.configured import ConfiguredIndex
    from kmodtui.kernel.index.modules import ModuleIndex
    from kmodtui.kernel.modprobe.config import ModprobeConfig
    from kmodtui.model.module_info import ModuleInfo
    from kmodtui.model.origin import Origin
    from kmodtui.privileged.client import HelperClient
    from kmodtui.privileged.elevation import Foreground
    from kmodtui.services.catalog.live import LiveCatalog
    from kmodtui.services.origins import Origins
    from kmodtui.services.planning.reports import CommandEnded


READS_ONLY = "This session can only read; a change needs another one, which may ask again."


class Machine:
    """One observed system, and what is known of it while kmodtui runs."""

    def __init__(self, host: Host, root: RootAccess, *, release: str = "") -> None:
        """Observe `host`; `release` is of its modules if not of the running kernel."""
        self.host = host
        self.root = root
        self.facts = read_system(host)
        self.release = release or self.facts.release or ""
        self.index_problem: KmodtuiError | None = None
        self._catalog: LiveCatalog | None = None
        self.done = UndoList()
        self.idle_minutes: int | None = None
        self._index: ModuleIndex | None = None
        self._index_lock = threading.Lock()
        self._info: ModuleInfo | None = None
        self._origins: Origins | None = None
        self.sessions = RootSessions(root)
        self.abandoned: set[asyncio.Task[Any]] = set()
        """Requests to the helper that were cancelled and are still running in the background."""
        self.command_began: Topic[str] = Topic()
        """Published with the command lines of a plan that is carried out."""
        self.command_ended: Topic[CommandEnded] = Topic()
        """Published with the outcome of such a plan."""

    # Modules and configuration

    @property
    def catalog(self) -> LiveCatalog:
        """All modules of the release, which are read when they are first asked for."""
        from kmodtui.services.catalog.live import LiveCatalog

        if self._catalog is None:
            self._catalog = LiveCatalog(self.host, self.release)
        return self._catalog

    @property
    def index_if_read(self) -> ModuleIndex | None:
        """The index of modules if it has been read already; reads nothing."""
        return self._index

    async def index(self) -> ModuleIndex | None:
        """Return the index of modules; None if there is none, and `index_problem` says why."""
        return self._index or await asyncio.to_thread(self.index_now)

    def index_now(self) -> ModuleIndex | None:
        """Return the same, reading in this thread."""
        from kmodtui.kernel.index.release import read_index

        with self._index_lock:
            if self._index is None:
                try:
                    self._index = read_index(self.host, self.release)
                    self.index_problem = None
                except KmodtuiError as error:
                    self.index_problem = error
        return self._index

    def index_or_empty(self) -> ModuleIndex:
        """Return the index of modules, or one without modules that knows why there is none."""
        from kmodtui.kernel.index.release import EmptyIndex, checked

        index = self.index_now()
        if index is not None:
            return checked(index)
        problem = self.index_problem or UnreadableError("The index of modules cannot be read.")
        return EmptyIndex(self.host, self.release, problem)

    def forget_index(self) -> None:
        """Read the index again when it is used next, because its files have changed."""
        with self._index_lock:
            self._index = None
        self._info = None
        if self._catalog is not None:
            self._catalog.forget()

    @property
    def origins(self) -> Origins:
        """The files of loaded modules that were inserted from other files than the index's."""
        from kmodtui.services.origin_store import store_of
        from kmodtui.services.origins import Origins

        if self._origins is None:
            self._origins = Origins(self.host, self.index_now, store_of(self.host))
        return self._origins

    def origin(self, name: str) -> Origin | None:
        """Return the file that a loaded module was inserted from; None if it is the index's.

        Reads files: not for the event loop.
        """
        return self.origins.of(name) if self.looks_at_running else None

    def file_of(self, name: str) -> str | None:
        """Return the path of a module's file: of the loaded module if it is loaded. Reads files."""
        if (origin := self.origin(name)) is not None:
            return origin.path
        index = self.index_now()
        return index.path_of(name) if index is not None else None

    def module_info(self, name: str) -> ModuleInfo:
        """Return the information in a module's file. Reads files: not for the event loop.

        Raises:
            KmodtuiError: there is no file, or it is not a module.
        """
        if (origin := self.origin(name)) is not None:
            from kmodtui.kernel.module_file.info import read_module_file

            return read_module_file(self.host, origin.path)
        if self._info is None or self._info.name != name:
            self._info = self.index_or_empty().read_info(name)
        return self._info

    def tainted(self) -> int:
        """Return the kernel's current taint bits."""
        return read_tainted(self.host) or 0

    @property
    def kernel_words(self) -> str:
        """The running kernel, and the release of the modules if that is another one."""
        words = f"Linux {self.facts.release or self.release} {self.facts.machine or ''}".strip()
        return words if self.looks_at_running else f"{words}, modules of {self.release}"

    @property
    def looks_at_running(self) -> bool:
        """Whether the index is that of the running kernel."""
        return self.facts.release in (None, self.release)

    async def loaded_names(self) -> frozenset[str]:
        """Return the names of the loaded modules."""
        table = await asyncio.to_thread(read_modules, self.host)
        return frozenset(table.by_name)

    def config(self) -> ModprobeConfig:
        """Return the current rules of modprobe.d and of the kernel command line. Reads files."""
        from kmodtui.kernel.modprobe.config import read_modprobe_config

        return read_modprobe_config(self.host, *self.index_or_empty().folders)

    def lookup(self) -> ConfiguredIndex:
        """Return the index under these rules. Reads files: not for the event loop."""
        from kmodtui.kernel.index.configured import configured

        return configured(self.index_or_empty())

    # Root

    @property
    def privilege_words(self) -> str:
        """The header's words for the state of root."""
        state = self.root.state
        if (channel := self.sessions.reading) is not None:
            # kmodtui itself runs as root, not only its helper: keep showing that.
            if state == AS_ROOT:
                return f"{state} · helper running"
            word = "on" if channel is self.sessions.changing else "reading"
            return f"root: {word} ({channel.via})"
        return f"{state} ({self.sessions.ended})" if self.sessions.ended else state

    @property
    def root_words(self) -> str:
        """How root privileges will be obtained for the next change, in a sentence."""
        return self.root.sentence if self.sessions.changing is None else self.root.held

    @property
    def reading_words(self) -> str:
        """The same for what only reads as root."""
        if self.sessions.reading is not None:
            return self.root.held
        return f"{self.root.sentence} {READS_ONLY}"

    async def channel(self, foreground: Foreground, scope: Scope = Scope.CHANGE) -> HelperClient:
        """Return a root session, opening one if there is none; see `RootSessions.open`.

        The helper serves one request after the other. A cancelled request that hangs there is
        left to continue in the background, so that the next one does not wait for it.
        """
        channel = await self.sessions.open(foreground, scope, self.idle_minutes)
        if channel is self.sessions.changing:
            for request in tuple(self.abandoned):
                request.cancel()
        return channel

    async def set_idle(self, minutes: int) -> None:
        """Set the idle time in minutes after which privileges are dropped.

        Raises:
            HelperError: the helper refuses it.
        """
        for channel in self.sessions.all_open:
            result = await channel.set_idle(60.0 * minutes)
            if not result.ok:
                raise HelperError(f"The helper refused the idle time: {clean(result.message)}")
        self.idle_minutes = minutes

    async def close(self) -> None:
        """Drop privileges, and stop background work."""
        if self._catalog is not None:
            self._catalog.close()
        await self.sessions.close()
