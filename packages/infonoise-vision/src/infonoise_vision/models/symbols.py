"""A head for images of few grey levels: the posterior of each pixel's level, not its mean alone.

Under Gaussian noise a pixel says of its own level what Bayes' rule says, and how often each level
stands at each place is counted beforehand. Both are logits in closed form; the network adds what a
pixel's neighbours say. So the untrained model is the exact denoiser of independent pixels, and all
that is trained is what that lacks (as the analog bits of Chen et al. 2022, arXiv 2208.04202, with
the matched filter of Batzolis et al. 2026).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.weighting import Weight
from infonoise_core.training.task import Batch, Losses
from infonoise_vision.data.priors import level_values

Shape = tuple[int, int, int]


def outputs(shape: Shape, levels: int) -> int:
    """Channels that a network needs for the logits of images of `shape` (c, h, w)."""
    return shape[0] * (1 if levels == 2 else levels)


class SymbolDenoiser(nn.Module):
    """`D(x, sigma, **condition)` = the mean of the levels under softmax(evidence + prior + F).

    Args:
        network: F(x, c_noise, given=planes, ...) -> (n, outputs(shape, levels), h, w): x of unit
            variance, c_noise = log(sigma / unit) / 4 of shape (n,), and as planes the mean of each
            pixel were it alone, (n, c, h, w), before those of a condition. Of two levels F is the
            logit of the second over the first.
        frequencies: (c, h, w, levels) of each level at each pixel, all above 0; None where they
            come with the weights.
        sigma_data: Standard deviation of one data dimension.
        scale: What the levels, which lie between -1 and 1, are multiplied with.
        unit: What sigma is counted in.
    """

    values: Tensor
    log_prior: Tensor

    def __init__(
        self,
        network: nn.Module,
        shape: Shape,
        levels: int,
        frequencies: Tensor | None = None,
        *,
        sigma_data: float = 0.5,
        scale: float = 1.0,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        if levels < 2:
            raise InputError(f"{levels} grey levels: a head of symbols needs at least 2")
        if frequencies is None:
            frequencies = torch.full((*shape, levels), 1 / levels)
        if frequencies.shape != (*shape, levels) or not bool((frequencies > 0).all()):
            raise InputError(
                f"frequencies of shape {tuple(frequencies.shape)} for images of shape {shape} with"
                f" {levels} levels: give a positive one for each pixel and level"
            )
        self.network, self.levels = network, levels
        self.sigma_data, self.scale, self.unit = sigma_data, scale, unit
        values = level_values(levels, scale).to(torch.float32)
        self.register_buffer("values", values, persistent=False)
        prior = frequencies.to(torch.float64).log().movedim(3, 0)
        self.register_buffer("log_prior", prior.to(torch.float32).contiguous())

    def forward(
        self, x: Tensor, sigma: Tensor, *, logits: bool = False, **condition: Any
    ) -> Tensor:
        """x (n, c, h, w), sigma (n,) -> x0 (n, c, h, w), in float32 whatever the network is in.

        Args:
            x: Noisy images.
            sigma: Their noise levels.
            logits: Give the logits (n, levels, c, h, w) of which that is the mean.
            condition: What the network takes.
        """
        if sigma.shape != x.shape[:1]:
            raise InputError(
                f"sigma of shape {tuple(sigma.shape)} for x of shape {tuple(x.shape)}:"
                " give one noise level per image"
            )
        found: Tensor = self._logits(x.to(torch.float32), sigma.to(torch.float32), **condition)
        return found if logits else mean_level(found, self.values)

    def _logits(
        self, x: Tensor, sigma: Tensor, given: Tensor | None = None, **condition: Any
    ) -> Tensor:
        alone = self.independent(x, sigma)
        # In units of the data, so that their scale is nothing the network has to learn.
        planes = mean_level(alone, self.values) / self.sigma_data
        if given is not None:
            planes = torch.cat([planes, given.to(planes)], 1)
        total = (sigma.square() + self.sigma_data**2).sqrt().reshape(-1, 1, 1, 1)
        noise = (sigma / self.unit).log() / 4
        raw = self.network(x / total, noise, given=planes, **condition).to(torch.float32)
        if self.levels == 2:
            residual = torch.stack([-raw / 2, raw / 2], 1)
        else:
            residual = raw.reshape(len(x), self.levels, *x.shape[1:])
        return alone + residual

    def independent(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(n, levels, c, h, w) logits of each pixel by itself: Bayes' rule, nothing learned.

        Args:
            x: (n, c, h, w) = x0 + sigma eps.
            sigma: (n,).
        """
        distance = x[:, None] - self.values.reshape(1, -1, 1, 1, 1)
        noise = sigma.reshape(-1, 1, 1, 1, 1)
        # Squares of differences: the levels near x, which alone matter, lose no digits.
        logits: Tensor = self.log_prior - (distance / noise).square() / 2
        return logits


def mean_level(logits: Tensor, values: Tensor) -> Tensor:
    """(n, c, h, w) the mean of the levels' values (levels,) under logits (n, levels, c, h, w)."""
    return (logits.softmax(1) * values.reshape(1, -1, 1, 1, 1)).sum(1)


def nearest_level(x0: Tensor, values: Tensor) -> Tensor:
    """The index of the level at x0, of x0's shape, int64; values (levels,) evenly spaced."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    return ((x0 - values[0]) / step).round().clamp(0, len(values) - 1).long()


def symbol_losses(
    denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor, weight: Weight, values: Tensor
) -> Losses:
    """Cross entropy (n,) of the pixels' levels in nats per dim, and the squared error of the same.

    Pixels that are `known` of an image cost nothing.

    Args:
        denoiser: A `SymbolDenoiser`, wrapped or not.
        batch: x0 (n, c, h, w) on the levels.
        sigma: (n,).
        eps: Unit noise of x0's shape.
        weight: Of the loss.
        values: (levels,) as the denoiser has them.
    """
    x0 = batch.x0
    values = values.to(x0)
    x = x0 + sigma.reshape(-1, 1, 1, 1) * eps
    logits = denoiser(x, sigma, logits=True, **batch.condition)
    cost = functional.cross_entropy(logits, nearest_level(x0, values), reduction="none")
    error = mean_level(logits.detach(), values) - x0
    if "known" in batch.condition:
        hidden = 1 - batch.condition["known"]
        cost, error = cost * hidden, error * hidden
    loss = weight(sigma) * cost.flatten(1).sum(1) / math.prod(x0.shape[1:])
    return Losses(loss, error.flatten(1).square().sum(1))
