#!/usr/bin/python3 -IS
"""The root side of kmodtui: changes the kernel's modules for a person who may.

Read this before you trust it. It is one file and imports the standard library
alone. It reads requests from its standard input, one JSON object a line, and
answers on its standard output; `protocol.py` beside it says how. It has a few
operations (OPERATIONS) with checked arguments (FIELDS), and no way to run, read
or write anything else. It trusts nothing that it is told:

* every field of a request is checked here, whoever sent it;
* a module must stand in the root-owned index of the running kernel, or be loaded; a
  module file must be the one whose SHA-256 a person has confirmed;
* programs are run by absolute path, without a shell, with an environment made
  here, and with `--` before the first name;
* "done" is said only when the system shows what was asked for;
* every request and every result goes to syslog as `kmodtui-helper`.

It never kills what it has begun: what hangs in a module's init is left to itself
when the time is up, and when the session ends. It ends when its input closes, or
when nothing was asked of it for a while.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated and sys.flags.no_site):
    # Before any other import: without -I a json.py in the wrong place would run as root.
    sys.exit("kmodtui-helper is to be run as: /usr/bin/python3 -I -S " + sys.argv[0])

import base64
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import select
import signal
import stat
import subprocess
import syslog
import time
from collections.abc import Callable, Generator, Iterator
from io import FileIO
from itertools import islice
from typing import Any, NamedTuple

PROTOCOL = 2
VERSION = "0.1.0"

MAX_REQUEST = 64 * 1024  # bytes of one line
MAX_NAMES = 256
MAX_PARAMETERS = 64
MAX_TEXT = 1024  # characters of a value, a path, or one key=value
MAX_DEPTH = 32  # parts of a path
MAX_FILE = 512 * 1024 * 1024  # bytes of a module file
MAX_JOBS = 8  # under way or left hanging, at once
MAX_OUTPUT = 32 * 1024  # bytes told of what programs printed
MAX_RECORDS = 2000  # kernel-log records told of one change
MAX_LOG = 500_000  # kernel-log records told to who asks for the log
MAX_WAIT = 3600  # seconds that references may take to go
ROOM = 128 * 1024  # bytes that a child can print
PIECE = 48 * 1024  # bytes told at once of something long
IDLE = 15 * 60.0  # seconds without a request until root is given up
MAX_IDLE = 8 * 3600  # what can be asked for instead
LIMIT = 60.0  # seconds until a request is answered "timeout"
DEAF = 30.0  # seconds until a dashboard that takes no answer is given up

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
BLACKLIST = "/etc/modprobe.d/kmodtui-blacklist.conf"
BLACKLIST_HEAD = "# kmodtui's own list, which it writes anew; see blacklist in modprobe.d(5).\n"

# init_module(2) has no function in libc. The numbers are the kernel's, by machine and word.
INIT_MODULE = {
    "x86_64/64": 175, "aarch64/64": 105, "riscv64/64": 105, "loongarch64/64": 105,
    "ppc64le/64": 128, "s390x/64": 128, "i686/32": 128, "armv7l/32": 128,
}  # fmt: skip
MFD_NOEXEC_SEAL = 8  # Linux 6.3, where vm.memfd_noexec may ask for it
COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # how gzip, xz and zstd begin


class Outcome(Exception):  # noqa: N818 - an answer, and raised where there is no more to do
    """How a request ended: a code of the protocol, a sentence, an errno, other fields."""

    def __init__(self, code: str, message: str = "", number: int | None = None, **more: Any):
        super().__init__(message)
        self.code, self.message, self.number, self.more = code, message, number, more

    def told(self) -> dict[str, Any]:
        """Return it as the protocol has it."""
        told = {"code": self.code, "message": self.message, "errno": self.number}
        return {"ok": self.code == "done", **told, **self.more}


FAILURES = (Outcome, OSError, subprocess.SubprocessError)


def outcome_of(error: Exception) -> Outcome:
    """Return the outcome of a request that one of FAILURES has ended."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Outcome("failed", f"{where}{error.strerror or error}", error.errno)
    return error if isinstance(error, Outcome) else Outcome("failed", str(error))


class Ended(NamedTuple):
    """How a program ended."""

    exit: int
    output: str


# --- the steps of an operation: what it yields, and what it is sent in return -------------


class Program(NamedTuple):
    """Run a program because of a module; in return comes how that Ended."""

    subject: str
    command: list[str]


class Work(NamedTuple):
    """Do this in a child, since it may never end; in return comes its Outcome."""

    subject: str
    do: Callable[[], Outcome]


class Pause(NamedTuple):
    """Wait for so many seconds; or end here, if a request to stop comes."""

    seconds: float


Steps = Generator["Program | Work | Pause", Any, Outcome]


# --- the system ---------------------------------------------------------------------------


class Loaded(NamedTuple):
    """What /proc/modules says of one module."""

    refcount: int  # -1 while it goes; 0 where the kernel does not count
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
            raise Outcome("no-modules", "There is no /proc/modules.", errno.ENOSYS) from None
        modules = {}
        for fields in (line.split(" ") for line in lines):
            if len(fields) >= 6:
                count = int(fields[2]) if re.fullmatch(r"-?[0-9]{1,9}", fields[2]) else 0
                modules[fields[0]] = Loaded(count, "[permanent]" in fields[3], fields[4])
        return modules

    def check_loaded(self, name: str, wanted: bool) -> None:
        """Refuse a module that is not loaded, or one that is."""
        if (name in self.modules()) != wanted:
            code = ("not-loaded", "It is not loaded.", errno.ENOENT) if wanted else (
                "already-loaded", "It is loaded already.", errno.EEXIST)  # fmt: skip
            raise Outcome(*code, subject=name)

    def states(self, names: list[str]) -> dict[str, str | None]:
        """Return Live, Loading, Unloading or None of each module that is named."""
        modules = self.modules() if names else {}
        return {name: modules[name].state if name in modules else None for name in names}

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
            raise Outcome("no-modules", message, error.errno) from None
        return {canonical(line.split(":", 1)[0]) for line in lines if line}

    def check_known(self, name: str) -> None:
        """Refuse a module that the running kernel's index does not have."""
        if name not in self.index("modules.dep"):
            if name in self.index("modules.builtin"):
                told = "It is built into the kernel."
                raise Outcome("built-in", told, errno.EEXIST, subject=name)
            told = f"The index of the running kernel {self.release} has no such module."
            raise Outcome("unknown-module", told, errno.ENOENT, subject=name)

    def check_trusted(self, status: os.stat_result, path: str) -> None:
        """Refuse what others than root can write."""
        if status.st_uid != self.owner or status.st_mode & 0o022:
            raise Outcome("no-modules", f"{path} can be written by others than root", errno.EPERM)

    def modprobe(self) -> str:
        """Return the absolute path of kmod's modprobe, and of no other one."""
        reason = "there is none in /sbin and /usr/sbin"
        for path in (f"{self.root}/sbin/modprobe", f"{self.root}/usr/sbin/modprobe"):
            real = os.path.realpath(path)
            try:
                self.check_trusted(os.stat(os.path.dirname(real)), os.path.dirname(real))
                self.check_trusted(os.stat(real), real)
                said = self.run([path, "--version"]).output
            except FileNotFoundError:
                continue
            except FAILURES as error:
                reason = str(error)
                continue
            if said.startswith("kmod version"):
                return path
            reason = f"{path} is {'BusyBox' if 'BusyBox' in said else 'somebody'}'s, not kmod's"
        raise Outcome("no-modprobe", f"No usable modprobe: {reason}.", errno.ENOENT)

    def run(self, command: list[str]) -> Ended:
        """Run a program that only prints, and wait for all of it: an end cut off may matter."""
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=ENVIRONMENT, cwd="/", close_fds=True, timeout=10,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout.decode("utf-8", "replace"))

    def open_log(self, whole: bool) -> FileIO | None:
        """Return the kernel's log, to be read from now on; or whole, or else OSError."""
        try:
            descriptor = os.open(self.root + "/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            if whole:
                raise
            return None  # a change can do without
        os.lseek(descriptor, 0, os.SEEK_SET if whole else os.SEEK_END)
        return FileIO(descriptor)

    # What follows is the Work of a child: each of these may hang.

    def write_parameter(self, name: str, key: str, value: str) -> Outcome:
        """Write a parameter; tell what the kernel showed of it before, and shows now."""
        path = f"{self.root}/sys/module/{name}/parameters/{key}"
        before, outcome = shown(path), Outcome("done")
        try:
            target = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
            with os.fdopen(target, "wb", buffering=0) as file:
                file.write(value.encode())
        except OSError as error:
            outcome = outcome_of(error)
        outcome.more = {"before": {key: before}, "after": {key: shown(path)}}
        return outcome

    def insert(self, path: str, sha256: str, parameters: list[str]) -> Outcome:
        """Give a module file to the kernel if it is the one with this SHA-256.

        The bytes that were hashed are the ones that are loaded: the file itself could be
        changed in between by whoever has it open.
        """
        source, parts = self.open_file(path)
        with os.fdopen(source, "rb") as file:
            image = file.read(MAX_FILE)
        outcome = Outcome("done")
        if hashlib.sha256(image).hexdigest() != sha256:
            message = f"{path} is not the file that was confirmed: its SHA-256 is another."
            outcome = Outcome("changed-file", message, errno.ESTALE)
        elif image.startswith(COMPRESSED):
            message = f"{path} is compressed: unpack it, or load the module by its name."
            outcome = Outcome("compressed", message, errno.ENOEXEC)
        else:
            try:
                pairs = [parameter.split("=", 1) for parameter in parameters]
                quoted = [(k, f'"{v}"' if " " in v else v) for k, v in pairs]  # as modprobe does
                self.init_module(image, " ".join(map("=".join, quoted)).encode())
            except OSError as error:
                outcome = outcome_of(error)
        outcome.more = {"file": parts}
        return outcome

    def open_file(self, path: str) -> tuple[int, list[dict[str, Any]]]:
        """Open a regular file without following any link; tell whose it and its folders are."""
        here, status, part = os.open(self.root or "/", os.O_PATH), None, ""
        parts: list[dict[str, Any]] = []
        for name in path.split("/")[1:]:
            part, folder = f"{part}/{name}", here
            try:
                here = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
            status = os.fstat(here)
            parts.append({"name": name, "uid": status.st_uid, "mode": status.st_mode & 0o7777})
            if stat.S_ISLNK(status.st_mode):
                raise Outcome("failed", f"{part} is a link; name the file itself.", errno.ELOOP)
        if status is None or not stat.S_ISREG(status.st_mode):
            raise Outcome("failed", f"{path} is no regular file.", errno.EINVAL)
        try:
            return os.open(f"/proc/self/fd/{here}", os.O_RDONLY), parts  # this one and no other
        finally:
            os.close(here)

    def init_module(self, image: bytes, parameters: bytes) -> None:
        """Insert a module. OSError if the kernel refuses."""
        import ctypes  # not in every small installation of Python, and needed for this alone

        machine = f"{os.uname().machine}/{64 if sys.maxsize > 2**32 else 32}"
        if machine not in INIT_MODULE:
            raise Outcome("failed", f"Files cannot be inserted on {machine}.", errno.ENOSYS)
        libc, number = ctypes.CDLL(None, use_errno=True), ctypes.c_long(INIT_MODULE[machine])
        if libc.syscall(number, image, ctypes.c_ulong(len(image)), parameters) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def change_blacklist(self, names: list[str], wanted: bool) -> Outcome:
        """Put modules on the blacklist, or take them off: one file, written anew as a whole."""
        path, new = self.root + BLACKLIST, self.root + BLACKLIST + ".new"
        self.check_trusted(os.stat(os.path.dirname(path)), os.path.dirname(path))
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)  # one writer at a time
        except FileExistsError:
            message = f"{new} is there: somebody writes it now, or has left it, and it can go."
            raise Outcome("failed", message, errno.EEXIST) from None
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                before = self.blacklisted(path)
                after = before | set(names) if wanted else before - set(names)
                file.write(BLACKLIST_HEAD + "".join(f"blacklist {n}\n" for n in sorted(after)))
                file.flush()
                os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            if after:
                os.rename(new, path)
            else:
                if os.path.exists(path):
                    os.unlink(path)
                os.unlink(new)  # not before: until here nobody else writes
        except BaseException:
            os.unlink(new)
            raise
        told = [{name: "blacklisted" if name in names_there else None for name in names}
                for names_there in (before, self.blacklisted(path))]  # fmt: skip
        right = all(bool(state) == wanted for state in told[1].values())
        return Outcome("done" if right else "not-done", before=told[0], after=told[1])

    def blacklisted(self, path: str) -> set[str]:
        """Return the modules on the blacklist, which must be root's if it is there."""
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                self.check_trusted(os.fstat(file.fileno()), path)
                lines = file.read(1 << 20).splitlines()
        except FileNotFoundError:
            return set()
        found = (re.fullmatch(rf"\s*blacklist\s+({NAME.pattern})\s*", line) for line in lines)
        return {canonical(match[1]) for match in found if match}


def canonical(path: str) -> str:
    """Return the kernel's name of a module: no folder, nothing after a dot, `-` as `_`."""
    return path.strip().rsplit("/", 1)[-1].split(".", 1)[0].replace("-", "_")


def shown(path: str) -> str | None:
    """Return what a parameter shows now; None if it is not there, or cannot be read."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(source, encoding="utf-8", errors="backslashreplace") as file:
            return file.read(4096).rstrip("\n")
    except OSError:
        return None


# --- requests -----------------------------------------------------------------------------

PLAIN = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"  # on one line, and text at all
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,54}")
KEY = re.compile(r"[A-Za-z0-9_]{1,64}")
VALUE = re.compile(PLAIN + "+")
PARAMETER = re.compile(rf"{KEY.pattern}={PLAIN}*")
PATH = re.compile(rf"(/(?!\.{{1,2}}(/|$))((?!/){PLAIN})+){{1,{MAX_DEPTH}}}")
SHA256 = re.compile(r"[0-9a-f]{64}")
# What means nothing to a shell. Other characters are refused where an `install` rule
# exists: kmod hands it to a shell together with the parameters.
HARMLESS = re.compile(r"[A-Za-z0-9_.,:=/@%+-]*")


def is_text(value: Any, pattern: re.Pattern[str]) -> bool:
    """Return whether it is a text of this form."""
    return isinstance(value, str) and len(value) <= MAX_TEXT and bool(pattern.fullmatch(value))


def is_list(value: Any, pattern: re.Pattern[str], most: int) -> bool:
    """Return whether it is a list of up to so many texts of this form."""
    short = isinstance(value, list) and len(value) <= most
    return short and all(is_text(text, pattern) for text in value)


def is_number(value: Any, least: float, most: float) -> bool:
    """Return whether it is a number in these bounds; true, false and NaN are none."""
    return type(value) in (int, float) and least <= value <= most


# What each field must be, and how that is said.
FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda v: is_text(v, NAME), "the name of a module"),
    "names": (
        lambda v: is_list(v, NAME, MAX_NAMES) and len(v) == len(set(map(canonical, v))) > 0,
        f"a list of 1 to {MAX_NAMES} different names of modules",
    ),
    "parameters": (
        lambda v: is_list(v, PARAMETER, MAX_PARAMETERS),
        f"a list of up to {MAX_PARAMETERS} key=value, each on one line",
    ),
    "parameter": (lambda v: is_text(v, KEY), "the name of a parameter"),
    "value": (lambda v: is_text(v, VALUE), "a text on one line, and not empty"),
    "path": (lambda v: is_text(v, PATH), f"an absolute path of up to {MAX_DEPTH} parts"),
    "sha256": (lambda v: is_text(v, SHA256), "a SHA-256 in 64 lower-case digits"),
    "wait": (lambda v: is_number(v, 0, MAX_WAIT), f"seconds from 0 to {MAX_WAIT}"),
    "follow": (lambda v: isinstance(v, bool), "true or false"),
    "request": (lambda v: type(v) is int, "the id of a request"),
    "seconds": (lambda v: is_number(v, 10, MAX_IDLE), f"seconds from 10 to {MAX_IDLE}"),
}


def parse(line: bytes) -> dict[str, Any]:
    """Return the request in a line, an object with an `id` and whatever else; refuse others."""
    try:
        request = json.loads(line.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Outcome("invalid", "The line is no JSON of a request.", errno.EINVAL) from None
    if not isinstance(request, dict) or type(request.get("id")) is not int:
        raise Outcome("invalid", "A request is an object with an id.", errno.EINVAL)
    if not 1 <= request["id"] < 2**53:
        raise Outcome("invalid", "An id is a number from 1 on.", errno.EINVAL)
    return request


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; refuse one that says the same thing twice."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def check_fields(request: dict[str, Any]) -> None:
    """Refuse a request without an `op`, or with anything but that operation's proper fields."""
    operation = request.get("op")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise Outcome("invalid", "There is no such operation.", errno.EINVAL)
    fields = OPERATIONS[operation].fields
    if set(request) != {"id", "op", *fields}:
        raise Outcome("invalid", f"{operation} has other fields.", errno.EINVAL)
    for field in fields:
        is_right, what_it_is = FIELDS[field]
        if not is_right(request[field]):
            raise Outcome("invalid", f"{field} is {what_it_is}.", errno.EINVAL)


class Asked(NamedTuple):
    """A request that was checked, where it is to be done, and how to tell of it meanwhile."""

    machine: Machine
    fields: dict[str, Any]
    tell: Callable[[dict[str, Any]], None]

    @property
    def names(self) -> list[str]:
        """The modules that it names, as the kernel spells them."""
        named = [self.fields["name"]] if "name" in self.fields else self.fields.get("names", [])
        return [canonical(name) for name in named]


# --- operations ---------------------------------------------------------------------------


def load(asked: Asked) -> Steps:
    """Load one module, and what it needs, by name."""
    machine, name, parameters = asked.machine, asked.names[0], asked.fields["parameters"]
    machine.check_loaded(name, wanted=False)
    modprobe = loadable(machine, name, parameters)
    ended = yield Program(name, [modprobe, "-v", "--", name, *parameters])
    return Outcome("done") if machine.states([name])[name] == "Live" else failure(ended)


def failure(ended: Ended, number: int | None = None) -> Outcome:
    """Return what became of a module, if modprobe has not done what it was to do.

    The text of its last line, in the C locale, is the last resort for the errno: modprobe
    tells the kernel's answer in no other way. One text is its own. Its `insmod` lines come
    after its errors, since its output is no terminal.
    """
    if ended.exit == 0:
        return Outcome("not-done", "modprobe reports success.")
    lines = ended.output.strip().splitlines() or [f"modprobe has ended with {ended.exit}."]
    said = [line for line in lines if not line.startswith(("insmod ", "rmmod "))]
    words = (said or lines)[-1].rsplit(": ", 1)[-1]
    if words.startswith("Unknown symbol in module"):
        number = errno.ENOENT
    known = (number for number in errno.errorcode if os.strerror(number) == words)
    return Outcome("failed", (said or lines)[-1], number or next(known, None))


def loadable(machine: Machine, name: str, parameters: list[str]) -> str:
    """Return the modprobe that may load a module with these parameters; refuse if none may."""
    machine.check_known(name)
    modprobe = machine.modprobe()
    if not all(HARMLESS.fullmatch(parameter) for parameter in parameters):
        plan = machine.run([modprobe, "--show-depends", "--", name])
        if plan.exit or "install " in plan.output:
            message = "An install rule would hand these parameters to a shell."
            raise Outcome("invalid", message, errno.EINVAL, subject=name)
    return modprobe


def insert(asked: Asked) -> Steps:
    """Insert a module file; done if the kernel shows the name that the person was told."""
    machine, name = asked.machine, asked.names[0]
    machine.check_loaded(name, wanted=False)
    what = (asked.fields["path"], asked.fields["sha256"], asked.fields["parameters"])
    outcome: Outcome = yield Work(name, lambda: machine.insert(*what))
    if outcome.code == "done" and machine.states([name])[name] != "Live":
        outcome.code, outcome.message = "not-done", f"The file is of another module than {name}."
    return outcome


def unload(asked: Asked) -> Steps:
    """Unload modules in the order given, each with what nobody needs then, as modprobe -r does."""
    machine, names, until = asked.machine, asked.names, time.monotonic() + asked.fields["wait"]
    for name in names:
        machine.check_loaded(name, wanted=True)
    modprobe = machine.modprobe()
    for name in names:
        yield Pause(0)  # where a request to stop is heard
        while module := machine.modules().get(name):  # else it went along with an earlier one
            if module.refcount > 0 and time.monotonic() < until:
                yield Pause(0.2)
                continue
            ended = yield Program(name, [modprobe, "-v", "-r", "--", name])
            module = machine.modules().get(name)
            if module and (module.refcount <= 0 or time.monotonic() >= until):
                busy = module.permanent or module.state != "Live"
                used = errno.EAGAIN if module.refcount > 0 else None
                return failure(ended, errno.EBUSY if busy else used)
    if set(names) & set(machine.modules()):
        return Outcome("not-done", "A module came back at once.")
    return Outcome("done")


def reload(asked: Asked) -> Steps:
    """Unload one module and load it again; nothing is unloaded that could not be loaded."""
    loadable(asked.machine, asked.names[0], asked.fields["parameters"])
    outcome = yield from unload(asked)
    if outcome.code == "done":
        outcome = yield from load(asked)
    return outcome


def write_parameter(asked: Asked) -> Steps:
    """Write a parameter of a loaded module, not of the kernel."""
    machine, name = asked.machine, asked.names[0]
    machine.check_loaded(name, wanted=True)
    what = (name, asked.fields["parameter"], asked.fields["value"])
    outcome: Outcome = yield Work(name, lambda: machine.write_parameter(*what))
    return outcome


def blacklist(asked: Asked) -> Steps:
    """Keep modules from being loaded by an alias from now on, or no longer."""
    machine, names, wanted = asked.machine, asked.names, asked.fields["op"] == "blacklist"
    for name in names if wanted else ():
        if name not in machine.modules():
            machine.check_known(name)
    outcome: Outcome = yield Work(names[0], lambda: machine.change_blacklist(names, wanted))
    return outcome


def kallsyms(asked: Asked) -> Steps:
    """Tell the kernel's symbols, with addresses if it shows them to root, in pieces."""
    with open(asked.machine.root + "/proc/kallsyms", "rb") as file:
        data = file.read()
    for start in range(0, len(data), PIECE):
        asked.tell({"data": base64.b64encode(data[start : start + PIECE]).decode("ascii")})
    yield Pause(0)
    return Outcome("done")


def log(asked: Asked) -> Steps:
    """Tell the kernel's log, and what comes if that is wanted: Job does so for every request."""
    yield Pause(0)
    while asked.fields["follow"]:
        yield Pause(MAX_WAIT)
    return Outcome("done")


def of_session(_: Asked) -> Steps:
    """Stand for what is about the session itself, which sees to it: Session.begin."""
    raise NotImplementedError


class Operation(NamedTuple):
    """What a request of this kind holds, and what is done about it."""

    begin: Callable[[Asked], Steps]
    fields: tuple[str, ...]


OPERATIONS = {
    "load": Operation(load, ("name", "parameters")),
    "insert": Operation(insert, ("name", "path", "sha256", "parameters")),
    "unload": Operation(unload, ("names", "wait")),
    "reload": Operation(reload, ("name", "parameters", "wait")),
    "write-parameter": Operation(write_parameter, ("name", "parameter", "value")),
    "blacklist": Operation(blacklist, ("names",)),
    "unblacklist": Operation(blacklist, ("names",)),
    "kallsyms": Operation(kallsyms, ()),
    "log": Operation(log, ("follow",)),
    "stop": Operation(of_session, ("request",)),
    "idle": Operation(of_session, ("seconds",)),
}


# --- what is under way --------------------------------------------------------------------


class Child:
    """A process for one step. It is never killed, and goes on when the helper has ended."""

    def __init__(self, step: Program | Work) -> None:
        self.step = step
        # Not a pipe: nobody need drain it, and it does not break when the helper has
        # ended and the child has not. The seals stop it from growing.
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        try:
            self.memory = os.memfd_create("output", flags | MFD_NOEXEC_SEAL)
        except OSError:
            self.memory = os.memfd_create("output", flags)
        os.ftruncate(self.memory, ROOM)
        fcntl.fcntl(self.memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.become()
            finally:
                os._exit(127)

    def become(self) -> None:
        """Be that process: no terminal, no descriptor but its output."""
        os.setsid()
        os.chdir("/")
        nowhere = os.open("/dev/null", os.O_RDWR)
        for number, descriptor in enumerate((nowhere, self.memory, self.memory)):
            os.dup2(descriptor, number)
        os.closerange(3, 4096)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, a program must not
            signal.signal(number, signal.SIG_DFL)
        if isinstance(self.step, Program):
            command = self.step.command
            os.execve(command[0], command, ENVIRONMENT)  # noqa: S606 - a shell is not wanted
        try:
            outcome = self.step.do()
        except FAILURES as error:
            outcome = outcome_of(error)
        with open(1, "w", encoding="ascii") as output:
            json.dump([outcome.code, outcome.message, outcome.number, outcome.more], output)
        os._exit(0)

    def ended(self) -> Ended | None:
        """Return how it ended; None as long as it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        length = os.lseek(self.memory, 0, os.SEEK_CUR)  # it wrote through the same offset
        output = os.pread(self.memory, length, 0).decode("utf-8", "backslashreplace")
        os.close(self.memory)
        return Ended(os.waitstatus_to_exitcode(status), output)


class Job:
    """A request under way: its operation, the step at which that is, and what came of it."""

    def __init__(self, asked: Asked, limit: float) -> None:
        self.asked = asked
        self.records = 0  # of the kernel's log, told until now
        self.began = time.monotonic()
        self.deadline = self.began + limit + asked.fields.get("wait", 0)  # it is left alone then
        self.endless = asked.fields.get("follow", False)
        self.stopped = False  # waiting, by a request
        self.child: Child | None = None
        self.due = 0.0  # when it goes on, where it waits for no child
        names = asked.names
        self.log = asked.machine.open_log(whole=asked.fields["op"] == "log")
        self.told: dict[str, Any] = {
            "subject": names[0] if names else "", "command": [], "exit": None, "output": "",
            "before": asked.machine.states(names),
        }  # fmt: skip
        self.steps = OPERATIONS[asked.fields["op"]].begin(asked)
        self.outcome = self.go_on(None)

    def look(self) -> Outcome | None:
        """Go on if the step has ended; return the outcome once there is one."""
        if self.child is None:
            if self.stopped:
                return Outcome("stopped", "It was not waited for any longer.")
            return self.go_on(None) if time.monotonic() >= self.due else None
        ended = self.child.ended()
        if ended is None:
            return None
        if isinstance(self.child.step, Program):
            output = self.told["output"] + ended.output
            self.told.update(exit=ended.exit, output=output[-MAX_OUTPUT:])
            return self.go_on(ended)
        if ended.exit != 0:
            return Outcome("failed", f"It ended with {ended.exit} and without an answer.")
        code, message, number, more = json.loads(ended.output)
        return self.go_on(Outcome(code, message, number, **more))

    def go_on(self, sent: Ended | Outcome | None) -> Outcome | None:
        """Begin with the operation's next step; return the outcome if there is none."""
        try:
            step = self.steps.send(sent)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        self.child = None
        if isinstance(step, Pause):
            self.due = time.monotonic() + step.seconds
            return None
        self.told["subject"] = step.subject
        if isinstance(step, Program):
            self.told["command"] = step.command
        self.child = Child(step)
        return None

    def tell_log(self, most: int = 500) -> None:
        """Tell the kernel-log records that have come."""
        for record in islice(records(self.log), most):
            self.records += 1
            if self.records <= MAX_RECORDS or self.asked.fields["op"] == "log":
                self.asked.tell({"log": record})

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """Return the answer; what the kernel shows now is read here, last."""
        try:
            after = self.asked.machine.states(self.asked.names)
        except FAILURES as error:
            outcome, after = outcome_of(error), {}
        took = round(time.monotonic() - self.began, 3)
        return {**self.told, "after": after, "took": took, **outcome.told()}


def records(log: FileIO | None) -> Iterator[dict[str, Any]]:
    """Give the records that have come; Documentation/ABI/testing/dev-kmsg tells their form."""
    while log:
        try:
            data = log.read(8192)
        except BrokenPipeError:
            continue  # records were overwritten before they were read: go on with the next
        head, _, text = (data or b"").decode("ascii", "backslashreplace").partition(";")
        found = re.match(r"([0-9]+),([0-9]+),([0-9]+),", head)
        if not found:
            return
        priority, sequence, usec = (int(number) for number in found.groups())
        yield {"seq": sequence, "usec": usec, "level": priority & 7, "text": text.split("\n")[0]}


# --- the session --------------------------------------------------------------------------


class Session:
    """Requests from one descriptor, answers to another, until the input closes."""

    def __init__(
        self, machine: Machine, source: int, sink: int, idle: float = IDLE, limit: float = LIMIT
    ) -> None:
        self.machine = machine
        self.source, self.sink = source, sink
        self.idle, self.limit = idle, limit
        self.who = ""  # is behind it, for the audit
        self.jobs: list[Job] = []
        self.left: list[Child] = []  # of jobs that were answered "timeout", still running
        self.buffer = b""
        self.skipping = False  # what follows is the rest of a line that was too long
        self.last = time.monotonic()

    def run(self) -> None:
        """Say hello, serve, and return when the input has closed or nothing was asked for long."""
        wake, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)  # readable when a child has ended
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.hello()
        while True:
            poller = select.poll()
            logs = [job.log.fileno() for job in self.jobs if job.log]
            for source in (self.source, wake, *logs):
                poller.register(source, select.POLLIN)
            due = [job.deadline if job.child else job.due for job in self.jobs]
            left = min([self.end_of_idling(), *due]) - time.monotonic()
            events = dict(poller.poll(max(0.0, left) * 1000 + 1))
            if wake in events:
                os.read(wake, 4096)
            self.look_after_jobs()
            if self.source in events and not self.take():
                return
            if time.monotonic() >= self.end_of_idling():
                self.send({"bye": {"reason": "idle", "message": "Nothing was asked for a while."}})
                return

    def end_of_idling(self) -> float:
        """Return when root is given up; to follow the log is no reason to keep it."""
        return self.last + self.idle if all(job.endless for job in self.jobs) else math.inf

    def hello(self) -> None:
        """Tell who this is and what it can do."""
        try:
            modprobe = self.machine.modprobe()
        except Outcome:
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
        self.audit("request", line.decode("utf-8", "replace"))
        number = None
        try:
            if len(line) > MAX_REQUEST:
                raise Outcome("invalid", "The line is too long.", errno.EMSGSIZE)
            request = parse(line)
            number = request["id"]
            check_fields(request)
            self.begin(number, request)
        except FAILURES as error:
            self.answer(number, outcome_of(error).told())
        self.look_after_jobs()

    def begin(self, number: int, request: dict[str, Any]) -> None:
        """Begin with a request, or do at once what is about the session itself."""
        if request["op"] == "idle":
            self.idle = request["seconds"]
            raise Outcome("done")
        if request["op"] == "stop":
            for job in self.jobs:
                job.stopped = job.stopped or job.asked.fields["id"] == request["request"]
            raise Outcome("done")
        if any(job.asked.fields["id"] == number for job in self.jobs):
            raise Outcome("invalid", "That id is in use.", errno.EINVAL)
        if len(self.jobs) + len(self.left) >= MAX_JOBS:
            raise Outcome("busy", "Too many requests are under way.", errno.EBUSY)
        asked = Asked(self.machine, request, lambda more: self.send({"id": number, **more}))
        self.jobs.append(Job(asked, self.limit))

    def look_after_jobs(self) -> None:
        """Answer what is done or too late, and let the rest go on."""
        for job in list(self.jobs):
            job.tell_log()
            try:
                outcome = job.outcome or job.look()
            except FAILURES as error:
                outcome = outcome_of(error)
            if outcome is None and job.child and time.monotonic() >= job.deadline:
                outcome = Outcome("timeout", "It still runs, and was left to itself.")
                self.left.append(job.child)
            if outcome:
                job.tell_log(MAX_LOG)
                self.jobs.remove(job)
                self.answer(job.asked.fields["id"], job.result(outcome))
        for child in list(self.left):
            if ended := child.ended():
                self.left.remove(child)
                self.audit("late end", f"{child.step.subject}: {ended}")

    def answer(self, number: int | None, result: dict[str, Any]) -> None:
        """Send a result and note it down."""
        self.last = time.monotonic()
        kept = {key: result.get(key) for key in ("code", "errno", "subject", "command", "after")}
        self.audit("result", f"id {number} {json.dumps(kept)}")
        self.send({"id": number, "result": result})

    def send(self, message: dict[str, Any]) -> None:
        """Write one line. BrokenPipeError if nobody takes it."""
        data = json.dumps(message).encode("ascii") + b"\n"
        poller = select.poll()
        poller.register(self.sink, select.POLLOUT)
        poller.register(self.source, 0)  # tells of its end, which ends this waiting as well
        while data:
            if self.sink not in dict(poller.poll(DEAF * 1000)):
                raise BrokenPipeError
            data = data[os.write(self.sink, data[: select.PIPE_BUF]) :]

    def audit(self, what: str, text: str) -> None:
        """Write one line of printable ASCII to syslog."""
        syslog.syslog(syslog.LOG_NOTICE, f"{what}: {ascii(text)[1:-1][:2500]} ({self.who})")


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
    told += [f"tty={os.major(terminal)}:{os.minor(terminal)}", f"argv={sys.argv}"]
    return ascii(" ".join(told))[1:-1][:1000]


def options(arguments: list[str]) -> dict[str, float]:
    """Return the seconds of --idle=N and --limit=N, up to MAX_IDLE; no other has a value."""
    values = {}
    for argument in arguments:
        found = re.fullmatch(r"--(idle|limit)=([1-9][0-9]{0,4})", argument)
        if not found or int(found[2]) > MAX_IDLE:
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
    session = Session(Machine(), source, sink, **chosen)
    session.who = caller()
    session.audit("session", "begins")
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
        session.run()
        session.audit("end", "the input has closed, or was silent for long")
    except BrokenPipeError:
        session.audit("end", "nobody listens any more")
    except Exception as error:
        session.audit("end", repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
