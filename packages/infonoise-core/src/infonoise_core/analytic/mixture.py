"""Mixtures of points or of Gaussians, with the posterior by Bayes: code books, clusters."""

import functools
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.analytic.categorical import CERTAIN, Races, symbol_table
from infonoise_core.analytic.exact import GaussianSource, Source, normal_quadrature
from infonoise_core.errors import InputError

# Quasi-random sets: independent shifts of one Sobol sequence. Its length falls from 4096 to 512 as
# components grow in number, to keep length * components at 2^18.
_SHIFTS = 8
_WORK = 2**18
# Points from which on time counts for more than digits: fewer levels a bin, and importance sampling
# only where noise is below half of the least distance.
_MANY = 64


class MixtureSource(Source):
    """sum_k p_k N(means_k, std_k^2 I): points with std 0, a code book of symbols among them.

    mmse is exact, by quadrature, in one dimension, for points on a line, and for points all equally
    far from each other, in each case also blurred by one std; else it is sampled with quasi-random
    numbers, the same in every call, and mmse_stderr gives the error.

    Args:
        means: (K, dim).
        std: One for all or (K,), all zero or all positive.
        probabilities: (K,), equal by default.
    """

    def __init__(
        self,
        means: Tensor,
        std: float | Tensor = 0.0,
        probabilities: Tensor | None = None,
    ) -> None:
        means = torch.as_tensor(means, dtype=torch.float64)
        if means.dim() != 2 or len(means) < 1:
            raise InputError(f"means of shape {tuple(means.shape)}: give (components, dim)")
        k, self.dim = means.shape
        p = torch.full((k,), 1 / k) if probabilities is None else probabilities
        table = symbol_table(p, 1)
        if table.shape[1] != k:
            raise InputError(f"{table.shape[1]} probabilities for {k} components: give as many")
        spread = torch.as_tensor(std, dtype=torch.float64).expand(k)
        self._mixture = _Mixture(means, spread, table[0])
        if k > _MANY:
            self.nodes = 2
        if not bool((self._mixture.std == 0).all() or (self._mixture.std > 0).all()):
            raise InputError("std must be 0 for all components, or positive for all")
        self.entropy = self._mixture.entropy()
        self._between: _Points | None = None
        self._cache: dict[float, tuple[float, float]] = {}

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        p, mixture = self._mixture.probabilities, self._mixture
        k = torch.multinomial(p, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.dim, generator=generator)
        return (mixture.means[k] + mixture.std[k, None] * noise).to(torch.float32)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        mean, _ = self._mixture.posterior(x.to(torch.float64), sigma.to(torch.float64))
        return mean.to(x.dtype)

    def mmse(self, sigma: Tensor) -> Tensor:
        return self._measured(sigma)[..., 0]

    def mmse_stderr(self, sigma: Tensor) -> Tensor:
        return self._measured(sigma)[..., 1]

    def component(self, k: int) -> GaussianSource:
        """Component k moved to the origin, which leaves mmse as it is."""
        return GaussianSource(self.dim, float(self._mixture.std[k]))

    def _measured(self, sigma: Tensor) -> Tensor:
        for s in set(sigma.flatten().tolist()) - self._cache.keys():
            self._cache[s] = self._mmse(s)
        values = [self._cache[s] for s in sigma.flatten().tolist()]
        return torch.tensor(values, dtype=torch.float64).reshape(*sigma.shape, 2)

    def _mmse(self, sigma: float) -> tuple[float, float]:
        """Value and standard error at one level."""
        mixture = self._mixture
        std = float(mixture.std[0])
        centred = mixture.means - mixture.probabilities @ mixture.means
        if not bool((mixture.std == std).all()):
            moved = _Mixture(centred, mixture.std, mixture.probabilities)
            return moved.expect(lambda x, s: moved.posterior(x, s)[1], sigma)
        # One width for all: it adds to the noise, behind which the means are, and shrinks their
        # part.
        if self._between is None:
            self._between = _Points(centred, mixture.probabilities)
        blurred = std**2 + sigma**2
        between, error = self._between.mmse(math.sqrt(blurred))
        shrink = (sigma**2 / blurred) ** 2
        within = self.dim * std**2 * sigma**2 / blurred
        return within + shrink * between, shrink * error


@dataclass(frozen=True, eq=False)
class _Mixture:
    """means (K, d), std (K,), probabilities (K,), all float64."""

    means: Tensor
    std: Tensor
    probabilities: Tensor

    def log_joint(self, x: Tensor, sigma: Tensor) -> Tensor:
        """(n, K) log of p_k times the density of x (n, d) under component k at noise sigma (n,)."""
        variance = self.std.square() + sigma[:, None].square()
        square = x.square().sum(1, keepdim=True) + self.means.square().sum(1)
        distance = square - 2 * x @ self.means.T
        normal = distance / variance + x.shape[1] * (2 * math.pi * variance).log()
        return self.probabilities.log() - normal / 2

    def posterior(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """E[x0 | x] (n, d) and the trace of its covariance (n,)."""
        weight = torch.softmax(self.log_joint(x, sigma), 1)
        noise = sigma[:, None].square()
        gain = self.std.square() / (self.std.square() + noise)
        pull, push = weight * (1 - gain), weight * gain
        mean = pull @ self.means + push.sum(1, keepdim=True) * x
        # E|guess|^2, guess_k = (1 - gain) mean_k + gain x, and each component's own variance.
        square = (
            (pull * (1 - gain)) @ self.means.square().sum(1)
            + 2 * (pull * gain * (x @ self.means.T)).sum(1)
            + (push * gain).sum(1) * x.square().sum(1)
            + x.shape[1] * (push * noise).sum(1)
        )
        return mean, (square - mean.square().sum(1)).clamp_min(0)

    def entropy(self) -> float:
        """Shannon's for points, else differential."""
        if bool((self.std == 0).all()):
            return float(-torch.xlogy(self.probabilities, self.probabilities).sum())
        return -self.expect(lambda x, s: torch.logsumexp(self.log_joint(x, s), 1), 0.0)[0]

    def expect(
        self, function: Callable[[Tensor, Tensor], Tensor], sigma: float
    ) -> tuple[float, float]:
        """Mean and standard error of function(x (n, d), sigma (n,)) -> (n,) over noisy x."""
        if self.means.shape[1] == 1:
            x, weight = self._line(sigma)
            return float(weight @ function(x, torch.full((len(x),), sigma).to(x))), 0.0
        values = []
        for x, weight in self._quasi_random(sigma):
            found = function(x, torch.full((len(x),), sigma).to(x))
            values.append((weight * found).mean())
        means = torch.stack(values)
        return float(means.mean()), float(means.std()) / math.sqrt(_SHIFTS)

    def _line(self, sigma: float) -> tuple[Tensor, Tensor]:
        width = (self.std.square() + sigma**2).sqrt()
        extent = float(self.means.max() - self.means.min())
        # Posteriors turn over within width^2 / distance. Where that would take more nodes, the
        # points are so far apart that the turn is never met.
        turn = float(width.min()) ** 2 / (float(width.max()) * max(extent, 1e-300))
        z, weight = normal_quadrature(max(min(0.5, 0.5 * turn), 0.005))
        x = self.means + width[:, None] * z
        return x.reshape(-1, 1), (self.probabilities[:, None] * weight).flatten()

    def _quasi_random(self, sigma: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Noisy x (n, d) and weights (n,), once for each shift of the sequence."""
        halfway = None
        if not bool((self.std > 0).any()):
            halfway = _Halfway(self.means, sigma, *_distances(self.means))
        for x, k, u in self.noisy(sigma):
            if halfway is None:
                yield x, torch.ones(len(x), dtype=torch.float64)
            else:
                yield halfway(x, k, u)

    def noisy(self, sigma: float) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Quasi-random x (n, d), the component k (n,) of each, and u (n,) in [0, 1) beside them."""
        seed = int.from_bytes(struct.pack("<d", sigma), "little") >> 1
        generator = torch.Generator().manual_seed(seed)
        length = 2 ** min(12, max(9, (_WORK // len(self.means)).bit_length() - 1))
        points = _sobol(self.means.shape[1] + 2, length)
        width = (self.std.square() + sigma**2).sqrt()
        last = self.probabilities.cumsum(0)[:-1]
        for _ in range(_SHIFTS):
            shift = torch.rand(points.shape[1], dtype=torch.float64, generator=generator)
            u = (points + shift) % 1.0
            k = torch.bucketize(u[:, 0].contiguous(), last, right=True)
            z = torch.special.ndtri(u[:, 2:].clamp(1e-16, 1 - 1e-16))
            yield self.means[k] + width[k, None] * z, k, u[:, 1]


class _Halfway:
    """Importance sampling for points: half of the noisy x start halfway to a neighbour.

    At low noise only what lies between two points is uncertain, and plain noise hardly ever gets
    there. Weights are at most 2, so nothing is lost where plain noise would do.
    """

    def __init__(self, points: Tensor, sigma: float, gram: Tensor, square: Tensor) -> None:
        self._mixture, self._variance = points, sigma**2
        self._gram, self._square = gram, square
        near = (-self._square / (8 * self._variance)).fill_diagonal_(-math.inf)
        self._log_chance = torch.log_softmax(near, 1)
        self._last = self._log_chance.exp().cumsum(1)[:, :-1].contiguous()

    def __call__(self, x: Tensor, k: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, d) around points k (n,), moved or not as u (n,) says, and its weights (n,)."""
        moved = u >= 0.5
        rest = (2 * u - moved.to(u))[:, None]
        j = torch.searchsorted(self._last[k], rest, right=True)[:, 0]
        x = x + moved[:, None] * (self._mixture[j] - self._mixture[k]) / 2
        # log of the density around halfway over that around point k.
        own = (x * self._mixture[k]).sum(1, keepdim=True) - self._gram[k, k, None]
        along = x @ self._mixture.T - self._gram[k] - own
        ratio = (along - self._square[k] / 4) / (2 * self._variance)
        return x, 2 * torch.sigmoid(-torch.logsumexp(self._log_chance[k] + ratio, 1))


def _distances(points: Tensor) -> tuple[Tensor, Tensor]:
    """Gram matrix (K, K) and squared distances (K, K)."""
    gram = points @ points.T
    norm = gram.diagonal()
    return gram, (norm[:, None] + norm - 2 * gram).clamp_min(0)


class _Points:
    """Points (K, d) around their mean: what hangs on no level is found once."""

    def __init__(self, points: Tensor, probabilities: Tensor) -> None:
        # Noise across the points' span says nothing about them.
        _, size, axes = torch.linalg.svd(points, full_matrices=False)
        span = points @ axes[size > 1e-9 * size[0].clamp_min(1e-300)].T
        self._mixture = _Mixture(span, torch.zeros_like(probabilities), probabilities)
        self._races: Races | None = None
        if span.shape[1] == 0:
            return
        side = torch.pdist(span)
        self._least, self._first = float(side.min()), float(side[0])
        if bool((side.max() - side.min() <= 1e-9 * side.max()).all()):
            self._races = Races(probabilities[None])

    @functools.cached_property
    def _distances(self) -> tuple[Tensor, Tensor]:
        return _distances(self._mixture.means)

    def mmse(self, sigma: float) -> tuple[float, float]:
        """Value and standard error."""
        mixture = self._mixture
        if mixture.means.shape[1] == 0:
            return 0.0, 0.0
        if self._races is not None:
            half_square = self._first**2 / 2
            return half_square * float(self._races.mistaken(half_square / sigma**2)[0]), 0.0
        if self._least / sigma > CERTAIN:
            return 0.0, 0.0
        if len(mixture.means) > _MANY and mixture.means.shape[1] > 1:
            return self._of_many(sigma)
        return mixture.expect(lambda x, s: mixture.posterior(x, s)[1], sigma)

    def _of_many(self, sigma: float) -> tuple[float, float]:
        """Sampled as by `_Mixture.expect`, with as few passes over (n, K) as it takes."""
        points = self._mixture.means
        norm = points.square().sum(1)
        bias = self._mixture.probabilities.log() - norm / (2 * sigma**2)
        moments = torch.cat([points, norm[:, None]], 1)
        halfway = None
        if sigma < self._least / 2:
            halfway = _Halfway(points, sigma, *self._distances)
        values = []
        for x, k, u in self._mixture.noisy(sigma):
            weight = torch.ones_like(u)
            if halfway is not None:
                x, weight = halfway(x, k, u)
            found = torch.softmax(torch.addmm(bias, x, points.T, alpha=sigma**-2), 1) @ moments
            variance = (found[:, -1] - found[:, :-1].square().sum(1)).clamp_min(0)
            values.append((weight * variance).mean())
        means = torch.stack(values)
        return float(means.mean()), float(means.std()) / math.sqrt(_SHIFTS)


@functools.lru_cache(maxsize=8)
def _sobol(dim: int, length: int) -> Tensor:
    if dim > torch.quasirandom.SobolEngine.MAXDIM:
        raise InputError(f"mixtures are sampled in up to 21199 dimensions, this one has {dim - 2}")
    engine = torch.quasirandom.SobolEngine(dim)  # type: ignore[no-untyped-call]
    return engine.draw(length, dtype=torch.float64)
