"""What a profile says of the data in nats: entropy, likelihood bound, information gap.

Everything is an integral of the rate mmse / sigma^2 over log sigma (Guo, Shamai & Verdu 2005; Kong
et al. 2023). With a denoiser's error in place of the mmse the entropy becomes an upper bound on the
mean negative log-likelihood of the examples that it was measured on.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profile import EntropyRateProfile

# Half-width in log sigma of the window in which a slope is fitted: a factor of 2 in all.
_WINDOW = 0.35
# Relative errors below this do not make a bin any better for a slope.
_RELATIVE_ERROR = 0.01


@dataclass(frozen=True)
class Information:
    """nats: per example, with the tails.  stderr: from sampling, bins taken as independent.

    below, above: what `nats` holds for noise levels beyond the grid's ends.  slack: by how much the
    tails can be wrong; inf where the profile says nothing about one of them.
    """

    nats: float
    stderr: float
    below: float
    above: float
    slack: float

    @property
    def bits(self) -> float:
        return self.nats / math.log(2)

    def __str__(self) -> str:
        text = f"{self.nats:.4g} ± {self.stderr:.2g} nats ({self.bits:.4g} bits)"
        if math.isinf(self.slack):
            return f"{text}, without what lies beyond the grid, which the profile does not tell"
        return f"{text}, tails within {self.slack:.2g}"


def discrete_entropy(profile: EntropyRateProfile) -> Information:
    """Entropy of discrete data: the integral of the rate over all noise levels.

    Beyond both ends the rate is taken to go on falling at least as steeply as at the end, which
    makes the tails upper bounds; `slack` is how far they can be above the truth. True at high noise,
    where the slope goes to -2, and at low noise where the rate of discrete data vanishes faster than
    any power. Where the rate does not fall towards low noise (continuous data, an error floor), the
    tail below is left out and slack is infinite.
    """
    slope = log_slope(profile)
    above, above_slack = _tail_above(profile, slope)
    low = float(profile.rate[0])
    if low <= 0:
        below, below_slack = 0.0, 0.0
    elif slope[0] > 0:
        # At the centre of the lowest bin the rate is `low`; its lower edge lies half a bin further.
        edge = low * math.exp(-float(slope[0] * profile.width[0]) / 2)
        below = below_slack = edge / float(slope[0])
    else:
        below, below_slack = 0.0, math.inf
    nats = profile.entropy() + below + above
    return Information(nats, profile.entropy_stderr(), below, above, below_slack + above_slack)


def continuous_entropy(profile: EntropyRateProfile) -> Information:
    """Differential entropy of data with a density, -E log p(x0):

        d/2 log(2 pi e) - integral over log sigma of [d / (1 + sigma^2) - rate]

    Below the grid the rate is taken as that of a Gaussian with the mmse seen at the end, the most
    that 1/mmse - 1/(d sigma^2), which never falls towards low noise, allows; so that tail, too, is an
    upper bound. `slack` is how far it is above a rate that closes in on d at the slope of the lowest
    bins; infinite where the rate does not close in on d: then the data lie on a manifold or are
    discrete, and have no density.
    """
    d = profile.dim
    if d is None:
        raise InputError("the profile does not say how many dimensions an example has: set dim")
    low_sigma, high_sigma = float(profile.edges[0]), float(profile.edges[-1])
    slope = log_slope(profile)
    above, above_slack = _tail_above(profile, slope)
    reference = d / 2 * math.log(2 * math.pi * math.e)
    # The integral of d / (1 + sigma^2), a unit Gaussian's rate, from the lower end up.
    unit = d / 2 * math.log1p(low_sigma**-2)
    share = min(float(profile.rate[0]) / d, 1.0)
    if share > 0:
        below = d / 2 * math.log(share) + d / 2 * math.log1p(low_sigma**2)
    ...
    return Information(0, 0, 0, 0, 0)
