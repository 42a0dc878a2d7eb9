"""Loss weights w(sigma) that multiply an example's squared x0-error in the training objective.

A published weight of another prediction's error becomes one of the x0-error by the factor that
turns the errors into each other (`Channel.x0_squared_error`): with snr = sigma^-2 and x0 of unit
variance, a weight of the epsilon-error times snr, of the VP v-error times snr + 1.

Each is a frozen dataclass that is called with sigma: two of the same numbers are equal, and a
schedule that holds one can be pickled.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel, Prediction

Weight = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class unit_weight:
    """w = 1."""

    def __call__(self, sigma: Tensor) -> Tensor:
        return torch.ones_like(sigma)


@dataclass(frozen=True)
class edm_weight:
    """w = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 (Karras et al. 2022, table 1).

    It makes the loss of the raw network's output of unit size at every sigma.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        _require_positive("EDM's sigma_data", self.sigma_data)

    def __call__(self, sigma: Tensor) -> Tensor:
        return (sigma.square() + self.sigma_data**2) / (sigma * self.sigma_data).square()


@dataclass(frozen=True)
class prediction_weight:
    """The weight of the x0-error in a loss that is the plain squared error of another prediction.

    snr for epsilon, snr + 1 for v in a variance-preserving channel, (1 + 1/sigma)^2 for a flow's
    velocity, EDM's weight for F.
    """

    channel: Channel
    prediction: Prediction | str
    sigma_data: float | None = None

    def __call__(self, sigma: Tensor) -> Tensor:
        error = self.channel.x0_squared_error(
            self.channel.coordinate(sigma),
            torch.ones_like(sigma),
            self.prediction,
            self.sigma_data,
        )
        return 1 / error.to(sigma)


@dataclass(frozen=True)
class min_snr_weight:
    """w = min(snr, gamma) (Hang et al. 2023).

    "Efficient diffusion training via min-SNR weighting strategy": published as min(snr, gamma) /
    snr of the epsilon-error and min(snr, gamma) / (snr + 1) of the v-error.
    """

    gamma: float = 5.0

    def __post_init__(self) -> None:
        _require_positive("min-SNR's gamma", self.gamma)

    def __call__(self, sigma: Tensor) -> Tensor:
        return sigma.square().reciprocal().clamp_max(self.gamma)


@dataclass(frozen=True)
class p2_weight:
    """w = snr / (k + snr)^gamma (Choi et al. 2022, "Perception prioritized training").

    Published as 1 / (k + snr)^gamma of the epsilon-error.
    """

    gamma: float = 1.0
    k: float = 1.0

    def __post_init__(self) -> None:
        _require_positive("P2's k", self.k)

    def __call__(self, sigma: Tensor) -> Tensor:
        snr = sigma.square().reciprocal()
        return snr / (self.k + snr) ** self.gamma


@dataclass(frozen=True)
class sigmoid_weight:
    """w = 1 / (sigma^2 + e^-bias) (Kingma & Gao 2023; Hoogeboom et al. 2024).

    Published as sigmoid(bias - log snr) of the epsilon-error per unit log-SNR.

    With e^bias = gamma it is soft-min-SNR, snr gamma / (snr + gamma) (Crowson et al. 2024).
    """

    bias: float = 2.0

    def __call__(self, sigma: Tensor) -> Tensor:
        return 1 / (sigma.square() + math.exp(-self.bias))


def check_weight(weight: Any, edges: Tensor) -> None:
    """InputError for what is no function of sigma, or not above 0 and finite at the edges (K+1,).

    A schedule divides by it long after it was made, at the end of its warm-up.
    """
    if not callable(weight):
        raise InputError(
            f"weight is {_words(weight)}: it must be a function of sigma, such as edm_weight()"
        )
    name = getattr(weight, "__name__", repr(weight))
    if isinstance(weight, type):
        raise InputError(f"weight {name} is not made yet: give {name}()")
    try:
        value = weight(edges)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"weight {name} cannot be called with a tensor of sigmas ({_first_line(error)}): it"
            " must be a function of sigma, such as edm_weight()"
        ) from error
    if not isinstance(value, (Tensor, int, float)):
        raise InputError(
            f"weight {name} answers with {_words(value)}: it must be a function of sigma, such as"
            " edm_weight()"
        )
    value = torch.as_tensor(value).detach()
    if value.dim() and value.shape != edges.shape:
        raise InputError(
            f"weight {name} makes {tuple(value.shape)} of sigmas of shape {tuple(edges.shape)}:"
            " give one that keeps the shape"
        )
    wrong = (~(value.isfinite() & (value > 0))).expand(edges.shape).nonzero()
    if len(wrong):
        at = int(wrong[0])
        raise InputError(
            f"weight {name} is {float(value.expand(edges.shape)[at]):g} at sigma"
            f" {float(edges[at]):g}: it must be finite and above 0 over the channel's span; narrow"
            " the span (sigma_min, sigma_max), or give another weight"
        )


def _words(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"{value!r} ({type(value).__name__})"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise InputError(f"{name} {value:g}: give a value above 0")
