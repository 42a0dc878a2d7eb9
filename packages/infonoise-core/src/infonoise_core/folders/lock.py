"""One writer at a time: a lock on a folder, which the kernel releases when its process ends."""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infonoise_core.errors import InputError

LOCK_FILE = ".infonoise.lock"
# A file system that knows no locks: then nothing is promised, and nothing refused.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be.

    Raises:
        InputError: Where another process holds it: with its number and machine.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    handle = _taken(path, folder)
    try:
        yield
    finally:
        # Deleted while it is held: whoever has opened it meanwhile sees that it is no longer there.
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == os.fstat(handle).st_ino:
                path.unlink()
                if made:
                    folder.rmdir()  # where nothing came of it; else it stays
        os.close(handle)


def forget(folder: Path) -> None:
    """Take away a lock that a killed process has left; one that is held stays."""
    if (folder / LOCK_FILE).exists():
        with contextlib.suppress(InputError, OSError), locked(folder):
            pass


def _taken(path: Path, folder: Path) -> int:
    try:
        import fcntl
    except ImportError:  # no POSIX
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _holder(handle)
            os.close(handle)
            raise InputError(
                f"{folder}: {who} is writing there; wait until it ends, stop it, or give another"
                " --out"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(handle)
                raise
        if _is_there(path, handle):
            with contextlib.suppress(OSError):  # on a full disk the lock holds without a name
                os.ftruncate(handle, 0)
                about = {"pid": os.getpid(), "host": socket.gethostname()}
                os.pwrite(handle, json.dumps(about).encode(), 0)
            return handle
        os.close(handle)  # its holder has just deleted it


def _is_there(path: Path, handle: int) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(handle).st_ino
    except OSError:
        return False


def _holder(handle: int) -> str:
    try:
        about = json.loads(os.pread(handle, 4096, 0))
        return f"process {int(about['pid'])} on {about['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
