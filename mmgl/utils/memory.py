"""Memory that a process has freed and will want again."""

import ctypes
import os
import sys

# Of malloc.h of glibc, and what gives their meaning in the environment.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_CHOSEN = (
    'MALLOC_TRIM_THRESHOLD_',
    'MALLOC_MMAP_MAX_',
    'MALLOC_MMAP_THRESHOLD_',
    'GLIBC_TUNABLES',
)


def keep_freed_memory() -> bool:
    """Let this process use freed memory again, and tell whether it does.

    glibc gives large blocks back to the system, which clears them page by
    page for the next map of a network: 14 % of the time of AGW's training
    step on a processor, 24 % of a forward pass of a ResNet-50. The peak is
    the same, but stays. What the environment says of it (MALLOC_MMAP_MAX_
    and the like) holds; without glibc nothing changes.
    """
    if sys.platform != 'linux' or any(name in os.environ for name in _CHOSEN):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    # No limit below which it would be given back, and no block for itself.
    return bool(mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_MMAP_MAX, 0))
