"""What a process that serves for weeks does about its memory, once, before it serves."""

import ctypes
import gc
from contextlib import suppress

_M_ARENA_MAX = -8
"""glibc's number for how many heaps there may be (malloc.h)."""


def settle() -> None:
    """Keep to one heap, and take what stands now for permanent."""
    with suppress(AttributeError):  # another C library
        # A heap a thread helps threads that run at once, which Python's do not; it cost 2 MB, and some growth.
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    gc.collect()
    gc.freeze()  # the collector need not go through the modules again, 5 ms each time
