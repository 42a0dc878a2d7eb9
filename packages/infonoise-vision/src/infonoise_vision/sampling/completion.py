"""How a denoiser is made to agree with what is known, at every call of a sampler."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.multivariate import shaped_noise
from infonoise_vision.models.conditions import Condition


def renoised(denoiser: Denoiser, condition: Condition, seed: int) -> Denoiser:
    """The denoiser with fresh noise of the condition at every call, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)

    def denoise(x: Tensor, sigma: Tensor, **seen: Any) -> Tensor:
        noise = condition.noise(seen["given"], generator)
        return denoiser(x, sigma, **{**seen, "given_noise": noise})

    return denoise


def null_space(denoiser: Denoiser, condition: Condition) -> Denoiser:
    """An unconditional denoiser made to agree with y, without training.

    DDNM (Wang et al. 2022, arXiv 2212.00490): what y says of the estimate is replaced by y, the
    rest is left to the network.
    """

    def denoise(x: Tensor, sigma: Tensor, **seen: Any) -> Tensor:
        rest = {k: v for k, v in seen.items() if k not in ("given", "known")}
        return condition.project(denoiser(x, sigma, **rest), seen)

    return denoise


def replaced(denoiser: Denoiser, condition: Condition, seed: int, model: object = None) -> Denoiser:
    """An unconditional denoiser that sees known pixels noised as the others are: c = 1.

    Args:
        model: What the denoiser is made of, where that has noise of its own.
    """
    generator = torch.Generator().manual_seed(seed)

    def denoise(x: Tensor, sigma: Tensor, **seen: Any) -> Tensor:
        if "known" not in seen:
            raise InputError("replacement needs known pixels: give --method ddnm")
        rest = {k: v for k, v in seen.items() if k not in ("given", "known")}
        level = sigma.to(x).reshape(-1, 1, 1, 1)
        noise = shaped_noise(model, condition.noise(seen["given"], generator), sigma)
        noised = seen["given"] + level * noise
        whole = denoiser(torch.where(seen["known"] > 0, noised, x), sigma, **rest)
        return condition.project(whole, seen)

    return denoise
