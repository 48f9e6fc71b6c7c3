"""The requests that can be made of the helper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kmodtui.model.result import Result
from kmodtui.privileged.session import HelperSession, LogSink


class HelperClient(HelperSession):
    """A session with a helper that has said hello, and its operations.

    Every request returns a `Result`, also where the helper or the kernel refused it. The
    session's own end raises HelperDiedError; then the kernel has to be read again to know
    what happened.

    Cancelling a request ends the wait for it. What the kernel has begun continues; what has
    not begun, because it waits for a module to become unused, is dropped.
    """

    async def load(
        self, name: str, parameters: Sequence[str] = (), on_log: LogSink | None = None
    ) -> Result:
        """Load a module by name with `key=value` parameters."""
        return await self._ask("load", on_log, name=name, parameters=list(parameters))

    async def insert(
        self,
        name: str,
        path: str,
        sha256: str,
        parameters: Sequence[str] = (),
        on_log: LogSink | None = None,
    ) -> Result:
        """Insert a module file; its dependencies must be loaded already.

        Args:
            name: of the module according to the file, which is looked for afterwards.
            path: absolute and without symbolic links.
            sha256: of the file that was confirmed, in 64 lower-case digits.
            parameters: `key=value`.
            on_log: see `LogSink`.

        Returns:
            `file` has the owners of the file and of the directories above it. Codes that only
            this request has: CHANGED_FILE if it is not the file that was confirmed, COMPRESSED
            if this kernel cannot decompress it.
        """
        return await self._ask(
            "insert", on_log, name=name, path=path, sha256=sha256, parameters=list(parameters)
        )

    async def unload(
        self, names: Sequence[str], on_log: LogSink | None = None, *, wait: float = 0.0
    ) -> Result:
        """Unload modules in this order, stopping at the first that stays.

        Args:
            names: of loaded modules.
            on_log: see `LogSink`.
            wait: seconds, up to 3600, to wait for them to become unused.
        """
        return await self._ask("unload", on_log, names=list(names), wait=wait)

    async def delete(
        self, name: str, on_log: LogSink | None = None, *, wait: float = 0.0
    ) -> Result:
        """Unload one module by its exact name, without modprobe; `wait` as for `unload`.

        Raises:
            HelperVersionError: the helper is an older one.
        """
        self._require("delete", "unload a module by its exact name")
        return await self._ask("delete", on_log, module=name, wait=wait)

    async def reload(
        self,
        name: str,
        parameters: Sequence[str] = (),
        on_log: LogSink | None = None,
        *,
        wait: float = 0.0,
    ) -> Result:
        """Unload a module and load it with these parameters; `wait` as for `unload`."""
        return await self._ask("reload", on_log, name=name, parameters=list(parameters), wait=wait)

    async def write_parameter(self, name: str, parameter: str, value: str) -> Result:
        """Write a parameter of a loaded module.

        Returns:
            `before[parameter]` is the old value and `after[parameter]` the new one as the
            kernel shows them, each None where it cannot be read.
        """
        return await self._ask("write-parameter", name=name, parameter=parameter, value=value)

    async def blacklist(self, names: Sequence[str]) -> Result:
        """Blacklist modules in kmodtui's own file."""
        return await self._ask("blacklist", names=list(names))

    async def unblacklist(self, names: Sequence[str]) -> Result:
        """Remove modules from that file; other files are never changed."""
        return await self._ask("unblacklist", names=list(names))

    async def block(self, names: Sequence[str]) -> Result:
        """Block modules in kmodtui's own file, which has an install rule for each.

        Raises:
            HelperVersionError: the helper is an older one.
        """
        return await self._ask_newer("block", names=list(names))

    async def log_loads(self, names: Sequence[str]) -> Result:
        """Have the loads of modules logged by that file instead; raises as `block`."""
        return await self._ask_newer("log-loads", names=list(names))

    async def unblock(self, names: Sequence[str]) -> Result:
        """Remove modules from that file; raises as `block`."""
        return await self._ask_newer("unblock", names=list(names))

    async def keep(self, names: Sequence[str]) -> Result:
        """Add modules to kmodtui's list of modules to load at boot; raises as `block`."""
        return await self._ask_newer("keep", names=list(names))

    async def forget(self, names: Sequence[str]) -> Result:
        """Remove modules from that list; raises as `block`."""
        return await self._ask_newer("forget", names=list(names))

    async def keep_options(self, name: str, options: Sequence[str]) -> Result:
        """Set the options of a module in kmodtui's own file; raises as `block`.

        Args:
            name: of the module.
            options: `key=value`, all that the file has for it afterwards, at least one.
        """
        return await self._ask_newer("keep-options", name=name, options=list(options))

    async def forget_options(self, names: Sequence[str]) -> Result:
        """Remove the options of modules from that file; raises as `block`."""
        return await self._ask_newer("forget-options", names=list(names))

    async def read_file(self, operation: str) -> Result:
        """Return a file of the kernel as root sees it in `data`.

        Args:
            operation: `modules`, `vmallocinfo`, `kprobes`, `ftrace`, `ftrace-available`,
                `load-stats` or `unloaded-taints`.

        Raises:
            HelperVersionError: the helper is an older one.
        """
        self._require(operation, "read this file")
        return await self._ask(operation)

    async def kallsyms(self) -> Result:
        """Return /proc/kallsyms as root sees it in `data`, some megabytes."""
        return await self._ask("kallsyms")

    async def read_log(self) -> Result:
        """Return the kernel log as it is now in `log`."""
        return await self._ask("log", follow=False)

    async def follow_log(self, on_log: LogSink) -> Result:
        """Pass the kernel log and new records on until it is cancelled.

        Returns at once if there is no log to read. Following does not count as a request:
        privileges are dropped when nothing else is requested for a while.
        """
        return await self._ask("log", on_log, follow=True)

    async def set_idle(self, seconds: float) -> Result:
        """Set the time without a request after which privileges are dropped: 10 s to 8 h.

        It is 15 minutes at first.
        """
        return await self._ask("idle", seconds=seconds)

    async def _ask_newer(self, operation: str, **fields: Any) -> Result:
        keeps = operation.startswith(("keep", "forget"))
        self._require(operation, "keep modules for the next boot" if keeps else "block modules")
        return await self._ask(operation, **fields)
