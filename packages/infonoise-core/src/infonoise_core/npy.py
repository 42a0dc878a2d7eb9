"""Headers of .npy files and .npz archives, checked before anything is allocated for them.

numpy makes room for what a header declares before it reads a byte: 300 bytes can ask for 73 GiB.
"""

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from numpy.lib import format as npy

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits, check_regular, size_words

_MAGIC = b"\x93NUMPY"
# Deflate makes at most 1,032 bytes of one; the members of an .npz are stored or deflated.
_DEFLATE = 1_032
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def check_npz(path: Path) -> None:
    """Check the headers of an archive of arrays; nothing else is unpacked.

    Raises:
        InputError: Where an array declares more than its member can hold, or more than this machine
            has memory.
    """
    check_regular(path)
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            where = f"{path}, array '{info.filename.removesuffix('.npy')}'"
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(f"{where}: is packed in a way that numpy does not write")
            if info.file_size > _DEFLATE * (info.compress_size + 64):
                raise InputError(
                    f"{where}: says {size_words(info.file_size)} but cannot hold that; it is"
                    " damaged or cut short: write the archive again"
                )
            with archive.open(info) as member:
                check_npy(member, info.file_size, where)


def check_npy(stream: Any, size: int, where: str) -> None:
    """InputError where the header at the start of a stream declares more than its `size` bytes."""
    head = stream.read(len(_MAGIC) + 2)
    if not head.startswith(_MAGIC):
        return  # not an array: whoever reads it says so
    reader = _READERS.get((head[-2], head[-1]))
    if reader is None:
        raise InputError(f"{where}: is an array of a version that is not read; save it again")
    counted = _Counted(stream)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, _, dtype = reader(counted)
        needed = math.prod(int(side) for side in shape) * dtype.itemsize
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError) as error:
        raise InputError(f"{where}: damaged or cut short ({type(error).__name__})") from None
    if dtype.hasobject:
        return  # its bytes say nothing of its size, and it is never read
    if needed < 0 or needed > size - len(head) - counted.read_bytes:
        raise InputError(
            f"{where}: declares {size_words(max(0, needed))} in shape {_shape_words(shape)} and"
            f" holds {size_words(size)}; it is damaged or cut short: write it again"
        )
    check_fits(needed, where)


def _shape_words(shape: tuple[int, ...]) -> str:
    words = "x".join(str(side)[:20] for side in shape[:8])
    return words + ("x..." if len(shape) > 8 else "")


class _Counted:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.read_bytes = stream, 0

    def read(self, n: int = -1) -> bytes:
        part = self._stream.read(n)
        self.read_bytes += len(part)
        return part
