#!/usr/bin/python3 -IS
"""The root side of kmodtui: changes the kernel's modules for a person who may.

Read this before you trust it. It is one file and imports the standard library
alone. It reads requests from its standard input, one JSON object a line, and
answers on its standard output; `protocol.py` beside it says how. It has a few
operations with checked arguments, and no way to run, read or write anything
else. It trusts nothing that it is told:

* every field of a request is checked here, whoever sent it;
* a module must stand in the root-owned index of the running kernel, or be loaded;
* programs are run by absolute path, without a shell, with an environment made
  here, and with `--` before the first name;
* "done" is said only when /proc/modules shows what was asked for;
* every request and every result goes to syslog as `kmodtui-helper`.

It never kills what it has begun: a modprobe that hangs in a module's init is
left to itself when the time is up, and when the session ends. It ends when its
input closes, or when nothing was asked of it for a while.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated and sys.flags.no_site):
    # Before any other import: without -I a json.py in the wrong place would run as root.
    sys.exit("kmodtui-helper is to be run as: /usr/bin/python3 -I -S " + sys.argv[0])

import errno
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import syslog
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

PROTOCOL = 2
VERSION = "0.1.0"

MAX_REQUEST = 64 * 1024  # bytes of one line
MAX_NAMES = 256
MAX_PARAMETERS = 64
MAX_PARAMETER = 1024  # characters of one key=value
MAX_JOBS = 8  # under way or left hanging, at once
MAX_OUTPUT = 32 * 1024  # bytes kept of what a program printed
MAX_RECORDS = 2000  # kernel-log records told for one request
IDLE = 15 * 60.0  # seconds without a request until root is given up
LIMIT = 60.0  # seconds until a request is answered "timeout"

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,54}")
PARAMETER = re.compile(r"[A-Za-z0-9_]{1,64}=[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
# What means nothing to a shell. Other characters are refused where an `install` rule
# exists: kmod hands it to a shell together with the parameters.
HARMLESS = re.compile(r"[A-Za-z0-9_.,:=/@%+-]*")


class Refused(Exception):  # noqa: N818 - an answer, not a mistake of this program
    """The answer to a request for which nothing was run."""

    def __init__(self, code: str, message: str, number: int | None = None, subject: str = ""):
        super().__init__(message)
        self.code, self.message, self.number, self.subject = code, message, number, subject


class Ended(NamedTuple):
    """How a program ended."""

    exit: int
    output: str

    @property
    def last_line(self) -> str:
        """The last thing that it had to say, where that is anything but what it did.

        With its output in a file, modprobe's `insmod` lines come after its errors.
        """
        lines = self.output.strip().splitlines()
        said = [line for line in lines if not line.startswith(("insmod ", "rmmod "))]
        return (said or lines or [""])[-1]


class Outcome(NamedTuple):
    """How a request ended: a code of the protocol, a sentence, an errno."""

    code: str
    message: str = ""
    number: int | None = None

    def told(self) -> dict[str, Any]:
        """Return it as the protocol has it."""
        told = {"code": self.code, "message": self.message, "errno": self.number}
        return {"ok": self.code == "done", **told}


FAILURES = (Refused, OSError, subprocess.SubprocessError)


def broken_off(error: Exception) -> Outcome:
    """Return the outcome of an operation that one of FAILURES has ended."""
    if isinstance(error, Refused):
        return Outcome(error.code, error.message, error.number)
    return Outcome("failed", str(error), getattr(error, "errno", None))


# An operation yields (module, command) for each program it wants run, is sent how that
# ended, and returns the outcome.
Steps = Generator["tuple[str, list[str]]", Ended, Outcome]


# --- the system ---------------------------------------------------------------------------


class Loaded(NamedTuple):
    """What /proc/modules says of one module."""

    refcount: int  # -1 while it goes; 0 where the kernel does not count
    users: list[str]
    permanent: bool
    state: str


class Machine:
    """The running system. Tests make one for a folder; `main` makes the one for /."""

    def __init__(self, root: str = "", release: str = "", owner: int = 0) -> None:
        self.root = root
        self.release = release or os.uname().release
        self.owner = owner

    def modules(self) -> dict[str, Loaded]:
        """Return the modules that are loaded, by name."""
        try:
            with open(self.root + "/proc/modules", "rb", buffering=0) as file:
                lines = file.readall().decode("ascii", "replace").splitlines()
        except FileNotFoundError:
            raise Refused("no-modules", "There is no /proc/modules.", errno.ENOSYS) from None
        modules = {}
        for fields in (line.split(" ") for line in lines):
            if len(fields) >= 6:
                count = int(fields[2]) if re.fullmatch(r"-?[0-9]{1,9}", fields[2]) else 0
                users = [user for user in fields[3].split(",") if user not in ("", "-")]
                permanent = "[permanent]" in users
                users = [user for user in users if user != "[permanent]"]
                modules[fields[0]] = Loaded(count, users, permanent, fields[4])
        return modules

    def index(self, name: str) -> set[str]:
        """Return the modules in a root-owned index of the running kernel."""
        folder = f"{self.root}/lib/modules/{self.release}"
        try:
            self.check_trusted(os.stat(folder), folder)
            with open(f"{folder}/{name}", "rb") as file:
                self.check_trusted(os.fstat(file.fileno()), f"{folder}/{name}")
                lines = file.read().decode("ascii", "replace").splitlines()
        except OSError as error:
            why = os.strerror(error.errno or 0)
            message = f"The index {name} of the running kernel {self.release}: {why}."
            raise Refused("no-modules", message, error.errno) from None
        return {canonical(line.split(":", 1)[0]) for line in lines if line}

    def modprobe(self) -> str:
        """Return the absolute path of kmod's modprobe, and of no other one."""
        reason = "there is none in /sbin and /usr/sbin"
        for path in (f"{self.root}/sbin/modprobe", f"{self.root}/usr/sbin/modprobe"):
            real = os.path.realpath(path)
            try:
                self.check_trusted(os.stat(os.path.dirname(real)), os.path.dirname(real))
                self.check_trusted(os.stat(real), real)
                said = run_briefly([path, "--version"]).output
            except FileNotFoundError:
                continue
            except (OSError, Refused, subprocess.SubprocessError) as error:
                reason = str(error)
                continue
            if said.startswith("kmod version"):
                return path
            reason = f"{path} is {'BusyBox' if 'BusyBox' in said else 'somebody'}'s, not kmod's"
        raise Refused("no-modprobe", f"No usable modprobe: {reason}.", errno.ENOENT)

    def show_depends(self, modprobe: str, name: str) -> Ended:
        """Return what modprobe would do to load a module: `insmod PATH` or `install COMMAND`s."""
        return run_briefly([modprobe, "--show-depends", "--", name])

    def write_parameter(self, name: str, key: str, value: str) -> str:
        """Write a parameter; return what is shown of it then. OSError if the kernel refuses."""
        path = f"{self.root}/sys/module/{name}/parameters/{key}"
        target = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(target, "wb", buffering=0) as file:
            file.write(value.encode())
        try:
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                return file.read(4096).rstrip("\n")
        except OSError:
            return ""  # this one can only be written

    def check_trusted(self, status: os.stat_result, path: str) -> None:
        """Refuse what others than root can write."""
        if status.st_uid != self.owner or status.st_mode & 0o022:
            raise Refused("no-modules", f"{path} can be written by others than root", errno.EPERM)


def canonical(path: str) -> str:
    """Return the kernel's name of a module: no folder, nothing after a dot, `-` as `_`."""
    return path.strip().rsplit("/", 1)[-1].split(".", 1)[0].replace("-", "_")


def run_briefly(command: list[str]) -> Ended:
    """Run a program that only prints, and wait for it."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=ENVIRONMENT, cwd="/", close_fds=True, timeout=10,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout[:MAX_OUTPUT].decode("utf-8", "replace"))


# --- requests -----------------------------------------------------------------------------


def parse(line: bytes) -> dict[str, Any]:
    """Return the request in a line: an object with an `id` and whatever else.

    Raises:
        Refused: it is anything else.
    """
    try:
        request = json.loads(line.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Refused("invalid", "The line is no JSON of a request.", errno.EINVAL) from None
    if not isinstance(request, dict) or type(request.get("id")) is not int:
        raise Refused("invalid", "A request is an object with an id.", errno.EINVAL)
    if not 1 <= request["id"] < 2**53:
        raise Refused("invalid", "An id is a number from 1 on.", errno.EINVAL)
    return request


def check_fields(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request if it has `op` and that operation's fields alone."""
    operation = request.get("op")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise Refused("invalid", "There is no such operation.", errno.EINVAL)
    if set(request) != {"id", "op", *OPERATIONS[operation].fields}:
        raise Refused("invalid", f"{operation} has other fields.", errno.EINVAL)
    return request


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; refuse one that says the same thing twice."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def checked_names(value: Any) -> list[str]:
    """Return canonical module names: at least one, none twice."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_NAMES:
        raise Refused("invalid", f"names is a list of 1 to {MAX_NAMES} names.", errno.EINVAL)
    if not all(isinstance(name, str) and NAME.fullmatch(name) for name in value):
        raise Refused("invalid", "That is no name of a module.", errno.EINVAL)
    names = [name.replace("-", "_") for name in value]
    if len(set(names)) != len(names):
        raise Refused("invalid", "A module is named twice.", errno.EINVAL)
    return names


def checked_parameters(value: Any) -> list[str]:
    """Return `key=value` parameters without control characters."""
    if not isinstance(value, list) or len(value) > MAX_PARAMETERS:
        raise Refused("invalid", f"parameters is a list of up to {MAX_PARAMETERS}.", errno.EINVAL)
    for text in value:
        if not isinstance(text, str) or len(text) > MAX_PARAMETER or not PARAMETER.fullmatch(text):
            raise Refused("invalid", "A parameter is key=value on one line.", errno.EINVAL)
    return value


# --- operations ---------------------------------------------------------------------------


def load(machine: Machine, names: list[str], request: dict[str, Any]) -> Steps:
    """Load one module, and what it needs, by name."""
    name, parameters = names[0], checked_parameters(request["parameters"])
    if name in machine.modules():
        raise Refused("already-loaded", "It is loaded already.", errno.EEXIST, name)
    modprobe = loadable(machine, name, parameters)
    ended = yield name, [modprobe, "-v", "--", name, *parameters]
    module = machine.modules().get(name)
    if module and module.state == "Live":
        return Outcome("done")
    if ended.exit == 0:
        return Outcome("not-done", "modprobe reports success.")
    return Outcome("failed", ended.last_line, told_errno(ended))


def loadable(machine: Machine, name: str, parameters: list[str]) -> str:
    """Return the modprobe that may load a module with these parameters; refuse if none may."""
    if name not in machine.index("modules.dep"):
        if name in machine.index("modules.builtin"):
            raise Refused("built-in", "It is built into the kernel.", errno.EEXIST, name)
        message = f"The index of the running kernel {machine.release} has no such module."
        raise Refused("unknown-module", message, errno.ENOENT, name)
    modprobe = machine.modprobe()
    if not all(HARMLESS.fullmatch(parameter) for parameter in parameters):
        plan = machine.show_depends(modprobe, name)
        if plan.exit or "install " in plan.output:
            message = "An install rule would hand these parameters to a shell."
            raise Refused("invalid", message, errno.EINVAL, name)
    return modprobe


def unload(machine: Machine, names: list[str], _: dict[str, Any]) -> Steps:
    """Unload modules in the order given, each with what nobody needs then, as modprobe -r does."""
    loaded = machine.modules()
    for name in names:
        if name not in loaded:
            raise Refused("not-loaded", "It is not loaded.", errno.ENOENT, name)
    modprobe = machine.modprobe()
    for name in names:
        if name not in machine.modules():
            continue  # it went along with an earlier one
        ended = yield name, [modprobe, "-v", "-r", "--", name]
        module = machine.modules().get(name)
        if module is None:
            continue
        if ended.exit == 0:
            return Outcome("not-done", "modprobe reports success.")
        number = told_errno(ended)
        if module.permanent or module.state != "Live":
            number = errno.EBUSY
        elif module.users or module.refcount > 0:
            number = errno.EAGAIN
        return Outcome("failed", ended.last_line, number)
    if set(names) & set(machine.modules()):
        return Outcome("not-done", "A module came back at once.")
    return Outcome("done")


def reload(machine: Machine, names: list[str], request: dict[str, Any]) -> Steps:
    """Unload one module and load it again; nothing is unloaded that could not be loaded."""
    loadable(machine, names[0], checked_parameters(request["parameters"]))
    outcome = yield from unload(machine, names, request)
    if outcome.code == "done":
        outcome = yield from load(machine, names, request)
    return outcome


def write_parameter(machine: Machine, names: list[str], request: dict[str, Any]) -> Steps:
    """Write a parameter of a loaded module, not of the kernel; tell what is shown of it then."""
    key, value = request["parameter"], request["value"]
    if not isinstance(key, str) or not isinstance(value, str):
        raise Refused("invalid", "A parameter and its value are texts.", errno.EINVAL)
    checked_parameters([f"{key}={value}"])
    if "=" in key:
        raise Refused("invalid", "That is no name of a parameter.", errno.EINVAL)
    if not value:
        raise Refused("invalid", "There is no writing nothing.", errno.EINVAL, names[0])
    if names[0] not in machine.modules():
        raise Refused("not-loaded", "It is not loaded.", errno.ENOENT, names[0])
    yield from ()  # it runs no program
    return Outcome("done", machine.write_parameter(names[0], key, value))


def told_errno(ended: Ended) -> int | None:
    """Return the errno whose C-locale text ends modprobe's last line.

    The last resort: modprobe tells the kernel's answer in no other way. One text is its own.
    """
    words = ended.last_line.rsplit(": ", 1)[-1]
    if words.startswith("Unknown symbol in module"):
        return errno.ENOENT
    return next((number for number in errno.errorcode if os.strerror(number) == words), None)


class Operation(NamedTuple):
    """What a request of this kind holds, and what is done about it."""

    fields: tuple[str, ...]
    begin: Callable[[Machine, list[str], dict[str, Any]], Steps]


OPERATIONS = {
    "load": Operation(("name", "parameters"), load),
    "reload": Operation(("name", "parameters", "wait"), reload),
    "unload": Operation(("names", "wait"), unload),
    "write-parameter": Operation(("name", "parameter", "value"), write_parameter),
}


# --- what is under way --------------------------------------------------------------------


class Job:
    """A request under way: its operation, and the program that runs for it now."""

    def __init__(self, machine: Machine, request: dict[str, Any]) -> None:
        self.machine = machine
        self.number: int = request["id"]
        self.names = checked_names(request["names"] if "names" in request else [request["name"]])
        self.began = time.monotonic()
        self.before = self.states()
        self.subject = self.names[0]
        self.command: list[str] = []
        self.output = ""
        self.exit: int | None = None
        self.records = 0
        self.steps = OPERATIONS[request["op"]].begin(machine, self.names, request)
        self.outcome = self.go_on(None)

    def go_on(self, ended: Ended | None) -> Outcome | None:
        """Start the operation's next program; return the outcome if there is none."""
        try:
            step = self.steps.send(ended) if ended else next(self.steps)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        self.subject, self.command = step
        # Not a pipe: nobody need drain it, and it does not break when the helper has
        # ended and the program has not. The seals stop it from growing.
        memory = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.printed = os.fdopen(memory, "r+b", buffering=0)
        self.printed.truncate(MAX_OUTPUT)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        self.child = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.printed, stderr=self.printed,
            env=ENVIRONMENT, cwd="/", close_fds=True, start_new_session=True,
        )  # fmt: skip
        return None

    def look(self) -> Outcome | None:
        """Go on if the running program has ended; return the outcome once there is one."""
        self.exit = self.child.poll()
        if self.exit is None:
            return None
        with self.printed as printed:
            length = printed.tell()  # the program wrote through the same offset
            text = os.pread(printed.fileno(), length, 0).decode("utf-8", "backslashreplace")
        self.output = (self.output + text)[-MAX_OUTPUT:]
        return self.go_on(Ended(self.exit, text))

    def states(self) -> dict[str, str | None]:
        """Return Live, Loading, Unloading or None of each module that was named."""
        modules = self.machine.modules()
        return {name: modules[name].state if name in modules else None for name in self.names}

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """Return the answer; what the kernel shows now is read here, last."""
        took = round(time.monotonic() - self.began, 3)
        return {
            **outcome.told(), "subject": self.subject, "command": self.command, "exit": self.exit,
            "output": self.output, "before": self.before, "after": self.states(), "took": took,
        }  # fmt: skip


class KernelLog:
    """The records that come from now on; none where there is no log to read."""

    def __init__(self, path: str) -> None:
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.fd = -1

    def skip(self) -> None:
        """Leave out what has come until now."""
        if self.fd >= 0:
            os.lseek(self.fd, 0, os.SEEK_END)

    def drain(self) -> list[dict[str, Any]]:
        """Return the records that have come, up to some hundred at once."""
        records: list[dict[str, Any]] = []
        while self.fd >= 0 and len(records) < 500:
            try:
                data = os.read(self.fd, 8192)
            except BrokenPipeError:
                continue  # records were overwritten before they were read: go on with the next
            except OSError:
                break
            head, _, text = data.decode("ascii", "backslashreplace").partition(";")
            found = re.match(r"([0-9]+),([0-9]+),([0-9]+),", head)
            if not found:
                break
            priority, sequence, microseconds = (int(number) for number in found.groups())
            line = text.split("\n", 1)[0]
            records.append(
                {"seq": sequence, "usec": microseconds, "level": priority & 7, "text": line}
            )
        return records


# --- the session --------------------------------------------------------------------------


class Session:
    """Requests from one descriptor, answers to another, until the input closes."""

    def __init__(
        self, machine: Machine, source: int, sink: int, idle: float = IDLE, limit: float = LIMIT
    ) -> None:
        self.machine = machine
        self.source, self.sink = source, sink
        self.idle, self.limit = idle, limit
        self.log = KernelLog(machine.root + "/dev/kmsg")
        self.jobs: list[Job] = []
        self.left: list[Job] = []  # answered "timeout", still running
        self.buffer = b""
        self.skipping = False  # what follows is the rest of a line that was too long
        self.last = time.monotonic()

    def run(self) -> None:
        """Say hello, serve, and return when the input has closed or nothing was asked for long."""
        wake = watch_children()
        self.hello()
        while True:
            poller = select.poll()
            for descriptor in {self.source, wake} | ({self.log.fd} if self.jobs else set()) - {-1}:
                poller.register(descriptor, select.POLLIN)
            events = dict(poller.poll(self.patience()))
            if wake in events:
                os.read(wake, 4096)
            self.tell_log()
            self.look_after_jobs()
            if self.source in events and not self.take():
                return
            if not self.jobs and time.monotonic() - self.last >= self.idle:
                self.send({"bye": {"reason": "idle", "message": "Nothing was asked for a while."}})
                return

    def patience(self) -> float:
        """Return the milliseconds until something is due."""
        due = [job.began + self.limit for job in self.jobs] or [self.last + self.idle]
        return max(0.0, min(due) - time.monotonic()) * 1000 + 1

    def hello(self) -> None:
        """Tell who this is and what it can do."""
        try:
            modprobe = self.machine.modprobe()
        except Refused:
            modprobe = ""  # whoever needs it is told why there is none
        hello = {"protocol": PROTOCOL, "version": VERSION, "pid": os.getpid(), "uid": os.geteuid()}
        self.send({"hello": {**hello, "operations": sorted(OPERATIONS), "modprobe": modprobe}})

    def take(self) -> bool:
        """Read what there is and serve each full line; return False at the end of the input."""
        data = os.read(self.source, 65536)
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if self.skipping:
                self.skipping = False
            elif line.strip():
                self.serve(line)
        if len(self.buffer) > MAX_REQUEST:
            if not self.skipping:
                self.serve(self.buffer)  # too long already: refused
            self.buffer, self.skipping = b"", True
        return bool(data)

    def serve(self, line: bytes) -> None:
        """Begin with the request in a line, or refuse it."""
        self.last = time.monotonic()
        audit("request", line[:2000].decode("utf-8", "replace"))
        number = None
        try:
            if len(line) > MAX_REQUEST:
                raise Refused("invalid", "The line is too long.", errno.EMSGSIZE)
            request = parse(line)
            number = request["id"]
            check_fields(request)
            if any(job.number == number for job in self.jobs):
                raise Refused("invalid", "That id is in use.", errno.EINVAL)
            if len(self.jobs) + len(self.left) >= MAX_JOBS:
                raise Refused("busy", "Too many requests are under way.", errno.EBUSY)
            if not self.jobs:
                self.log.skip()
            job = Job(self.machine, request)
        except FAILURES as error:
            subject = getattr(error, "subject", "")
            self.answer(number, {**broken_off(error).told(), "subject": subject})
        else:
            self.jobs.append(job)
            self.look_after_jobs()

    def look_after_jobs(self) -> None:
        """Answer what is done or too late, and let the rest go on."""
        for job in list(self.jobs):
            try:
                outcome = job.outcome or job.look()
            except FAILURES as error:
                outcome = broken_off(error)
            if outcome is None and time.monotonic() - job.began >= self.limit:
                outcome = Outcome("timeout", "It still runs, and was left to itself.")
                self.left.append(job)
            if outcome:
                self.tell_log()
                self.jobs.remove(job)
                self.answer(job.number, job.result(outcome))
        for job in [job for job in self.left if job.child.poll() is not None]:
            self.left.remove(job)
            audit("late end", f"id {job.number} {job.command}")

    def tell_log(self) -> None:
        """Hand new kernel-log records to every request under way."""
        for record in self.log.drain() if self.jobs else ():
            for job in self.jobs:
                job.records += 1
                if job.records <= MAX_RECORDS:
                    self.send({"id": job.number, "log": record})

    def answer(self, number: int | None, result: dict[str, Any]) -> None:
        """Send a result and note it down."""
        self.last = time.monotonic()
        kept = {key: result.get(key) for key in ("code", "errno", "subject", "command", "after")}
        audit("result", f"id {number} {json.dumps(kept)}")
        self.send({"id": number, "result": result})

    def send(self, message: dict[str, Any]) -> None:
        """Write one line."""
        data = json.dumps(message).encode("ascii") + b"\n"
        while data:
            data = data[os.write(self.sink, data) :]


def watch_children() -> int:
    """Return a descriptor that becomes readable whenever a child has ended."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


# --- who asks, and the way in -------------------------------------------------------------


def caller() -> str:
    """Return who is behind this session, as far as the system tells, for the audit."""
    names = ("SUDO_UID", "SUDO_USER", "SUDO_TTY", "PKEXEC_UID", "DOAS_USER")
    told = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:
            told.append("loginuid=" + file.read().strip())  # kept through every change of user
    except OSError:
        pass  # a kernel without audit
    with open("/proc/self/stat", "rb") as file:
        terminal = int(file.read().rpartition(b")")[2].split()[4])
    return " ".join([*told, f"tty={os.major(terminal)}:{os.minor(terminal)}", f"argv={sys.argv}"])


def audit(what: str, text: str) -> None:
    """Write one line of printable ASCII to syslog."""
    syslog.syslog(syslog.LOG_NOTICE, f"{what}: {ascii(text)[1:-1]}"[:4000])


def options(arguments: list[str]) -> dict[str, float]:
    """Return the seconds of --idle=N and --limit=N; there are no other options with a value."""
    values = {}
    for argument in arguments:
        found = re.fullmatch(r"--(idle|limit)=([1-9][0-9]{0,4})", argument)
        if not found:
            sys.exit("usage: kmodtui-helper [--detach] [--idle=SECONDS] [--limit=SECONDS]")
        values[found[1]] = float(found[2])
    return values


def main() -> None:
    """Serve one session on standard input and output, as root."""
    chosen = options([argument for argument in sys.argv[1:] if argument != "--detach"])
    # Copies that no program started from here inherits. The numbers 0 to 2 lead nowhere
    # afterwards: the terminal belongs to the dashboard.
    source, sink = os.dup(0), os.dup(1)
    if os.geteuid() != 0:
        told = {"reason": "not-root", "message": "The helper is not root: it can change nothing."}
        os.write(sink, json.dumps({"bye": told}).encode("ascii") + b"\n")
        sys.exit(1)
    if "--detach" in sys.argv[1:]:
        # For a sudo that cannot go to the background: it ends with the process it started,
        # and gives the terminal back. The pipes stay with the session.
        if os.fork():
            os._exit(0)
        os.setsid()
    syslog.openlog("kmodtui-helper", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    audit("session", caller())
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    os.chdir("/")
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # inherited blocks would hide children's ends
    nowhere = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    try:
        Session(Machine(), source, sink, **chosen).run()
        audit("end", "the input has closed, or was silent for long")
    except BrokenPipeError:
        audit("end", "nobody listens any more")
    except Exception as error:
        audit("end", repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
