"""Guidance of bases: their posterior probabilities are moved, and stay probabilities."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from infonoise_bio.models.denoiser import BaseDenoiser, known_places, mean_point
from infonoise_bio.models.encoding import Encoding
from infonoise_core.errors import InputError


class Guided(nn.Module):
    """D(x, sigma, ...) with the posterior p_null (p_condition / p_null)^scale, base by base.

    Classifier-free guidance (Ho & Salimans 2022) moves the mean point along a line, and from a
    scale of 2 or so beyond all bases: the sampler then takes for certain what the condition makes a
    little more probable, at levels where nothing is certain yet. Of logarithms of probabilities,
    normalised again, the mean stays among the bases.

    Args:
        denoiser: The trained one.
        scale: 1 is the denoiser itself; 0 ignores the condition; more than 1 sharpens it.
        null: One row of each condition that says nothing, in the second call.
    """

    def __init__(self, denoiser: BaseDenoiser, scale: float, null: Mapping[str, Tensor]) -> None:
        super().__init__()
        if not math.isfinite(scale):
            raise InputError(f"--guidance {scale}: give a finite number, 1 for none")
        self.denoiser, self.scale, self._null = denoiser, scale, dict(null)

    @property
    def encoding(self) -> Encoding:
        """Of the denoiser."""
        return self.denoiser.encoding

    def logits(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        """(n, 4, L) logarithms of what is proportional to the posterior of A C G T."""
        without = {k: v.expand(len(x), *v.shape[1:]).to(x.device) for k, v in self._null.items()}
        free = torch.log_softmax(self.denoiser.logits(x, sigma, **{**condition, **without}), 1)
        if self.scale == 0:
            return free
        given = torch.log_softmax(self.denoiser.logits(x, sigma, **condition), 1)
        return free + self.scale * (given - free)

    def forward(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        """x (n, C, L), sigma (n,) -> the mean point of that posterior (n, C, L)."""
        logits = self.logits(x, sigma, **condition)
        mask = known_places(condition.get("mask"), condition.get("length"), x.shape[2])
        return mean_point(logits, self.encoding, condition.get("given"), mask)
