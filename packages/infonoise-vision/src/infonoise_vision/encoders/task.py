"""What is learned of an encoder: to take error away from a denoiser that stays as it is.

An encoder gains the integral over log sigma of the squared error of D(y) less that of D(y|z), over
sigma^2, in nats, and costs the KL divergence of q(z|x) from N(0, I); with a perfect denoiser the
gain is at most the cost. So the loss is beta times the cost less the gain, with a beta below 1. The
gain per unit log sigma is what the schedule observes, and draws by.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.evaluation.measures import Measure
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.schedules.fixed import LogUniform, Schedule
from infonoise_core.schedules.infonoise import InfoNoise
from infonoise_core.training.task import Batch, Losses
from infonoise_vision.data.images import ImageSet
from infonoise_vision.encoders.gaussian import Posterior
from infonoise_vision.encoders.given import Encodes, moved_by
from infonoise_vision.encoders.network import Encoder

# Examples until the cost counts in full.
_RAMP = 20_000
# A draw at a level of less density than this would count for too much.
_LEAST = 0.02
# Held-out images that are measured, and levels of each.
LIMIT, LEVELS = 256, 16
# Nats below which latents say nothing.
COLLAPSED = 1.0


class GapSchedule(InfoNoise):
    """Draws by what is gained per unit log sigma; that is no error of a denoiser."""

    def status(self) -> str:
        """What it draws by, as what is said of denoisers' errors does not hold of gains."""
        if self._adapting_since is None:
            return "levels are drawn evenly, until it is known where latents gain"
        return f"levels are drawn where latents gain, since step {self._adapting_since}"


def gap_schedule(channel: VarianceExploding, steps: int) -> GapSchedule:
    """Draws in proportion to the gain per unit log sigma, as training shows it."""
    return GapSchedule(
        channel, LogUniform(channel), compensate=0.0, floor=0.2,
        warmup_steps=max(1, steps // 10), refresh_every=max(1, min(100, steps // 20)),
    )  # fmt: skip


def clean(encoder: Encodes, x0: Tensor, sigma_min: float) -> Posterior:
    """The Gaussian of the latents of images (n, c, h, w) themselves."""
    return encoder(x0, x0.new_full((len(x0),), sigma_min))


class EncoderTask:
    """The training images, with an encoder beside a frozen denoiser.

    Args:
        prior: The denoiser.
        encoder: What is trained.
        schedule: Draws levels; its density is divided out.
        beta: Weight of the cost.
    """

    def __init__(
        self,
        images: ImageSet,
        prior: nn.Module,
        encoder: Encoder,
        schedule: Schedule,
        beta: float,
        sigma_min: float,
    ) -> None:
        self.images, self.dim = images, images.dim
        self.prior, self._encoder = prior.eval().requires_grad_(False), encoder
        self.denoiser: nn.Module = encoder
        self._schedule, self._beta, self._sigma_min = schedule, beta, sigma_min

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: np.ndarray) -> Batch:
        """Images (n, c, h, w)."""
        return Batch(self.images.x0(index))

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """Beta times the cost less the gain, (n,) nats of each image; gains are observed."""
        # What the loop trains is no denoiser here.
        x0, encoder = batch.x0, cast(Encodes, denoiser)
        self.prior.to(x0.device)
        code = clean(encoder, x0, self._sigma_min)
        z = code.sample(torch.randn(len(x0), self._encoder.latent, device=x0.device))
        gain = gains(self.prior, encoder, x0, sigma, eps, z, learns=True)
        density = self._schedule.density(sigma.detach().cpu()).to(gain).clamp_min(_LEAST)
        ramp = min(1.0, float(self._encoder.seen) / _RAMP)
        self._encoder.seen += len(x0)
        loss = ramp * self._beta * code.kl() - gain / density
        # As a squared error: its rate is the gain.
        return Losses(loss, gain.detach().clamp_min(0) * sigma.square())


def gains(
    prior: Denoiser,
    encoder: Encodes,
    x0: Tensor,
    sigma: Tensor,
    eps: Tensor,
    z: Tensor,
    *,
    learns: bool = False,
) -> Tensor:
    """(n,) nats per unit log sigma by which z (n, m) takes error from the denoiser's.

    Args:
        x0, eps: (n, c, h, w) images and unit noise.
        sigma: (n,) levels.
    """
    y = x0 + sigma.reshape(-1, 1, 1, 1) * eps
    with torch.no_grad():
        free = prior(y, sigma) - x0
    moved = moved_by(encoder, y, sigma, z, learns=learns)
    less = free.square() - (free + moved).square()
    nats: Tensor = less.flatten(1).sum(1) / sigma.square()
    return nats


class EncoderEvaluation:
    """Gain, cost and what they make, in nats of held-out images; always at the same noises.

    Args:
        held_out: Images, of which LIMIT are taken.
    """

    floors: Mapping[str, float] = {}

    def __init__(
        self, held_out: ImageSet, prior: nn.Module, channel: VarianceExploding, beta: float
    ) -> None:
        self._x0 = held_out.x0(np.arange(min(LIMIT, len(held_out))))
        self._prior, self._beta = prior, beta
        self._low, self._high = channel.sigma_min, channel.sigma_max

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Each measure of an encoder."""
        device = next(denoiser.parameters()).device
        rng = torch.Generator().manual_seed(0)
        x0, n = self._x0.to(device), len(self._x0)
        latent: int = denoiser.latent  # type: ignore[assignment]
        with torch.no_grad():
            code = clean(denoiser, x0, self._low)
            z = code.sample(torch.randn(n, latent, generator=rng).to(device))
            cost = code.kl()
        span = math.log(self._high / self._low)
        gained = torch.zeros(n, device=device)
        for k in range(LEVELS):
            # Each image has levels of its own, evenly spread.
            place = (torch.rand(n, generator=rng) + k) / LEVELS
            sigma = (self._low * (span * place).exp()).to(device)
            eps = torch.randn(x0.shape, generator=rng).to(device)
            gained += span / LEVELS * gains(self._prior, denoiser, x0, sigma, eps, z)
        error = partial(torch.std, unbiased=True)
        return {
            "objective": float(self._beta * cost.mean() - gained.mean()),
            "gain": float(gained.mean()),
            "gain_stderr": float(error(gained) / n**0.5),
            "cost": float(cost.mean()),
            "cost_stderr": float(error(cost) / n**0.5),
        }

    def at(self, denoiser: nn.Module, since: int, step: int, *, last: bool) -> dict[str, float]:
        """The same at every evaluation."""
        return self(denoiser)

    def measures(self) -> list[Measure]:
        """What the numbers are."""
        return [
            Measure(
                "objective", "beta cost - gain", "What training minimises, in nats of an image."
            ),
            Measure(
                "gain", "gain, nats",
                "What the likelihood bound falls by when latents are given.",
            ),
            Measure(
                "cost", "cost, nats",
                "KL of the latents of an image from the prior; of a perfect denoiser the gain is at"
                " most that.",
            ),
        ]  # fmt: skip
