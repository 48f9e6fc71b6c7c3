"""What the rest of kmodtui knows of a session with root: what can be asked, what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kmodtui.errors import HelperError
from kmodtui.model.log_record import LogRecord
from kmodtui.model.result import Result
from kmodtui.privileged.protocol import Hello

LogSink = Callable[[LogRecord], None]
"""Called on the event loop with each kernel-log record as it comes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a session.

    Attributes:
        why: the reason.
        told: whether somebody knows it: who was waiting for an answer, or who closed it.
    """

    why: HelperError
    told: bool


class HelperChannel(Protocol):
    """A session with root.

    Every request returns a `Result`: a refusal, by the helper or by the kernel, is one
    as well. What raises is the session's own end: HelperDiedError, after which the
    kernel has to be read anew to know what happened.

    Cancelling a request stops the waiting. What the kernel has begun goes on; what has
    not begun yet, because it waits for references to go, does not happen any more.
    """

    @property
    def hello(self) -> Hello:
        """Who answers, and what it can do."""
        ...

    @property
    def via(self) -> str:
        """How root was had, for the header and for dialogs: `sudo`, `root`, `demo`."""
        ...

    @property
    def alive(self) -> bool:
        """Whether requests can still be made."""
        ...

    async def load(
        self, name: str, parameters: Sequence[str] = (), on_log: LogSink | None = None
    ) -> Result:
        """Load a module by name with `key=value` parameters."""
        ...

    async def insert(
        self,
        name: str,
        path: str,
        sha256: str,
        parameters: Sequence[str] = (),
        on_log: LogSink | None = None,
    ) -> Result:
        """Insert a module file; what it needs must be loaded already.

        Args:
            name: the module's name as its file has it, by which it is looked for afterwards.
            path: absolute, and without a symbolic link in it: resolve it first.
            sha256: of the file as the person has confirmed it, in 64 lower-case digits.
            parameters: `key=value`.
            on_log: see `LogSink`.

        Returns:
            `file` tells whose the file and the folders above it are. Codes of its own:
            CHANGED_FILE if it is not the file that was confirmed, COMPRESSED if this
            kernel cannot decompress it.
        """
        ...

    async def unload(
        self, names: Sequence[str], on_log: LogSink | None = None, *, wait: float = 0.0
    ) -> Result:
        """Unload modules in this order, stopping at the first that stays.

        Args:
            names: of loaded modules.
            on_log: see `LogSink`.
            wait: seconds, up to 3600, until which references to them may take to go.
        """
        ...

    async def reload(
        self,
        name: str,
        parameters: Sequence[str] = (),
        on_log: LogSink | None = None,
        *,
        wait: float = 0.0,
    ) -> Result:
        """Unload a module and load it with these parameters; `wait` as for `unload`."""
        ...

    async def write_parameter(self, name: str, parameter: str, value: str) -> Result:
        """Write a parameter of a loaded module.

        Returns:
            `before[parameter]` is the old value and `after[parameter]` what the kernel
            shows now, each None where it cannot be read.
        """
        ...

    async def blacklist(self, names: Sequence[str]) -> Result:
        """Keep modules from being loaded by their aliases, in a file of kmodtui's own."""
        ...

    async def unblacklist(self, names: Sequence[str]) -> Result:
        """Take modules off that file again; other files are never touched."""
        ...

    async def kallsyms(self) -> Result:
        """Return /proc/kallsyms as root sees it: `data`, some megabytes."""
        ...

    async def read_log(self) -> Result:
        """Return what the kernel's log holds now: `log`."""
        ...

    async def follow_log(self, on_log: LogSink) -> Result:
        """Hand over what the kernel's log holds and what comes, until it is cancelled.

        Returns at once if there is no log to read. It does not keep root from being
        given up when nothing else is asked for a while.
        """
        ...

    async def set_idle(self, seconds: float) -> Result:
        """Set after how long without a request root is given up: 10 s to 8 h, 15 min unasked."""
        ...

    async def closed(self) -> Ended:
        """Return once the session has ended, by whomever."""
        ...

    async def close(self) -> None:
        """Give root up: the helper ends. May be called twice."""
        ...
