"""Finds the device files that processes have open (/proc/PID/fd), and their modules."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from functools import cached_property

from kmodtui.kernel.host import Host
from kmodtui.kernel.small_files import driver_module, list_names, read_lines, read_text
from kmodtui.model.text import clean
from kmodtui.model.usage import Use, UseKind

Resolve = Callable[[str], Collection[str]]
"""Returns the modules that an alias such as `fs-btrfs` resolves to."""

# The device files of input handlers have no driver: the handler is known by the file's name.
_INPUT = {"event": "evdev", "mouse": "mousedev", "mice": "mousedev", "js": "joydev"}

_MAX_OPEN_FILES = 50_000


class OpenFiles:
    """Device files that processes have open, as far as this user may see them."""

    def __init__(self, host: Host, resolve: Resolve) -> None:
        self.unseen = 0
        self._host = host
        self._resolve = resolve
        self._modules: dict[tuple[str, int], str] = {}

    def uses(self) -> Iterator[tuple[str, Use]]:
        """Yield them, and count in `unseen` the processes that this user may not inspect."""
        left = _MAX_OPEN_FILES
        for process in filter(str.isdigit, list_names(self._host, "/proc")):
            try:
                files = self._host.listdir(f"/proc/{process}/fd")
            except PermissionError:
                self.unseen += 1
                continue
            except OSError:
                continue
            seen: set[str] = set()
            for file in files[:left]:
                module, path = self._device(f"/proc/{process}/fd/{file}")
                if module and path not in seen:
                    seen.add(path)
                    command = read_text(self._host, f"/proc/{process}/comm")
                    who = f"{command or 'process'} ({process}{self._user_of(process)})"
                    yield (
                        module,
                        Use(
                            UseKind.OPEN_FILE,
                            clean(f"{path}, opened by {who}"),
                            clean(f"/proc/{process}/fd/{file}: {path}"),
                        ),
                    )
            left -= len(files)
            if left <= 0:
                return

    def _user_of(self, process: str) -> str:
        """Return `, user NAME` for the owner of a process; empty if that is unknown."""
        for line in read_lines(self._host, f"/proc/{process}/status"):
            if line.startswith("Uid:") and (number := line.split()[1:2]):
                return f", user {self._users.get(number[0], number[0])}"
        return ""

    @cached_property
    def _users(self) -> dict[str, str]:
        """The names of users by number, from /etc/passwd."""
        rows = [line.split(":") for line in read_lines(self._host, "/etc/passwd")]
        return {row[2]: row[0] for row in reversed(rows) if len(row) > 2}

    def _device(self, link: str) -> tuple[str, str]:
        """Return module and path of the device file that a descriptor refers to, or empty ones."""
        try:
            path = self._host.readlink(link)
            if not path.startswith("/dev/"):
                return "", ""
            status = self._host.stat(link)
        except OSError:
            return "", ""
        kind = "char" if stat.S_ISCHR(status.st_mode) else "block"
        if kind == "block" and not stat.S_ISBLK(status.st_mode):
            return "", ""
        key = kind, status.st_rdev
        if key not in self._modules:
            of = self._module_of if kind == "char" else self._module_of_block
            self._modules[key] = of(status.st_rdev, path)
        return self._modules[key], path

    def _module_of_block(self, number: int, _path: str) -> str:
        folder = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"
        # The driver of a partition is that of the disk, one level up.
        for device in (folder, f"{folder}/.."):
            if module := driver_module(self._host, device):
                return module
        alias = f"block-major-{os.major(number)}-{os.minor(number)}"
        return next(iter(self._resolve(alias)), "")

    def _module_of(self, number: int, path: str) -> str:
        major, minor = os.major(number), os.minor(number)
        folder = f"/sys/dev/char/{major}:{minor}"
        if path.startswith("/dev/input/"):
            word = path.rsplit("/", 1)[-1].rstrip("0123456789")
            return _INPUT.get(word, "")
        # The driver of a sound card is one level up: the card is between device and file.
        for device in (folder, f"{folder}/device"):
            if module := driver_module(self._host, device):
                return module
        for module in self._resolve(f"char-major-{major}-{minor}"):
            return module
        for module in self._resolve(f"devname:{path.removeprefix('/dev/')}"):
            return module
        return ""
