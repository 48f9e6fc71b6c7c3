"""A running Debian guest: boots in QEMU, takes commands over SSH, is gone at the end.

    with boot() as vm:
        vm.run("root", ["modprobe", "btrfs"], check=True)
        vm.run("admin", "grep -c btrfs /proc/modules").stdout

    python -m tests.kernel.vm               boot one and stay, for a look around
    python -m tests.kernel.vm systemd       the one of `make test-full`

Emulated without KVM wherever it runs: some 20 to 28 times slower than the machine, so
that time limits have to be generous and comparisons are ratios.

A guest as most tests want it (`Machine()`) is booted once and saved in the cache, in
`booted-<key>`, where the key is a hash of this file and of QEMU's version. From then on it is
restored: one second instead of ten. Until it is saved nothing is written to its disk, and the
disk with kmodtui is attached empty and mounted afterwards, so that what is saved fits any
working tree.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kernel import image as images
from tests.kernel.host_commands import CannotRunError, run
from tests.kernel.installation import DISK_SIZE, REPOSITORY, install
from tests.kernel.verbs import PYTHON, SCRIPT, VerbServer

BOOT_SECONDS = 300.0
"""How long a guest may take to answer; 8 to 15 s are usual, unless the machine is busy."""

COMMAND_SECONDS = 300.0
"""How long a command may take over SSH unless a test says something else; 0.1 s are usual."""

COMMAND_LINE = (
    "console=ttyS0",
    "net.ifnames=0",
    "panic=-1",
    "quiet",
    # An emulated HPET is slow to read, and the time stamp counter is good.
    "tsc=reliable",
    "clocksource=tsc",
    # The kernel waits for ten ticks of the timer, and panics if there were none: on a busy machine
    # QEMU may be too late with them.
    "no_timer_check",
    # Code at the same addresses in every process is translated once by QEMU: programs start in
    # less than half of the time. The kernel's own addresses are random all the same.
    "norandmaps",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What one boot has that another has not."""

    command_line: tuple[str, ...] = ()
    """Words added to the kernel's command line: `module_blacklist=tun`."""
    devices: tuple[str, ...] = ()
    """Words added to QEMU's: `-nic`, `user,model=e1000,restrict=on`."""
    memory: int = 2048
    """In MiB."""
    cpus: int = 2


@dataclass(slots=True)
class VM:
    """A guest that answers."""

    image: images.Image
    folder: Path
    """For this run's files: sockets, the serial log."""
    port: int
    pid: int
    boot_seconds: float = 0.0
    _masters: set[str] = field(default_factory=set)
    _verb_servers: dict[str, VerbServer] = field(default_factory=dict)

    @property
    def release(self) -> str:
        """The guest's kernel release."""
        return self.image.release

    @property
    def serial_log(self) -> str:
        """What the guest's console has shown until now."""
        return self._serial.read_text(errors="backslashreplace")

    @property
    def _serial(self) -> Path:
        return self.folder / "serial.log"

    def run(
        self,
        user: str,
        command: Sequence[str] | str,
        *,
        input: str | None = None,  # noqa: A002 - as subprocess.run has it
        timeout: float = COMMAND_SECONDS,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user, without a terminal; a string goes to their shell.

        Raises `subprocess.TimeoutExpired`, and `AssertionError` with all that was printed
        when `check` is set and the command fails.
        """
        result = subprocess.run(
            self.ssh(user, command),
            input="" if input is None else input,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=timeout,
            check=False,
        )
        return _checked(result, f"{user}: {command!r}") if check else result

    def kmodtui(
        self, user: str, *arguments: str, timeout: float = COMMAND_SECONDS, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb of kmodtui as a user, without a terminal; see `verbs`.

        Raises `AssertionError` if it does not end in time, and when `check` is set and it fails.
        """
        if user not in self._verb_servers:
            self._verb_servers[user] = VerbServer(self.ssh(user, [PYTHON, "-c", SCRIPT]))
        result = self._verb_servers[user].run(arguments, timeout)
        return _checked(result, f"{user}: kmodtui {shlex.join(arguments)}") if check else result

    def end_verb_servers(self) -> None:
        """End the processes that run verbs in the guest; they are started again when needed."""
        for server in self._verb_servers.values():
            server.close()
        self._verb_servers.clear()

    def read(self, user: str, path: str) -> bytes:
        """A guest's file, in one piece."""
        result = subprocess.run(
            self.ssh(user, ["cat", path]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=True,
        )
        return result.stdout

    def write(self, user: str, path: str, content: bytes) -> None:
        """Make or replace a guest's file."""
        subprocess.run(
            self.ssh(user, f"cat >{shlex.quote(path)}"),
            input=content,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=True,
        )

    def ssh(
        self,
        user: str,
        command: Sequence[str] | str = (),
        *,
        terminal: bool = False,
        own_connection: bool = False,
    ) -> list[str]:
        """The words that run a command there, for who starts processes otherwise.

        All of a user's commands go over one connection, because signing in is 0.5 s of
        emulation, unless a connection of its own is asked for.
        """
        if not own_connection and user not in self._masters:
            subprocess.run(
                ["ssh", "-f", "-N", "-M", *self._options(user), f"{user}@127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS,
                check=True,
            )
            self._masters.add(user)
        words = command if isinstance(command, str) else shlex.join(command)
        return [
            "ssh",
            "-tt" if terminal else "-T",
            *self._options(user, own_connection=own_connection),
            f"{user}@127.0.0.1",
            *([words] if words else []),
        ]

    def _options(self, user: str, *, own_connection: bool = False) -> list[str]:
        settings = {
            "BatchMode": "yes",
            "ControlPath": "none" if own_connection else str(self.folder / user),
            "HostKeyAlias": "guest",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.image.ssh_key),
            "LogLevel": "ERROR",
            "Port": str(self.port),
            "SendEnv": "COLORTERM NO_COLOR KMODTUI_* TEXTUAL_*",
            "UserKnownHostsFile": str(self.image.known_hosts),
        }
        # Nothing of this user's own configuration has a say.
        return ["-F", "none", *(f"-o{key}={value}" for key, value in settings.items())]


@contextlib.contextmanager
def boot(
    machine: Machine = Machine(),
    *,
    image: images.Image | None = None,
    repository: Path | None = REPOSITORY,
) -> Iterator[VM]:
    """A guest with the working tree's kmodtui installed (without it: `repository=None`).

    It has just booted, or is as it was when it had. Ends with the block, and with this process
    if that is killed. Raises `CannotRunError`, or RuntimeError with the end of the serial log
    if the guest does not answer within BOOT_SECONDS.
    """
    image = image or images.cached()
    with contextlib.ExitStack() as stack:
        stack.enter_context(image.in_use())
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="kmodtui-vm-")),
        )
        disk = _empty_disk(folder) if repository is None else install(image, folder, repository)
        vm = _restored(stack, image, folder, disk) if machine == Machine() else None
        if vm is None:
            vm = stack.enter_context(_qemu(machine, image, folder, disk))
        if not image.distribution.writable:
            _make_ready(vm, with_kmodtui=repository is not None)
        yield vm


def booted_state(image: images.Image) -> Path:
    """The file with the state of a guest that has booted, made first if the cache lacks it."""
    version = run(["qemu-system-x86_64", "--version"])
    state = image.folder / f"booted-{images.digest(Path(__file__).read_text(), version)}"
    with images.lock(images.beside(image.folder, ".booted-lock"), fcntl.LOCK_EX):
        if not state.exists():
            for outdated in image.folder.glob("booted-*"):
                outdated.unlink()
            with tempfile.TemporaryDirectory(prefix="kmodtui-vm-") as name:
                folder = Path(name)
                with _qemu(Machine(), image, folder, _empty_disk(folder)) as vm:
                    _read_programs(vm)
                    unfinished = image.folder / "booted.unfinished"
                    with _Monitor(folder) as monitor:
                        monitor.save(unfinished)
            unfinished.rename(state)
    return state


def _restored(
    stack: contextlib.ExitStack, image: images.Image, folder: Path, disk: Path
) -> VM | None:
    """Start a guest from its saved state; None where this is not possible."""
    if image.distribution.writable:
        return None
    state = booted_state(image)
    try:
        return stack.enter_context(_qemu(Machine(), image, folder, disk, state))
    except RuntimeError as error:
        warnings.warn(f"a saved guest is not used: {error}", stacklevel=2)
        state.unlink(missing_ok=True)
        return None


def _read_programs(vm: VM) -> None:
    """Have in the guest's memory what every test reads from the disk."""
    commands = "python3 -c 'import json, subprocess'; modprobe --version; modinfo ext4; ps; tail"
    for user in images.USERS:
        command = vm.ssh(user, f"{commands} </dev/null", own_connection=True)
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)


def _make_ready(vm: VM, *, with_kmodtui: bool) -> None:
    """Do what may come only after the state was saved."""
    commands = [f"date -s @{time.time():.0f}", "mount -o remount,rw,noatime /"]
    if with_kmodtui:
        # What was read of the empty disk that was in its place before must not be used.
        commands += ["blockdev --flushbufs /dev/vdb"]
        commands += ["mount -t ext4 -o noatime /dev/vdb /opt/kmodtui"]
    vm.run("root", " && ".join(commands), check=True)


def _empty_disk(folder: Path) -> Path:
    disk = folder / "empty.img"
    with disk.open("wb") as file:
        file.truncate(DISK_SIZE)
    return disk


@contextlib.contextmanager
def _qemu(
    machine: Machine, image: images.Image, folder: Path, disk: Path, state: Path | None = None
) -> Iterator[VM]:
    """Run QEMU until the guest answers, and end it with the block."""
    port = _free_port()
    command = [
        # Whatever happens to the tests, kill -9 included, the guest does not outlive them.
        "setpriv", "--pdeathsig", "KILL", "--",
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
        "-smp", str(machine.cpus), "-m", str(machine.memory),
        "-display", "none", "-no-reboot", "-nodefaults", "-vga", "std", "-snapshot",
        "-serial", f"file:{folder / 'serial.log'}",
        "-qmp", f"unix:{folder / _Monitor.SOCKET},server=on,wait=off",
        "-kernel", str(image.kernel), "-initrd", str(image.initramfs),
        "-append", " ".join([*COMMAND_LINE, *machine.command_line]),
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22,restrict=on",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-drive", f"file={image.disk},if=virtio,format=raw",
        "-drive", f"file={disk},if=virtio,format=raw",
        *(["-incoming", f"exec:cat {shlex.quote(str(state))}"] if state else []),
        *machine.devices,
    ]  # fmt: skip
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    vm = VM(image, folder, port, process.pid)
    try:
        started = time.monotonic()
        _await_answer(process, vm, started + BOOT_SECONDS)
        vm.boot_seconds = time.monotonic() - started
        yield vm
    finally:
        vm.end_verb_servers()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Monitor:
    """QEMU's control socket; its protocol is described in QEMU's docs/interop/qmp-spec."""

    SOCKET = "monitor"

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(folder / self.SOCKET))
        self._file = self._socket.makefile("rw")
        self._file.readline()  # the greeting
        self._execute("qmp_capabilities")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._socket.close()

    def save(self, file: Path) -> None:
        """Write the state of the guest to a file; the guest stands still afterwards."""
        self._execute("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        self._execute("migrate", {"uri": f"exec:cat >{shlex.quote(str(file))}"})
        while (status := self._execute("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled"):
                raise RuntimeError(f"QEMU could not save the guest to {file}")
            time.sleep(0.05)

    def _execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        self._file.write(json.dumps({"execute": command, "arguments": arguments or {}}) + "\n")
        self._file.flush()
        while True:  # events may come in between
            answer = json.loads(self._file.readline())
            if "error" in answer:
                raise RuntimeError(f"QEMU refused {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


def _await_answer(process: subprocess.Popen[bytes], vm: VM, deadline: float) -> None:
    patience = 0.1
    while True:
        if process.poll() is not None:
            why = (vm.folder / "qemu.log").read_text(errors="replace")
            raise RuntimeError(f"QEMU ended with {process.returncode}: {why}\n{_end_of(vm)}")
        # QEMU accepts the connection itself. It drops it as long as nobody listens; before the
        # guest runs, nothing happens at all.
        patience = min(2 * patience, 30)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", vm.port), timeout=patience) as connection,
        ):
            if connection.recv(4) == b"SSH-":
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the guest does not answer after {BOOT_SECONDS} s\n{_end_of(vm)}")
        time.sleep(0.2)


def _checked(
    result: subprocess.CompletedProcess[str], what: str
) -> subprocess.CompletedProcess[str]:
    if result.returncode != 0:
        printed = result.stdout + result.stderr
        raise AssertionError(f"{what} ended with {result.returncode}\n{printed}")
    return result


def _end_of(vm: VM) -> str:
    try:
        return "\n".join(vm.serial_log.splitlines()[-40:])
    except FileNotFoundError:
        return "(nothing on the serial line)"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stay(image: images.Image) -> None:
    with boot(image=image) as vm:
        sys.stdout.write(f"answered after {vm.boot_seconds:.1f} s; pid {vm.pid}; Ctrl+C ends it\n")
        for user in images.USERS:
            sys.stdout.write(f"  {shlex.join(vm.ssh(user))}\n".replace(" -T ", " "))
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        wanted = {known.name: known for known in (images.BUSYBOX, images.SYSTEMD)}
        _stay(images.cached(wanted[(sys.argv[1:] or ["busybox"])[0]]))
    except KeyboardInterrupt:
        pass
    except CannotRunError as missing:
        sys.exit(str(missing))
