"""One upper bound on the negative log-likelihood of held-out examples, for every kind of data.

The variational bound in continuous time (Kingma et al. 2021) has three terms: a KL divergence at
the highest noise level, the integral of squared error / sigma^2 over log sigma, and what is left to
say at the lowest level. Only the integral is about the denoiser, and it is the same for all data
(`HeldOutError`). A domain brings the two ends, and what it counts per: dims, bases, tokens.

Levels and noises are fixed, so that all denoisers meet the same. What these noises happen to cost
is taken out by a reference, a denoiser whose cost is known in closed form (a control variate).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from infonoise_core.evaluation.held_out import HeldOut
from infonoise_core.training.step.listening import Heard, Long

# Examples below which the coefficient of a control variate would itself be guesswork.
_CONTROLLED = 16


@dataclass(frozen=True)
class Bits:
    """Bits of a unit and their standard error."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Bound:
    """Nats of a unit (a dim, a base, a token), and their standard error over examples."""

    nats: float
    stderr: float

    @property
    def perplexity(self) -> float:
        """Of a unit: e to the nats."""
        return math.exp(self.nats)

    def in_bits(self, units: float = 1.0) -> Bits:
        """Of so many units, such as the tokens of a byte."""
        scale = units / math.log(2)
        return Bits(self.nats * scale, self.stderr * scale)


def parts(nats: Tensor, units: Tensor) -> Tensor:
    """(n,) numbers whose mean is total over total, and whose spread has the error of that ratio.

    Those of two denoisers on the same examples and noises differ by less than either spreads.

    Args:
        nats: (n,) what each example costs.
        units: (n,) how many units it has.
    """
    total = units.to(torch.float64).sum()
    value = nats.sum() / total
    return value + (nats - value * units) * (len(nats) / total)


def per_unit(nats: Tensor, units: Tensor, fitted: int = 1) -> Bound:
    """Total over total of examples, and the standard error of that ratio.

    Args:
        nats: (n,) what each example costs.
        units: (n,) how many units it has.
        fitted: Numbers that were fitted to the examples, the ratio itself among them.
    """
    n, found = len(nats), parts(nats, units)
    value = found.mean()
    variance = float((found - value).square().sum()) / (n - fitted)
    return Bound(float(value), math.sqrt(variance / n))


def prior_nats(square: Tensor | float, variance: float, sigma_max: float) -> Tensor:
    """KL divergence of a coordinate at the highest level from the Gaussian that all have together.

    Args:
        square: Squared distance of the coordinate from the mean of all; any shape.
        variance: Of the coordinates.

    Returns:
        Of square's shape, float64.
    """
    noise = sigma_max**2
    total = noise + variance
    shift = torch.as_tensor(square, dtype=torch.float64) / total
    return 0.5 * (shift + noise / total - 1 + math.log1p(variance / noise))


class ErrorIntegral(Protocol):
    """The integral of squared error / sigma^2 over log sigma on fixed examples."""

    def __call__(self, denoiser: nn.Module) -> HeldOut:
        """Run the denoiser, in evaluation mode, on fixed levels and noises."""


@dataclass(frozen=True)
class Reference:
    """A denoiser whose cost is known: what the noises happen to cost it is taken out of the bound.

    Attributes:
        denoiser: In closed form.
        nats: What it costs, (n,) or the same for all examples, in closed form.
        fitted: Whether as much is taken out as regression over the examples says. Otherwise all
            of it, which leaves nothing where the denoiser is the reference itself.
        crossed: With `fitted`: what is taken out of one half of the examples is fitted to the
            other, so that the bound stays unbiased.
    """

    denoiser: nn.Module
    nats: Tensor | float
    fitted: bool = False
    crossed: bool = False


@dataclass
class _Control:
    """What chance does to the reference, once it is known, (n,) nats."""

    value: Tensor | None = None


class LikelihoodBound:
    """Upper bound on -log p of fixed examples, on fixed noise levels and noises.

    Args:
        error: The integral.
        units: (n,) what each example has of what costs are counted per.
        ends: (n,) or for all, what both ends cost whatever the denoiser.
        last: Denoiser -> (n,) what is left to say at the lowest level, by its own word.
        reference: Its `nats` are those of the integral, or of integral and ends together.
    """

    def __init__(
        self,
        error: ErrorIntegral,
        units: Tensor,
        ends: Tensor | float = 0.0,
        *,
        last: Callable[[nn.Module], Tensor] | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.units = units.to(torch.float64)
        self._error, self._ends, self._last, self._reference = error, ends, last, reference
        self._control = _Control()

    def share_control(self, other: "LikelihoodBound") -> None:
        """Take what chance does to the reference from a bound of the same examples, levels, noises.

        Where one model is bounded in several ways, it is computed once.
        """
        self._control = other._control

    def listen(self, heard: Heard | None) -> None:
        """Who is told how far the integral is: the denoiser's, and once the reference's."""
        if isinstance(self._error, Long):
            self._error.listen(heard)

    def nats(self, denoiser: nn.Module) -> Tensor:
        """(n,) bound of each example, float64; unbiased, and noisy where levels are few."""
        return self._controlled(denoiser)[0]

    def __call__(self, denoiser: nn.Module) -> Bound:
        """Mean over all units."""
        nats, fitted = self._controlled(denoiser)
        return per_unit(nats, self.units, fitted)

    def by_example(self, denoiser: nn.Module) -> Tensor:
        """(n,) nats of a unit, float64, of which the bound is the mean: see `parts`."""
        return parts(self.nats(denoiser), self.units)

    def _controlled(self, denoiser: nn.Module) -> tuple[Tensor, int]:
        """Costs without what chance does to the reference, and how many numbers were fitted."""
        nats = self._error(denoiser).rate_integral + self._ends
        if self._last is not None:
            nats = nats + self._last(denoiser)
        if self._reference is None:
            return nats, 1
        control = self._control.value
        if control is None:
            device = next(denoiser.parameters()).device
            cost = self._error(self._reference.denoiser.to(device)).rate_integral
            control = self._control.value = cost - self._reference.nats
        if not self._reference.fitted:
            return nats - control, 1
        if len(nats) < _CONTROLLED:
            return nats, 1
        if self._reference.crossed:
            # What examples cost the reference differs for other reasons than chance.
            slope = _crossed_slope(nats - self._reference.nats, control)
            return nats - slope * control, 1
        return nats - _slope(nats, control) * control, 2


def _slope(nats: Tensor, control: Tensor) -> Tensor:
    """Of the regression of costs (n,) on what chance does to the reference (n,)."""
    shift = control - control.mean()
    return (nats * shift).sum() / shift.square().sum()


def _crossed_slope(nats: Tensor, control: Tensor) -> Tensor:
    """(n,) the slope of the other half, for every other example."""
    slopes = torch.empty_like(nats)
    for half in (0, 1):
        slopes[half::2] = _slope(nats[1 - half :: 2], control[1 - half :: 2])
    return slopes
