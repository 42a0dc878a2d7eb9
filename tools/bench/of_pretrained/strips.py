"""A few images of the same noises by several lists, small enough to stand in the results."""

import base64

from torch import Tensor

from infonoise_vision.data.images import to_bytes
from report import Strip

SHOWN = 12


def strip(name: str, images: Tensor) -> Strip:
    """The first images (n, c, h, w) in [-1, 1], side by side."""
    rows = to_bytes(images[:SHOWN])
    n, height, width, channels = rows.shape
    joined = rows.transpose(1, 0, 2, 3).reshape(height, n * width, channels)
    text = base64.b64encode(joined.tobytes()).decode()
    return Strip(name, (height, n * width, channels), text)
