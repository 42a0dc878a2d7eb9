"""Arrays bigger than memory: rows of files that are mapped, not read."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from infonoise_core.errors import InputError


class MappedArray:
    """Rows of an .npy file, or of a raw file of numbers, by their indices, read-only.

    Only the rows that are wanted are read. Pickled, it is a path, and every process maps the file
    anew.

    Args:
        path: The file.
        dtype: Of the numbers in a raw file (no header, such as a file of token ids); not for .npy.
        row: Shape of one row of a raw file, such as (1024,) for windows of 1024 tokens that lie
            side by side; what is left over at the end of the file is left out.
    """

    def __init__(
        self, path: str | Path, dtype: DTypeLike | None = None, row: tuple[int, ...] = ()
    ) -> None:
        self.path, self._dtype, self._row = Path(path), dtype, row
        self._array = _map_npy(self.path) if dtype is None else _map_raw(self.path, dtype, row)
        if not len(self._array):
            raise InputError(f"{path}: holds no rows; give a file with at least one")

    def __len__(self) -> int:
        return len(self._array)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows as they lie in the files."""
        return self._array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, ...)."""
        return self._array.shape

    def __getitem__(self, index: NDArray[np.integer] | int | slice) -> NDArray[Any]:
        """The rows at `index`, copied into memory."""
        return np.array(self._array[index])

    def __getstate__(self) -> dict[str, Any]:
        # numpy would pickle the contents.
        return {"path": self.path, "dtype": self._dtype, "row": self._row}

    def __setstate__(self, state: dict[str, Any]) -> None:
        MappedArray.__init__(self, **state)


def _map_npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise InputError(f"{path}: not an .npy file; give one, or the dtype of its raw numbers")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "pickle" in str(error) or "object" in str(error):
            raise InputError(f"{path}: holds Python objects; save it as numbers") from None
        raise InputError(f"{path}: damaged or cut short; write it again") from None
    if array.ndim == 0:
        raise InputError(f"{path}: holds a single number; give an array of rows")
    return array


def _map_raw(path: Path, dtype: DTypeLike, row: tuple[int, ...]) -> NDArray[Any]:
    kind, size = np.dtype(dtype), path.stat().st_size
    if kind.hasobject:
        raise InputError(f"{path}: raw files hold no Python objects; give a dtype of numbers")
    if min(row, default=1) < 1:
        raise InputError(f"{path}: rows of shape {row}; give 1 or more in every direction")
    if size % kind.itemsize:
        raise InputError(
            f"{path}: {size} bytes are no whole number of {kind.name}; the file is cut short, or of"
            " another dtype"
        )
    width = math.prod(row)
    rows = size // kind.itemsize // width
    if not rows:
        raise InputError(
            f"{path}: {size // kind.itemsize} numbers are fewer than one row of {width}; give a"
            " longer file or shorter rows"
        )
    return np.memmap(path, kind, mode="r", shape=(rows, *row))
