"""What a profile says of the data in nats: entropy, likelihood bound, information gap.

Everything is an integral of the rate mmse / sigma^2 over log sigma (Guo, Shamai & Verdu 2005; Kong
et al. 2023). With a denoiser's error in place of the mmse the entropy becomes an upper bound on the
mean negative log-likelihood of the examples that the error was measured on.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile

# Slopes in log-log below this, up or down, count as flat.
FLAT = 0.1
# Half-width in log sigma of the window in which a slope is fitted: a factor of 2 in all.
_WINDOW = 0.35
# A bin with a smaller relative error than this gets no more weight in the fit of a slope.
_RELATIVE_ERROR = 0.01


@dataclass(frozen=True)
class Information:
    """What a profile says of the data's information, in nats.

    Attributes:
        nats: Per example, what lies beyond the grid included.
        stderr: From sampling, bins taken as independent.
        below: The part of `nats` at noise levels below the grid.
        above: The part above it.
        slack: By how much these two can be wrong; inf where the profile does not say.
        bound: What `nats` cannot exceed, if that is known.
    """

    nats: float
    stderr: float
    below: float
    above: float
    slack: float
    bound: float | None = None

    @property
    def bits(self) -> float:
        """`nats` in bits per example."""
        return self.nats / math.log(2)

    def __str__(self) -> str:
        text = f"{self.nats:.4g} ± {self.stderr:.2g} nats per example ({self.bits:.4g} bits)"
        if self.bound is not None:
            text += f", at most {self.bound:.4g} nats"
        if math.isinf(self.slack):
            return f"{text}; not settled at the ends of the grid"
        return f"{text}; {self.slack:.2g} of it open at the ends of the grid"


def discrete_entropy(profile: EntropyRateProfile) -> Information:
    """Entropy of discrete data: the integral of the rate over all noise levels.

    Beyond each end of the grid the rate is taken to fall at least as steeply as at the end, as it
    does at high noise, where it goes as sigma^-2, and at low noise as long as it vanishes faster
    than any power. So the tails are upper bounds, and `slack` says how far above the truth. Where
    the rate does not fall towards low noise (continuous data, an error floor), the tail there is
    left out and slack is infinite.
    """
    above, slack = _tail_above(profile)
    slope = float(log_slope(profile)[0])
    below, below_error = 0.0, 0.0
    if float(profile.rate[0]) > 0:
        if slope > FLAT:
            below = float(profile.rate[0]) * math.exp(-slope * float(profile.width[0]) / 2) / slope
            below_error = below * _relative_error(profile, 0)
        slack += below if below else math.inf
    stderr = math.hypot(profile.entropy_stderr(), below_error, above * _relative_error(profile, -1))
    return Information(profile.entropy() + below + above, stderr, below, above, slack)


def continuous_entropy(profile: EntropyRateProfile) -> Information:
    """Differential entropy, or the bound on -E log p(x0), of data with a density in d dimensions.

    d/2 log(2 pi e) - integral over log sigma of [d / (1 + sigma^2) - rate], which for a grid from a
    up is d/2 log(2 pi e a^2) + integral of the rate from a up - integral of [d - rate] below a. The
    last is at least -d/2 log(rate(a) / d), because 1/mmse - 1/(d sigma^2) never falls towards low
    noise; this value is taken, so the result is an upper bound. `slack` is how far it is above
    what a deficit d - rate gives that falls as steeply as in the lowest bins: infinite where that
    does not fall, as data on a manifold and discrete data have no density.
    """
    d = profile.dim
    if d is None:
        raise InputError("the profile does not say how many dimensions an example has")
    above, slack = _tail_above(profile)
    rate, error = _rate_at_lower_end(profile, d), float(profile.stderr[0])
    below = d / 2 * math.log(rate / d) if rate > 0 else 0.0
    deficit = d - rate
    if deficit > max(2 * error, 1e-9 * d):
        steepness = float(_slopes((d - profile.rate).clamp_min(0), profile)[0])
        slack += max(deficit / steepness + below, 0.0) if steepness > FLAT else math.inf
    else:
        # Within the error of d; a deficit falls as sigma^2 there.
        slack += error
    reference = d / 2 * math.log(2 * math.pi * math.e * float(profile.edges[0]) ** 2)
    stderr = math.hypot(
        profile.entropy_stderr(),
        d / 2 * _relative_error(profile, 0),
        above * _relative_error(profile, -1),
    )
    return Information(reference + profile.entropy() + below + above, stderr, below, above, slack)


def information_gap(
    profile: EntropyRateProfile, conditional: EntropyRateProfile, bound: float | None = None
) -> Information:
    """I(X; C): the integral of what the rate falls by when the condition C is known.

    Over the noise levels that both grids cover, and above them by sigma^-2; what lies below is left
    out, and counted as slack. The two standard errors are taken as independent, which is too wary
    if both profiles were measured with the same noise. With learned denoisers use profiles of
    held-out examples (`measure_profile`).

    Args:
        bound: The entropy of C, or another value that I(X; C) cannot exceed.
    """
    low = max(float(profile.edges[0]), float(conditional.edges[0]))
    high = min(float(profile.edges[-1]), float(conditional.edges[-1]))
    if not low < high:
        raise InputError("the two profiles have no noise level in common: measure them on one grid")
    whole, rest = _cut(profile, low, high), _cut(conditional, low, high)
    tails = [_tail_above(whole), _tail_above(rest)]
    above = tails[0][0] - tails[1][0]
    slack = abs(tails[0][1] - tails[1][1]) + abs(float(whole.rate[0] - rest.rate[0])) / 2
    nats = whole.entropy() - rest.entropy() + above
    stderr = math.hypot(whole.entropy_stderr(), rest.entropy_stderr())
    return Information(nats, stderr, 0.0, above, slack, bound)


def _rate_at_lower_end(profile: EntropyRateProfile, d: int) -> float:
    """From the lowest bin's rate, at its centre, with 1/mmse - 1/(d sigma^2) held."""
    rate = float(profile.rate[0])
    if not 0 < rate < d:
        return min(max(rate, 0.0), float(d))
    fall = math.exp(-float(profile.width[0]))
    return d / (1 + (d / rate - 1) * fall)


def log_slope(profile: EntropyRateProfile) -> Tensor:
    """(K,) d log rate / d log sigma, each fitted over a factor of 2 in sigma.

    nan where the rate is zero or unseen.
    """
    return _slopes(profile.rate, profile)


def _slopes(values: Tensor, profile: EntropyRateProfile) -> Tensor:
    x, y = profile.sigma.log(), values.clamp_min(1e-300).log()
    relative = (profile.stderr / values.clamp_min(1e-300)).clamp_min(_RELATIVE_ERROR)
    weight = torch.where((values > 0) & relative.isfinite(), relative.pow(-2), 0)
    # At least the neighbours, on however coarse a grid.
    reach = max([_WINDOW, *(1.01 * x.diff()).tolist()])
    window = ((x[None, :] - x[:, None]).abs() <= reach) * weight
    total = window.sum(1, keepdim=True)
    dx = x - (window @ x)[:, None] / total
    dy = y - (window @ y)[:, None] / total
    slope = (window * dx * dy).sum(1) / (window * dx.square()).sum(1)
    return torch.where(weight > 0, slope, math.nan)


def _tail_above(profile: EntropyRateProfile) -> tuple[float, float]:
    """Integral of the rate above the grid, and its distance to an upper limit.

    There is one if the rate's slope there, between -2 and 0, does not rise. The limit is a rate in
    proportion to sigma^-2 (mmse never falls with sigma).
    """
    last, slope = float(profile.rate[-1]), float(log_slope(profile)[-1])
    if last <= 0:
        return 0.0, 0.0
    fall = min(max(-slope, 0.0), 2.0)
    edge = last * math.exp(-fall * float(profile.width[-1]) / 2)
    if not fall > FLAT:
        return edge / 2, math.inf
    return edge / fall, edge / fall - edge / 2


def _relative_error(profile: EntropyRateProfile, i: int) -> float:
    rate = float(profile.rate[i])
    return float(profile.stderr[i]) / rate if rate > 0 else 0.0


def _cut(profile: EntropyRateProfile, low: float, high: float) -> EntropyRateProfile:
    inside = (profile.edges[1:] > low) & (profile.edges[:-1] < high)
    ends = profile.edges.clamp(low, high)
    edges = torch.cat([ends[:-1][inside], ends[1:][inside][-1:]])
    columns = (profile.rate[inside], profile.stderr[inside], profile.count[inside])
    return EntropyRateProfile(edges, *columns, profile.dim)
