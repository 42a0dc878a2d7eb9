"""How near generated images are to those of training: whether a network has learned to copy."""

from typing import NamedTuple

import torch
from torch import Tensor

from infonoise_core.evaluation.schema import Row
from infonoise_vision.data.images import ImageSet, Parts
from infonoise_vision.evaluation.generated import count, in_parts
from infonoise_vision.evaluation.measures import row
from infonoise_vision.sampling.images import png_grid
from infonoise_vision.sampling.trained import ImageRun

# Images that are looked at: each is held against all of training.
LIMIT = 256
# Images on the page, and training images beside each.
_SHOWN, _BESIDE = 8, 3


class Nearest(NamedTuple):
    """Of n images the k nearest of a set.

    distance: (n, k) root mean square differences of pixels, ascending.  rows: (n, k) where.
    """

    distance: Tensor
    rows: Tensor


def nearest(x: Tensor, images: ImageSet, k: int = 1) -> Nearest:
    """The nearest images of a set to each of x (n, c, h, w), of scale 1."""
    n, own = len(x), x.flatten(1).double()
    k = min(k, len(images))
    best = Nearest(torch.empty(n, 0).double(), torch.empty(n, 0, dtype=torch.int64))
    start = 0
    for part in in_parts(images):
        there = (part / images.scale).flatten(1).double()
        at = torch.arange(start, start + len(there)).expand(n, -1)
        distance = torch.cat([best.distance, torch.cdist(own, there)], 1)
        chosen = distance.topk(min(k, distance.shape[1]), largest=False)
        rows = torch.cat([best.rows, at], 1).gather(1, chosen.indices)
        best = Nearest(chosen.values, rows)
        start += len(there)
    return Nearest(best.distance / own.shape[1] ** 0.5, best.rows)


def nearest_rows(generated: ImageSet, parts: Parts) -> list[Row]:
    """The mean distance to the nearest training image, beside that of held-out images."""
    n = min(LIMIT, len(generated), len(parts.held_out))
    own = nearest(_first(generated, n), parts.train).distance
    real = nearest(_first(parts.held_out, n), parts.train).distance
    error = float(own.std() / n**0.5)
    return [
        row(
            f"nearest_train_{count(n)}", float(own.mean()), float(real.mean()), error, "",
            f"Mean distance of {n} generated images to the nearest training image, root mean square"
            " over pixels from -1 to 1; beside it that of held-out images. Far less than theirs:"
            " the network copies.",
        )
    ]  # fmt: skip


def nearest_page(run: ImageRun, parts: Parts, x0: Tensor) -> dict[str, bytes]:
    """Caption -> PNG of some of x0 (n, c, h, w), each before its nearest training images.

    Args:
        x0: As the run makes them, of its own scale.
    """
    scale, train, held_out = run.objective.scale, parts.train, parts.held_out
    n = min(LIMIT, len(x0), len(held_out))
    found = nearest(x0[:n] / scale, train, _BESIDE)
    k = found.rows.shape[1]
    real = nearest(_first(held_out, n), train).distance.mean()
    beside = train.x0(found.rows[:_SHOWN].flatten().numpy())
    sheet = torch.cat([x0[:_SHOWN, None], beside.reshape(-1, k, *x0.shape[1:])], 1)
    caption = (
        f"generated images, each before the {k} training images that are nearest"
        f" to it; root mean square difference to the first {found.distance[:, 0].mean():.3f} on"
        f" average, of held-out images {real:.3f}"
    )
    columns = 2 * sheet.shape[1]
    return {caption: png_grid(run.pictures(sheet.flatten(0, 1)), columns=columns)}


def _first(images: ImageSet, n: int) -> Tensor:
    return images.x0(slice(n)) / images.scale
