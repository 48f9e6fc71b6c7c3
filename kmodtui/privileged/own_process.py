"""Keeps other processes of the same user out of this one while it has a root session."""

from __future__ import annotations

from kmodtui.errors import ElevationError

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4  # linux/prctl.h


def make_non_dumpable() -> None:
    """Have the kernel refuse ptrace(2), pidfd_getfd(2) and /proc/PID/fd to other processes.

    Otherwise any process of this user could take over the connection to the helper. It stays
    like this until the process exits; programs that it starts are not affected.

    Raises:
        ElevationError: this is not possible here.
    """
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        done = prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        done = False
    if not done:
        raise ElevationError(
            "Other processes of this user could take over the root session, and this system "
            "does not let kmodtui prevent that: prctl(PR_SET_DUMPABLE) does not work.",
            "Check that Python has the ctypes module, and that no sandbox filters prctl.",
        )
