"""Data with exact denoisers and profiles, shared by the benchmarks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.analytic.categorical import CategoricalSource
from infonoise_core.analytic.exact import BinarySource, GaussianSource, Source, SphereSource
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.schedules.infonoise import Schedule

# Frequencies of four letters, and the bits that stand for them in the analog-bit code.
LETTERS = torch.tensor([0.3, 0.2, 0.2, 0.3])
CODES = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
CLUSTERS = 10


class Copies(Source):
    """`times` independent draws of one source, side by side."""

    def __init__(self, one: Source, times: int) -> None:
        self.one, self.times = one, times
        self.dim = times * one.dim
        self.entropy = None if one.entropy is None else times * one.entropy

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.one.sample(n * self.times, generator).reshape(n, -1)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = sigma.repeat_interleave(self.times)
        return self.one.denoise(x.reshape(-1, self.one.dim), level).reshape(x.shape)

    def mmse(self, sigma: Tensor) -> Tensor:
        return self.times * self.one.mmse(sigma)


@dataclass(frozen=True)
class Case:
    """span: of sigma.  discrete: whether its entropy is Shannon's."""

    name: str
    source: Source
    span: tuple[float, float] = (0.02, 50.0)
    discrete: bool = False


def clusters(std: float = 0.5) -> MixtureSource:
    """Ten equally likely Gaussians, all equally far from each other."""
    return MixtureSource(3 * torch.eye(CLUSTERS), std)


def cases() -> list[Case]:
    """One of each kind of data whose profile is known."""
    line = MixtureSource(torch.tensor([[-2.0], [0.0], [1.5]]), 0.3, torch.tensor([0.5, 0.2, 0.3]))
    letter = MixtureSource(CODES, 0.0, LETTERS)
    return [
        Case("Gaussian, 16 dimensions", GaussianSource(16)),
        Case("Gaussian, rank 4 of 16", GaussianSource(16, rank=4)),
        Case("16 bits", BinarySource(16), discrete=True),
        Case("16 mixtures of 3 in 1 dimension", Copies(line, 16)),
        Case("10 clusters in 10 dimensions", clusters()),
        Case("8 letters of 4, one-hot", CategoricalSource(LETTERS, 8), discrete=True),
        Case("8 letters of 4, as bits", Copies(letter, 8), discrete=True),
        Case("10-sphere in 100 dimensions", SphereSource(10, 100), (0.005, 20.0)),
    ]  # fmt: skip


def exact_losses(source: Source, sigma: Tensor, generator: torch.Generator) -> Tensor:
    """(n,) squared errors of the exact denoiser at noise sigma (n,), float64."""
    sigma = sigma.to(torch.float64)
    x0 = source.sample(len(sigma), generator).to(torch.float64)
    x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
    return (source.denoise(x, sigma) - x0).square().sum(1)


def feed(
    schedule: Schedule,
    source: Source,
    steps: int,
    batch: int,
    generator: torch.Generator,
    scale: float = 1.0,
) -> None:
    """Training with an exact denoiser, on data multiplied by `scale`."""
    for _ in range(steps):
        u = schedule.sample(batch, generator=generator)
        sigma = schedule.channel.sigma(u) / scale
        schedule.observe(u, scale**2 * exact_losses(source, sigma, generator))
        schedule.step()
