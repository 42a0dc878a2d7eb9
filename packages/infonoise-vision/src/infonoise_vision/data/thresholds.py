"""Images as black and white."""

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.source import NewArray, Pixels, chunks

COLOURS = 3
# ITU-R BT.601, as Pillow's convert("L") has it.
_LUMA = np.array([0.299, 0.587, 0.114])


def thresholded(
    name: str, pixels: Pixels, levels: int | None, share: float, new: NewArray
) -> NDArray[np.uint8]:
    """Black or white: (n, 1, h, w) of grey or colours, else (n, c, h, w)."""
    if levels is None or pixels.dtype != np.uint8:
        raise InputError(f"{name}: holds real numbers, for which --binarize has no scale")
    grey = np.asanyarray(pixels, np.uint8)
    if not grey.flags.writeable:
        raise InputError(f"{name}: is prepared already; prepare it again with --binarize")
    if grey.shape[1] == COLOURS:
        grey = _luma(grey, new)
    for part in chunks(grey):
        part[...] = part > share * (levels - 1)
    return grey


def _luma(colours: NDArray[np.uint8], new: NewArray) -> NDArray[np.uint8]:
    """(n, 3, h, w) -> (n, 1, h, w): the brightness of ITU-R BT.601, rounded."""
    n, _, height, width = colours.shape
    grey = new((n, 1, height, width))
    for part, image in zip(chunks(grey), chunks(colours), strict=True):
        part[:, 0] = np.rint(np.tensordot(image, _LUMA, (1, 0)))
    return grey
