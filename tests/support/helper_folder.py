"""A directory that looks like a system to the helper, with a scripted modprobe.

`behaviour.json` in it sets what modprobe does; what modprobe was called
with (arguments, environment, directory, descriptors) is appended to `calls`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.sockets import Process, SocketTransport

RELEASE = "6.1.0-test"

_MODPROBE = """#!{python} -IS
import json, os, sys, time
root = {root!r}
arguments = sys.argv[1:]
mask = os.umask(0)
with open("/proc/self/status") as status:
    limits = dict(line.split() for line in status if line.startswith(("CapBnd", "NoNewPrivs")))
call = {{"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "umask": mask,
        "limits": limits,
        "fds": sorted(int(n) for n in os.listdir("/proc/self/fd"))}}
with open(root + "/calls", "a") as file:
    file.write(json.dumps(call) + "\\n")
with open(root + "/behaviour.json") as file:
    behaviour = json.load(file)
name = arguments[arguments.index("--") + 1]
program = os.path.basename(sys.argv[0])
todo = {{"exit": 0, **behaviour.get(program + " " + name, behaviour.get(name, {{}}))}}
if "--show-depends" in arguments:
    if "plan_block" in todo:
        open(root + "/" + todo["plan_block"]).read()
    print(todo.get("plan", "insmod /lib/modules/x/" + name + ".ko "))
    sys.exit()
if "-n" in arguments:
    print(todo.get("unload_plan", "rmmod " + name))
    sys.exit()
print(todo.get("print", ""), end="", flush=True)
if "touch" in todo:
    open(root + "/" + todo["touch"], "w").close()
if "block" in todo:
    open(root + "/" + todo["block"]).read()
path = root + "/proc/modules"
with open(path) as file:
    lines = file.read().splitlines(True)
if not todo.get("idle"):
    if "-r" in arguments or program == "rmmod":
        gone = [name, *todo.get("also", [])]
        lines = [line for line in lines if line.split(" ")[0] not in gone]
    else:
        lines.insert(0, name + " 16384 0 - Live 0x0000000000000000\\n")
    with open(path + ".new", "w") as file:
        file.write("".join(lines))
    os.rename(path + ".new", path)
sys.exit(todo["exit"])
"""


class HelperFolder:
    """The directory, and how to start the real helper on it."""

    def __init__(self, root: Path, multicall: str = "kmod") -> None:
        self.root = root
        index = root / "lib" / "modules" / RELEASE
        for folder in ("proc", "run", "bin", "sbin", "etc/modprobe.d", "etc/modules-load.d"):
            (root / folder).mkdir(parents=True, mode=0o755)
        index.mkdir(parents=True, mode=0o755)
        self.modules_dep("kernel/fs/btrfs/btrfs.ko: kernel/lib/xor.ko", "kernel/lib/xor.ko:")
        (index / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
        self.loaded()
        self.behave({})
        program = root / "bin" / multicall
        program.write_text(_MODPROBE.format(python=sys.executable, root=str(root)))
        program.chmod(0o755)
        for name in ("modprobe", "rmmod"):
            (root / "sbin" / name).symlink_to(program)

    def modules_dep(self, *lines: str) -> None:
        path = self.root / "lib" / "modules" / RELEASE / "modules.dep"
        path.write_text("".join(f"{line}\n" for line in lines))
        path.chmod(0o644)

    def loaded(self, *lines: str) -> None:
        """Write /proc/modules; the lines are given without addresses."""
        text = "".join(f"{line} 0x0000000000000000\n" for line in lines)
        new = self.root / "proc" / "modules.written"
        new.write_text(text)
        new.rename(
            self.root / "proc" / "modules"
        )  # atomically, because the helper may read it at any moment

    def behave(self, behaviour: dict[str, dict[str, Any]]) -> None:
        """Set what modprobe does, by module name, or what another `PROGRAM NAME` does."""
        (self.root / "behaviour.json").write_text(json.dumps(behaviour))

    def close_gate(self) -> None:
        """Make a modprobe with `"block": "gate"` wait."""
        os.mkfifo(self.root / "gate")

    async def open_gate(self, until: Callable[[], bool]) -> None:
        """Release all who wait at the gate, until a condition is met."""
        async with asyncio.timeout(30):
            while not until():
                # Without O_NONBLOCK, opening it would block if nobody reads.
                with contextlib.suppress(OSError):
                    os.close(os.open(self.root / "gate", os.O_WRONLY | os.O_NONBLOCK))
                await asyncio.sleep(0.01)

    @property
    def inserted(self) -> tuple[bytes, str] | None:
        """The file and the parameters of the last init_module; None if there was none."""
        try:
            told = json.loads((self.root / "inserted").read_text())
        except FileNotFoundError:
            return None
        return base64.b64decode(told["image"]), told["parameters"]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls of modprobe so far that could change something."""
        return [call for call in self._calls if call not in self.queries]

    @property
    def queries(self) -> list[dict[str, Any]]:
        """The calls of modprobe so far that only ask what it would do."""
        return [call for call in self._calls if {"--show-depends", "-n"} & set(call["argv"])]

    @property
    def _calls(self) -> list[dict[str, Any]]:
        path = self.root / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def command(
        self, idle: float = 60.0, limit: float = 60.0, deaf: float = 30.0, scope: str = "change"
    ) -> Sequence[str]:
        """Return the command that runs the helper on this directory."""
        script = Path(__file__).with_name("helper_on_folder.py")
        return (
            sys.executable, "-I", "-S", str(script), str(self.root), scope,
            *map(str, (idle, limit, deaf)),
        )  # fmt: skip

    @property
    def modules(self) -> str:
        """The content of /proc/modules."""
        return (self.root / "proc" / "modules").read_text()

    async def until_there_is(self, name: str) -> None:
        """Wait until a modprobe with `touch` has created that file."""
        async with asyncio.timeout(30):
            while not (self.root / name).exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def session(
        self, idle: float = 60.0, limit: float = 60.0, scope: str = "change"
    ) -> AsyncIterator[HelperClient]:
        """Open a session with the helper on this directory, and close it afterwards."""
        transport = await self.transport(idle, limit, scope)
        client = await HelperClient.connect(transport, "test")
        try:
            yield client
        finally:
            await client.close()

    async def transport(
        self, idle: float = 60.0, limit: float = 60.0, scope: str = "change"
    ) -> SocketTransport:
        """Start the helper on this directory."""
        command = self.command(idle, limit, scope=scope)
        return await SocketTransport.over(Process.start(command, own_session=True))
