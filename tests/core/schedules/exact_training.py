"""Training without a network: laws of noise levels around the denoisers of exact sources."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infonoise_core.analytic.exact import BinarySource, GaussianSource
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.weighting import edm_weight
from infonoise_core.schedules.adaptive import AdaptiveLoss, LossSecondMoment, TimeWarp
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.schedules.table import TableLaw

CHANNEL = VarianceExploding(0.02, 20.0)
DIM = 16
SOURCES = {"gaussian": GaussianSource(DIM), "binary": BinarySource(DIM)}
Source = GaussianSource | BinarySource
# Not the data's own spread, at which EDM's weight makes a Gaussian source's losses all equal.
WEIGHT = edm_weight(0.2)
LEARNERS: dict[str, Callable[[], LossSecondMoment | AdaptiveLoss | TimeWarp]] = {
    "loss-second-moment": lambda: LossSecondMoment(CHANNEL, WEIGHT, refresh_every=5),
    "adaptive-loss": lambda: AdaptiveLoss(CHANNEL, WEIGHT, refresh_every=5),
    "time-warp": lambda: TimeWarp(CHANNEL, refresh_every=5),
}
learners = pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS)
sources = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def squared_error(source: Source, sigma: Tensor, rng: torch.Generator) -> Tensor:
    x0 = source.sample(len(sigma), rng)
    x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
    return (source.denoise(x, sigma) - x0).square().sum(1)


def train(law: Schedule, source: Source, steps: int, seed: int = 0, batch: int = 512) -> None:
    """Steps of a training loop around an exact denoiser."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        u = law.sample(batch, generator=rng)
        law.observe(u, squared_error(source, law.channel.sigma(u), rng))
        law.step()


def distance(law: TableLaw, target: Tensor) -> float:
    """Total variation between the table and a density (K,) of any scale."""
    width = law.edges.log().diff()
    target = target / (target * width).sum()
    return float(0.5 * ((law._density - target).abs() * width).sum())


def centres(law: TableLaw) -> Tensor:
    return (law.edges[:-1] * law.edges[1:]).sqrt()
