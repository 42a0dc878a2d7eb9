"""Schedule-independent quality: a likelihood bound in bits per dim, and a distance between image
sets.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import gaussian_quadrature
from infonoise_core.errors import InputError
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.evaluation.measures import Measure
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.training.task import Batch
from infonoise_vision.data.formats.source import CHUNK
from infonoise_vision.data.images import ImageSet

# Solver and levels of the generated set: cheap, because it is drawn at every evaluation.
SOLVER, LEVELS = "dpmpp-2m", 12
# Held-out images of the bound: it is computed at every evaluation, and with so many its error is a
# few per cent of what one image costs.
LIMIT = 512
# Generated and held-out images of the distance.
SAMPLES = 256

# Images and rows of them -> what the denoiser is told of these (`task.Objective.context`).
Context = Callable[[ImageSet, np.ndarray], Mapping[str, Tensor]]


def no_context(images: ImageSet, rows: np.ndarray) -> Mapping[str, Tensor]:
    """Nothing is told of the images at `rows` (n,)."""
    return {}


@dataclass(frozen=True)
class BitsPerDim:
    """Bound and its standard error over held-out examples, in bits per dim."""

    value: float
    stderr: float


class LikelihoodBound:
    """Upper bound on the negative log-likelihood of held-out images, in bits per dim.

    Kingma et al. 2021 (variational diffusion, continuous time): prior KL at sigma_max, plus the
    integral of squared error / sigma^2 over log sigma, plus what is left to say at the lowest level
    sigma_0. Discrete images are told from x at sigma_0 = an eighth of the distance between grey
    levels (or sigma_min where that is larger), by the exact posterior of one pixel under a uniform
    prior; below that level nothing is left to learn, and a denoiser is not charged for it.
    Real-valued images get the density of the data blurred by sigma_0 = sigma_min.

    Args:
        context: What the denoiser is told of each image; pixels that are among it cost nothing,
            and bits are counted per dim of the others.

    Attributes:
        hidden: (n,) the number of these in each image.
    """

    def __init__(
        self,
        held_out: ImageSet,
        train: ImageSet,
        sigma_min: float,
        sigma_max: float,
        seed: int = 0,
        context: Context = no_context,
    ) -> None:
        rows = np.arange(len(held_out))
        x0, told = held_out.x0(rows), context(held_out, rows)
        hidden = 1 - told["known"] if "known" in told else torch.ones(1)
        self.hidden = hidden.expand_as(x0).flatten(1).to(torch.float64).sum(1)
        self.sigma_0 = sigma_min
        if held_out.levels is not None:
            self.sigma_0 = max(sigma_min, 2 * held_out.scale / (held_out.levels - 1) / 8)
        if not self.sigma_0 < sigma_max:
            raise InputError(
                f"--sigma-max {sigma_max:g}: {held_out.levels} grey levels are already told from"
                f" each other below {self.sigma_0:g}; give a higher one"
            )
        ends = _prior_nats(x0, train, sigma_max) + self._terminal_nats(held_out, x0.shape)
        self._ends = (ends * hidden).flatten(1).sum(1)
        self._error = HeldOutError(Batch(x0, told), self.sigma_0, sigma_max, levels=8, seed=seed)

    def __call__(self, denoiser: nn.Module) -> BitsPerDim:
        """Evaluate on the fixed set of levels and noises."""
        return bits_per_dim(self.nats(denoiser), self.hidden)

    def nats(self, denoiser: nn.Module) -> Tensor:
        """(n,) what each image costs."""
        return self._error(denoiser).rate_integral + self._ends

    def _terminal_nats(self, images: ImageSet, shape: torch.Size) -> Tensor:
        if images.levels is None:
            gaussian = 0.5 * math.log(2 * math.pi * math.e * self.sigma_0**2)
            return torch.full(shape, gaussian, dtype=torch.float64)
        cost = pixel_nats(images.levels, self.sigma_0 / images.scale)
        return cost[torch.from_numpy(np.asarray(images.pixels, np.int64))]


def bits_per_dim(nats: Tensor, hidden: Tensor) -> BitsPerDim:
    """Of what images cost, (n,), and their numbers of dims (n,)."""
    dim = float(hidden.mean())
    scale = 1 / (dim * math.log(2))
    per_dim = float(nats.mean()) / dim
    # A ratio of two means, where images differ in how much of them is hidden.
    spread = float((nats - per_dim * hidden).std()) / math.sqrt(len(nats))
    return BitsPerDim(float(nats.mean()) * scale, spread * scale)


def bound_of_many(
    held_out: ImageSet,
    train: ImageSet,
    sigma_min: float,
    sigma_max: float,
    denoiser: nn.Module,
    context: Context = no_context,
) -> BitsPerDim:
    """`LikelihoodBound` of any number of held-out images, in parts of at most LIMIT, each with
    noises of its own: memory stays flat.
    """
    costs, dims = [], []
    parts = np.array_split(np.arange(len(held_out)), math.ceil(len(held_out) / LIMIT))
    for seed, rows in enumerate(parts):
        part = held_out.take(rows)
        bound = LikelihoodBound(part, train, sigma_min, sigma_max, seed, context)
        costs.append(bound.nats(denoiser))
        dims.append(bound.hidden)
    return bits_per_dim(torch.cat(costs), torch.cat(dims))


def pixel_nats(levels: int, sigma: float) -> Tensor:
    """(levels,) expected -log posterior of a pixel's own grey level after noise sigma, by
    quadrature.

    Uniform prior over grey levels 2k/(levels-1) - 1; float64.
    """
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    z, weight = gaussian_quadrature(64)
    x = values[:, None] + sigma * z
    logits = -(x[..., None] - values).square() / (2 * sigma**2)
    own = logits.diagonal(dim1=0, dim2=2).T
    return ((torch.logsumexp(logits, -1) - own) * weight).sum(-1)


def _prior_nats(x0: Tensor, train: ImageSet, sigma_max: float) -> Tensor:
    """(n, c, h, w) KL of each pixel of x at sigma_max from a Gaussian with the training pixels'
    mean and variance added.
    """
    pixels = train.x0(np.arange(min(len(train), 4096))).to(torch.float64)
    mean, variance = float(pixels.mean()), float(pixels.var())
    total = sigma_max**2 + variance
    shift = (x0.to(torch.float64) - mean).square() / total
    ratio = sigma_max**2 / total
    return 0.5 * (shift + ratio - 1 - math.log(ratio))


def energy_distance(first: Tensor, second: Tensor) -> float:
    """Unbiased energy distance of two image sets (n, ...) and (m, ...), per root of the dimension
    (Szekely & Rizzo 2013).

    2 E|X-Y| - E|X-X'| - E|Y-Y'| in pixel space: 0 on average for the same law, sensitive to noise,
    blur and missing kinds alike; needs neither labels nor a trained network.
    """
    return _energy(Part(len(first), first.__getitem__), Part(len(second), second.__getitem__))


def energy_of_sets(first: ImageSet, second: ImageSet, device: torch.device | None = None) -> float:
    """The same of images of scale 1, taken from their sets in parts.

    Args:
        device: Where distances are computed; the CPU by default.
    """
    return _energy(Part(len(first), first.x0), Part(len(second), second.x0), device)


class Part(NamedTuple):
    """n images, and those of a slice of them (b, ...)."""

    n: int
    at: Callable[[slice], Tensor]

    def blocks(self, device: torch.device | None) -> Iterator[Tensor]:
        """(b, dim) float64, on the device."""
        for start in range(0, self.n, CHUNK):
            block = self.at(slice(start, start + CHUNK))
            yield block.to(device or block.device, torch.float64).flatten(1)


def _energy(x: Part, y: Part, device: torch.device | None = None) -> float:
    cross = _distances(x, y, device) / (x.n * y.n)
    within = sum(_distances(z, z, device) / (z.n * (z.n - 1)) for z in (x, y))
    return (2 * cross - within) / math.sqrt(next(x.blocks(device)).shape[1])


def _distances(x: Part, y: Part, device: torch.device | None) -> float:
    """Sum over all pairs."""
    return float(sum(torch.cdist(a, b).sum() for a in x.blocks(device) for b in y.blocks(device)))


def fixed_part(held_out: ImageSet, limit: int, seed: int = 0) -> ImageSet:
    """The `limit` held-out images that a bound is computed on, always the same; all where there are
    no more.
    """
    if len(held_out) <= limit:
        return held_out
    rows = np.random.default_rng(seed).permutation(len(held_out))[:limit]
    return held_out.take(np.sort(rows))


class ImageEvaluation:
    """Both measures of averaged weights, on fixed held-out images, levels, noises and starting
    points.

    Args:
        samples: Images of the distance.
        limit: held-out images of the bound, at most; drawn once.
        context: What the denoiser is told; images are generated as it says of training images.
    """

    def __init__(
        self,
        train: ImageSet,
        held_out: ImageSet,
        sigma_min: float,
        sigma_max: float,
        samples: int = SAMPLES,
        seed: int = 0,
        limit: int = LIMIT,
        context: Context = no_context,
    ) -> None:
        if min(len(train), len(held_out)) < 2:
            raise InputError(
                f"{train.name}: {len(train)} images to train on and {len(held_out)} held out;"
                " give more, and different ones"
            )
        held_out = fixed_part(held_out, limit, seed)
        self.bound = LikelihoodBound(held_out, train, sigma_min, sigma_max, seed, context)
        self.samples = min(samples, len(held_out), len(train))
        rng = np.random.default_rng(seed)
        self._real = held_out.x0(rng.permutation(len(held_out))[: self.samples])
        others = rng.permutation(len(train))[: self.samples]
        same, self._told = train.x0(others), context(train, others)
        self._sigmas = karras_grid(LEVELS, sigma_min, sigma_max)
        self._shape, self._seed, self._scale = train.shape, seed, train.scale
        self.distance = f"energy_{self.samples}"
        self.floors = {self.distance: self._distance(same)}

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """bits_per_dim, its standard error, and the energy distance of as many samples as real
        images.
        """
        bits = self.bound(denoiser)
        generated = generate(
            denoiser, self._shape, self.samples, self._sigmas,
            solver=SOLVER, seed=self._seed, condition=self._told,
        )  # fmt: skip
        return {
            "bits_per_dim": bits.value,
            "bits_per_dim_stderr": bits.stderr,
            self.distance: self._distance(generated.x),
        }

    def _distance(self, x: Tensor) -> float:
        """From the held-out images, in pixels between -1 and 1 whatever the scale."""
        return energy_distance(x / self._scale, self._real / self._scale)

    def measures(self) -> list[Measure]:
        """What the numbers are, for tables and reports; the first is what schedules are ranked
        by.
        """
        return [
            Measure(
                "bits_per_dim",
                "bits per dim",
                "Upper bound on the negative log-likelihood of held-out images, from the squared"
                " error of the"
                " averaged weights on a fixed set of noise levels and noises.",
            ),
            Measure(
                self.distance,
                f"energy distance ({self.samples})",
                f"Energy distance in pixel space between {self.samples} generated images"
                f" (DPM-Solver++(2M), {LEVELS} calls) and {self.samples} held-out ones.",
            ),
        ]
