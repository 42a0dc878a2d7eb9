"""Memory that a training step frees is kept for the next one, on the CPU under glibc."""

import ctypes
import os
import sys

# mallopt's names of these settings, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Older releases of glibc refuse thresholds above the second.
_LARGEST, _LARGEST_OF_OLD = 2**30, 2**25
_NEVER = 2**31 - 1
# Whoever sets one of these has chosen.
_CHOSEN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_MAX_",
)


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for what it allocates next.

    By default glibc hands large blocks back at once, and each step's tensors are then made of pages
    that the kernel has to clear again. Done once for the whole process; nothing happens under
    another C library, or where the user has set one of glibc's own variables, such as
    ``MALLOC_TRIM_THRESHOLD_`` or ``GLIBC_TUNABLES``.

    Returns:
        Whether it is so now.
    """
    chosen = any(name in os.environ for name in _CHOSEN)
    if chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version") or not hasattr(library, "mallopt"):
        return False
    # Either setting by itself also ends glibc's own adjusting of the other.
    large = any(library.mallopt(_MMAP_THRESHOLD, size) for size in (_LARGEST, _LARGEST_OF_OLD))
    return bool(large and library.mallopt(_TRIM_THRESHOLD, _NEVER))
