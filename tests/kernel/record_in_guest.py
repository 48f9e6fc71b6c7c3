"""The guest's half of the recorder: loads and unloads modules there, writes a tar of what it saw.

Sent to the guest and run as root: `python3 record_in_guest.py TARGET... >recording.tar`.
Standard library only. What it writes is told in `tests.kernel.record`; progress goes to
stderr.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MODPROBE = "/sbin/modprobe"

# Without them there is no guest, or nobody to talk to it.
NOT_TO_BE_UNLOADED = frozenset(
    ("virtio", "virtio_ring", "virtio_pci", "virtio_blk", "virtio_net", "net_failover", "failover")
)
QUIET_MILLISECONDS = 300
"""How long the kernel log has to be silent until a load or unload counts as over."""
ATTEMPTS_TO_SEE_LOADING = 4

SYSCTLS = (
    "arch",
    "dmesg_restrict",
    "hostname",
    "kptr_restrict",
    "modules_disabled",
    "osrelease",
    "ostype",
    "perf_event_paranoid",
    "tainted",
    "version",
)
OTHER_FILES = (
    "/etc/os-release",
    "/proc/cmdline",
    "/proc/version",
    "/sys/kernel/security/lockdown",
)
# Addresses, which defeat KASLR, and build ids.
NOT_RECORDED = frozenset(("sections", "notes"))


@dataclass
class Archive:
    """Files by name, with their modes, as they will stand in the tar."""

    files: dict[str, tuple[int, bytes | str]] = field(default_factory=dict)

    def add(self, name: str, content: bytes | str, mode: int = 0o644) -> None:
        """Add a file; text is written as UTF-8."""
        data = content.encode() if isinstance(content, str) else content
        self.files[name.lstrip("/")] = mode, data

    def link(self, name: str, target: str) -> None:
        self.files[name.lstrip("/")] = 0o777, target

    def write(self, out: BinaryIO) -> None:
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name, (mode, content) in sorted(self.files.items()):
                info = tarfile.TarInfo(name)
                info.mode = mode
                if isinstance(content, str):
                    info.type = tarfile.SYMTYPE
                    info.linkname = content
                    tar.addfile(info)
                else:
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))


class KernelLog:
    """/dev/kmsg from now on."""

    def __init__(self) -> None:
        self._file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._file, 0, os.SEEK_END)

    def drain(self) -> str:
        """The records since the last call, once no more come: `LEVEL TEXT`, one a line."""
        lines = []
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        while poll.poll(QUIET_MILLISECONDS):
            with contextlib.suppress(BrokenPipeError):
                record = os.read(self._file, 8192).decode(errors="backslashreplace")
                head, _, text = record.partition(";")
                lines.append(f"{int(head.split(',')[0]) & 7} {text.splitlines()[0]}\n")
        return "".join(lines)


class LoadingWatch:
    """Sees how large modules are while they are Loading, init memory included."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, over: threading.Event) -> None:
        file = os.open("/proc/modules", os.O_RDONLY)
        while not over.is_set():
            # The newest are the first, and what is loading is new.
            for line in os.pread(file, 512, 0).split(b"\n"):
                fields = line.split()
                if len(fields) > 4 and fields[4] == b"Loading":
                    name = fields[0].decode()
                    self.sizes[name] = max(self.sizes.get(name, 0), int(fields[1]))
        os.close(file)


class Recorder:
    """Goes through the modules one by one."""

    def __init__(self) -> None:
        self.archive = Archive()
        self.log = KernelLog()
        self.watch = LoadingWatch()
        self.recorded: dict[str, int] = {}
        """Size while Live, by name."""
        self.booted = frozenset(loaded())

    def boot(self) -> None:
        """Record the machine as it is, and every module that it has loaded."""
        for name in ("/proc/modules", "/proc/kallsyms"):
            self.archive.add(f"root{name}", as_ordinary_user(["cat", name]))
        for name in (*OTHER_FILES, *(f"/proc/sys/kernel/{sysctl}" for sysctl in SYSCTLS)):
            path = Path(name)
            if path.exists():
                mode = stat.S_IMODE(path.stat().st_mode)
                self.archive.add(f"root{name}", path.read_bytes(), mode)
        for folder in sorted(Path("/sys/module").iterdir()):
            self._sysfs(f"root{folder}", folder)
        self._live(loaded())

    def module(self, name: str) -> None:
        """Load a module that is not there, step by step, and take it out again."""
        before = frozenset(loaded())
        if name in before:
            say(f"{name}: loaded already")
            return
        if not self._load(name):
            return
        came = set(loaded()) - before
        self._live(came)
        self._unload(name, complete=True)
        for left in [module for module in loaded() if module in came]:
            # Softdeps, and what asked for itself in another's init.
            if left in loaded() and refcount(left) == 0:
                self._unload(left, complete=False)
        self._again_for_init_size(name, came)
        # modprobe -r takes away what nobody uses any more, no matter who had loaded it.
        for lost in self.booted - set(loaded()):
            self._load(lost)

    def booted_module(self, name: str) -> None:
        """Take out a module that has been loaded since boot, and load it again."""
        if name not in loaded() or refcount(name) != 0:
            return
        before = frozenset(loaded())
        self._unload(name, complete=True)
        gone = before - set(loaded())
        if gone:
            self._load(name)
        self._again_for_init_size(name, gone)

    def finish(self) -> None:
        """Write down what is known of all modules together."""
        for name, live in self.recorded.items():
            seen = self.watch.sizes.get(name, 0)
            if seen > live:
                self.archive.add(f"modules/{name}/init_size", f"{seen - live}\n")
        missing = sorted(name for name in self.recorded if not self._has(name, "init_size"))
        say(f"{len(self.recorded)} modules; init memory not seen of: {' '.join(missing)}")

    def _load(self, name: str) -> bool:
        for step in (*load_order(name), name):
            if step in loaded():
                continue
            before = set(loaded())
            held = other_references()
            with self.watch.watching():
                result = run([MODPROBE, step])
            text = self.log.drain()
            if step in loaded():
                self._references(step, held)
                along = sorted(set(loaded()) - before - {step})
                say(f"{step}: loaded{' and with it ' + ' '.join(along) if along else ''}")
                if not self._has(step, "load.log"):
                    self.archive.add(f"modules/{step}/load.log", text)
            else:
                say(f"{step}: NOT loaded, {result.stderr.strip()} {text}")
        return name in loaded()

    def _references(self, name: str, before: dict[str, int]) -> None:
        """Record what a module holds beside the modules whose symbols it uses."""
        now = other_references()
        more = {other: count - before.get(other, 0) for other, count in now.items()}
        held = "".join(f"{other} {count}\n" for other, count in sorted(more.items()) if count > 0)
        if held and not self._has(name, "references"):
            self.archive.add(f"modules/{name}/references", held)

    def _live(self, names: Iterable[str]) -> None:
        wanted = [name for name in names if name not in self.recorded]
        lines = as_ordinary_user(["cat", "/proc/modules"]).splitlines(keepends=True)
        rows: dict[bytes, list[bytes]] = {name.encode(): [] for name in wanted}
        table = as_ordinary_user(["grep", "-a", "]$", "/proc/kallsyms"])
        for row in table.splitlines(keepends=True):
            owner = row[row.rindex(b"[") + 1 : row.rindex(b"]")]
            if owner in rows:
                rows[owner].append(row)
        for name in wanted:
            (line,) = (line for line in lines if line.startswith(name.encode() + b" "))
            self.recorded[name] = int(line.split()[1])
            self.archive.add(f"modules/{name}/proc_line", line)
            self.archive.add(f"modules/{name}/kallsyms", b"".join(rows[name.encode()]))
            folder = Path("/sys/module") / name
            self._sysfs(f"modules/{name}{folder}", folder)

    def _unload(self, name: str, *, complete: bool) -> None:
        """Unload a module; `complete` says that everything it needs is there for it alone."""
        before = loaded()
        result = run([MODPROBE, "-r", name])
        text = self.log.drain()
        gone = [module for module in before if module not in loaded()]
        if gone:
            gone.sort(key=lambda module: (module != name, before.index(module)))
            say(f"{name}: unloaded, and with it {' '.join(gone[1:]) or 'nothing'}")
            if complete:
                self.archive.add(f"modules/{name}/removed", "".join(f"{one}\n" for one in gone))
            if not self._has(name, "unload.log"):
                self.archive.add(f"modules/{name}/unload.log", text)
        else:
            reason = result.stderr.strip()
            say(f"{name}: NOT unloaded, {reason}")
            self.archive.add(f"modules/{name}/unload.error", f"{reason}\n")
        for module in gone:
            self.archive.add(f"modules/{module}/unloads", "yes\n")
        if text and len(gone) > 1:
            self._unload_one_by_one(name, gone)

    def _unload_one_by_one(self, name: str, gone: list[str]) -> None:
        """Find out whose log lines they were."""
        run([MODPROBE, name])
        self.log.drain()
        for module in gone:
            run([MODPROBE, "-r", module] if module == name else ["/sbin/rmmod", module])
            self.archive.add(f"modules/{module}/unload.log", self.log.drain())

    def _again_for_init_size(self, name: str, gone: Iterable[str]) -> None:
        """Load it some more times, if a module was too quick to be seen while Loading."""
        gone = set(gone)
        for _ in range(ATTEMPTS_TO_SEE_LOADING):
            if all(module in self.watch.sizes for module in gone if module in self.recorded):
                break
            was_there = name in loaded()
            if was_there and (refcount(name) != 0 or run([MODPROBE, "-r", name]).returncode):
                break
            with self.watch.watching():
                run([MODPROBE, name])
            if not was_there:
                run([MODPROBE, "-r", name])
                for left in [module for module in loaded() if module in gone]:
                    run([MODPROBE, "-r", left])
        self.log.drain()

    def _has(self, name: str, file: str) -> bool:
        return f"modules/{name}/{file}" in self.archive.files

    def _sysfs(self, name: str, folder: Path) -> None:
        for entry in sorted(folder.iterdir()):
            there = f"{name}/{entry.name}"
            status = entry.lstat()
            if stat.S_ISLNK(status.st_mode):
                self.archive.link(there, str(entry.readlink()))
            elif stat.S_ISDIR(status.st_mode):
                if entry.name not in NOT_RECORDED:
                    self._sysfs(there, entry)
            else:
                mode = stat.S_IMODE(status.st_mode)
                content = b""
                if mode & stat.S_IROTH:
                    with contextlib.suppress(OSError):
                        content = entry.read_bytes()
                self.archive.add(there, content, mode)


def loaded() -> list[str]:
    """Names in /proc/modules, newest first."""
    return [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()]


def refcount(name: str) -> int:
    return int((Path("/sys/module") / name / "refcnt").read_text())


def other_references() -> dict[str, int]:
    """How often each loaded module is referred to by what is not in its list of users."""
    lines = (line.split() for line in Path("/proc/modules").read_text().splitlines())
    return {
        name: int(count) - sum(user not in ("", "-", "[permanent]") for user in users.split(","))
        for name, _, count, users, *_ in lines
    }


def load_order(name: str) -> list[str]:
    """What modprobe would insert, the module itself last, by name."""
    shown = run([MODPROBE, "--show-depends", name]).stdout
    paths = [line.split()[1] for line in shown.splitlines() if line.startswith("insmod ")]
    return [Path(path).name.partition(".")[0].replace("-", "_") for path in paths]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def as_ordinary_user(command: list[str]) -> bytes:
    """What a command prints to someone from whom the kernel hides its addresses."""
    return subprocess.run(command, user="guest", capture_output=True, check=True).stdout


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(targets: list[str]) -> None:
    """Record this machine and the modules named."""
    recorder = Recorder()
    recorder.boot()
    for target in targets:
        recorder.module(target.replace("-", "_"))
    for name in loaded():
        if name in recorder.booted - NOT_TO_BE_UNLOADED:
            recorder.booted_module(name)
    recorder.finish()
    recorder.archive.write(sys.stdout.buffer)


if __name__ == "__main__":
    main(sys.argv[1:])
