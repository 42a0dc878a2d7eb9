"""A frozen denoiser that is told a latent: what an encoder says, added by Bayes' rule."""

from typing import Any, Protocol

import torch
from torch import Tensor

from infonoise_core.processes.denoiser import Denoiser
from infonoise_vision.encoders.gaussian import Posterior


class Encodes(Protocol):
    """Noisy images (n, c, h, w) and levels (n,) -> the Gaussian of their latents."""

    def __call__(self, y: Tensor, sigma: Tensor) -> Posterior: ...


def moved_by(encoder: Encodes, y: Tensor, sigma: Tensor, z: Tensor, *, learns: bool) -> Tensor:
    """sigma^2 times the gradient of log q(z|y, sigma) by y, (n, c, h, w).

    D(y|z) = D(y) + sigma^2 grad log q(z|y, sigma): Tweedie's formula of both sides of Bayes' rule
    (Batzolis et al. 2023, arXiv 2304.12141).

    Args:
        encoder: Smooth in y.
        y: (n, c, h, w).
        sigma: (n,).
        z: (n, m).
        learns: Whether the result is to be derived by the encoder's weights.
    """
    with torch.enable_grad():
        here = y.detach().requires_grad_()
        density = encoder(here, sigma).log_prob(z).sum()
        (slope,) = torch.autograd.grad(density, here, create_graph=learns)
    moved: Tensor = sigma.to(y).reshape(-1, 1, 1, 1).square() * slope
    return moved


def given_latent(denoiser: Denoiser, encoder: Encodes) -> Denoiser:
    """The denoiser with a further argument, z (n, m)."""

    def denoise(x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        z: Tensor = condition.pop("z")
        return denoiser(x, sigma, **condition) + moved_by(encoder, x, sigma, z, learns=False)

    return denoise
