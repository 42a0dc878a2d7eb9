"""What the loop needs of a domain: examples and their loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.multivariate import counted_error, shaped_noise
from infonoise_core.processes.weighting import Weight


@dataclass(frozen=True)
class Batch:
    """Examples and what is known of them.

    Attributes:
        x0: (n, ...) clean examples.
        condition: Keyword arguments of the denoiser, each (n, ...).
    """

    x0: Tensor
    condition: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Batch":
        """The same on another device, without waiting for the copy."""
        return Batch(
            _sent(self.x0, device), {k: _sent(v, device) for k, v in self.condition.items()}
        )


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and tensor.device.type == "cpu":
        # Only from pinned memory does a copy run beside the host.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Losses(NamedTuple):
    """What a task tells the loop of a micro-batch.

    Attributes:
        loss: (n,) what is minimised.
        squared_error: (n,) of x0, summed, unweighted: what is observed. None of a task without
            noise levels.
    """

    loss: Tensor
    squared_error: Tensor | None


class PartLosses(NamedTuple):
    """The same where only some examples were learned at their noise levels.

    Attributes:
        loss: (n,) of all.
        squared_error: (k,) of those.
        rows: (k,) int64, which they are.
    """

    loss: Tensor
    squared_error: Tensor
    rows: Tensor


class Task(Protocol):
    """A data set with a denoiser to train on it.

    Attributes:
        denoiser: The module with the parameters.
        dim: Dimensions of one example.
    """

    denoiser: nn.Module
    dim: int

    def __len__(self) -> int:
        """Number of training examples."""

    def batch(self, index: np.ndarray) -> Batch:
        """The training examples at `index` (n,), on the CPU."""

    def losses(
        self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor
    ) -> Losses | PartLosses:
        """Corrupt with sigma (n,) and unit noise eps (x0's shape), denoise, and measure."""


@runtime_checkable
class Counted(Protocol):
    """A task whose speed is also told in something else than examples, such as tokens.

    Attributes:
        unit: Plural, one word.
        units: Of them in an example.
    """

    unit: str
    units: int


def squared_x0_error(denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Tensor:
    """(n,) `|D(x0 + sigma eps) - x0|^2` summed over an example's dimensions.

    Where parts have levels of their own, as it counts for the rate (`processes.multivariate`).
    """
    noise = shaped_noise(denoiser, eps, sigma)
    x = batch.x0 + sigma.reshape(-1, *(1,) * (batch.x0.dim() - 1)) * noise
    error = denoiser(x, sigma, **batch.condition) - batch.x0
    return counted_error(denoiser, error, sigma).flatten(1).square().sum(1)


def denoising_losses(
    denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor, weight: Weight
) -> Losses:
    """The loss (n,) of most tasks: w(sigma) times the mean squared error over dimensions."""
    error = squared_x0_error(denoiser, batch, sigma, eps)
    loss = weight(sigma) * error / math.prod(batch.x0.shape[1:])
    return Losses(loss, error.detach())
