"""Loss weights w(sigma) that multiply an example's squared x0-error in the training objective.

A published weight of another prediction's error becomes one of the x0-error by the factor that
turns the errors into each other (`Channel.x0_squared_error`): with snr = sigma^-2 and x0 of unit
variance, a weight of the epsilon-error times snr, of the VP v-error times snr + 1.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel, Prediction

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


def prediction_weight(
    channel: Channel, prediction: Prediction, sigma_data: float | None = None
) -> Weight:
    """The weight of the x0-error in a loss that is the plain squared error of another prediction.

    snr for epsilon, snr + 1 for v in a variance-preserving channel, (1 + 1/sigma)^2 for a flow's
    velocity, EDM's weight for F.
    """

    def weight(sigma: Tensor) -> Tensor:
        one = torch.ones_like(sigma)
        return 1 / channel.x0_squared_error(
            channel.coordinate(sigma), one, prediction, sigma_data
        ).to(sigma)

    return weight


def min_snr_weight(gamma: float = 5.0) -> Weight:
    """w = min(snr, gamma) (Hang et al. 2023).

    "Efficient diffusion training via min-SNR weighting strategy": published as min(snr, gamma) /
    snr of the epsilon-error and min(snr, gamma) / (snr + 1) of the v-error.
    """
    _require_positive("min-SNR's gamma", gamma)
    return lambda sigma: sigma.square().reciprocal().clamp_max(gamma)


def p2_weight(gamma: float = 1.0, k: float = 1.0) -> Weight:
    """w = snr / (k + snr)^gamma (Choi et al. 2022, "Perception prioritized training").

    Published as 1 / (k + snr)^gamma of the epsilon-error.
    """
    _require_positive("P2's k", k)

    def weight(sigma: Tensor) -> Tensor:
        snr = sigma.square().reciprocal()
        return snr / (k + snr) ** gamma

    return weight


def sigmoid_weight(bias: float = 2.0) -> Weight:
    """w = 1 / (sigma^2 + e^-bias) (Kingma & Gao 2023; Hoogeboom et al. 2024).

    Published as sigmoid(bias - log snr) of the epsilon-error per unit log-SNR.

    With e^bias = gamma it is soft-min-SNR, snr gamma / (snr + gamma) (Crowson et al. 2024).
    """
    return lambda sigma: 1 / (sigma.square() + math.exp(-bias))


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise InputError(f"{name} {value:g}: give a value above 0")
