"""Which images are held out, where the data have no test images of their own."""

import hashlib

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.source import Pixels, Rows
from infonoise_vision.data.options import AT_MOST, SHARE, check_held_out


def target(name: str, n: int, held_out: float | None) -> int:
    """How many of n images to hold out: a share, a number, or with None a fifth, at most 10,000."""
    check_held_out(held_out)
    if held_out is None:
        return min(max(round(SHARE * n), 1), AT_MOST)
    if held_out < 1:
        return min(max(round(held_out * n), 1), n - 1)
    if held_out >= n:
        raise InputError(f"--held-out {held_out:g}: {name} has {n} images; leave some to train on")
    return int(held_out)


def refuse_void(name: str, own: int, held_out: float | None) -> None:
    """InputError where a number to hold out is given, but the data have their own test images."""
    if held_out is not None:
        raise InputError(
            f"--held-out {held_out:g}: {name} has {own} test images"
            " of its own, which are held out; leave it out, or name the part to train on"
        )


def divide(name: str, pixels: Pixels, held_out: float | None, seed: int) -> tuple[Rows, Rows]:
    """Rows (k,) to train on and rows (n - k,) to hold out, ascending, the same for one seed.

    Args:
        pixels: (n, c, h, w).  All copies of an image fall on one side, so that the held-out one
            has `target` images, or a few less where copies do not fit (more only where even the
            smallest group of copies is bigger).
    """
    groups: dict[bytes, list[int]] = {}
    for row, image in enumerate(pixels):
        # + 0: minus zero equals zero.
        content = image if image.dtype == np.uint8 else image + 0
        key = hashlib.blake2b(np.ascontiguousarray(content).data, digest_size=16).digest()
        groups.setdefault(key, []).append(row)
    if len(groups) < 2:
        raise InputError(f"{name}: all {len(pixels)} images are the same; nothing to split")
    wanted = target(name, len(pixels), held_out)
    copies = list(groups.values())
    chosen: list[int] = []
    for i in np.random.default_rng(seed).permutation(len(copies)):
        if len(chosen) + len(copies[i]) <= wanted:
            chosen += copies[i]
    chosen = chosen or min(copies, key=len)
    mask = np.zeros(len(pixels), bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
