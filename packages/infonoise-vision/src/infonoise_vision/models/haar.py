"""The orthonormal Haar transform of images, one halving of the sides at a time.

White noise stays white, and squared errors of the parts sum to that of the whole.
"""

import torch
from torch import Tensor

from infonoise_core.errors import InputError

# Differences within cells of 2x2: of columns, of rows, of both.
ORIENTATIONS = 3
# Pixels a side that a filter of neighbours needs.
_LEAST = 4


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """(n, c, h, w) -> coarse (n, c, h/2, w/2), details (n, 3, c, h/2, w/2).

    The coarse part is twice the mean of each cell.
    """
    top, bottom = x[..., 0::2, :], x[..., 1::2, :]
    a, b = top[..., 0::2], top[..., 1::2]
    c, d = bottom[..., 0::2], bottom[..., 1::2]
    details = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], -4)
    return (a + b + c + d) / 2, details / 2


def join(coarse: Tensor, details: Tensor) -> Tensor:
    """The inverse of `split`: (n, c, h, w), (n, 3, c, h, w) -> (n, c, 2 h, 2 w)."""
    columns, rows, both = details.unbind(-4)
    a, b = coarse + columns + rows + both, coarse - columns + rows - both
    c, d = coarse + columns - rows - both, coarse - columns - rows + both
    top, bottom = torch.stack([a, b], -1).flatten(-2), torch.stack([c, d], -1).flatten(-2)
    return torch.stack([top, bottom], -2).flatten(-3, -2) / 2


def coarse(x: Tensor, times: int) -> Tensor:
    """(n, c, h, w) -> the coarse part after so many halvings, (n, c, h/2^times, w/2^times)."""
    for _ in range(times):
        x, _ = split(x)
    return x


def halvings(shape: tuple[int, int, int], wanted: int | None, least: int = 8) -> int:
    """How often images of `shape` (c, h, w) are halved.

    Args:
        wanted: A number, or None for as many as leave `least` pixels a side.

    Raises:
        InputError: For a number that the sides do not allow.
    """
    _, h, w = shape
    most = 0
    while h % 2 == 0 and w % 2 == 0 and min(h, w) // 2 >= (least if wanted is None else _LEAST):
        h, w, most = h // 2, w // 2, most + 1
    if wanted is None:
        if not most:
            raise InputError(
                f"--stages auto: images of {shape[2]}x{shape[1]} pixels cannot be halved to"
                f" {least} or more; leave --stages out"
            )
        return most
    if wanted > most:
        raise InputError(
            f"--stages {wanted}: images of {shape[2]}x{shape[1]} pixels can be halved {most}"
            " times; give fewer"
        )
    return wanted


def stages_of(option: str, shape: tuple[int, int, int]) -> int:
    """How often images of `shape` (c, h, w) are halved by the option --stages; 0 for none."""
    if option == "none":
        return 0
    return halvings(shape, None if option == "auto" else int(option))
