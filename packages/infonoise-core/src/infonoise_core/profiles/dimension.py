"""The intrinsic dimension of data, read in three ways that check each other."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.multivariate import refuse_paths
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import FLAT, log_slope

# Readings that differ by no more than one, or by this share, agree.
_TOLERANCE = (1.0, 0.1)
# Least ratio of a plateau's ends. The peak of a bit's rate is flat over a factor of 1.1.
_LENGTH = math.sqrt(2)
# Points and perturbations that go through the denoiser at once.
_BATCH = 4096


@dataclass(frozen=True)
class Plateau:
    """A stretch of noise levels over which the rate is constant.

    Its value is the dimension, from above.

    Attributes:
        stderr: From sampling.
        sigma_min, sigma_max: Its ends.
    """

    dimension: float
    stderr: float
    sigma_min: float
    sigma_max: float

    def __str__(self) -> str:
        return (
            f"{self.dimension:.2f} ± {self.stderr:.2g}"
            f" between sigma {self.sigma_min:.3g} and {self.sigma_max:.3g}"
        )


@dataclass(frozen=True)
class Dimension:
    """An intrinsic dimension by three readings; None for what was not measured.

    Attributes:
        svd_gap: The dimension, by the most frequent answer over the points.
        share: Of points that give it.
        plateau: The profile's, None if it has none.
        trace: Of the denoiser's Jacobian.
        trace_stderr: Its standard error.
    """

    svd_gap: int | None = None
    share: float | None = None
    plateau: Plateau | None = None
    trace: float | None = None
    trace_stderr: float | None = None

    @property
    def value(self) -> float | None:
        """The SVD gap's if there is one, else the plateau's, else None: no answer.

        Excess error of a denoiser is multiplied by the ambient dimension in plateau and trace, but
        does not move the gap.
        """
        if self.svd_gap is not None:
            return float(self.svd_gap)
        return None if self.plateau is None else self.plateau.dimension

    @property
    def agrees(self) -> bool | None:
        """Whether the other readings confirm `value`; None if there is none to compare.

        They do where they differ from it by no more than one, or a tenth, and two standard errors.
        """
        others = []
        if self.trace is not None and self.trace_stderr is not None:
            others.append((self.trace, self.trace_stderr))
        if self.plateau is not None:
            others.append((self.plateau.dimension, self.plateau.stderr))
        if self.svd_gap is None or not others:
            return None
        limit = max(_TOLERANCE[0], _TOLERANCE[1] * self.svd_gap)
        return all(abs(other - self.svd_gap) <= limit + 2 * error for other, error in others)

    def __str__(self) -> str:
        parts = []
        if self.svd_gap is not None and self.share is not None:
            parts.append(f"{self.svd_gap} by the SVD gap ({self.share:.0%} of the points)")
        parts.append(f"plateau {self.plateau}" if self.plateau is not None else "no plateau")
        if self.trace is not None and self.trace_stderr is not None:
            parts.append(f"trace {self.trace:.2f} ± {self.trace_stderr:.2g}")
        if self.agrees is False:
            parts.append("they disagree: do not rely on it")
        return ", ".join(parts)


def plateau(profile: EntropyRateProfile) -> Plateau | None:
    """The lowest stretch of noise levels over which the rate is constant; None if there is none.

    It spans at least a factor of sqrt 2 in sigma, with `|d log rate / d log sigma| <= 0.1`
    throughout, each slope fitted over a factor of 2.

    The rate of data on a k-dimensional manifold goes to k as sigma goes to 0. The minimal length
    tells a plateau from the top of a peak. A learned rate rises below it (error floor) and falls
    above it, so bins count the more the flatter the rate is.
    """
    slope = log_slope(profile)
    flat = slope.abs() <= FLAT
    edges = profile.edges.tolist()
    start = None
    for i, is_flat in enumerate([*flat.tolist(), False]):
        if is_flat and start is None:
            start = i
        elif not is_flat and start is not None:
            if edges[i] >= _LENGTH * edges[start]:
                return _average(profile, slope, slice(start, i))
            start = None
    return None


def _average(profile: EntropyRateProfile, slope: Tensor, part: slice) -> Plateau:
    weight = profile.width[part] * (1 - (slope[part] / FLAT).square())
    # All bins at the limit itself have no weight left.
    weight = weight.clamp_min(1e-6 * float(profile.width[part].max()))
    value = float((weight * profile.rate[part]).sum() / weight.sum())
    stderr = float((weight * profile.stderr[part]).square().sum().sqrt() / weight.sum())
    ends = float(profile.edges[part.start]), float(profile.edges[part.stop])
    return Plateau(value, stderr, *ends)


@torch.no_grad()
def svd_gap(
    denoiser: Denoiser,
    x0: Tensor,
    sigma: float,
    perturbations: int | None = None,
    condition: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Dimension (n,) at each point of x0 (n, ...), and singular values (n, d), descending.

    Scores of x0 + sigma z for many z span the directions normal to the data; those have large
    singular values, the k tangent ones small values, with the largest gap between them (Stanczuk et
    al. 2022). The values come in units of what pure noise gives on average; 1 before the first and
    0 after the last take part in the search, so that k = d and k = 0 are possible answers.

    Args:
        perturbations: Of each point, 4 d by default.
        condition: The denoiser's keyword arguments, (n, ...) each.
    """
    _check(denoiser, x0, sigma)
    d = x0[0].numel()
    count = 4 * d if perturbations is None else perturbations
    if count < d:
        raise InputError(f"{count} perturbations in {d} dimensions: give at least as many")
    at = x0.device if generator is None else generator.device
    dimensions, values = [], []
    for i in range(len(x0)):
        shape = (count, *x0.shape[1:])
        noise = torch.randn(shape, generator=generator, device=at).to(x0)
        keywords = {name: v[i : i + 1] for name, v in (condition or {}).items()}
        error = _apply(denoiser, x0[i] + sigma * noise, sigma, keywords) - x0[i] - sigma * noise
        # score * sigma = (D - x) / sigma; its rows are unit noise in normal directions.
        rows = error.flatten(1).cpu().to(torch.float64) / sigma
        size = torch.linalg.svdvals(rows) / math.sqrt(count)
        gaps = -torch.cat([size.new_ones(1), size, size.new_zeros(1)]).diff()
        dimensions.append(d - int(gaps.argmax()))
        values.append(size)
    return torch.tensor(dimensions), torch.stack(values)


def jacobian_trace(
    denoiser: Denoiser,
    x0: Tensor,
    sigma: float,
    probes: int = 16,
    condition: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    """E tr dD/dx at x0 + sigma z, and its standard error over the points of x0 (n, ...).

    For an exact posterior mean this is the rate itself: its Jacobian times sigma^2 is the posterior
    covariance (second-order Tweedie). Hutchinson's estimate v . J v with v = +-1, by reverse-mode
    products, which every layer supports. probes: draws of z and v for each point.
    """
    _check(denoiser, x0, sigma)
    if probes < 1 or len(x0) < 2:
        raise InputError(f"{probes} probes at {len(x0)} points: give at least 1 at 2")
    at = x0.device if generator is None else generator.device
    level = torch.full((len(x0),), sigma, device=x0.device)
    totals = torch.zeros(len(x0), dtype=torch.float64)
    for _ in range(probes):
        noise = torch.randn(x0.shape, generator=generator, device=at).to(x0)
        v = torch.randint(0, 2, x0.shape, generator=generator, device=at).to(x0) * 2 - 1
        with torch.enable_grad():
            x = (x0 + sigma * noise).requires_grad_()
            (product,) = torch.autograd.grad(denoiser(x, level, **(condition or {})), x, v)
        totals += (product * v).flatten(1).sum(1).cpu().to(torch.float64) / probes
    return float(totals.mean()), float(totals.std() / math.sqrt(len(totals)))


def intrinsic_dimension(
    denoiser: Denoiser,
    x0: Tensor,
    sigma: float | None = None,
    profile: EntropyRateProfile | None = None,
    condition: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Dimension:
    """All three readings at points x0 (n, ...): SVD gap, Jacobian trace, and the profile's plateau.

    Args:
        sigma: Small against the data's features and large enough for the denoiser to be right
            there; by default the geometric middle of the profile's plateau.
    """
    flat = None if profile is None else plateau(profile)
    if sigma is None:
        if flat is None:
            raise InputError("no plateau to take the noise level from: give sigma")
        sigma = math.sqrt(flat.sigma_min * flat.sigma_max)
    at, _ = svd_gap(denoiser, x0, sigma, None, condition, generator)
    answer = statistics.mode(at.tolist())
    share = float((at == answer).to(torch.float64).mean())
    trace, stderr = jacobian_trace(denoiser, x0, sigma, condition=condition, generator=generator)
    return Dimension(answer, share, flat, trace, stderr)


def _apply(denoiser: Denoiser, x: Tensor, sigma: float, condition: Mapping[str, Any]) -> Tensor:
    """The denoiser on the noisy copies x (n, ...) of one point, in batches."""
    parts = []
    for start in range(0, len(x), _BATCH):
        part = x[start : start + _BATCH]
        keywords = {k: v.expand(len(part), *v.shape[1:]) for k, v in condition.items()}
        level = torch.full((len(part),), sigma, device=x.device)
        parts.append(denoiser(part, level, **keywords))
    return torch.cat(parts)


def _check(denoiser: Denoiser, x0: Tensor, sigma: float) -> None:
    refuse_paths(denoiser, "the dimension")
    if x0.dim() < 2 or len(x0) < 1:
        raise InputError(f"points of shape {tuple(x0.shape)}: give (n, ...) with n >= 1")
    if not 0 < sigma < math.inf:
        raise InputError(f"sigma {sigma:g}: give a noise level above 0")
