"""Which images a run was trained on, and whether others are the same ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_vision.data.images import ImageSet

# Images of each of the two parts that are looked at.
_LOOKED_AT = 16
# How far numbers may lie apart, in their standard deviation over images. The same files decoded or
# resized elsewhere may differ by a level here and there, which is some 0.01 of it; those of two
# unlike images are as close in one case of seven, so all of 32 pairs never are.
_APART = 0.25


def describe(images: ImageSet, held_out: ImageSet) -> dict[str, Any]:
    """What was trained on, as plain values: for the settings of a run and for results."""
    code: dict[str, Any] = {} if images.code is None else {"latents": vars(images.code)}
    if images.pairs is not None:
        code["pair"] = {"channels": images.pairs.channels, "levels": images.pairs.levels}
    return {
        "name": images.name,
        "shape": list(images.shape),
        "levels": images.levels,
        "train": len(images),
        "held_out": len(held_out),
        "classes": list(images.classes),
        **code,
    }


def pair_channels(described: Mapping[str, Any]) -> int:
    """Channels of the pairs of images that `describe` describes; 0 where there are none."""
    return int(described.get("pair", {}).get("channels", 0))


def classed(classes: Sequence[str]) -> str:
    """The classes in a few words, with a comma before; nothing where there are none."""
    if not classes:
        return ""
    some = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
    return f", {len(classes)} {'class' if len(classes) == 1 else 'classes'} ({some})"


def fingerprint(images: ImageSet, held_out: ImageSet) -> str:
    """A number of each of some images and pairs, evenly spaced, of both parts; of any scale.

    The number is the mean of the pixels, between -1 and 1, times a fixed pattern cos(i^2). Unlike a
    hash it hardly changes where another machine rounds a pixel otherwise.
    """
    numbers: list[float] = []
    for part in (images, held_out):
        rows = np.unique(np.linspace(0, len(part) - 1, _LOOKED_AT).round().astype(np.int64))
        for values in (part.x0(rows), part.given(rows)):
            if values is not None:
                pixels = values.double().flatten(1).numpy() / part.scale
                pattern = np.cos(np.arange(pixels.shape[1], dtype=np.float64) ** 2)
                numbers += (pixels @ pattern / len(pattern)).tolist()
    return " ".join(f"{number:.5g}" for number in numbers)


def alike(known: str, found: str) -> bool:
    """Whether two fingerprints are of the same images, but for rounding."""
    one, other = _numbers(known), _numbers(found)
    if len(one) != len(other):
        return False
    return bool((np.abs(one - other) <= _APART * one.std() + 1e-4 * np.abs(one)).all())


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array([float(number) for number in text.split()])
