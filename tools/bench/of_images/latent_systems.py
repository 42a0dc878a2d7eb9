"""Three ways to latents of images: an encoder on a frozen denoiser, a denoiser told z, a VAE.

All have one encoder of one size, and learn for as long by the processor's time.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from infonoise_core.schedules.fixed import LogNormal, Schedule
from infonoise_core.training.task import Batch
from infonoise_vision.data.images import ImageSet
from infonoise_vision.encoders.gaussian import Posterior
from infonoise_vision.encoders.given import given_latent
from infonoise_vision.encoders.network import Encoder
from infonoise_vision.encoders.task import EncoderTask, clean, gap_schedule
from infonoise_vision.methods.diffusion import channel_of, make_task
from infonoise_vision.methods.options import Objective
from infonoise_vision.models.blocks import ResidualBlock, enlarge, group_norm
from infonoise_vision.models.registry import Inputs, make_network
from suite import Tick

LATENT, RANK, BETA = 24, 4, 0.03
# Levels of Heun's solver, images of a step.
LEVELS, BATCH = 10, 64
OURS, TOLD, VAE_NAME = "encoder on a frozen denoiser", "denoiser told z", "beta-VAE"
# Examples until the cost of a latent counts in full, and the least density of a draw, as for ours.
_RAMP, _LEAST = 20_000, 0.02
# Planes that z is turned into for a denoiser, and channels of the decoder.
_PLANES, _WIDTH = 2, 64
_LR = 1e-3


@dataclass(frozen=True)
class Made:
    """What one system has learned.

    Attributes:
        encoder: Of its latents.
        decode: z (n, m) and a seed -> images (n, c, h, w).
        parameters: Of all its parts.
        steps: Of training.
        seconds: Of training, the frozen part's included.
    """

    name: str
    encoder: Encoder
    decode: Callable[[Tensor, int], Tensor]
    parameters: int
    steps: int
    seconds: float


@dataclass
class Images:
    """Batches of training images, with noise at levels of a schedule; all from one seed."""

    images: ImageSet
    seed: int
    drawn: np.random.Generator = field(init=False)
    noise: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.drawn = np.random.default_rng(self.seed)
        self.noise = torch.Generator().manual_seed(self.seed)

    def clean(self) -> Tensor:
        """(b, c, h, w)."""
        return self.images.x0(self.drawn.integers(0, len(self.images), BATCH))

    def noisy(self, schedule: Schedule) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images (b, c, h, w), their coordinate and level (b,), unit noise (b, c, h, w)."""
        x0 = self.clean()
        u = schedule.sample(len(x0), generator=self.noise)
        eps = torch.randn(x0.shape, generator=self.noise)
        return x0, u, schedule.channel.sigma(u).to(x0), eps


class Told(nn.Module):
    """A denoiser that is told a latent, by planes beside the image, with EDM's preconditioning."""

    def __init__(self, shape: tuple[int, int, int], objective: Objective) -> None:
        super().__init__()
        self.encoder = _encoder(shape, objective)
        self.network = make_network("small", Inputs(shape, given=_PLANES))
        self.planes = nn.Linear(LATENT, _PLANES * shape[1] * shape[2])
        self._shape, self._std, self._unit = shape, objective.std, objective.unit

    def forward(self, x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
        """Images x (n, c, h, w) at levels sigma (n,), latents z (n, m) -> x0 (n, c, h, w)."""
        s = sigma.to(x).reshape(-1, 1, 1, 1)
        total = s.square() + self._std**2
        given = self.planes(z).reshape(-1, _PLANES, *self._shape[1:])
        noise = (sigma.to(x) / self._unit).log() / 4
        out = self.network(x / total.sqrt(), noise, given=given)
        denoised: Tensor = self._std**2 / total * x + s * self._std / total.sqrt() * out
        return denoised


class VAE(nn.Module):
    """The encoder of clean images, and a decoder of about the denoiser's size."""

    def __init__(self, shape: tuple[int, int, int], objective: Objective) -> None:
        super().__init__()
        self.encoder = _encoder(shape, objective)
        self._small = (_WIDTH, math.ceil(shape[1] / 2), math.ceil(shape[2] / 2))
        self._shape = shape
        self.start = nn.Linear(LATENT, math.prod(self._small))
        self.first, self.second = (ResidualBlock(_WIDTH, _WIDTH, LATENT) for _ in range(2))
        self.norm = group_norm(_WIDTH)
        self.out = nn.Conv2d(_WIDTH, shape[0], 3, padding=1)

    def decode(self, z: Tensor) -> Tensor:
        """Latents z (n, m) -> images (n, c, h, w)."""
        h = self.first(self.start(z).reshape(-1, *self._small), z)
        h = self.second(enlarge(h, self._shape[1:]), z)
        images: Tensor = self.out(functional.silu(self.norm(h)))
        return images


def systems(
    images: ImageSet, objective: Objective, seconds: tuple[float, float], seed: int, tick: Tick
) -> Iterator[Made]:
    """All three, trained.

    Args:
        seconds: Of the frozen denoiser and of the encoder beside it; the others have both.
    """
    for make in (_ours, _told, _vae):
        torch.manual_seed(seed)
        yield make(images, objective, seconds, seed, tick)


def _ours(
    images: ImageSet, objective: Objective, seconds: tuple[float, float], seed: int, tick: Tick
) -> Made:
    channel = channel_of(objective)
    task = make_task(objective, images, seed)
    prior, law, draws = task.denoiser, LogNormal(channel), Images(images, seed)

    def denoising(_: int) -> Tensor:
        x0, _u, sigma, eps = draws.noisy(law)
        return task.losses(prior, Batch(x0), sigma, eps).loss.mean()

    tick(f"{OURS}: the denoiser")
    first, spent = trained(prior, denoising, seconds[0])
    encoder, schedule = _encoder(images.shape, objective), gap_schedule(channel, 1000)
    beside = EncoderTask(images, prior, encoder, schedule, BETA, channel.sigma_min)

    def encoding(_: int) -> Tensor:
        x0, u, sigma, eps = draws.noisy(schedule)
        losses = beside.losses(encoder, Batch(x0), sigma, eps)
        assert losses.squared_error is not None
        schedule.observe(u, losses.squared_error)
        schedule.step()
        return losses.loss.mean()

    tick(f"{OURS}: the encoder")
    steps, more = trained(encoder, encoding, seconds[1])

    def decode(z: Tensor, of: int) -> Tensor:
        return drawn(given_latent(prior, encoder), z, images.shape, channel, of)

    return Made(OURS, encoder, decode, _count(prior) + _count(encoder), first + steps, spent + more)


def _told(
    images: ImageSet, objective: Objective, seconds: tuple[float, float], seed: int, tick: Tick
) -> Made:
    """By beta times the cost and the error over sigma^2, in nats, as our encoder's objective."""
    channel = channel_of(objective)
    model, law, draws = Told(images.shape, objective), LogNormal(channel), Images(images, seed)

    def loss(step: int) -> Tensor:
        x0, _, sigma, eps = draws.noisy(law)
        code = clean(model.encoder, x0, channel.sigma_min)
        z = code.sample(torch.randn(len(x0), LATENT))
        off: Tensor = model(x0 + sigma.reshape(-1, 1, 1, 1) * eps, sigma, z) - x0
        nats = off.square().flatten(1).sum(1) / sigma.square()
        density = law.density(sigma).to(nats).clamp_min(_LEAST)
        return (_ramp(step) * BETA * code.kl() + nats / density).mean()

    tick(TOLD)
    steps, spent = trained(model, loss, sum(seconds))

    def decode(z: Tensor, of: int) -> Tensor:
        def denoise(x: Tensor, sigma: Tensor, z: Tensor) -> Tensor:
            found: Tensor = model(x, sigma, z)
            return found

        return drawn(denoise, z, images.shape, channel, of)

    return Made(TOLD, model.encoder, decode, _count(model), steps, spent)


def _vae(
    images: ImageSet, objective: Objective, seconds: tuple[float, float], seed: int, tick: Tick
) -> Made:
    """By beta times the cost and the squared error over twice the pixels' variance."""
    channel = channel_of(objective)
    model, draws = VAE(images.shape, objective), Images(images, seed)

    def loss(step: int) -> Tensor:
        x0 = draws.clean()
        code = clean(model.encoder, x0, channel.sigma_min)
        z = code.sample(torch.randn(len(x0), LATENT))
        off = (model.decode(z) - x0).square().flatten(1).sum(1)
        return (_ramp(step) * BETA * code.kl() + off / (2 * objective.std**2)).mean()

    tick(VAE_NAME)
    steps, spent = trained(model, loss, sum(seconds))

    def decode(z: Tensor, of: int) -> Tensor:
        with torch.no_grad():
            found: Tensor = model.decode(z)
            return found

    return Made(VAE_NAME, model.encoder, decode, _count(model), steps, spent)


def trained(model: nn.Module, loss: Callable[[int], Tensor], seconds: float) -> tuple[int, float]:
    """Train for so long; the rate falls to 0 over the last half.

    Args:
        loss: Steps done -> what is minimised.

    Returns:
        Steps, and the processor's seconds.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LR, betas=(0.9, 0.99), fused=True)
    model.train().requires_grad_()
    began, steps, spent = time.process_time(), 0, 0.0
    while spent < seconds:
        optimizer.param_groups[0]["lr"] = _LR * min(1.0, 2 * (1 - spent / seconds))
        loss(steps).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps, spent = steps + 1, time.process_time() - began
    model.eval().requires_grad_(False)
    return steps, spent


def drawn(
    denoiser: Callable[..., Tensor],
    z: Tensor,
    shape: tuple[int, int, int],
    channel: VarianceExploding,
    seed: int,
) -> Tensor:
    """Images (n, c, h, w) of latents z (n, m), by Heun's solver."""
    sigmas = karras_grid(LEVELS, channel.sigma_min, channel.sigma_max)
    noise = torch.randn(len(z), *shape, generator=torch.Generator().manual_seed(seed))
    return solve(denoiser, float(sigmas[0]) * noise, sigmas, "heun", condition={"z": z}).x


def code_of(made: Made, x0: Tensor, sigma_min: float) -> Posterior:
    """The Gaussian of the latents of clean images (n, c, h, w)."""
    with torch.no_grad():
        return clean(made.encoder, x0, sigma_min)


def _ramp(step: int) -> float:
    return min(1.0, step * BATCH / _RAMP)


def _encoder(shape: tuple[int, int, int], objective: Objective) -> Encoder:
    return Encoder(shape, LATENT, RANK, objective.std, objective.unit)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
