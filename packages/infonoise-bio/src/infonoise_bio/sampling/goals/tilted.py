"""Sequences of the law p(x) exp(strength * score(x)), by sequential Monte Carlo with twists.

A population goes from noise to sequences by Gaussian steps whose mean is the denoiser's. At each
level a twist says how good a particle will be: the mean of exp(part * strength * score) over some
sequences drawn of its posterior; part rises to 1. Particles are weighted by the ratio of twists,
and drawn again where few of them carry the weight. Gradients of the twist move the proposals, and
the ratio of both Gaussian densities goes into the weights, so that the law stays the same (twisted
diffusion sampler, Wu et al. 2023, arXiv 2306.17775; annealed as Feynman-Kac steering, Singhal et
al. 2025); the twist is then that of the posterior's shares, which have gradients. Any positive
function is right as a twist, drawn at random or not; a better one leaves more of the population.

With strength 0 and letters that are allowed, it is the model's law given those letters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.models.encoding import Encoding, probabilities
from infonoise_bio.sampling.goals.goal import Goal
from infonoise_bio.sampling.goals.weights import Weights
from infonoise_core.errors import InputError

# A gradient moves the mean of a base by at most this many distances of a point from the origin.
_REACH = 1.0


@dataclass(frozen=True)
class Tilt:
    """What a law is tilted by.

    Attributes:
        goal: What is to be high; None for letters alone.
        strength: Nats for each unit of the score.
        gradient: Whether gradients move the proposals, where the goal has any.
        allowed: (4, L) letters that may stand at each place; None for all.
        draws: Sequences by which a particle is judged, without gradients.
    """

    goal: Goal | None
    strength: float = 1.0
    gradient: bool = True
    allowed: Tensor | None = None
    draws: int = 4


@dataclass(frozen=True, eq=False)
class Population:
    """Sequences with equal weights.

    Attributes:
        codes: (n, L) uint8; the same one may come more than once.
        scores: (n,) of the goal; zeros without one.
        sizes: Effective number of particles at each level and at the end, 1 to n.
        families: Particles of the start that have descendants among them.
    """

    codes: Tensor
    scores: Tensor
    sizes: list[float] = field(default_factory=list)
    families: int = 0


def tilted(
    denoiser: BaseDenoiser,
    sigmas: Tensor,
    particles: int,
    tilt: Tilt,
    condition: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Population:
    """One population.

    Args:
        denoiser: The trained network.
        sigmas: (k,) descending noise levels.
        particles: How many at a time: the more, the nearer to the law.
        tilt: What it is tilted by.
        condition: Of the denoiser, one row each.
        generator: Of all that is drawn, on the CPU.
    """
    if particles < 2:
        raise InputError(f"--particles {particles}: give at least 2")
    return _Walk(denoiser, tilt, dict(condition or {}), particles, generator).down(sigmas.tolist())


class _Walk:
    def __init__(
        self, denoiser: BaseDenoiser, tilt: Tilt, condition: dict[str, Tensor], n: int,
        generator: torch.Generator | None,
    ) -> None:  # fmt: skip
        self.denoiser, self.tilt, self.n, self.generator = denoiser.eval(), tilt, n, generator
        self.device = next(denoiser.parameters()).device
        self.condition = {
            k: v.expand(n, *v.shape[1:]).to(self.device) for k, v in condition.items()
        }
        self.encoding: Encoding = denoiser.encoding
        self.allowed = None if tilt.allowed is None else tilt.allowed.to(self.device)
        self.weights = Weights(n, generator)

    def down(self, levels: list[float]) -> Population:
        shape = (self.n, self.encoding.channels, self.denoiser.config.length)
        x = self.encoding.origin + levels[0] * self._noise(shape)
        twist = torch.zeros(self.n, dtype=torch.float64)
        for i, (sigma, lower) in enumerate(pairwise([*levels, 0.0])):
            part = (i + 1) / len(levels)
            found, own, moved, probs, promise = self._look(x, sigma, part)
            self.weights.add(found - twist)
            order = self.weights.thinned()
            x, own, moved, probs, found = (t[order] for t in (x, own, moved, probs, found))
            if lower == 0:
                return self._end(probs, promise[order])
            x, ratio = self._step(x, own, moved, sigma, lower)
            self.weights.add(ratio)
            twist = found
        raise InputError("no noise levels: give at least one")

    def _look(
        self, x: Tensor, sigma: float, part: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Log twist (n,), the model's mean point, the proposal's, its shares, the promise."""
        strength = part * self.tilt.strength
        smooth = strength != 0 and self.tilt.gradient and self._is_smooth()
        level = x.new_full((self.n,), sigma)
        with torch.set_grad_enabled(smooth):
            x = x.detach().requires_grad_(smooth)
            logits = self.denoiser.logits(x, level, **self.condition)
            probs = probabilities(logits)
            log_kept = x.new_zeros(self.n)
            if self.allowed is not None:
                probs = probabilities(logits.masked_fill(~self.allowed, -torch.inf))
                log_kept = _log_kept(logits, self.allowed)
            promise = self._promise(probs, strength, smooth)
            twist = log_kept.double() + promise
            moved = self.encoding.mean(probs).detach()
            if smooth:
                (gradient,) = torch.autograd.grad(promise.sum(), x)
                moved = moved + _bounded(sigma**2 * gradient, self.encoding)
        own = self.encoding.mean(probabilities(logits.detach()))
        return twist.detach().cpu(), own, moved, probs.detach(), promise.detach().cpu()

    def _is_smooth(self) -> bool:
        goal = self.tilt.goal
        if goal is not None and goal.smooth is None:
            length = self.denoiser.config.length
            goal.look(torch.full((2, 4, length), 0.25, device=self.device))
        return bool(goal is not None and goal.smooth)

    def _promise(self, probs: Tensor, strength: float, smooth: bool) -> Tensor:
        """(n,) log of what the goal makes of a particle with these shares (n, 4, L)."""
        goal = self.tilt.goal
        if goal is None or strength == 0:
            return probs.new_zeros(self.n, dtype=torch.float64)
        if smooth:
            return strength * goal(probs)
        drawn = [goal(one_hot(self._drawn(probs), probs)) for _ in range(self.tilt.draws)]
        return torch.logsumexp(strength * torch.stack(drawn), 0) - math.log(len(drawn))

    def _drawn(self, probs: Tensor) -> Tensor:
        """(n, L) codes, base by base."""
        flat = probs.detach().transpose(1, 2).reshape(-1, 4).cpu()
        drawn = torch.multinomial(flat, 1, generator=self.generator)
        return drawn.reshape(self.n, -1).to(self.device)

    def _step(
        self, x: Tensor, own: Tensor, moved: Tensor, sigma: float, lower: float
    ) -> tuple[Tensor, Tensor]:
        """Particles at the lower level, and the log ratio (n,) of their densities."""
        keep = (lower / sigma) ** 2
        spread = lower * math.sqrt(1 - keep)
        proposed, plain = (mean + keep * (x - mean) for mean in (moved, own))
        x = proposed + spread * self._noise(x.shape)
        squares = (x - proposed).square() - (x - plain).square()
        return x, (squares.flatten(1).sum(1).double() / (2 * spread**2)).cpu()

    def _end(self, probs: Tensor, promise: Tensor) -> Population:
        """Sequences drawn of the posterior at the lowest level, weighted by their own scores.

        What letters cost was in the twist, and is the ratio of both draws: it stays.
        """
        drawn, goal = self._drawn(probs), self.tilt.goal
        scores = torch.zeros(self.n, dtype=torch.float64)
        if goal is not None:
            with torch.no_grad():
                scores = goal(one_hot(drawn, probs)).cpu()
        self.weights.add(self.tilt.strength * scores - promise)
        order = self.weights.thinned(all_of_them=True)
        codes = drawn[order].to("cpu", torch.uint8)
        return Population(codes, scores[order], self.weights.sizes, self.weights.families)

    def _noise(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.generator).to(self.device)


def one_hot(codes: Tensor, like: Tensor) -> Tensor:
    """(n, 4, L) of codes (n, L) 0..3."""
    hot: Tensor = nn.functional.one_hot(codes.long(), 4).transpose(1, 2)
    return hot.to(like)


def _log_kept(logits: Tensor, allowed: Tensor) -> Tensor:
    """(n,) log probability, base by base, of letters that are allowed."""
    kept = torch.logsumexp(logits.masked_fill(~allowed, -torch.inf), 1)
    return (kept - torch.logsumexp(logits, 1)).sum(1)


def _bounded(shift: Tensor, encoding: Encoding) -> Tensor:
    """A shift (n, C, L) no longer than a point's distance from the origin at any base."""
    reach = _REACH * float((encoding.codebook - encoding.origin)[0].norm())
    length: Tensor = shift.norm(dim=1, keepdim=True)
    bounded: Tensor = shift * (reach / length.clamp_min(reach))
    return bounded
