"""Loss weights w(sigma) that multiply an example's squared x0-error in the training objective."""

from collections.abc import Callable

import torch
from torch import Tensor

Weight = Callable[[Tensor], Tensor]


def unit_weight() -> Weight:
    """w = 1."""
    return torch.ones_like


def edm_weight(sigma_data: float = 0.5) -> Weight:
    """w = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 (Karras et al. 2022, table 1).

    It makes the loss of the raw network's output of unit size at every sigma.
    """

    def weight(sigma: Tensor) -> Tensor:
        return (sigma.square() + sigma_data**2) / (sigma * sigma_data).square()

    return weight
