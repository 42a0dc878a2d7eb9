"""What a denoiser is, and EDM's preconditioning of a raw network into one."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError


class Denoiser(Protocol):
    """`D(x, sigma, **condition)` -> estimate of x0.

    x (n, ...) = x0 + sigma eps is in the variance-exploding form, sigma (n,); the estimate has x's
    shape.
    """

    def __call__(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor: ...


class EDMDenoiser(nn.Module):
    """`D = c_skip x + c_out F(c_in x, c_noise, **condition)`.

    Karras et al. 2022, eq. 7 and table 1.

    Args:
        network: F, called with x of unit variance and c_noise = log(sigma)/4 of shape (n,).
        sigma_data: Standard deviation of one data dimension.
        unit: What sigma is counted in where the network is told of it: where sigma_data / unit is
            0.5, the network sees what it would of EDM's data, whatever their scale.
    """

    def __init__(self, network: nn.Module, sigma_data: float = 0.5, unit: float = 1.0) -> None:
        super().__init__()
        if not sigma_data > 0:
            raise InputError(f"sigma_data {sigma_data:g}: give the data's standard deviation")
        self.network = network
        self.sigma_data, self.unit = float(sigma_data), float(unit)

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        """x (n, ...), sigma (n,) -> x0 (n, ...), in float32 whatever the network computes in."""
        if sigma.shape != x.shape[:1]:
            raise InputError(
                f"sigma of shape {tuple(sigma.shape)} for x of shape {tuple(x.shape)}:"
                " give one noise level per example"
            )
        s = sigma.to(torch.float32).reshape(-1, *(1,) * (x.dim() - 1))
        total = s.square() + self.sigma_data**2
        noise = (sigma.to(torch.float32) / self.unit).log() / 4
        output = self.network(x / total.sqrt(), noise, **condition)
        skip, out = self.sigma_data**2 / total, s * self.sigma_data / total.sqrt()
        denoised: Tensor = skip * x + out * output.to(torch.float32)
        return denoised
