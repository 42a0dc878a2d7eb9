"""Which images a run was trained on, and whether others are the same ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet

FINGERPRINT = "fingerprint"
# Images of each of the two parts that are looked at.
_LOOKED_AT = 16
# How far numbers may lie apart, in their standard deviation over images. The same files decoded or
# resized elsewhere may differ by a level here and there, which is some 0.01 of it; those of two
# unlike images are as close in one case of seven, so all of 32 pairs never are.
_APART = 0.25


def describe(images: ImageSet, held_out: ImageSet) -> dict[str, Any]:
    """What was trained on, as plain values: for the settings of a run and for results."""
    return {
        "name": images.name,
        "shape": list(images.shape),
        "levels": images.levels,
        "train": len(images),
        "held_out": len(held_out),
        "classes": list(images.classes),
    }


def fingerprint(images: ImageSet, held_out: ImageSet) -> str:
    """A number of each of some images, evenly spaced through both parts; the same for any scale.

    The number is the mean of the pixels, between -1 and 1, times a fixed pattern cos(i^2). Unlike a
    hash it hardly changes where another machine rounds a pixel otherwise.
    """
    pattern = np.cos(np.arange(images.dim, dtype=np.float64) ** 2)
    numbers: list[float] = []
    for part in (images, held_out):
        rows = np.unique(np.linspace(0, len(part) - 1, _LOOKED_AT).round().astype(np.int64))
        pixels = part.x0(rows).double().flatten(1).numpy() / part.scale
        numbers += (pixels @ pattern / part.dim).tolist()
    return " ".join(f"{number:.5g}" for number in numbers)


def refuse_others(
    data: str, run: Path, known: Mapping[str, Any], images: ImageSet, held_out: ImageSet
) -> None:
    """InputError where images are not those that the settings of a run say.

    Args:
        data: Where the images are from.
        known: What `recorded` said.
    """
    found = describe(images, held_out)
    differs = next((k for k in found if k != "name" and k in known and found[k] != known[k]), None)
    if differs:
        raise InputError(
            f"{data}: not the images of {run}, whose {differs} is {known[differs]} and"
            f" not {found[differs]}; give the same ones with --data"
        )
    if not _alike(known, fingerprint(images, held_out)):
        raise InputError(
            f"{data}: not the images of {run}, only as many of the same kind; give the same ones"
            " with --data"
        )


def recorded(
    begun: Mapping[str, Any], data: str, run: Path, images: ImageSet, held_out: ImageSet
) -> dict[str, Any]:
    """What the settings of a run say of its images.

    Args:
        begun: What those of the run that is to go on say, or nothing.

    Raises:
        InputError: Where other images stand in the place of that run's own.
    """
    found = describe(images, held_out)
    if any(found[k] != begun.get(k) for k in found):
        return {**found, FINGERPRINT: fingerprint(images, held_out)}
    if not _alike(begun, fingerprint(images, held_out)):
        raise InputError(
            f"{data}: not the images that {run} was begun with, only as many of the same kind; give"
            " those, or --overwrite"
        )
    return dict(begun)


def _alike(known: Mapping[str, Any], found: str) -> bool:
    """Whether a fingerprint is the known one, but for rounding; so where none is known."""
    if FINGERPRINT not in known:
        return True
    one, other = _numbers(known[FINGERPRINT]), _numbers(found)
    if len(one) != len(other):
        return False
    return bool((np.abs(one - other) <= _APART * one.std() + 1e-4 * np.abs(one)).all())


def _numbers(text: str) -> NDArray[np.float64]:
    return np.array([float(number) for number in text.split()])
