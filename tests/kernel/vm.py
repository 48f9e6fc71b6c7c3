"""A running Debian guest: boots in QEMU, takes commands over SSH, is gone at the end.

    with boot() as vm:
        vm.run("root", ["modprobe", "btrfs"], check=True)
        vm.run("admin", "grep -c btrfs /proc/modules").stdout

    python -m tests.kernel.vm               boot one and stay, for a look around
    python -m tests.kernel.vm systemd       the one of `make test-full`

Emulated without KVM wherever it runs: some 20 to 28 times slower than the machine, so
that time limits have to be generous and comparisons are ratios.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kernel import image as images
from tests.kernel.host_commands import CannotRunError
from tests.kernel.installation import REPOSITORY, install

BOOT_SECONDS = 180.0
"""How long a guest may take to answer; 8 to 15 s are usual, unless the machine is busy."""


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
        timeout: float = 120,
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
        if check and result.returncode != 0:
            said = result.stdout + result.stderr
            raise AssertionError(f"{user}: {command!r} ended with {result.returncode}\n{said}")
        return result

    def read(self, user: str, path: str) -> bytes:
        """A guest's file, in one piece."""
        result = subprocess.run(
            self.ssh(user, ["cat", path]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=True,
        )
        return result.stdout

    def write(self, user: str, path: str, content: bytes) -> None:
        """Make or replace a guest's file."""
        subprocess.run(
            self.ssh(user, f"cat >{shlex.quote(path)}"),
            input=content,
            capture_output=True,
            timeout=120,
            check=True,
        )

    def ssh(
        self, user: str, command: Sequence[str] | str = (), *, terminal: bool = False
    ) -> list[str]:
        """The words that run a command there, for who starts processes otherwise.

        All of a user's commands go over one connection: signing in is 0.5 s of emulation.
        """
        if user not in self._masters:
            subprocess.run(
                ["ssh", "-f", "-N", "-M", *self._options(user), f"{user}@127.0.0.1"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
                check=True,
            )
            self._masters.add(user)
        words = command if isinstance(command, str) else shlex.join(command)
        return [
            "ssh",
            "-tt" if terminal else "-T",
            *self._options(user),
            f"{user}@127.0.0.1",
            *([words] if words else []),
        ]

    def _options(self, user: str) -> list[str]:
        settings = {
            "BatchMode": "yes",
            "ControlPath": str(self.folder / user),
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

    Ends with the block, and with this process if that is killed. Raises
    `CannotRunError`, or RuntimeError with the end of the serial log if the guest does
    not answer within BOOT_SECONDS.
    """
    image = image or images.cached()
    with image.in_use(), tempfile.TemporaryDirectory(prefix="kmodtui-vm-") as name:
        folder = Path(name)
        disks = [image.disk]
        if repository is not None:
            disks.append(install(image, folder, repository))
        with _qemu(machine, image, folder, disks) as vm:
            yield vm


@contextlib.contextmanager
def _qemu(
    machine: Machine, image: images.Image, folder: Path, disks: Sequence[Path]
) -> Iterator[VM]:
    port = _free_port()
    command = [
        # Whatever happens to the tests, kill -9 included, the guest does not outlive them.
        "setpriv", "--pdeathsig", "KILL", "--",
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
        "-smp", str(machine.cpus), "-m", str(machine.memory),
        "-display", "none", "-no-reboot", "-nodefaults", "-vga", "std", "-snapshot",
        "-serial", f"file:{folder / 'serial.log'}",
        "-kernel", str(image.kernel), "-initrd", str(image.initramfs),
        "-append", " ".join(
            ["console=ttyS0", "net.ifnames=0", "panic=-1", "quiet", *machine.command_line]
        ),
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22,restrict=on",
        "-device", "virtio-net-pci,netdev=net,romfile=",
    ]  # fmt: skip
    for disk in disks:
        command += ["-drive", f"file={disk},if=virtio,format=raw"]
    with (folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *machine.devices], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    vm = VM(image, folder, port, process.pid)
    try:
        started = time.monotonic()
        _await_answer(process, vm, started + BOOT_SECONDS)
        vm.boot_seconds = time.monotonic() - started
        yield vm
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(process: subprocess.Popen[bytes], vm: VM, deadline: float) -> None:
    while True:
        if process.poll() is not None:
            why = (vm.folder / "qemu.log").read_text(errors="replace")
            raise RuntimeError(f"QEMU ended with {process.returncode}: {why}\n{_end_of(vm)}")
        # QEMU accepts the connection itself, and drops it as long as nobody listens.
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", vm.port), timeout=5) as connection,
        ):
            if connection.recv(4) == b"SSH-":
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the guest does not answer after {BOOT_SECONDS} s\n{_end_of(vm)}")
        time.sleep(0.2)


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
