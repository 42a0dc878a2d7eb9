"""Sources whose denoisers and profiles are known exactly: oracles for tests, and warm starts.

Mixtures, point sets and codes are in `mixture`, one-hot symbols in `categorical`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile

# Bins done, and of how many.
Progress = Callable[[int, int], None]


class Source(ABC):
    """A distribution of x0 whose posterior mean under Gaussian noise is known.

    Attributes:
        dim: Dimensions of one example.
        entropy: Nats; of a discrete distribution Shannon's, of one with a density the differential
            entropy; None where there is neither.
        nodes: Levels at which a bin of a profile is computed.
    """

    dim: int
    entropy: float | None
    nodes: int = 4

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, dim) float32."""

    @abstractmethod
    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x], x (n, dim) = x0 + sigma eps, sigma (n,)."""

    @abstractmethod
    def mmse(self, sigma: Tensor) -> Tensor:
        """`E|x0 - E[x0 | x]|^2`, summed over dimensions; same shape as sigma."""

    def mmse_stderr(self, sigma: Tensor) -> Tensor:
        """Standard error of `mmse`, zero unless it is sampled; same shape as sigma."""
        return torch.zeros_like(sigma)


class GaussianSource(Source):
    """Independent N(0, std^2) in `rank` of `dim` dimensions, zero in the others.

    mmse = rank * std^2 sigma^2 / (std^2 + sigma^2): a line of slope 2 in log-log at low noise,
    whose rate's plateau is the rank.
    """

    def __init__(self, dim: int, std: float = 1.0, rank: int | None = None) -> None:
        self.dim, self.std = dim, std
        self.rank = dim if rank is None else rank
        full = dim / 2 * math.log(2 * math.pi * math.e * std**2)
        self.entropy = full if self.rank == dim else None

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        x0 = torch.zeros(n, self.dim)
        x0[:, : self.rank] = self.std * torch.randn(n, self.rank, generator=generator)
        return x0

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        gain = self.std**2 / (self.std**2 + sigma.square())
        inside = torch.arange(self.dim, device=x.device) < self.rank
        return gain[:, None] * x * inside

    def mmse(self, sigma: Tensor) -> Tensor:
        return self.rank * self.std**2 * sigma.square() / (self.std**2 + sigma.square())


class BinarySource(Source):
    """`dim` independent symbols, each low or high.

    The posterior is a tanh (a matched filter).

    Args:
        probability: Of high, one for all or (dim,).
    """

    def __init__(
        self,
        dim: int,
        low: float = -1.0,
        high: float = 1.0,
        probability: float | Tensor = 0.5,
    ) -> None:
        self.dim = dim
        self.middle, self.half = (low + high) / 2, (high - low) / 2
        p = torch.as_tensor(probability, dtype=torch.float64).expand(dim)
        if not bool(((p >= 0) & (p <= 1)).all()):
            raise InputError("a symbol's probability lies between 0 and 1")
        self.probability = p
        self.entropy = float(-(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum())
        self._classes = torch.unique(p, return_counts=True)
        self._nodes, self._weights = gaussian_quadrature(256)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        high = torch.rand(n, self.dim, generator=generator) < self.probability
        return self.middle + self.half * (2.0 * high - 1)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        prior = (torch.logit(self.probability) / 2).to(x)
        tilt = self.half * (x - self.middle) / sigma[:, None].square() + prior
        return self.middle + self.half * torch.tanh(tilt)

    def mmse(self, sigma: Tensor) -> Tensor:
        """Closed form of the error of equally spaced pairs (Guo, Shamai & Verdu 2005).

        half^2 sum E[1 - s tanh(prior + s g + sqrt(g) z)] over the symbol's sign s, with g =
        (half/sigma)^2.
        """
        root = (self.half / sigma.to(torch.float64))[..., None]
        tilt = root.square() + root * self._nodes
        total = torch.zeros(sigma.shape, dtype=torch.float64)
        for p, times in zip(*self._classes, strict=True):
            prior = torch.logit(p) / 2
            # 1 - tanh(t) = 2 / (1 + e^2t), written so that tiny values keep their digits.
            up = torch.sigmoid(-2 * (tilt + prior)) * p
            down = torch.sigmoid(-2 * (tilt - prior)) * (1 - p)
            total += times * (2 * (up + down) * self._weights).sum(-1)
        return self.half**2 * total


class SphereSource(Source):
    """Uniform on a k-sphere around the origin, in the first k+1 of `dim` coordinates.

    The posterior mean points along x, at radius * I_{k/2+1/2}(kappa) / I_{k/2-1/2}(kappa) with
    `kappa = radius |x| / sigma^2` (the mean of a von Mises-Fisher distribution).
    """

    entropy = None

    def __init__(self, sphere_dim: int, dim: int, radius: float = 1.0) -> None:
        if not 1 <= sphere_dim < dim:
            raise InputError(
                f"a {sphere_dim}-sphere in {dim} dimensions: give 1 <= sphere_dim < dim"
            )
        self.sphere_dim, self.dim, self.radius = sphere_dim, dim, radius

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        x0 = torch.zeros(n, self.dim)
        direction = torch.randn(n, self.sphere_dim + 1, generator=generator)
        x0[:, : self.sphere_dim + 1] = self.radius * direction / direction.norm(dim=1, keepdim=True)
        return x0

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        inside = torch.arange(self.dim, device=x.device) <= self.sphere_dim
        part = (x * inside).to(torch.float64)
        norm = part.norm(dim=1, keepdim=True).clamp_min(1e-300)
        kappa = self.radius * norm / sigma[:, None].to(torch.float64).square()
        mean: Tensor = self.radius * self._length(kappa) * part / norm
        return mean.to(x.dtype)

    def mmse(self, sigma: Tensor) -> Tensor:
        """radius^2 E[1 - length^2], over the noise along and across x0; same shape as sigma."""
        along, weight = normal_quadrature(0.25)
        across, across_weight = _chi_square_quadrature(self.sphere_dim)
        s = sigma.to(torch.float64)[..., None, None]
        norm = ((self.radius + s * along[:, None]).square() + s.square() * across).sqrt()
        length = self._length(self.radius * norm / s.square())
        error = (1 - length.square()) * weight[:, None] * across_weight
        total: Tensor = error.sum((-2, -1))
        return self.radius**2 * total

    def _length(self, kappa: Tensor) -> Tensor:
        return bessel_ratio((self.sphere_dim - 1) / 2, kappa)


def bessel_ratio(order: float, x: Tensor) -> Tensor:
    """I_{order+1}(x) / I_order(x) for x >= 0, of any size; same shape as x, float64.

    The three-term recurrence r_order = 1 / (2 (order+1)/x + r_{order+1}) damps errors going down,
    most where x is moderate; its start, far up, solves the Riccati equation
    r' = 1 - r^2 - (2 order + 1) r/x with r' of the leading solution, good where x is large.
    """
    x = x.to(torch.float64)
    steps = 40
    middle = torch.full_like(x, order + steps + 0.5)
    top = middle + middle / (2 * torch.hypot(middle, x))
    ratio = x / (top + torch.hypot(top, x))
    for step in range(steps, 0, -1):
        ratio = x / (2 * (order + step) + x * ratio)
    return ratio


def exact_profile(
    source: Source, sigma_min: float, sigma_max: float, bins: int = 64
) -> EntropyRateProfile:
    """The source's profile on a grid that is uniform in log sigma."""
    return profile_on(source, log_edges(sigma_min, sigma_max, bins))


def profile_on(
    source: Source, edges: Tensor, progress: Progress | None = None
) -> EntropyRateProfile:
    """The source's profile on given edges (K+1,).

    Each bin is averaged over log sigma by a Gauss rule of `source.nodes` points, 4 as a rule.

    Args:
        progress: Called after each bin with how many are done, and of how many.
    """
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(source.nodes))
    low, width = edges.log()[:-1, None], edges.log().diff()[:, None]
    sigma = (low + width * (nodes + 1) / 2).exp()
    if progress is None:
        mmse = source.mmse(sigma)
    else:
        rows = []
        for done, levels in enumerate(sigma, 1):
            rows.append(source.mmse(levels))
            progress(done, len(sigma))
        mmse = torch.stack(rows)
    rate = (mmse / sigma.square() * weights / 2).sum(-1)
    # Where mmse is sampled, its errors at different sigma are independent.
    error = (source.mmse_stderr(sigma) / sigma.square() * weights / 2).square().sum(-1).sqrt()
    return EntropyRateProfile(edges, rate, error, torch.zeros_like(rate), source.dim)


def gaussian_quadrature(points: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights, float64 (points,), of the expectation under N(0, 1) (Gauss-Hermite)."""
    nodes, weights = np.polynomial.hermite.hermgauss(points)
    return torch.from_numpy(nodes * math.sqrt(2)), torch.from_numpy(weights / math.sqrt(math.pi))


def normal_quadrature(step: float) -> tuple[Tensor, Tensor]:
    """Nodes and weights, float64, of the expectation under N(0, 1) by the trapezoid rule.

    Exponentially accurate once `step` resolves the integrand, and unlike Gauss-Hermite its nodes
    can be made as dense as that takes.
    """
    half = math.ceil(9 / step)
    nodes = step * torch.arange(-half, half + 1, dtype=torch.float64)
    return nodes, step * torch.exp(-nodes.square() / 2) / math.sqrt(2 * math.pi)


def _chi_square_quadrature(degrees: int) -> tuple[Tensor, Tensor]:
    # The trapezoid rule in y = log(chi^2), whose density is smooth for any number of degrees.
    width = math.sqrt(2 / degrees)
    low, high = -40 * width**2 - 8 * width, 12 * width
    y = math.log(degrees) + torch.arange(low, high, width / 5, dtype=torch.float64)
    log_density = degrees / 2 * (y - math.log(2)) - y.exp() / 2 - math.lgamma(degrees / 2)
    weights = log_density.exp() * (y[1] - y[0])
    kept = weights > 1e-18
    return y[kept].exp(), weights[kept]
