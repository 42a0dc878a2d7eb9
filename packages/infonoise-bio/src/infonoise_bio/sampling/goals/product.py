"""Sequences of a product of laws, each to a power, by sequential Monte Carlo.

The law is proportional to the product over i of p(x | condition i)^a_i: two classes at once
(p(x | a) p(x | b) / p(x), powers 1, 1 and -1, if classes are independent given the sequence), a
colder or hotter law (one power of 1 / temperature), or one class and not another.

Each noisy law obeys Bayes' rule, p(lower) F(higher | lower) = p(higher) K(lower | higher), with the
noise F the same for all. So where the product at a higher level is drawn from prod_i K_i^a_i,
and noise of a variance A = sum a_i times smaller would lead back, particles are weighted by the
constant that normalises prod_i K_i^a_i. The K are Gaussians with the mean and the variances that
the denoiser's posterior gives; the variances matter, for they say how sharp a law is. A product of
noisy laws is not the noisy law of the product: the weights mend that, as Feynman-Kac correctors do
in continuous time (Skreta et al. 2025, arXiv 2503.02819).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.sampling.goals.tilted import Population
from infonoise_bio.sampling.goals.weights import Weights
from infonoise_core.errors import InputError

# A step's precision, at least, of what it is where the posterior is certain.
_NARROWEST = 0.1


@dataclass(frozen=True)
class Factor:
    """A law under a condition, to a power.

    Attributes:
        condition: Of the denoiser, one row each, (1, ...).
        power: Any number; negative to keep away from it.
    """

    condition: Mapping[str, Tensor]
    power: float


@torch.no_grad()
def product(
    denoiser: BaseDenoiser,
    sigmas: Tensor,
    particles: int,
    factors: Sequence[Factor],
    generator: torch.Generator | None = None,
) -> Population:
    """One population, with no scores.

    Args:
        denoiser: The trained network.
        sigmas: (k,) descending noise levels.
        particles: How many at a time: the more, the nearer to the law.
        factors: What is multiplied; their powers sum to more than 0.
        generator: Of all that is drawn, on the CPU.

    Raises:
        InputError: Where the powers sum to 0 or less.
    """
    total = check_powers([factor.power for factor in factors])
    levels, n, encoding = sigmas.tolist(), particles, denoiser.eval().encoding
    device = next(denoiser.parameters()).device
    powers = [factor.power for factor in factors]
    conditions = [
        {k: v.expand(n, *v.shape[1:]).to(device) for k, v in factor.condition.items()}
        for factor in factors
    ]
    weights = Weights(n, generator)

    def noise() -> Tensor:
        shape = (n, encoding.channels, denoiser.config.length)
        return torch.randn(shape, generator=generator).to(device)

    x = encoding.origin + levels[0] / math.sqrt(total) * noise()
    for sigma, lower in pairwise([*levels, 0.0]):
        level = x.new_full((n,), sigma)
        log_probs = [
            torch.log_softmax(denoiser.logits(x, level, **condition).double(), 1)
            for condition in conditions
        ]
        if lower == 0:
            return _end(log_probs, powers, weights, generator)
        laws = [_moments(found.exp(), encoding.codebook) for found in log_probs]
        drawn, ratio = step(x, laws, powers, sigma, lower, noise())
        weights.add(ratio)
        x = drawn[weights.thinned()]
    raise InputError("no noise levels: give at least one")


def check_powers(powers: Sequence[float]) -> float:
    """Their sum; InputError where it is not positive: there is no such law."""
    total = math.fsum(powers)
    if not (math.isfinite(total) and total > 0):
        raise InputError(
            f"powers {', '.join(f'{p:g}' for p in powers)} sum to {total:g}: give some that sum to"
            " more than 0"
        )
    return total


def _moments(probs: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (n, C, L) of the points of bases with shares (n, 4, L)."""
    points = codebook.to(probs)
    mean = torch.einsum("nbl,bc->ncl", probs, points)
    square = torch.einsum("nbl,bc->ncl", probs, points.square())
    return mean, (square - mean.square()).clamp_min(0)


def step(
    x: Tensor, laws: Sequence[tuple[Tensor, Tensor]], powers: Sequence[float], sigma: float,
    lower: float, noise: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Particles at the lower level, and their log weights (n,).

    Args:
        x: (n, ...) at `sigma`.
        laws: Of each, the posterior's mean and variance (n, ...).
        powers: Of each.
        sigma, lower: Noise levels.
        noise: Of unit variance (n, ...).
    """
    keep, start = (lower / sigma) ** 2, x.double()
    narrow = lower**2 * (1 - keep)
    kernels = [
        (start + (1 - keep) * (mean - start), narrow + (1 - keep) ** 2 * variance)
        for mean, variance in laws
    ]
    pull = precision = torch.zeros_like(start)
    for power, (mean, variance) in zip(powers, kernels, strict=True):
        precision = precision + power / variance
        pull = pull + power / variance * (mean - start)
    # Steps so long that the product is no Gaussian: any proposal is right, as it is weighed.
    precision = precision.clamp_min(_NARROWEST * sum(powers) / narrow)
    center = start + pull / precision
    drawn = center + noise.double() * precision.rsqrt()
    ratio = noise.double().square() / 2 - precision.log() / 2
    for power, (mean, variance) in zip(powers, kernels, strict=True):
        ratio = ratio - power / 2 * ((drawn - mean).square() / variance + variance.log())
    return drawn.to(x), ratio.flatten(1).sum(1)


def _end(
    log_probs: Sequence[Tensor], powers: Sequence[float], weights: Weights,
    generator: torch.Generator | None,
) -> Population:  # fmt: skip
    """Sequences drawn base by base of the product of posteriors at the lowest level."""
    joint = torch.zeros_like(log_probs[0])
    for power, found in zip(powers, log_probs, strict=True):
        joint = joint + power * found
    weights.add(torch.logsumexp(joint, 1).sum(1))
    flat = torch.softmax(joint, 1).transpose(1, 2).reshape(-1, 4).cpu()
    drawn = torch.multinomial(flat, 1, generator=generator).reshape(len(joint), -1)
    order = weights.thinned(all_of_them=True)
    scores = torch.zeros(len(joint), dtype=torch.float64)
    return Population(drawn[order].to(torch.uint8), scores, weights.sizes, weights.families)
