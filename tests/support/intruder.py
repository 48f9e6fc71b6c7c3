"""What another program of the same user could do to a root session: `intruder.py PID…`.

Tries to use the descriptors of these processes (0 stands for all that it sees) in the two ways
that need no password: opening /proc/PID/fd/N, and pidfd_getfd(2), which needs the same permission
as ptrace. Writes a request into each pipe or socket that it gets, and prints where.
"""

import contextlib
import ctypes
import os
import stat
import sys

REQUEST = b'{"id": 2, "op": "idle", "seconds": 77}\n'
PIDFD_GETFD = 438  # the same on all architectures


def taken(pid: int, number: int) -> int:
    """Return a copy of another process's descriptor; OSError if the kernel refuses."""
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = int(libc.syscall(PIDFD_GETFD, process, number, 0))
    finally:
        os.close(process)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def opened(pid: int, number: int) -> int:
    """Open a descriptor of another process again; OSError if the kernel refuses."""
    return os.open(f"/proc/{pid}/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def main(pids: list[int]) -> None:
    own = {os.readlink(f"/proc/self/fd/{number}") for number in range(3)}
    everything = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    for pid in everything if pids == [0] else pids:
        for number in range(40):
            for way in (opened, taken):
                with contextlib.suppress(OSError):
                    descriptor = way(pid, number)
                    target = os.readlink(f"/proc/self/fd/{descriptor}")
                    mode = os.fstat(descriptor).st_mode
                    if pid != os.getpid() and target not in own:
                        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
                            os.write(descriptor, REQUEST)
                        with open(f"/proc/{pid}/comm") as file:
                            name = file.read().strip()
                        say(f"REACHED {way.__name__} {name} {number} {target}")
                    os.close(descriptor)
    say("INTRUDER DONE")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
