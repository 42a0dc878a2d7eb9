"""Generated images as a PNG."""

import io
import math

import numpy as np
from PIL import Image
from torch import Tensor

from infonoise_vision.data import to_bytes


def png_grid(x0: Tensor, zoom: int | None = None, columns: int | None = None) -> bytes:
    """A PNG of images (n, c, h, w) side by side, one pixel apart, enlarged so that small ones can
    be seen.  Channels that are neither grey nor colour stand in a row, in grey.
    """
    images = to_bytes(x0)
    if images.shape[3] not in (1, 3):
        images = np.concatenate(np.split(images, images.shape[3], axis=3), axis=2)
    n, h, w, c = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (h + 1) + 1, columns * (w + 1) + 1, c), 128, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (h + 1) + 1, (i % columns) * (w + 1) + 1
        sheet[top : top + h, left : left + w] = image
    picture = Image.fromarray(sheet[..., 0] if c == 1 else sheet)
    zoom = zoom or max(1, 640 // picture.width)
    picture = picture.resize(
        (zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST
    )
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()
