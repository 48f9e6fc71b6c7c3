"""Whether there is a shell that can continue this process after it has been stopped."""

from __future__ import annotations

import os
from pathlib import Path


def has_job_control() -> bool:
    """Return whether a shell with job control started this process.

    If not, such as in a terminal or a connection opened for kmodtui alone, nothing would
    continue the process: POSIX calls its process group orphaned.
    """
    group, session = os.getpgrp(), os.getsid(0)
    parent = os.getppid()
    while parent > 0:
        try:
            if os.getsid(parent) != session:
                return False
            if os.getpgid(parent) != group:
                return True
            parent = _parent_of(parent)
        except (OSError, ValueError, IndexError):
            return False
    return False


def _parent_of(process: int) -> int:
    """Return the parent of a process, from /proc/PID/stat; see proc_pid_stat(5)."""
    # The name of the program, in parentheses, may contain anything.
    fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2]
    return int(fields.split()[1])
