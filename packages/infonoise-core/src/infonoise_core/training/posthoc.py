"""Averages of any width, after training: combinations of those that were kept.

A power-function average of exponent gamma after t steps weighs the weights of step tau by the
integral of its profile p(tau) = (gamma+1) tau^gamma / t^(gamma+1) over the step. Kept averages of
two widths and several steps span many other profiles; the combination that is nearest to a wanted
one in the least-squares sense is found from the profiles alone (Karras et al. 2024, arXiv
2312.02696, appendix C.3). Unlike there the coefficients add up to 1, so that weights that stand
still stay as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.training.ema import power_exponent


@dataclass(frozen=True)
class Kept:
    """A power-function average as it was after a step.

    Attributes:
        width: Relative, as --ema is given.
        step: After which.
    """

    width: float
    step: int


@dataclass(frozen=True)
class Combination:
    """How kept averages make another one.

    Attributes:
        coefficients: Of each kept average; they add up to 1.
        error: Distance of the profiles, over the norm of the wanted one.
    """

    coefficients: tuple[float, ...]
    error: float


def combine(kept: Sequence[Kept], width: float, step: int) -> Combination:
    """The combination of kept averages that is nearest to that of `width` after `step`."""
    wanted = Kept(width, step)
    among, to, norm = _products(kept, kept), _products(kept, [wanted])[:, 0], _products([wanted])
    # The least squares under the constraint, by its Lagrange multiplier. Profiles are scaled to
    # norm 1, or those of late and early steps were not of one size.
    scale = among.diagonal().rsqrt()
    size = len(kept)
    system = torch.zeros(size + 1, size + 1, dtype=torch.float64)
    system[:size, :size] = among * scale * scale[:, None]
    system[:size, size] = system[size, :size] = scale
    target = torch.cat([to * scale, torch.ones(1, dtype=torch.float64)])
    found = torch.linalg.lstsq(system, target[:, None], driver="gelsd").solution[:size, 0] * scale
    squared = found @ among @ found - 2 * found @ to + norm[0, 0]
    error = float((squared.clamp_min(0) / norm[0, 0]).sqrt())
    return Combination(tuple(found.tolist()), error)


def mixed(
    states: Iterable[Mapping[str, Tensor]], coefficients: Sequence[float]
) -> dict[str, Tensor]:
    """The combination of averages by name, each of the same shapes, read one after another.

    Sums are in float64; floats come back as float32, and what is no float is taken from the last.
    """
    sums: dict[str, Tensor] = {}
    for state, share in zip(states, coefficients, strict=True):
        for name, value in state.items():
            if not value.is_floating_point():
                sums[name] = value
                continue
            part = share * value.double()
            sums[name] = sums[name].add_(part) if name in sums else part
    return {k: v.float() if v.is_floating_point() else v for k, v in sums.items()}


def _products(first: Sequence[Kept], second: Sequence[Kept] | None = None) -> Tensor:
    """(n, m) integrals of the products of profiles, in float64."""
    second = first if second is None else second
    rows, columns = _numbers(first), _numbers(second)
    (a, s), (b, t) = (v[:, None] for v in rows), (v[None, :] for v in columns)
    least = torch.minimum(s, t)
    # By logarithms: powers of steps leave the range of floats.
    log = (a + 1).log() + (b + 1).log() - (a + b + 1).log() + (a + b + 1) * least.log()
    return (log - (a + 1) * s.log() - (b + 1) * t.log()).exp()


def _numbers(kept: Sequence[Kept]) -> tuple[Tensor, Tensor]:
    exponents = torch.tensor([power_exponent(k.width) for k in kept], dtype=torch.float64)
    return exponents, torch.tensor([float(k.step) for k in kept], dtype=torch.float64)
