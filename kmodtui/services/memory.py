"""Settings of the memory allocator for a program that runs for hours."""

from __future__ import annotations

import contextlib

LARGE = 256 * 1024
"""Bytes from which an allocation is returned to the system as soon as it is freed."""

THREAD_ARENAS = 2
"""Arenas that the threads share."""

# Parameters of mallopt(3), from <malloc.h>.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def return_freed_memory() -> None:
    """Let the allocator return freed memory to the system, where it is glibc's.

    By default, it keeps freed blocks of up to 32 MiB for later, separately in each thread.
    After some readings of /proc/kallsyms in several threads, that is more than 50 MB.
    """
    import ctypes

    # musl has no mallopt, and needs none.
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, LARGE)
        mallopt(_M_ARENA_MAX, THREAD_ARENAS)
