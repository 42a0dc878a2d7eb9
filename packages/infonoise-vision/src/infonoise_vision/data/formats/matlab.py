"""MATLAB's files of level 5, from version 5 to before 7.3: the real numeric arrays in them.

Read here and not by SciPy, because a damaged file can crash its reader, and with it the program.
The format is that of MathWorks' "MAT-File Format".
"""

import math
import mmap
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits, check_regular

_HEADER, _VERSION, _LATER = 128, 0x0100, 0x0200
# What the two last bytes of the header say of the order of bytes.
Order = Literal["<", ">"]
_ORDERS: Mapping[bytes, Order] = {b"IM": "<", b"MI": ">"}
# Types of elements: numbers as they are stored, arrays, and arrays packed by zlib.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
           13: "u8"}  # fmt: skip
_MATRIX, _PACKED = 14, 15
# Classes of arrays: what their numbers are to the user, whatever fewer bytes they are stored in.
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
            15: "u8"}  # fmt: skip
_COMPLEX = 0x0800
# zlib packs no byte string by more than this.
_DENSEST = 1032
_ROOM = 64


class _DamagedError(Exception):
    """With the reason."""


def read_arrays(file: Path, wanted: Collection[str]) -> Mapping[str, NDArray[Any] | None]:
    """Every name in the file, with its array where it is wanted and of real numbers.

    Raises:
        InputError: For a file of another format or version, or a damaged one.
    """
    check_regular(file)
    if file.stat().st_size < _HEADER:
        raise _refused(file, "shorter than its header")
    with file.open("rb") as opened:
        content = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
    order = _ORDERS.get(bytes(content[126:128]))
    if order is None:
        raise InputError(
            f"{file}: is no file of MATLAB 5 to 7.2; save it again with -v7, or as .npz"
        )
    (version,) = struct.unpack_from(f"{order}H", content, 124)
    if version == _LATER:
        raise InputError(f"{file}: is of MATLAB 7.3; save it again with -v7, or as .npz")
    if version != _VERSION:
        raise _refused(file, f"version {version:#x}")
    found: dict[str, NDArray[Any] | None] = {}
    try:
        for kind, data in _elements(content[_HEADER:], order):
            if kind == _PACKED:
                kind, data = _unpacked(data, order, file)
            if kind == _MATRIX:
                name, array = _array(data, order, wanted)
                found[name] = array
    except (_DamagedError, struct.error, zlib.error) as error:
        raise _refused(file, str(error)) from error
    return found


def _refused(file: Path, why: str) -> InputError:
    return InputError(f"{file}: damaged or cut short ({why}); fetch it again")


def _elements(content: memoryview, order: Order) -> Iterator[tuple[int, memoryview]]:
    """Type and data of one element after the other; few data lie in the tag itself."""
    at = 0
    while at < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        start, end = at + 8, at + 8 + size
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            start, end = at + 4, at + 4 + size
            at += 8
        else:
            # Only what is packed is not filled up to eight bytes.
            at = end if kind == _PACKED else end + -size % 8
        if end > len(content):
            raise _DamagedError(f"{size} bytes where {len(content) - start} are left")
        yield kind, content[start:end]


def _unpacked(data: memoryview, order: Order, file: Path) -> tuple[int, memoryview]:
    """Type and data of the element in packed ones; they are checked against their checksum."""
    unpack = zlib.decompressobj()
    kind, size = struct.unpack(f"{order}II", unpack.decompress(data, 8))
    if size > _DENSEST * len(data):
        raise _DamagedError(f"{size} bytes packed into {len(data)}")
    check_fits(size, str(file))
    content = unpack.decompress(unpack.unconsumed_tail, size) if size else b""
    if len(content) < size:
        raise _DamagedError(f"{len(content)} of {size} packed bytes")
    if unpack.decompress(unpack.unconsumed_tail, _ROOM).strip(b"\0") or not unpack.eof:
        raise _DamagedError(f"more than {size} packed bytes")
    return kind, memoryview(content)


def _array(
    data: memoryview, order: Order, wanted: Collection[str]
) -> tuple[str, NDArray[Any] | None]:
    parts = _elements(data, order)
    flags = int(_numbers(parts, order)[0])
    sizes = [int(size) for size in _numbers(parts, order)]
    name = _numbers(parts, order, least=0).tobytes().decode("utf-8", "replace")
    kind = _CLASSES.get(flags & 0xFF)
    if name not in wanted or kind is None or flags & _COMPLEX:
        return name, None
    stored = _numbers(parts, order, least=0)
    if min(sizes) < 0 or stored.size != math.prod(sizes):
        raise _DamagedError(f"{name} has {stored.size} numbers for {sizes}")
    # Columns first.
    return name, stored.astype(kind, copy=False).reshape(sizes, order="F")


def _numbers(
    parts: Iterator[tuple[int, memoryview]], order: Order, least: int = 1
) -> NDArray[np.generic]:
    """The next element's numbers, in the machine's order of bytes."""
    kind, data = next(parts, (0, memoryview(b"")))
    if kind not in _STORED:
        raise _DamagedError(f"an element of type {kind} where numbers belong")
    stored = np.dtype(_STORED[kind]).newbyteorder(order)
    if len(data) % stored.itemsize or len(data) < least * stored.itemsize:
        raise _DamagedError(f"{len(data)} bytes of {stored.name}")
    numbers: NDArray[np.generic] = np.frombuffer(data, stored)
    return numbers.astype(stored.newbyteorder("="), copy=False)
