#!/usr/bin/python3 -IS
"""The privileged helper of kmodtui: loads and unloads kernel modules as root.

Read this file before you trust it. It is a single file and imports only the standard library.
It reads requests from standard input, one JSON object per line, and answers them in order on
standard output; `protocol.py` in the same directory documents the format. It has a few
operations (OPERATIONS) with validated arguments (FIELDS) and cannot run, read or write
anything else. A session that was started to read (SCOPES) cannot change anything.

* Every field of a request is validated here, whoever sent it.
* A module must be listed in the root-owned index of the running kernel, or be loaded; a module
  file must have the SHA-256 that the user has confirmed.
* Programs are run by absolute path, without a shell, with a fixed environment, and with `--`
  before the first name.
* A request succeeds only if the system then shows the requested state.
* Every request and every result is written to syslog as `kmodtui-helper`.

Anything that may hang, above all a module's init function, runs in a child process. Children
are never killed: after a timeout or a cancelled request they keep running in the background.
The session ends when its input is closed, when no request arrives for a while, or when the
numbers of the requests show that they do not all come from the same client.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated and sys.flags.no_site):
    # Before any other import: without -I a json.py in the wrong place would run as root.
    sys.exit("Run kmodtui-helper as: /usr/bin/python3 -I -S " + sys.argv[0])

import os

if __name__ == "__main__":
    os.environ.clear()  # before what reads it: OpenSSL runs the code that OPENSSL_CONF names

import base64
import contextlib
import errno
import fcntl
import json
import re
import select
import signal
import stat
import struct
import syslog
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from io import FileIO
from typing import Any, NamedTuple, Union, cast

PROTOCOL = 4
VERSION = "0.1.0"

MAX_REQUEST = 64 * 1024  # bytes per line
MAX_JOBS = 12  # queued requests, followed logs and children in the background, together
MAX_NAMES = 256
MAX_PARAMETERS = 64
MAX_TEXT = 1024  # characters of a value, a path, or one key=value
MAX_RULES = 1024 * 1024  # bytes of one of kmodtui's files in modprobe.d
MAX_FILE = 512 * 1024 * 1024  # bytes of a module file
MAX_INVALID = 50  # refused lines until the session ends
MAX_PER_MINUTE = 1000  # requests, all of which are logged
MAX_REFUSED = 200  # characters of a refused line that are logged
MAX_OUTPUT = 32 * 1024  # bytes of program output in a result
MAX_RECORDS = 2000  # kernel log records sent per change
MAX_LOG = 100_000  # kernel log records sent at once for a `log` request
MAX_WAIT = 3600  # seconds that an unload may wait for references to be dropped
MAX_IDLE = 8 * 3600  # seconds
CHILD_OUTPUT = 128 * 1024  # bytes that a child can write
CHUNK = 48 * 1024  # bytes of file content per line, before base64
IDLE_TIMEOUT = 15 * 60.0  # seconds without a request until the session ends; can be changed
CHILD_TIMEOUT = 60.0  # seconds until a child is left running in the background
CLOSING_TIME = 0.5  # seconds in which a child may end after the session, to log its result
CHECK_IDLE = 30.0  # seconds between checks of the idle timeout, because poll sleeps in suspend
SEND_TIMEOUT = 30.0  # seconds until a client that does not read its answers is dropped

# What the session, and what it runs, may do at most: linux/capability.h.
DAC_READ_SEARCH, SETPCAP, SYS_MODULE, SYSLOG = 2, 8, 16, 34
CAPABILITIES = {"read": (SYSLOG,), "change": (DAC_READ_SEARCH, SYS_MODULE, SYSLOG, SETPCAP)}

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

RULES_HEAD = "# Written by kmodtui, which replaces this file as a whole.\n"
BLACKLIST, BLOCK = (f"/etc/modprobe.d/kmodtui-{which}.conf" for which in ("blacklist", "block"))
OPTIONS, BOOT = "/etc/modprobe.d/kmodtui-options.conf", "/etc/modules-load.d/kmodtui.conf"
# What begins the line with the state of a module in each file, and that state if it is not the
# rest of the line.
KEYWORDS = {BLACKLIST: ("blacklist", "blacklisted"), BLOCK: ("install", "logged"),
            OPTIONS: ("options", ""), BOOT: ("", "kept")}  # fmt: skip
# The lines for a module in each state. kmod up to 34 ignores the install rule of a module that
# has softdeps; of several softdep rules the first counts, and an empty one leaves none.
RULES = {
    "blacklisted": "blacklist {0}\n",
    "blocked": "blacklist {0}\ninstall {0} /bin/false\nsoftdep {0} pre:\n",
    "logged": "install {0} /usr/bin/logger -t kmodtui -p authpriv.notice -- load of {0}; "
    "exec /sbin/modprobe --ignore-install -- {0} $CMDLINE_OPTS\n",
    "kept": "{0}\n",
    "options": "options {0} {1}\n",  # for any other state, which is the options themselves
}
# The file that an operation changes, and the state of the named modules in it afterwards.
RULE_CHANGES: dict[str, tuple[str, str | None]] = {
    "blacklist": (BLACKLIST, "blacklisted"), "unblacklist": (BLACKLIST, None),
    "block": (BLOCK, "blocked"), "log-loads": (BLOCK, "logged"), "unblock": (BLOCK, None),
    "keep": (BOOT, "kept"), "forget": (BOOT, None),
    "keep-options": (OPTIONS, "options"), "forget-options": (OPTIONS, None),
}  # fmt: skip

# The file of the kernel that an operation sends.
READABLE = {"kallsyms": "/proc/kallsyms", "modules": "/proc/modules",
            "vmallocinfo": "/proc/vmallocinfo", "kprobes": "/sys/kernel/debug/kprobes/list",
            "ftrace": "/sys/kernel/tracing/enabled_functions",
            "ftrace-available": "/sys/kernel/tracing/available_filter_functions",
            "load-stats": "/sys/kernel/debug/modules/stats",
            "unloaded-taints": "/sys/kernel/debug/modules/unloaded_tainted"}  # fmt: skip

# libc has no wrapper for init_module(2). These are the kernel's numbers, by machine/bits; that
# of delete_module(2) is the next one.
INIT_MODULE = {"x86_64/64": 175}
INIT_MODULE |= dict.fromkeys(("aarch64/64", "riscv64/64", "loongarch64/64"), 105)
INIT_MODULE |= dict.fromkeys(("ppc64le/64", "s390x/64", "i686/32", "armv7l/32"), 128)
COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")  # magic of gzip, xz and zstd


class Outcome(Exception):  # noqa: N818 - a return value, raised only to end a request early
    """How a request ended: a code of the protocol, a message, an errno, more result fields."""

    def __init__(self, code: str, message: str = "", number: int | None = None, **more: Any):
        super().__init__(message)
        self.code, self.message, self.number, self.more = code, message, number, more

    def fields(self) -> dict[str, Any]:
        """Return the fields of the protocol's `result`."""
        fields = {"code": self.code, "message": self.message, "errno": self.number}
        return {"ok": self.code == "done", **fields, **self.more}


FAILURES = (Outcome, OSError)
STOPPED = Outcome("stopped", "The request was cancelled.")
TIMEOUT = Outcome("timeout", "Timed out; it is still running in the background.")
LEFT = Outcome("stopped", "The session ended; it is still running in the background.")


def outcome_of(error: Outcome | OSError) -> Outcome:
    """Return the outcome of a request that ended with one of FAILURES."""
    if isinstance(error, Outcome):
        return error
    where = f"{error.filename}: " if error.filename else ""
    return Outcome("failed", f"{where}{error.strerror or error}", error.errno)


class Ended(NamedTuple):
    """The exit status and the output of a command."""

    exit: int
    output: str


class RunsRules(list):  # type: ignore[type-arg]
    """A command of modprobe that runs `install` or `remove` rules, so that it is not limited."""


# An operation yields a command to run in a child, and receives its Ended; a function to call
# in a child, and receives its Outcome; a number of seconds to wait; or bytes to send.
Steps = Generator[Union["list[str]", "Callable[[], Outcome]", float, bytes], Any, Outcome]
Request = dict[str, Any]  # its fields, and `names`: the modules it names, in the kernel's spelling


# --- the system ---------------------------------------------------------------------------


class Loaded(NamedTuple):
    """A module in /proc/modules."""

    refcount: int  # 0 if the kernel does not count references, or while the module is unloading
    permanent: bool
    state: str


class Machine:
    """The running system below `root`: / in `main`, another directory in tests."""

    def __init__(self, root: str = "", release: str = "", owner: int = 0) -> None:
        self.root, self.release, self.owner = root, release or os.uname().release, owner

    def modules(self) -> dict[str, Loaded]:
        """Return the loaded modules by name."""
        try:
            with open(self.root + "/proc/modules", "rb", buffering=0) as file:
                lines = file.readall().decode("ascii", "replace").splitlines()
        except FileNotFoundError:
            raise Outcome("no-modules", "/proc/modules does not exist.", errno.ENOSYS) from None
        rows = [line.split(" ") for line in lines if line.count(" ") > 3]
        return {
            name: Loaded(int(count) if count.isdigit() else 0, "[permanent]" in users, state)
            for name, _, count, users, state, *_ in rows
        }

    def states(self, names: list[str]) -> dict[str, str | None]:
        """Return Live, Loading, Unloading or None (not loaded) for each name."""
        modules = self.modules() if names else {}
        return {name: modules[name].state if name in modules else None for name in names}

    def check_loaded(self, name: str, wanted: bool) -> None:
        """Refuse unless the module is loaded, or with wanted=False unless it is not."""
        loaded = name in self.modules()
        if loaded and not wanted:
            raise Outcome("already-loaded", "It is already loaded.", errno.EEXIST, subject=name)
        if wanted and not loaded:
            raise Outcome("not-loaded", "It is not loaded.", errno.ENOENT, subject=name)

    def check_known(self, *names: str) -> None:
        """Refuse modules that are not in the index of the running kernel."""
        for name in set(names).difference(self.index("modules.dep")):
            if name in self.index("modules.builtin"):
                raise Outcome("built-in", "Built into the kernel.", errno.EEXIST, subject=name)
            message = f"The module is not in the index of the running kernel {self.release}."
            raise Outcome("unknown-module", message, errno.ENOENT, subject=name)

    def index(self, name: str) -> set[str]:
        """Return the modules in an index file of the running kernel, which must be root's."""
        places = [f"{self.root}{top}/modules/{self.release}" for top in ("/lib", "/usr/lib")]
        directory = next(filter(os.path.isdir, places), places[0])
        try:
            indexes = [file for file in os.listdir(directory) if file.startswith("modules.")]
            self.check_trusted(directory, *(f"{directory}/{file}" for file in indexes))
            with open(f"{directory}/{name}", encoding="ascii", errors="replace") as file:
                return {canonical(line.split(":")[0]) for line in file}
        except OSError as error:
            message = f"Cannot read {name} of the running kernel {self.release}: {error.strerror}."
            raise Outcome("no-modules", message, error.errno) from None

    def check_trusted(self, *paths: str) -> None:
        """Refuse paths that users other than root can write to."""
        for path, status in ((path, os.stat(path)) for path in paths):
            if status.st_uid != self.owner or status.st_mode & 0o022:
                message = f"{path} is writable by users other than root."
                raise Outcome("no-modules", message, errno.EPERM)

    def program(self, name: str) -> str:
        """Return the path of a program of kmod, a link to `kmod`; refuse others, as BusyBox's."""
        path = f"{self.root}/sbin/{name}"
        real = os.path.realpath(path)
        if os.path.basename(real) != "kmod" or not os.path.exists(real):
            raise Outcome("no-modprobe", f"{path} is missing or not kmod's.", errno.ENOENT)
        self.check_trusted(os.path.dirname(real), real)
        return path

    # The following operations may hang, so each runs in a child as a whole.

    def write_parameter(self, asked: Request) -> Outcome:
        """Write a parameter of a loaded module; report its value before and afterwards."""
        name, key = asked["names"][0], asked["parameter"]
        self.check_loaded(name, wanted=True)  # parameters of built-in code are refused
        path = f"{self.root}/sys/module/{name}/parameters/{key}"
        before, outcome = parameter_value(path), Outcome("done")
        try:
            with open(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "wb", 0) as file:
                file.write(asked["value"].encode())
        except OSError as error:
            outcome = outcome_of(error)
        outcome.more = {"before": {key: before}, "after": {key: parameter_value(path)}}
        return outcome

    def insert(self, asked: Request) -> Outcome:
        """Insert a module file with this SHA-256; done if the kernel then lists the name.

        The bytes that were hashed are the bytes that are loaded: the file could be changed
        in between by a process that has it open.
        """
        (name,), path, outcome = asked["names"], asked["path"], Outcome("done")
        self.check_loaded(name, wanted=False)
        source, parts = self.open_file(path)
        with os.fdopen(source, "rb") as file:
            image = file.read(min(MAX_FILE, os.fstat(source).st_size))  # some in /proc never end
        import hashlib

        if hashlib.sha256(image).hexdigest() != asked["sha256"]:
            message = f"{path} is not the file that was confirmed: its SHA-256 differs."
            outcome = Outcome("changed-file", message, errno.ESTALE)
        elif image.startswith(COMPRESSED):
            outcome = Outcome("compressed", f"{path} is compressed: decompress it.", errno.ENOEXEC)
        else:
            pairs = (parameter.split("=", 1) for parameter in asked["parameters"])
            quoted = (f'{k}="{v}"' if " " in v else f"{k}={v}" for k, v in pairs)  # as modprobe
            try:
                self.init_module(image, " ".join(quoted).encode())
                if self.states([name])[name] != "Live":
                    outcome = Outcome("not-done", f"The file contains a module other than {name}.")
            except OSError as error:
                outcome = outcome_of(error)
        outcome.more = {"file": parts}
        return outcome

    def open_file(self, path: str) -> tuple[int, list[dict[str, Any]]]:
        """Open a regular file whose path has no symbolic link; return the owners on its path."""
        at, parts = os.open(self.root or "/", os.O_PATH), []
        try:
            for name in path.split("/")[1:]:
                # O_PATH opens no device and never blocks. From descriptor to descriptor, the
                # owners are those of what is opened, whatever is renamed meanwhile.
                above, at = at, os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=at)
                os.close(above)
                status = os.fstat(at)
                if stat.S_ISLNK(status.st_mode):
                    raise Outcome("failed", f"{path} contains a symbolic link.", errno.ELOOP)
                mode = stat.S_IMODE(status.st_mode)
                parts.append({"name": name, "uid": status.st_uid, "mode": mode})
            if not stat.S_ISREG(os.fstat(at).st_mode):
                raise Outcome("failed", f"{path} is not a regular file.", errno.EINVAL)
            return os.open(f"/proc/self/fd/{at}", os.O_RDONLY), parts  # the file just checked
        finally:
            os.close(at)

    def delete(self, asked: Request) -> Outcome:
        """Unload one module by its exact name, which no index and no rule is looked up for."""
        self.delete_module(asked["module"].encode("ascii"))
        return Outcome("not-done" if asked["module"] in self.modules() else "done")

    def init_module(self, image: bytes, parameters: bytes) -> None:
        """Insert a module. OSError if the kernel refuses."""
        system_call(0, image, len(image), parameters)

    def delete_module(self, name: bytes) -> None:
        """Unload a module that is not in use. OSError if the kernel refuses."""
        system_call(1, name, os.O_NONBLOCK)

    def change_rules(self, asked: Request) -> Outcome:
        """Add modules to one of kmodtui's files or remove them, replacing the file as a whole."""
        names, (file, wanted) = asked["names"], RULE_CHANGES[asked["op"]]
        path, wanted = self.root + file, " ".join(asked.get("options", ())) or wanted
        if wanted:
            self.check_known(*set(names).difference(self.modules()))
        self.check_trusted(os.path.dirname(path))
        with open(f"{self.root}/run/{os.path.basename(file)[:-5]}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one writer at a time
            before = self.rule_states(file)
            after = {n: s for n, s in {**before, **dict.fromkeys(names, wanted)}.items() if s}
            lines = (RULES.get(s, RULES["options"]).format(n, s) for n, s in sorted(after.items()))
            text = RULES_HEAD + "".join(lines)
            if len(text) > MAX_RULES:
                raise Outcome("failed", f"{file} would become too large.", errno.EFBIG)
            try:
                with open(path + ".new", "w") as out:
                    out.write(text)
                    out.flush()
                    os.fchmod(out.fileno(), 0o644)
                    os.fsync(out.fileno())
                os.rename(path + ".new", path)
            finally:
                with contextlib.suppress(OSError):  # it is left only after a failure
                    os.unlink(path + ".new")
            if not after:
                os.unlink(path)
            after = self.rule_states(file)
        was, now = ({name: state.get(name) for name in names} for state in (before, after))
        return Outcome("done" if {*now.values()} == {wanted} else "not-done", before=was, after=now)

    def rule_states(self, file: str) -> dict[str, str]:
        """Return the state of each module in a file, which must be root's if it exists."""
        path, (keyword, state) = self.root + file, KEYWORDS[file]
        if not os.path.exists(path):
            return {}
        self.check_trusted(path)
        with open(path, encoding="ascii", errors="backslashreplace") as source:
            text = source.read(MAX_RULES)
        rules = re.findall(rf"(?m)^{keyword}\b[ \t]*({NAME})(?![\w-])[ \t]*(.*?)[ \t\\]*$", text)
        states = {"/bin/false": "blocked", "": ""} if file == BLOCK else {}
        return {canonical(name): states.get(rest, state or rest) for name, rest in rules}


def system_call(after_init_module: int, *arguments: bytes | int) -> None:
    """Call init_module(2), or with 1 delete_module(2). OSError if the kernel refuses."""
    import ctypes  # only needed here, and missing in some minimal Python installations

    machine = f"{os.uname().machine}/{64 if sys.maxsize > 2**32 else 32}"
    if machine not in INIT_MODULE:
        raise Outcome("failed", f"Unknown system calls on {machine}.", errno.ENOSYS)
    libc, number = ctypes.CDLL(None, use_errno=True), INIT_MODULE[machine] + after_init_module
    passed = (ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments)
    if libc.syscall(ctypes.c_long(number), *passed) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def canonical(path: str) -> str:
    """Return the kernel's name of a module: no directory, nothing after a dot, `-` as `_`."""
    return path.strip().rsplit("/", 1)[-1].split(".", 1)[0].replace("-", "_")


def parameter_value(path: str) -> str | None:
    """Return the value of a parameter; None if it does not exist or cannot be read."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return file.read(4096).decode("utf-8", "backslashreplace").rstrip("\n")
    except OSError:
        return None


class Log(FileIO):
    """The kernel log; see Documentation/ABI/testing/dev-kmsg for the format of its records."""

    def __init__(self, root: str, whole: bool) -> None:
        super().__init__(os.open(root + "/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
        self.seek(0, os.SEEK_SET if whole else os.SEEK_END)
        self.left = sys.maxsize if whole else MAX_RECORDS

    def records(self, most: int) -> Iterator[dict[str, Any]]:
        """Yield new records, after at most so many reads: the kernel may write faster than that."""
        for _ in range(most):
            try:
                data = self.read(8192) or b""
            except BrokenPipeError:
                continue  # records were overwritten before they were read: skip to the next one
            head, _, text = data.decode("ascii", "backslashreplace").partition(";")
            if not (found := re.match(r"([0-9]+),([0-9]+),([0-9]+),", head)):
                return
            level, seq, usec = map(int, found.groups())
            self.left -= 1
            if self.left >= 0:
                line = text.partition("\n")[0]
                yield {"seq": seq, "usec": usec, "level": level & 7, "text": line}


# --- requests -----------------------------------------------------------------------------

PLAIN = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"  # no control, line break or surrogate
NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,54}"
KEY = r"[A-Za-z0-9_]{1,64}"
PATH = rf"(/(?!\.{{1,2}}(/|$))((?!/){PLAIN})+)+"
# Characters without a meaning in a shell. Others are refused for a module with an `install`
# rule: kmod passes its command to a shell together with the parameters.
SHELL_SAFE = re.compile(r"[A-Za-z0-9_.,:=/@%+-]*")


def is_text(value: Any, pattern: str) -> bool:
    """Return whether `value` is a string that matches `pattern` as a whole."""
    return isinstance(value, str) and len(value) <= MAX_TEXT and bool(re.fullmatch(pattern, value))


def are_texts(value: Any, pattern: str, least: int, most: int) -> bool:
    """Return whether `value` is a list of such strings, with so many of them."""
    right = isinstance(value, list) and least <= len(value) <= most
    return right and all(is_text(each, pattern) for each in value)


FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda v: is_text(v, NAME),
    "module": lambda v: is_text(v, r"[!-.0-~]{1,55}"),  # as /proc/modules can show it
    "names": lambda v: are_texts(v, NAME, 1, MAX_NAMES) and len({*map(canonical, v)}) == len(v),
    "parameters": lambda v: are_texts(v, f"{KEY}={PLAIN}*", 0, MAX_PARAMETERS),
    # kmod passes options to a shell, too, as soon as the module has an `install` rule.
    "options": lambda v: are_texts(v, f"{KEY}={SHELL_SAFE.pattern}", 1, MAX_PARAMETERS),
    "parameter": lambda v: is_text(v, KEY),
    "value": lambda v: is_text(v, PLAIN + "+"),
    "path": lambda v: is_text(v, PATH),
    "sha256": lambda v: is_text(v, "[0-9a-f]{64}"),
    # `type` rejects bool, the comparison rejects NaN.
    "wait": lambda v: type(v) in (int, float) and 0 <= v <= MAX_WAIT,
    "seconds": lambda v: type(v) in (int, float) and 10 <= v <= MAX_IDLE,
    "follow": lambda v: type(v) is bool,
    "request": lambda v: type(v) is int,
}  # fmt: skip


def parse(line: bytes) -> Request:
    """Return the JSON object in a line, which must have a valid `id`; check nothing else."""
    try:
        request = json.loads(line.decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        raise Outcome("invalid", "The line is not a valid JSON object.", errno.EINVAL) from None
    number = request.get("id") if isinstance(request, dict) else None
    if type(number) is not int or not 1 <= number < 2**53:
        raise Outcome("invalid", "A request needs an id: a positive integer.", errno.EINVAL)
    return dict(request)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object as a dict; ValueError if a key occurs twice."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def checked(request: Request, scope: str) -> Request:
    """Return a request with `names` added; refuse operations and fields that are not valid."""
    operation = request.get("op")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise Outcome("invalid", "Unknown operation.", errno.EINVAL)
    if operation not in SCOPES[scope]:
        raise Outcome("invalid", f"This session can only {scope}.", errno.EPERM)
    fields = OPERATIONS[operation][1:]
    if set(request) != {"id", "op", *fields}:
        raise Outcome("invalid", f"Missing or unknown fields for {operation}.", errno.EINVAL)
    for field in fields:
        if not FIELDS[field](request[field]):
            raise Outcome("invalid", f"Invalid value for {field}.", errno.EINVAL)
    named = [request["name"]] if "name" in request else request.get("names", [])
    exact = [request["module"]] if "module" in request else []
    return {**request, "names": exact or [canonical(name) for name in named]}


# --- operations ---------------------------------------------------------------------------


def load(machine: Machine, asked: Request) -> Steps:
    """Load a module and its dependencies by name."""
    (name,) = asked["names"]
    machine.check_loaded(name, wanted=False)
    ended = yield (yield from loader(machine, asked))
    return Outcome("done") if machine.states([name])[name] == "Live" else failure(ended)


def loader(machine: Machine, asked: Request) -> Generator[Any, Any, list[str]]:
    """Return the command that loads; refuse unknown modules and unsafe parameters."""
    (name,) = asked["names"]
    machine.check_known(name)
    modprobe = machine.program("modprobe")
    plan = yield [modprobe, "--show-depends", "--", name]
    rules = "install " in plan.output or len(plan.output) >= CHILD_OUTPUT
    safe = all(SHELL_SAFE.fullmatch(parameter) for parameter in asked["parameters"])
    if not safe and (rules or plan.exit):
        message = "An install rule would pass these parameters to a shell."
        raise Outcome("invalid", message, errno.EINVAL)
    return (RunsRules if rules else list)([modprobe, "-v", "--", name, *asked["parameters"]])


def unloader(modprobe: str, name: str) -> Generator[Any, Any, list[str]]:
    """Return the command that unloads a module."""
    plan = yield [modprobe, "-n", "-v", "-r", "--", name]
    rules = "remove " in plan.output or len(plan.output) >= CHILD_OUTPUT
    return (RunsRules if rules else list)([modprobe, "-v", "-r", "--", name])


def failure(ended: Ended, number: int | None = None) -> Outcome:
    """Return the outcome where the kernel does not show what modprobe was run for.

    Unless `number` is known, the errno is taken from the last line of modprobe's output in
    the C locale, because modprobe does not report it in any other way. "Unknown symbol in
    module" is modprobe's own text. The `insmod` lines follow the errors, because modprobe
    buffers its output when it is not a terminal.
    """
    if ended.exit == 0:
        return Outcome("not-done", "modprobe reported success.")
    lines = ended.output.strip().splitlines() or [f"modprobe exited with status {ended.exit}."]
    errors = [line for line in lines if not line.startswith(("insmod ", "rmmod "))] or lines
    text = errors[-1].rsplit(": ", 1)[-1]
    if text.startswith("Unknown symbol in module"):
        number = errno.ENOENT
    matching = (number for number in errno.errorcode if os.strerror(number) == text)
    return Outcome("failed", errors[-1][-MAX_TEXT:], number or next(matching, None))


def unload(machine: Machine, asked: Request) -> Steps:
    """Unload modules in this order, with `modprobe -r`: unused dependencies are unloaded too.

    A loaded module that is not in the index is unloaded with `rmmod`, by itself.
    """
    names, until = asked["names"], time.monotonic() + asked["wait"]
    for name in names:
        machine.check_loaded(name, wanted=True)
    modprobe = machine.program("modprobe")
    for name in names:
        while module := machine.modules().get(name):  # None if unloaded with an earlier one
            if module.refcount > 0 and time.monotonic() < until:
                yield 0.2
                continue
            ended = yield (yield from unloader(modprobe, name))
            if f"Module {name} not found" in ended.output:
                ended = yield [machine.program("rmmod"), "-v", "--", name]
            module = machine.modules().get(name)
            if module and (module.refcount == 0 or time.monotonic() >= until):
                busy = module.permanent or module.state != "Live"
                used = errno.EAGAIN if module.refcount > 0 else None
                return failure(ended, errno.EBUSY if busy else used)
    back = set(names) & set(machine.modules())
    return Outcome("not-done", "A module was loaded again at once.") if back else Outcome("done")


def delete(machine: Machine, asked: Request) -> Steps:
    """Unload one loaded module by its exact name, as soon as it is unused."""
    (name,), until = asked["names"], time.monotonic() + asked["wait"]
    machine.check_loaded(name, wanted=True)
    while time.monotonic() < until and (row := machine.modules().get(name)) and row.refcount:
        yield 0.2
    return (yield from in_child(machine, asked))


def reload(machine: Machine, asked: Request) -> Steps:
    """Unload a module and load it again; first check that it may be loaded."""
    yield from loader(machine, asked)
    outcome = yield from unload(machine, asked)
    return (yield from load(machine, asked)) if outcome.code == "done" else outcome


def read_file(machine: Machine, asked: Request) -> Steps:
    """Send a file of the kernel, with addresses if it shows them to root."""
    with open(machine.root + READABLE[asked["op"]], "rb") as file:
        yield file.read()
    return Outcome("done")


def in_child(machine: Machine, asked: Request) -> Steps:
    """Run the whole operation in a child, because each part of it may hang."""
    import hashlib  # noqa: F401 - reads the configuration of OpenSSL: once, not in each child

    own = {"insert": machine.insert, "delete": machine.delete}
    own["write-parameter"] = machine.write_parameter
    work = own.get(asked["op"], machine.change_rules)
    return cast("Outcome", (yield lambda: work(asked)))


# The function and the fields of each operation. Session.begin handles those without a function,
# which concern the session itself.
OPERATIONS: dict[str, tuple[Any, ...]] = {
    "load": (load, "name", "parameters"),
    "insert": (in_child, "name", "path", "sha256", "parameters"),
    "unload": (unload, "names", "wait"),
    "delete": (delete, "module", "wait"),
    "reload": (reload, "name", "parameters", "wait"),
    "write-parameter": (in_child, "name", "parameter", "value"),
    **dict.fromkeys(RULE_CHANGES, (in_child, "names")),
    "keep-options": (in_child, "name", "options"),
    **dict.fromkeys(READABLE, (read_file,)),
    "log": (None, "follow"),
    "stop": (None, "request"),
    "idle": (None, "seconds"),
}
# What each kind of session may do. polkit and sudo tell them apart by this word.
SCOPES = {"read": (*READABLE, "log", "stop", "idle"), "change": tuple(OPERATIONS)}


# --- the session --------------------------------------------------------------------------


def limit(capabilities: Iterable[int], *, for_good: bool) -> None:
    """Give up all other capabilities; for good, what is executed does not get them back either.

    Modules and setters run in the kernel, so this limits mistakes rather than whoever may
    insert a module. A session that reads cannot insert one.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: Any) -> int:
        result = int(getattr(libc, name)(*arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
        return result

    if for_good:
        for number in range(64):
            # PR_CAPBSET_DROP; EINVAL: the kernel has no more. An error for each takes long.
            if number not in capabilities and libc.prctl(24, number, 0, 0, 0) < 0:
                break
        call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    data = ctypes.create_string_buffer(24)
    call("capget", header, data)
    _, low, _, _, high, _ = struct.unpack("6I", data.raw)
    kept = (high << 32 | low) & sum(1 << number for number in capabilities)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    call("capset", header, struct.pack("6I", low, low, 0, high, high, 0))


class Child:
    """A process for a step that may hang: without a terminal, and never killed."""

    def __init__(self, step: list[str] | Callable[[], Outcome]) -> None:
        self.step = step
        # Unlike a pipe, it need not be drained, and writing to it works after the helper has
        # exited. The seals prevent it from growing and from being executed.
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        try:
            self.memory = os.memfd_create("output", flags | 8)  # MFD_NOEXEC_SEAL: Linux 6.3
        except OSError:
            self.memory = os.memfd_create("output", flags)
        os.ftruncate(self.memory, CHILD_OUTPUT)
        fcntl.fcntl(self.memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.run()
            finally:
                os._exit(127)
        self.end = os.pidfd_open(self.pid)  # readable once the child has exited

    def run(self) -> None:
        """Run the step in the child, which keeps no descriptor but its output."""
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number, descriptor in enumerate((null, self.memory, self.memory)):
            os.dup2(descriptor, number)
        os.closerange(3, 4096)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, a program must not
            signal.signal(number, signal.SIG_DFL)
        if os.geteuid() == 0 and not isinstance(self.step, RunsRules):  # not root: a test
            limit({*CAPABILITIES["change"]} - {SETPCAP}, for_good=True)
        if isinstance(self.step, list):
            os.umask(0o022)  # a rule may create files
            os.execve(self.step[0], self.step, ENVIRONMENT)  # noqa: S606 - deliberately no shell
        try:
            done = self.step()
        except FAILURES as error:
            done = outcome_of(error)
        os.write(1, json.dumps([done.code, done.message, done.number, done.more]).encode("ascii"))
        os._exit(0)

    def result(self) -> Ended | Outcome:
        """Return the result of the step; call this once the child has exited."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        # The child shares this file offset, so it is where the child stopped writing.
        written = os.pread(self.memory, os.lseek(self.memory, 0, os.SEEK_CUR), 0)
        os.close(self.memory)
        os.close(self.end)
        if isinstance(self.step, list):
            return Ended(status, written.decode("utf-8", "backslashreplace"))
        if status:
            return Outcome("failed", f"The child exited with status {status} and no result.")
        code, message, number, more = json.loads(written)
        return Outcome(code, message, number, **more)


class Session:
    """Reads requests from one descriptor and writes answers to another, until the input closes."""

    def __init__(
        self, machine: Machine, source: int, sink: int, scope: str, idle: float = IDLE_TIMEOUT,
        limit: float = CHILD_TIMEOUT, who: str = "",
    ) -> None:  # fmt: skip
        self.machine, self.source, self.sink, self.scope = machine, source, sink, scope
        self.idle, self.limit, self.who = idle, limit, who
        self.buffer, self.skipping = b"", False  # skipping the rest of a line that is too long
        self.queue: list[Request] = []  # validated; the first one is being served
        self.stopped: set[int] = set()  # ids of cancelled requests in the queue
        self.logs: dict[int, Log] = {}  # by the id of the request that receives the records
        self.background: dict[int, Child] = {}  # timed out or cancelled, by pidfd
        self.last = now()  # when the last request or answer was handled
        self.requests = self.answers = self.invalid = 0  # how many there were so far
        self.minute, self.in_minute = self.last, 0  # requests are counted by the minute
        self.ending, self.ended = "", 0.0  # why the session ends, and since when

    def run(self) -> None:
        """Send the hello and serve requests until the input closes or the idle timeout expires."""
        hello = {"protocol": PROTOCOL, "version": VERSION, "pid": os.getpid(), "uid": os.geteuid()}
        self.send({"hello": {**hello, "operations": sorted(SCOPES[self.scope])}})
        while not self.ending:
            self.handle_events(time.monotonic() + min(self.last + self.idle - now(), CHECK_IDLE))
            self.check_idle()
            while self.queue and not self.ending:
                self.serve(self.queue[0])
                self.stopped.discard(self.queue.pop(0)["id"])
        for asked in self.queue:
            self.answer(asked["id"], STOPPED.fields())
        self.audit("end", self.ending)

    def end(self, message: str, reason: str = "") -> None:
        """End the session: nothing more is read, sent or begun. A reason is for the client."""
        if reason:
            self.progress({"bye": {"reason": reason, "message": message}})
        if not self.ending:
            self.ending, self.ended = message, time.monotonic()

    def check_idle(self) -> None:
        """End the session if the idle timeout has expired, also while the machine was suspended."""
        if not self.queue and now() >= self.last + self.idle:
            self.end("No request within the idle timeout.", "idle")

    def handle_events(self, until: float, awaited: int = -1) -> bool:
        """Handle the next events; return whether descriptor `awaited` was among them."""
        poller = select.poll()
        logs = [log.fileno() for log in self.logs.values()]
        for source in (-1 if self.ending else self.source, awaited, *self.background, *logs):
            if source >= 0:
                poller.register(source, select.POLLIN)
        events = dict(poller.poll(max(0.0, until - time.monotonic()) * 1000))
        self.send_logs()
        for end in self.background.keys() & events.keys():
            self.audit("finished late", str(self.background.pop(end).result()))
        if self.source in events:
            self.receive()
        return awaited in events

    def receive(self) -> None:
        """Read the available input and accept each complete line."""
        self.check_idle()
        data = b"" if self.ending else os.read(self.source, 65536)
        if not data:
            return self.end("input closed")
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if self.skipping:
                self.skipping = False
            elif line.strip() and not self.ending:
                self.accept(line)
        if len(self.buffer) > MAX_REQUEST:
            if not self.skipping and not self.ending:
                self.accept(self.buffer[: MAX_REQUEST + 1])  # too long, so it is refused
            self.buffer, self.skipping = b"", True
        return None

    def accept(self, line: bytes) -> None:
        """Queue the request in `line`, or refuse it."""
        self.last = now()
        number, text = None, line.decode("utf-8", "replace")
        refused = f"{text[:MAX_REFUSED]} ({len(line)} bytes)"  # nothing of it will be done
        try:
            if len(line) > MAX_REQUEST:
                raise Outcome("invalid", "The line is too long.", errno.EMSGSIZE)
            request = parse(line)
            number = request["id"]
            if not self.in_turn(number):
                return self.audit("refused", refused)
            asked = checked(request, self.scope)
            self.audit("request", json.dumps(request))  # without the blanks between its parts
            self.begin(asked)
        except FAILURES as error:
            outcome = outcome_of(error)
            if outcome.code == "invalid":
                self.audit("refused", refused)
                self.invalid += 1
            self.answer(number, outcome.fields())
            if self.invalid > MAX_INVALID:
                self.end("Too many invalid requests.", "unexpected")

    def in_turn(self, number: int) -> bool:
        """End the session unless this is the next request, and not one of too many."""
        self.requests, self.in_minute = self.requests + 1, self.in_minute + 1
        if now() >= self.minute + 60:
            self.minute, self.in_minute = now(), 1
        if number != self.requests:  # another process may have sent one, or taken one away
            self.end(f"Request {number} arrived instead of request {self.requests}.", "unexpected")
        elif self.in_minute > MAX_PER_MINUTE:
            self.end("Too many requests in a minute.", "unexpected")
        return not self.ending

    def begin(self, asked: Request) -> None:
        """Queue a request, or handle it at once if it concerns the session itself."""
        number, operation = asked["id"], asked["op"]
        if operation == "idle":
            self.idle = asked["seconds"]
        elif operation == "stop":
            if any(queued["id"] == asked["request"] for queued in self.queue):
                self.stopped.add(asked["request"])
            elif self.logs.pop(asked["request"], None):
                self.answer(asked["request"], STOPPED.fields())
        elif len(self.queue) + len(self.background) + len(self.logs) >= MAX_JOBS:
            raise Outcome("busy", "Too many requests are pending.", errno.EBUSY)
        elif operation == "log":
            self.logs[number] = Log(self.machine.root, whole=True)
            self.send_logs(MAX_LOG)
            if asked["follow"]:
                return
            del self.logs[number]
        else:
            self.queue.append(asked)
            return
        raise Outcome("done")

    def serve(self, asked: Request) -> None:
        """Carry out a request and answer it, with the modules' states before and afterwards."""
        began, number, names = time.monotonic(), asked["id"], asked["names"]
        result = dict[str, Any](subject="".join(names[:1]), command=[], exit=None, output="")
        with contextlib.suppress(OSError):  # a change does not depend on the log
            self.logs[number] = Log(self.machine.root, whole=False)
        modules = names if asked["op"] in ("load", "insert", "unload", "delete", "reload") else []
        try:
            result["before"] = self.machine.states(modules)
            outcome = self.follow(OPERATIONS[asked["op"]][0](self.machine, asked), number, result)
        except FAILURES as error:
            outcome = outcome_of(error)
        with contextlib.suppress(*FAILURES):
            result["after"] = self.machine.states(modules)
        self.send_logs(MAX_RECORDS)
        self.logs.pop(number, None)
        result["took"] = round(time.monotonic() - began, 3)
        self.answer(number, {**result, **outcome.fields()})

    def follow(self, steps: Steps, number: int, result: dict[str, Any]) -> Outcome:
        """Carry out the steps of an operation; record in `result` which commands were run."""
        sent: Any = None
        pause = 0.0
        while True:
            self.wait(number, pause)
            # Also if the session has ended, what the system shows after a child is the result.
            if number in self.stopped or (self.ending and sent is None):
                return STOPPED
            try:
                step = steps.send(sent)
            except StopIteration as stop:
                return cast("Outcome", stop.value)
            if self.ending:
                return STOPPED
            sent, pause = None, 0.0
            if isinstance(step, float):
                pause = step
            elif isinstance(step, bytes):
                for start in range(0, len(step), CHUNK):
                    data = base64.b64encode(step[start : start + CHUNK]).decode("ascii")
                    self.progress({"id": number, "data": data})
            else:
                if isinstance(step, list):
                    result.update(subject=step[step.index("--") + 1], command=step, exit=None)
                child = Child(step)
                if not self.wait(number, self.limit, child.end):
                    self.background[child.end] = child
                    return LEFT if self.ending else STOPPED if number in self.stopped else TIMEOUT
                sent = child.result()
                if isinstance(step, list) and step[1] == "-v":  # otherwise it is only a query
                    output = (result["output"] + sent.output)[-MAX_OUTPUT:]
                    result.update(exit=sent.exit, output=output)

    def wait(self, number: int, seconds: float, awaited: int = -1) -> bool:
        """Return whether `awaited` is ready in time, and before the request is cancelled."""
        until = time.monotonic() + seconds
        while not (ready := self.handle_events(until, awaited)):
            if self.ending:
                until = min(until, self.ended + (CLOSING_TIME if awaited >= 0 else 0))
            if number in self.stopped or time.monotonic() >= until:
                break
        return ready

    def send_logs(self, most: int = 500) -> None:
        """Send new kernel log records, after at most so many reads of each log."""
        for number, log in list(self.logs.items()):
            for record in log.records(most):
                self.progress({"id": number, "log": record})

    def answer(self, number: int | None, result: dict[str, Any]) -> None:
        """Send a result and write it to syslog."""
        self.last = now()
        kept = {key: result.get(key) for key in ("code", "errno", "subject", "command", "after")}
        self.audit("result", f"id {number} {json.dumps(kept)}")
        self.progress({"id": number, "result": result})

    def progress(self, message: dict[str, Any]) -> None:
        """Send any line but the hello, with the next number."""
        self.answers += 1
        self.send({"serial": self.answers, **message})

    def send(self, message: dict[str, Any]) -> None:
        """Write one line; end the session if the client has gone or does not read it in time."""
        data = json.dumps(message).encode("ascii") + b"\n"
        poller = select.poll()
        poller.register(self.sink, select.POLLOUT)
        poller.register(self.source, select.POLLRDHUP)  # the end of the input ends the wait too
        while data and not self.ending:
            if dict(poller.poll(SEND_TIMEOUT * 1000)).get(self.sink) != select.POLLOUT:
                return self.end("the client does not read")
            try:
                data = data[os.write(self.sink, data[: select.PIPE_BUF]) :]
            except OSError:
                return self.end("the client has gone")
        return None

    def audit(self, what: str, text: str) -> None:
        """Write all of `text` to syslog in printable ASCII: if cut, spaces could hide its end."""
        for start in range(0, len(text), 500):
            piece = ascii(text[start : start + 500])[1:-1]
            syslog.syslog(syslog.LOG_NOTICE, f"{what}: {piece} ({self.who})")


# --- the caller, and the entry point ------------------------------------------------------


def now() -> float:
    """Return seconds, including those for which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def caller() -> str:
    """Return what the system knows about the user behind this session, for syslog."""
    names = ("SUDO_UID=", "SUDO_USER=", "PKEXEC_UID=", "DOAS_USER=")
    known = []
    with contextlib.suppress(OSError), open("/proc/self/environ", "rb") as environ:
        lines = os.fsdecode(environ.read(MAX_REQUEST)).split("\0")
        known = [line for name in names for line in lines if line.startswith(name)]
    with contextlib.suppress(OSError), open("/proc/self/loginuid", encoding="ascii") as file:
        known.append("loginuid=" + file.read().strip())  # survives every change of user
    for pid in (os.getpid(), os.getppid()):  # the parent: sudo or the like, or kmodtui as root
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            terminal = int(file.read().rpartition(b")")[2].split()[4])
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                argv = os.fsdecode(line.read(400)).split("\0")[:-1]
            known.append(f"tty={os.major(terminal)}:{os.minor(terminal)} argv={argv}")
    return ascii(" ".join(known))[1:-1][:1000]


def main() -> None:
    """Serve one session on standard input and output, as root."""
    scope, options = "".join(sys.argv[1:2]), sys.argv[2:]
    if scope not in SCOPES or options not in ([], ["--detach"]):
        sys.exit("usage: kmodtui-helper {read|change} [--detach]")
    # These duplicates are not inherited by programs that are run from here. Descriptors 0 to 2
    # become /dev/null below, because the terminal belongs to the dashboard.
    source, sink = os.dup(0), os.dup(1)
    who, bye = caller(), {"reason": "not-root", "message": "The helper is not running as root."}
    try:
        if os.geteuid() == 0:
            limit(CAPABILITIES[scope], for_good=scope == "read")
            bye = {}
    except (ImportError, OSError) as error:
        bye = {"reason": "failed", "message": f"It cannot limit its own privileges: {error}"}
    if bye:
        os.write(sink, json.dumps({"bye": bye}).encode("ascii") + b"\n")
        sys.exit(1)
    if options:
        # For programs that cannot go to the background themselves: they exit with the process
        # that they started and release the terminal. The new process keeps the pipes.
        if os.fork():
            os._exit(0)
        os.setsid()
    os.chdir("/")
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if ignored, exit statuses would be lost
    os.close(os.pidfd_open(os.getpid()))  # needs Linux 5.3; fail here rather than after a fork
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    syslog.openlog("kmodtui-helper", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    session = Session(Machine(), source, sink, scope, who=who)
    session.audit("session", f"started, scope: {scope}")
    try:
        session.run()
    except Exception as error:
        session.audit("end", repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
