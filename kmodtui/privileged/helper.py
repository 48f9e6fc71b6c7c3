#!/usr/bin/python3 -IS
"""The root side of kmodtui: changes the kernel's modules for a person who may.

Read this before you trust it. It is one file and imports the standard library alone. It
reads requests from its standard input, one JSON object a line, and answers them one after
the other on its standard output; `protocol.py` beside it says how. It has a few operations
(OPERATIONS) with checked arguments (FIELDS), and no way to run, read or write anything else.

* Every field of a request is checked here, whoever sent it.
* A module must stand in the root-owned index of the running kernel, or be loaded; a module
  file must be the one whose SHA-256 a person has confirmed.
* Programs are run by absolute path, without a shell, with an environment made here, and
  with `--` before the first name.
* "Done" is said only when the system shows what was asked for.
* Every request and every result goes to syslog as `kmodtui-helper`.

What may hang, in a module's init above all, is done by a child. No child is ever killed:
when its time is up, or nobody waits for it any more, it is left to itself. The session ends
when its input closes, or when nothing was asked for a while.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated and sys.flags.no_site):
    # Before any other import: without -I a json.py in the wrong place would run as root.
    sys.exit("kmodtui-helper is to be run as: /usr/bin/python3 -I -S " + sys.argv[0])

import base64
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import select
import signal
import stat
import syslog
import time
from collections.abc import Callable, Generator, Iterator
from io import FileIO
from typing import Any, NamedTuple, Union, cast

PROTOCOL = 3
VERSION = "0.1.0"

MAX_REQUEST = 64 * 1024  # bytes of one line
MAX_JOBS = 12  # requests that wait, logs that are told, and children left to themselves
MAX_NAMES = 256
MAX_PARAMETERS = 64
MAX_TEXT = 1024  # characters of a value, a path, or one key=value
MAX_FILE = 512 * 1024 * 1024  # bytes of a module file
MAX_OUTPUT = 32 * 1024  # bytes told of what programs printed
MAX_RECORDS = 2000  # kernel-log records told of one change
MAX_LOG = 100_000  # kernel-log records told at once to who asks for the log
MAX_WAIT = 3600  # seconds that references may take to go
MAX_IDLE = 8 * 3600
ROOM = 128 * 1024  # bytes that a child can write
PIECE = 48 * 1024  # bytes told at once of something long
IDLE = 15 * 60.0  # seconds without a request until root is given up, unless others are set
LIMIT = 60.0  # seconds until a child is left to itself
DEAF = 30.0  # seconds until a dashboard that takes no answer is given up

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
BLACKLIST = "/etc/modprobe.d/kmodtui-blacklist.conf"
BLACKLIST_HEAD = "# kmodtui's own list, which it writes anew; see blacklist in modprobe.d(5).\n"

# init_module(2) has no function in libc. The numbers are the kernel's, by machine and word.
INIT_MODULE = {
    "x86_64/64": 175, "aarch64/64": 105, "riscv64/64": 105, "loongarch64/64": 105,
    "ppc64le/64": 128, "s390x/64": 128, "i686/32": 128, "armv7l/32": 128,
}  # fmt: skip
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


FAILURES = (Outcome, OSError)
STOPPED = Outcome("stopped", "It was not waited for any longer.")
TIMEOUT = Outcome("timeout", "It still runs, and was left to itself.")


def outcome_of(error: Outcome | OSError) -> Outcome:
    """Return the outcome of a request that one of FAILURES has ended."""
    if isinstance(error, Outcome):
        return error
    where = f"{error.filename}: " if error.filename else ""
    return Outcome("failed", f"{where}{error.strerror or error}", error.errno)


class Ended(NamedTuple):
    """How a child ended, and what it wrote."""

    exit: int
    output: str


# What an operation yields: a command, in return for how that Ended, or something to do, in
# return for its Outcome, both by a child; seconds to wait; or bytes to tell.
Steps = Generator[Union["list[str]", "Callable[[], Outcome]", float, bytes], Any, Outcome]
Request = dict[str, Any]  # its fields by name, and `names`: what it names, as the kernel spells it


# --- the system ---------------------------------------------------------------------------


class Loaded(NamedTuple):
    """What /proc/modules says of one module."""

    refcount: int  # 0 where the kernel does not count, or while it goes
    permanent: bool
    state: str


class Machine:
    """The running system. Tests make one for a folder; `main` makes the one for /."""

    def __init__(self, root: str = "", release: str = "", owner: int = 0) -> None:
        self.root, self.release, self.owner = root, release or os.uname().release, owner

    def modules(self) -> dict[str, Loaded]:
        """Return the modules that are loaded, by name."""
        try:
            with open(self.root + "/proc/modules", "rb", buffering=0) as file:
                lines = file.readall().decode("ascii", "replace").splitlines()
        except FileNotFoundError:
            raise Outcome("no-modules", "There is no /proc/modules.", errno.ENOSYS) from None
        rows = [line.split(" ") for line in lines if line.count(" ") > 3]
        return {
            name: Loaded(int(count) if count.isdigit() else 0, "[permanent]" in users, state)
            for name, _, count, users, state, *_ in rows
        }

    def states(self, names: list[str]) -> dict[str, str | None]:
        """Return Live, Loading, Unloading or None of each module that is named."""
        modules = self.modules() if names else {}
        return {name: modules[name].state if name in modules else None for name in names}

    def check_loaded(self, name: str, wanted: bool) -> None:
        """Refuse a module that is not loaded, or one that is."""
        loaded = name in self.modules()
        if loaded and not wanted:
            raise Outcome("already-loaded", "It is loaded already.", errno.EEXIST, subject=name)
        if wanted and not loaded:
            raise Outcome("not-loaded", "It is not loaded.", errno.ENOENT, subject=name)

    def check_known(self, name: str) -> None:
        """Refuse a module that the running kernel's index does not have."""
        if name in self.index("modules.dep"):
            return
        if name in self.index("modules.builtin"):
            raise Outcome("built-in", "It is built into the kernel.", errno.EEXIST, subject=name)
        told = f"The index of the running kernel {self.release} has no such module."
        raise Outcome("unknown-module", told, errno.ENOENT, subject=name)

    def index(self, name: str) -> set[str]:
        """Return the modules in an index of the running kernel, which must be root's."""
        folder = f"{self.root}/lib/modules/{self.release}"
        try:
            indexes = [file for file in os.listdir(folder) if file.startswith("modules.")]
            self.check_trusted(folder, *(f"{folder}/{file}" for file in indexes))
            with open(f"{folder}/{name}", encoding="ascii", errors="replace") as file:
                return {canonical(line.split(":")[0]) for line in file}
        except OSError as error:
            message = f"The index {name} of the running kernel {self.release}: {error.strerror}."
            raise Outcome("no-modules", message, error.errno) from None

    def check_trusted(self, *paths: str) -> None:
        """Refuse what others than root can write."""
        for path, status in ((path, os.stat(path)) for path in paths):
            if status.st_uid != self.owner or status.st_mode & 0o022:
                message = f"{path} can be written by others than root."
                raise Outcome("no-modules", message, errno.EPERM)

    def modprobe(self) -> str:
        """Return the path of kmod's modprobe, which is a link to kmod; BusyBox's is none."""
        path = self.root + "/sbin/modprobe"
        real = os.path.realpath(path)
        if os.path.basename(real) != "kmod" or not os.path.exists(real):
            raise Outcome("no-modprobe", f"{path} is missing, or not kmod's.", errno.ENOENT)
        self.check_trusted(os.path.dirname(real), real)
        return path

    # What follows are operations that a child does as a whole: each may hang.

    def write_parameter(self, asked: Request) -> Outcome:
        """Write a parameter of a loaded module; tell what the kernel showed of it and shows now."""
        name, key = asked["names"][0], asked["parameter"]
        self.check_loaded(name, wanted=True)  # the kernel's own are out of reach
        path = f"{self.root}/sys/module/{name}/parameters/{key}"
        before, outcome = shown(path), Outcome("done")
        try:
            target = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
            with os.fdopen(target, "wb", buffering=0) as file:
                file.write(asked["value"].encode())
        except OSError as error:
            outcome = outcome_of(error)
        outcome.more = {"before": {key: before}, "after": {key: shown(path)}}
        return outcome

    def insert(self, asked: Request) -> Outcome:
        """Insert a module file with this SHA-256; done if the kernel then shows the name.

        The bytes that were hashed are the ones that are loaded: the file itself could be
        changed in between by whoever has it open.
        """
        (name,), path, outcome = asked["names"], asked["path"], Outcome("done")
        self.check_loaded(name, wanted=False)
        source, parts = self.open_file(path)
        with os.fdopen(source, "rb") as file:
            image = file.read(min(MAX_FILE, os.fstat(source).st_size))  # /proc has endless ones
        if hashlib.sha256(image).hexdigest() != asked["sha256"]:
            message = f"{path} is not the file that was confirmed: its SHA-256 is another."
            outcome = Outcome("changed-file", message, errno.ESTALE)
        elif image.startswith(COMPRESSED):
            message = f"{path} is compressed: unpack it, or load the module by its name."
            outcome = Outcome("compressed", message, errno.ENOEXEC)
        else:
            pairs = (parameter.split("=", 1) for parameter in asked["parameters"])
            quoted = (f'{k}="{v}"' if " " in v else f"{k}={v}" for k, v in pairs)  # as modprobe
            try:
                self.init_module(image, " ".join(quoted).encode())
                if self.states([name])[name] != "Live":
                    outcome = Outcome("not-done", f"The file is of another module than {name}.")
            except OSError as error:
                outcome = outcome_of(error)
        outcome.more = {"file": parts}
        return outcome

    def open_file(self, path: str) -> tuple[int, list[dict[str, Any]]]:
        """Open a regular file if no link leads to it; tell whose it and its folders are."""
        found = os.open(self.root + path, os.O_PATH)  # which opens no device, and waits for nobody
        try:
            if os.readlink(f"/proc/self/fd/{found}") != self.root + path:
                raise Outcome("failed", f"{path}: a link is in it; name the file.", errno.ELOOP)
            if not stat.S_ISREG(os.fstat(found).st_mode):
                raise Outcome("failed", f"{path} is no regular file.", errno.EINVAL)
            names, parts = path.split("/"), []
            for end, name in list(enumerate(names, 1))[1:]:
                status = os.lstat(self.root + "/".join(names[:end]))
                owner, mode = status.st_uid, stat.S_IMODE(status.st_mode)
                parts.append({"name": name, "uid": owner, "mode": mode})
            return os.open(f"/proc/self/fd/{found}", os.O_RDONLY), parts  # this one and no other
        finally:
            os.close(found)

    def init_module(self, image: bytes, parameters: bytes) -> None:
        """Insert a module. OSError if the kernel refuses."""
        import ctypes  # not in every small installation of Python, and needed for this alone

        machine = f"{os.uname().machine}/{64 if sys.maxsize > 2**32 else 32}"
        if machine not in INIT_MODULE:
            raise Outcome("failed", f"Files cannot be inserted on {machine}.", errno.ENOSYS)
        libc, number = ctypes.CDLL(None, use_errno=True), ctypes.c_long(INIT_MODULE[machine])
        if libc.syscall(number, image, ctypes.c_ulong(len(image)), parameters) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def blacklist(self, asked: Request) -> Outcome:
        """Put modules on the blacklist, or take them off: one file, written anew as a whole."""
        names, wanted, path = asked["names"], asked["op"] == "blacklist", self.root + BLACKLIST
        for name in set(names) - set(self.modules()) if wanted else ():
            self.check_known(name)
        self.check_trusted(os.path.dirname(path))
        with open(self.root + "/run/kmodtui-blacklist.lock", "w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # one writer at a time
            before = self.blacklisted(path)
            after = before | set(names) if wanted else before - set(names)
            with open(path + ".new", "w") as file:
                file.write(BLACKLIST_HEAD + "".join(f"blacklist {n}\n" for n in sorted(after)))
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            os.rename(path + ".new", path)
            if not after:
                os.unlink(path)
            after = self.blacklisted(path)
        told = [{name: "blacklisted" if name in there else None for name in names}
                for there in (before, after)]  # fmt: skip
        done = all((name in after) == wanted for name in names)
        return Outcome("done" if done else "not-done", before=told[0], after=told[1])

    def blacklisted(self, path: str) -> set[str]:
        """Return the modules on the blacklist, which must be root's if it is there."""
        if not os.path.exists(path):
            return set()
        self.check_trusted(path)
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(1 << 20)
        return set(map(canonical, re.findall(rf"(?m)^blacklist[ \t]+({NAME})[ \t]*$", text)))


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


class Log(FileIO):
    """The kernel's log; Documentation/ABI/testing/dev-kmsg tells the form of its records."""

    def __init__(self, root: str, whole: bool) -> None:
        super().__init__(os.open(root + "/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
        self.seek(0, os.SEEK_SET if whole else os.SEEK_END)
        self.left = sys.maxsize if whole else MAX_RECORDS

    def records(self, most: int) -> Iterator[dict[str, Any]]:
        """Give the records that have come, in up to so many readings: the kernel may be faster."""
        for _ in range(most):
            try:
                data = self.read(8192) or b""
            except BrokenPipeError:
                continue  # records were overwritten before they were read: go on with the next
            head, _, text = data.decode("ascii", "backslashreplace").partition(";")
            found = re.match(r"([0-9]+),([0-9]+),([0-9]+),", head)
            if not found:
                return
            level, seq, usec = map(int, found.groups())
            self.left -= 1
            if self.left >= 0:
                line = text.partition("\n")[0]
                yield {"seq": seq, "usec": usec, "level": level & 7, "text": line}


# --- requests -----------------------------------------------------------------------------

PLAIN = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"  # on one line, and text at all
NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,54}"
KEY = r"[A-Za-z0-9_]{1,64}"
PATH = rf"(/(?!\.{{1,2}}(/|$))((?!/){PLAIN})+)+"
# What means nothing to a shell. Other characters are refused where an `install` rule
# exists: kmod hands it to a shell together with the parameters.
HARMLESS = re.compile(r"[A-Za-z0-9_.,:=/@%+-]*")


def is_text(value: Any, pattern: str) -> bool:
    """Return whether it is a text of this form."""
    return isinstance(value, str) and len(value) <= MAX_TEXT and bool(re.fullmatch(pattern, value))


FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda v: is_text(v, NAME),
    "names": lambda v: isinstance(v, list) and 0 < len(v) <= MAX_NAMES
    and all(is_text(name, NAME) for name in v) and len(set(map(canonical, v))) == len(v),
    "parameters": lambda v: isinstance(v, list) and len(v) <= MAX_PARAMETERS
    and all(is_text(parameter, f"{KEY}={PLAIN}*") for parameter in v),
    "parameter": lambda v: is_text(v, KEY),
    "value": lambda v: is_text(v, PLAIN + "+"),
    "path": lambda v: is_text(v, PATH),
    "sha256": lambda v: is_text(v, "[0-9a-f]{64}"),
    # True and false are of another type here, and NaN is in no bounds.
    "wait": lambda v: type(v) in (int, float) and 0 <= v <= MAX_WAIT,
    "seconds": lambda v: type(v) in (int, float) and 10 <= v <= MAX_IDLE,
    "follow": lambda v: type(v) is bool,
    "request": lambda v: type(v) is int,
}  # fmt: skip


def parse(line: bytes) -> Request:
    """Return the request in a line, an object with an `id` and whatever else; refuse others."""
    try:
        request = json.loads(line.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Outcome("invalid", "The line is no JSON of a request.", errno.EINVAL) from None
    number = request.get("id") if isinstance(request, dict) else None
    if type(number) is not int or not 1 <= number < 2**53:
        raise Outcome("invalid", "A request is an object with an id from 1 on.", errno.EINVAL)
    return dict(request)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object; refuse one that says the same thing twice."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def checked(request: Request) -> Request:
    """Return a request with its `names`; refuse any but an operation with its proper fields."""
    operation = request.get("op")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise Outcome("invalid", "There is no such operation.", errno.EINVAL)
    fields = OPERATIONS[operation][1:]
    if set(request) != {"id", "op", *fields}:
        raise Outcome("invalid", f"{operation} has other fields.", errno.EINVAL)
    for field in fields:
        if not FIELDS[field](request[field]):
            raise Outcome("invalid", f"This is no proper {field}.", errno.EINVAL)
    named = [request["name"]] if "name" in request else request.get("names", [])
    return {**request, "names": [canonical(name) for name in named]}


# --- operations ---------------------------------------------------------------------------


def load(machine: Machine, asked: Request) -> Steps:
    """Load one module, and what it needs, by name."""
    (name,) = asked["names"]
    machine.check_loaded(name, wanted=False)
    modprobe = yield from loader(machine, asked)
    ended = yield [modprobe, "-v", "--", name, *asked["parameters"]]
    return Outcome("done") if machine.states([name])[name] == "Live" else failure(ended)


def loader(machine: Machine, asked: Request) -> Generator[Any, Any, str]:
    """Return the modprobe that may load a module with these parameters; refuse if none may."""
    (name,) = asked["names"]
    machine.check_known(name)
    modprobe = machine.modprobe()
    if not all(HARMLESS.fullmatch(parameter) for parameter in asked["parameters"]):
        plan = yield [modprobe, "--show-depends", "--", name]
        if plan.exit or "install " in plan.output or len(plan.output) >= ROOM:
            message = "An install rule would hand these parameters to a shell."
            raise Outcome("invalid", message, errno.EINVAL)
    return modprobe


def failure(ended: Ended, number: int | None = None) -> Outcome:
    """Return what became of a module, if modprobe has not done what it was to do.

    The text of its last line, in the C locale, is the last resort for the errno: modprobe
    tells the kernel's answer in no other way. One text is its own. Its `insmod` lines come
    after its errors, since its output is no terminal.
    """
    if ended.exit == 0:
        return Outcome("not-done", "modprobe reports success.")
    lines = ended.output.strip().splitlines() or [f"modprobe has ended with {ended.exit}."]
    said = [line for line in lines if not line.startswith(("insmod ", "rmmod "))] or lines
    words = said[-1].rsplit(": ", 1)[-1]
    if words.startswith("Unknown symbol in module"):
        number = errno.ENOENT
    known = (number for number in errno.errorcode if os.strerror(number) == words)
    return Outcome("failed", said[-1][-MAX_TEXT:], number or next(known, None))


def unload(machine: Machine, asked: Request) -> Steps:
    """Unload modules in the order given, each with what nobody needs then, as modprobe -r does."""
    names, until = asked["names"], time.monotonic() + asked["wait"]
    for name in names:
        machine.check_loaded(name, wanted=True)
    modprobe = machine.modprobe()
    for name in names:
        while module := machine.modules().get(name):  # else it went along with an earlier one
            if module.refcount > 0 and time.monotonic() < until:
                yield 0.2
                continue
            ended = yield [modprobe, "-v", "-r", "--", name]
            module = machine.modules().get(name)
            if module and (module.refcount == 0 or time.monotonic() >= until):
                busy = module.permanent or module.state != "Live"
                used = errno.EAGAIN if module.refcount > 0 else None
                return failure(ended, errno.EBUSY if busy else used)
    back = set(names) & set(machine.modules())
    return Outcome("not-done", "A module came back at once.") if back else Outcome("done")


def reload(machine: Machine, asked: Request) -> Steps:
    """Unload one module and load it again; nothing is unloaded that could not be loaded."""
    yield from loader(machine, asked)
    outcome = yield from unload(machine, asked)
    return (yield from load(machine, asked)) if outcome.code == "done" else outcome


def kallsyms(machine: Machine, _: Request) -> Steps:
    """Tell the kernel's symbols, with addresses if it shows them to root."""
    with open(machine.root + "/proc/kallsyms", "rb") as file:
        yield file.read()
    return Outcome("done")


def as_a_whole(machine: Machine, asked: Request) -> Steps:
    """Have a child do all that was asked, since each part of it may hang."""
    work = {
        "insert": machine.insert, "write-parameter": machine.write_parameter,
        "blacklist": machine.blacklist, "unblacklist": machine.blacklist,
    }[asked["op"]]  # fmt: skip
    return cast("Outcome", (yield lambda: work(asked)))


# What is done about each kind of request, and the fields that it has. Session.begin sees to
# those that are about the session itself.
OPERATIONS: dict[str, tuple[Any, ...]] = {
    "load": (load, "name", "parameters"),
    "insert": (as_a_whole, "name", "path", "sha256", "parameters"),
    "unload": (unload, "names", "wait"),
    "reload": (reload, "name", "parameters", "wait"),
    "write-parameter": (as_a_whole, "name", "parameter", "value"),
    "blacklist": (as_a_whole, "names"),
    "unblacklist": (as_a_whole, "names"),
    "kallsyms": (kallsyms,),
    "log": (None, "follow"),
    "stop": (None, "request"),
    "idle": (None, "seconds"),
}


# --- the session --------------------------------------------------------------------------


class Child:
    """A process for a step that may hang: with no terminal, and never killed."""

    def __init__(self, step: list[str] | Callable[[], Outcome]) -> None:
        self.step = step
        # Not a pipe: nobody need drain it, and it does not break when the helper has ended
        # and the child has not. The seals stop it from growing, and from being executed.
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        try:
            self.memory = os.memfd_create("output", flags | 8)  # MFD_NOEXEC_SEAL: Linux 6.3
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
        self.end = os.pidfd_open(self.pid)  # can be read once it has ended

    def become(self) -> None:
        """Be that process, with no descriptor but its output."""
        os.setsid()
        nowhere = os.open("/dev/null", os.O_RDWR)
        for number, descriptor in enumerate((nowhere, self.memory, self.memory)):
            os.dup2(descriptor, number)
        os.closerange(3, 4096)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, a program must not
            signal.signal(number, signal.SIG_DFL)
        if isinstance(self.step, list):
            os.execve(self.step[0], self.step, ENVIRONMENT)  # noqa: S606 - no shell is wanted
        try:
            told = self.step()
        except FAILURES as error:
            told = outcome_of(error)
        os.write(1, json.dumps([told.code, told.message, told.number, told.more]).encode("ascii"))
        os._exit(0)

    def result(self) -> Ended | Outcome:
        """Return what came of its step, once it has ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        # It wrote through this descriptor's own offset.
        written = os.pread(self.memory, os.lseek(self.memory, 0, os.SEEK_CUR), 0)
        os.close(self.memory)
        os.close(self.end)
        if isinstance(self.step, list):
            return Ended(status, written.decode("utf-8", "backslashreplace"))
        if status:
            return Outcome("failed", f"It ended with {status} and without an answer.")
        code, message, number, more = json.loads(written)
        return Outcome(code, message, number, **more)


class Session:
    """Requests from one descriptor, answers to another, until the input closes."""

    def __init__(
        self, machine: Machine, source: int, sink: int, idle: float = IDLE, limit: float = LIMIT,
        who: str = "",
    ) -> None:  # fmt: skip
        self.machine, self.source, self.sink = machine, source, sink
        self.idle, self.limit, self.who = idle, limit, who
        self.buffer, self.skipping = b"", False  # skipping the rest of a line that is too long
        self.queue: list[Request] = []  # checked, the one under way first
        self.stopped: set[int] = set()  # those in the queue that nobody waits for any more
        self.logs: dict[int, Log] = {}  # by the request to which they are told
        self.left: dict[int, Child] = {}  # to themselves, by what tells of their end
        self.last = time.monotonic()

    def run(self) -> None:
        """Say hello, serve, and return when nobody listens, or nothing was asked for long."""
        hello = {"protocol": PROTOCOL, "version": VERSION, "pid": os.getpid(), "uid": os.geteuid()}
        with contextlib.suppress(EOFError):
            self.send({"hello": {**hello, "operations": sorted(OPERATIONS)}})
            while time.monotonic() < self.last + self.idle:
                self.turn(self.last + self.idle)
                while self.queue:
                    self.serve(self.queue[0])
                    self.stopped.discard(self.queue.pop(0)["id"])
            self.send({"bye": {"reason": "idle", "message": "Nothing was asked for a while."}})

    def turn(self, until: float, awaited: int = -1) -> bool:
        """See to what happens next, if anything does; return whether it is what is awaited."""
        poller = select.poll()
        logs = [log.fileno() for log in self.logs.values()]
        for source in (self.source, max(awaited, self.source), *self.left, *logs):
            poller.register(source, select.POLLIN)
        events = dict(poller.poll(max(0.0, until - time.monotonic()) * 1000))
        self.tell_logs()
        for end in self.left.keys() & events.keys():
            self.audit("late end", str(self.left.pop(end).result()))
        if self.source in events:
            self.take()
        return awaited in events

    def take(self) -> None:
        """Read what there is, and accept each full line. EOFError at the end of the input."""
        data = os.read(self.source, 65536)
        if not data:
            raise EOFError
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if self.skipping:
                self.skipping = False
            elif line.strip():
                self.accept(line)
        if len(self.buffer) > MAX_REQUEST:
            if not self.skipping:
                self.accept(self.buffer[: MAX_REQUEST + 1])  # too long already: refused
            self.buffer, self.skipping = b"", True

    def accept(self, line: bytes) -> None:
        """Queue the request in a line, or refuse it."""
        self.last = time.monotonic()
        self.audit("request", line.decode("utf-8", "replace"))
        number = None
        try:
            if len(line) > MAX_REQUEST:
                raise Outcome("invalid", "The line is too long.", errno.EMSGSIZE)
            request = parse(line)
            number = request["id"]
            self.begin(checked(request))
        except FAILURES as error:
            self.answer(number, outcome_of(error).told())

    def begin(self, asked: Request) -> None:
        """Queue a request, or do at once what is about the session itself."""
        number, operation = asked["id"], asked["op"]
        if operation == "idle":
            self.idle = asked["seconds"]
        elif operation == "stop":
            if any(queued["id"] == asked["request"] for queued in self.queue):
                self.stopped.add(asked["request"])
            elif self.logs.pop(asked["request"], None):
                self.answer(asked["request"], STOPPED.told())
        elif len(self.queue) + len(self.left) + len(self.logs) >= MAX_JOBS:
            raise Outcome("busy", "Too many requests are under way.", errno.EBUSY)
        elif operation == "log":
            self.logs[number] = Log(self.machine.root, whole=True)
            self.tell_logs(MAX_LOG)
            if asked["follow"]:
                return
            del self.logs[number]
        else:
            self.queue.append(asked)
            return
        raise Outcome("done")

    def serve(self, asked: Request) -> None:
        """Do what was asked, and answer with what the kernel shows before and afterwards."""
        began, number, names = time.monotonic(), asked["id"], asked["names"]
        told = dict[str, Any](subject="".join(names[:1]), command=[], exit=None, output="")
        with contextlib.suppress(OSError):  # a change can do without the log
            self.logs[number] = Log(self.machine.root, whole=False)
        shown = names if asked["op"] in ("load", "insert", "unload", "reload") else []
        try:
            told["before"] = self.machine.states(shown)
            outcome = self.follow(OPERATIONS[asked["op"]][0](self.machine, asked), number, told)
        except FAILURES as error:
            outcome = outcome_of(error)
        with contextlib.suppress(*FAILURES):
            told["after"] = self.machine.states(shown)
        self.tell_logs(MAX_RECORDS)
        self.logs.pop(number, None)
        told["took"] = round(time.monotonic() - began, 3)
        self.answer(number, {**told, **outcome.told()})

    def follow(self, steps: Steps, number: int, told: dict[str, Any]) -> Outcome:
        """Take the steps of an operation, and note in `told` what was run."""
        sent: Any = None
        pause = 0.0
        while True:
            self.wait(number, pause)
            if number in self.stopped:
                return STOPPED
            try:
                step = steps.send(sent)
            except StopIteration as stop:
                return cast("Outcome", stop.value)
            sent, pause = None, 0.0
            if isinstance(step, float):
                pause = step
            elif isinstance(step, bytes):
                for start in range(0, len(step), PIECE):
                    data = base64.b64encode(step[start : start + PIECE]).decode("ascii")
                    self.send({"id": number, "data": data})
            else:
                if isinstance(step, list):
                    told.update(subject=step[step.index("--") + 1], command=step, exit=None)
                child = Child(step)
                if not self.wait(number, self.limit, child.end):
                    self.left[child.end] = child
                    return STOPPED if number in self.stopped else TIMEOUT
                sent = child.result()
                if isinstance(step, list) and "-v" in step:  # it was to change something
                    told.update(exit=sent.exit, output=(told["output"] + sent.output)[-MAX_OUTPUT:])

    def wait(self, number: int, seconds: float, awaited: int = -1) -> bool:
        """Return whether what is awaited comes in time, and before the request is stopped."""
        until = time.monotonic() + seconds
        while not (there := self.turn(until, awaited)):
            if number in self.stopped or time.monotonic() >= until:
                break
        return there

    def tell_logs(self, most: int = 500) -> None:
        """Tell the kernel-log records that have come, up to so many."""
        for number, log in list(self.logs.items()):
            for record in log.records(most):
                self.send({"id": number, "log": record})

    def answer(self, number: int | None, result: dict[str, Any]) -> None:
        """Send a result and note it down."""
        self.last = time.monotonic()
        kept = {key: result.get(key) for key in ("code", "errno", "subject", "command", "after")}
        self.audit("result", f"id {number} {json.dumps(kept)}")
        self.send({"id": number, "result": result})

    def send(self, message: dict[str, Any]) -> None:
        """Write one line. EOFError if nobody takes it."""
        data = json.dumps(message).encode("ascii") + b"\n"
        poller = select.poll()
        poller.register(self.sink, select.POLLOUT)
        poller.register(self.source, 0)  # tells of its end, which ends this waiting as well
        while data:
            if dict(poller.poll(DEAF * 1000)).get(self.sink) != select.POLLOUT:
                raise EOFError  # a line cut off in its middle is the last one
            data = data[os.write(self.sink, data[: select.PIPE_BUF]) :]

    def audit(self, what: str, text: str) -> None:
        """Write it to syslog in printable ASCII: all of it, or spaces could hide what is asked."""
        for start in range(0, len(text), 500):
            piece = ascii(text[start : start + 500])[1:-1]
            syslog.syslog(syslog.LOG_NOTICE, f"{what}: {piece} ({self.who})")


# --- who asks, and the way in -------------------------------------------------------------


def caller() -> str:
    """Return who is behind this session, as far as the system tells, for the audit."""
    names = ("SUDO_UID", "SUDO_USER", "PKEXEC_UID", "DOAS_USER")
    told = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    with contextlib.suppress(OSError), open("/proc/self/loginuid", encoding="ascii") as file:
        told.append("loginuid=" + file.read().strip())  # kept through every change of user
    for pid in (os.getpid(), os.getppid()):  # sudo and the like, or the dashboard of a root
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            terminal = int(file.read().rpartition(b")")[2].split()[4])
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                argv = os.fsdecode(line.read(400)).split("\0")[:-1]
            told.append(f"tty={os.major(terminal)}:{os.minor(terminal)} argv={argv}")
    return ascii(" ".join(told))[1:-1][:1000]


def main() -> None:
    """Serve one session on standard input and output, as root."""
    if sys.argv[1:] not in ([], ["--detach"]):
        sys.exit("usage: kmodtui-helper [--detach]")
    # Copies that no program started from here inherits. The numbers 0 to 2 lead nowhere
    # afterwards: the terminal belongs to the dashboard.
    source, sink = os.dup(0), os.dup(1)
    if os.geteuid() != 0:
        told = {"reason": "not-root", "message": "The helper is not root: it can change nothing."}
        os.write(sink, json.dumps({"bye": told}).encode("ascii") + b"\n")
        sys.exit(1)
    who = caller()
    if sys.argv[1:]:
        # For a sudo that cannot go to the background: it ends with the process it started,
        # and gives the terminal back. The pipes stay with the session.
        if os.fork():
            os._exit(0)
        os.setsid()
    os.chdir("/")
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the ends of children would go by
    os.close(os.pidfd_open(os.getpid()))  # from Linux 5.3 on; not to fail after a fork
    nowhere = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    syslog.openlog("kmodtui-helper", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    session = Session(Machine(), source, sink, who=who)
    session.audit("session", "begins")
    try:
        session.run()
        session.audit("end", "nobody is there any more, or nothing was asked for long")
    except Exception as error:
        session.audit("end", repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
