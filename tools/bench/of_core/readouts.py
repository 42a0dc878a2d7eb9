"""Readouts against what is known: the dimension of a sphere, the information in a label."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import GaussianSource, SphereSource
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser, EDMDenoiser
from infonoise_core.processes.weighting import edm_weight
from infonoise_core.profiles.dimension import Dimension, intrinsic_dimension
from infonoise_core.profiles.measured import measure_profile
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import Information, information_gap
from infonoise_core.schedules.infonoise import InfoNoise
from of_core.sources import CLUSTERS
from report import Goal, Section, Table

SPHERE = SphereSource(10, 100)
# Standard deviation of one of the 100 coordinates.
SIGMA_DATA = 0.1
SPAN = (0.002, 20.0)
BATCH = 512
# Largest noise at which the sphere looks flat: the exact rate is within 1 % of 10 below it.
FLAT = 0.02
# The ten clusters are 8.5 of these apart.
CLUSTER_STD = 0.5


class Network(nn.Module):
    """A residual network of fully connected layers, each scaled and shifted by the noise level.

    The scales must be free to grow: at low noise the network has to magnify the little noise that
    its input holds, the more the lower it is.
    """

    def __init__(self, dim: int, width: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * torch.logspace(-1, 4, 16, base=2.0))
        self.noise = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.first = nn.Linear(dim, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.modulations = nn.ModuleList(nn.Linear(64, 2 * width) for _ in range(layers))
        self.gain = nn.Linear(64, width)
        self.last = nn.Linear(width, dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """x (n, dim), c_noise (n,) -> (n, dim)."""
        angles = c_noise[:, None] * self.get_buffer("frequencies")
        noise = self.noise(torch.cat([angles.cos(), angles.sin()], 1))
        h = self.first(x)
        for layer, modulation in zip(self.layers, self.modulations, strict=True):
            scale, shift = modulation(noise).chunk(2, 1)
            h = h + nn.functional.silu(layer(h) * (1 + scale) + shift)
        out: Tensor = self.last(h * self.gain(noise).exp())
        return out


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Both tables and their goals."""
    draws, points, steps = (256, 4, 100) if quick else (2048, 32, 2500)
    tick("sphere, exact denoiser")
    exact = dimension(exact_denoiser, points, draws, seed)
    tick("sphere, trained denoiser")
    trained = dimension(train(steps, seed), points, draws, seed)
    tick("clusters")
    gap = cluster_information(CLUSTER_STD, 8 * draws, seed)
    plateau, trained_plateau = _plateau(exact), _plateau(trained)
    return Section(
        "Readouts",
        [
            Table(
                "Dimension of a 10-sphere in 100 dimensions",
                f"By `intrinsic_dimension` at {points} points and sigma {FLAT:g}. The trained"
                f" denoiser saw {steps:,} batches of {BATCH} under InfoNoise on the CPU. `share`"
                " is of the points that give the SVD gap's answer, `agrees` whether the three"
                " readings do.",
                ["denoiser", "plateau", "SVD gap", "share", "trace", "agrees"],
                [_row("exact", exact), _row("trained", trained)],
                {"plateau": ".2f", "trace": ".2f", "share": ".0%"},
            ),
            Table(
                "Information in the label of ten clusters",
                "The drop of the profile when the exact denoiser is given the cluster, integrated"
                f" over log sigma; {8 * draws:,} noisy examples per bin. The clusters do not"
                " overlap, so that the label holds ln 10 nats.",
                ["quantity", "nats"],
                [["measured", gap.nats], ["standard error", gap.stderr], ["ln 10", math.log(10)]],
                {"nats": ".4f"},
            ),
        ],
        [
            _relative("Exact sphere, plateau against 10", plateau / 10 - 1),
            _relative("Exact sphere, SVD gap against 10", (exact.svd_gap or 0) / 10 - 1),
            _relative("Exact sphere, Jacobian trace against 10", (exact.trace or 0) / 10 - 1),
            Goal("Trained denoiser, plateau", trained_plateau, "between", 9.5, ".2f", upper=11.5),
            Goal("Trained denoiser, SVD gap", trained.svd_gap or 0, "between", 10, upper=11),
            _relative("Information in the label against ln 10", gap.nats / math.log(10) - 1),
        ],
    )  # fmt: skip


def exact_denoiser(x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
    return SPHERE.denoise(x, sigma)


def dimension(denoiser: Denoiser, points: int, draws: int, seed: int) -> Dimension:
    """All three readings."""
    rng = torch.Generator().manual_seed(seed + 1)
    profile = measure_profile(
        denoiser, SPHERE.sample(4096, rng), VarianceExploding(*SPAN), draws=draws, generator=rng
    )
    return intrinsic_dimension(denoiser, SPHERE.sample(points, rng), FLAT, profile, generator=rng)


def train(steps: int, seed: int) -> EDMDenoiser:
    """A denoiser of the sphere, from as many fresh batches."""
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoiser = EDMDenoiser(Network(SPHERE.dim), SIGMA_DATA)
    weight = edm_weight(SIGMA_DATA)
    schedule = InfoNoise(VarianceExploding(*SPAN), weight=weight, dim=SPHERE.dim)
    adam = torch.optim.Adam(denoiser.parameters(), lr=2e-3, betas=(0.9, 0.99))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        x0 = SPHERE.sample(BATCH, rng)
        sigma = schedule.sample(BATCH, generator=rng)
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
        error = (denoiser(x, sigma) - x0).square().sum(1)
        adam.zero_grad()
        (weight(sigma) * error).mean().div(SPHERE.dim).backward()
        adam.step()
        decay.step()
        schedule.observe(sigma, error.detach())
        schedule.step()
    return denoiser.eval()


def cluster_information(std: float, draws: int, seed: int) -> Information:
    """I(x0; cluster) in nats, by two measured profiles with the same noise."""
    means = 3 * torch.eye(CLUSTERS)
    source, inside = MixtureSource(means, std), GaussianSource(CLUSTERS, std)

    def with_label(x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        mean = means[condition["label"]]
        return mean + inside.denoise(x - mean, sigma)

    def without(x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        return source.denoise(x, sigma)

    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(0, CLUSTERS, (4096,), generator=rng)
    x0 = means[label] + inside.sample(len(label), rng)
    channel = VarianceExploding(0.01, 100.0)

    def measured(denoiser: Denoiser, condition: dict[str, Tensor]) -> EntropyRateProfile:
        noise = torch.Generator().manual_seed(seed + 1)
        return measure_profile(
            denoiser, x0, channel, draws=draws, condition=condition, generator=noise
        )

    return information_gap(
        measured(without, {}), measured(with_label, {"label": label}), math.log(10)
    )


def _plateau(found: Dimension) -> float:
    return math.nan if found.plateau is None else found.plateau.dimension


def _row(name: str, found: Dimension) -> list[str | int | float | bool | None]:
    plateau = None if found.plateau is None else found.plateau.dimension
    return [name, plateau, found.svd_gap, found.share, found.trace, found.agrees]


def _relative(what: str, error: float) -> Goal:
    return Goal(what, abs(error), "at most", 0.02, ".2%")
