"""Guidance: a denoiser moved along the difference from one that knows less.

What it lacks is the condition (classifier-free guidance), or training (autoguidance).
"""

import math
from typing import Any

from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser


def guided(
    denoiser: Denoiser,
    scale: float,
    between: tuple[float, float] = (0.0, math.inf),
    /,
    **null: Any,
) -> Denoiser:
    """D_null + scale (D_condition - D_null) (Ho & Salimans 2022, eq. 6 with scale = 1 + w).

    Args:
        null: The keyword arguments that stand for "no condition"; they replace those of the
            same name in the second call, all others stay.  A tensor of one row stands for every
            example.
        scale: 1 is the denoiser itself and costs one call; 0 ignores the condition; more than 1
            sharpens it, at two calls.
        between: Lowest and highest noise level of guidance (Kynkäänniemi et al. 2024); beyond them
            the condition counts as it is. All examples of a call have one level there.
    """
    _refuse(scale)
    if not null:
        raise InputError(
            "guidance without a null condition: name what the condition is replaced by"
        )
    if scale == 1:
        return denoiser

    def denoise(x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        if not _within(sigma, between):
            return denoiser(x, sigma, **condition)
        without = {k: _for_each(v, len(x)) for k, v in null.items()}
        free = denoiser(x, sigma, **{**condition, **without})
        if scale == 0:
            return free
        return free + scale * (denoiser(x, sigma, **condition) - free)

    return denoise


def autoguided(
    denoiser: Denoiser,
    guide: Denoiser,
    scale: float,
    between: tuple[float, float] = (0.0, math.inf),
) -> Denoiser:
    """D_guide + scale (D - D_guide), away from what a weaker model errs in (Karras et al. 2024).

    Args:
        guide: Of the same examples and conditions, trained less long or of a smaller network; it is
            given what the denoiser is (arXiv 2406.02507, eq. 3).
        scale: 1 is the denoiser itself and costs one call; more than 1 goes beyond it, at a call
            of each.
        between: Lowest and highest noise level of guidance; beyond them the denoiser counts as it
            is. All examples of a call have one level there.
    """
    _refuse(scale)
    if scale == 1:
        return denoiser

    def denoise(x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        good = denoiser(x, sigma, **condition)
        if not _within(sigma, between):
            return good
        weak = guide(x, sigma, **condition)
        return weak + scale * (good - weak)

    return denoise


def _refuse(scale: float) -> None:
    if not math.isfinite(scale):
        raise InputError(f"guidance scale {scale}: give a finite number, 1 for none")


def _within(sigma: Tensor, between: tuple[float, float]) -> bool:
    low, high = between
    return (low <= 0 and high == math.inf) or low <= float(sigma[0]) <= high


def _for_each(value: Any, n: int) -> Any:
    if isinstance(value, Tensor) and value.dim() and len(value) == 1:
        return value.expand(n, *value.shape[1:])
    return value
