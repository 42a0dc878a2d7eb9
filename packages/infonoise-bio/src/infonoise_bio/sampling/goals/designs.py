"""Sequences that shall have something: letters at places, a share of GC, a high score."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_bio.alphabet import Codes
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.sampling.constraints import within_gc
from infonoise_bio.sampling.goals.product import Factor, product
from infonoise_bio.sampling.goals.tilted import Population, Tilt, tilted
from infonoise_bio.sampling.sequences import Condition, Progress, Sampling, design_each
from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator

Scores = NDArray[np.float64]

# Sequences that are drawn at most for each that is kept.
_TRIES = 200
# And at least so many in a round, where some are left out.
_AT_ONCE = 64


@dataclass(frozen=True)
class Wish:
    """What sequences shall have.

    Attributes:
        tilt: A goal and letters; letters alone go without populations.
        particles: Of a population, where there is a goal.
        gc: Ends of the share of G and C, or None.
        factors: Laws that are multiplied, in place of a tilt.
    """

    tilt: Tilt
    particles: int = 256
    gc: tuple[float, float] | None = None
    factors: tuple[Factor, ...] = ()


@dataclass(eq=False)
class Outcome:
    """What came of it, for the user.

    Attributes:
        drawn, within, kept: Sequences: all, those with the share of G and C, those taken.
        sizes: Of each population, the least effective number of particles on the way.
        families: Of each, particles of the start that have descendants.
        scores: Of all that were kept.
    """

    particles: int = 0
    drawn: int = 0
    within: int = 0
    kept: int = 0
    sizes: list[float] = field(default_factory=list)
    families: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def lines(self) -> list[str]:
        """One for each thing there is to say."""
        lines = []
        if self.scores:
            lines.append(
                f"score {np.mean(self.scores):.4g} on average, {np.max(self.scores):.4g} at most"
            )
        if self.sizes:
            families = f"{np.mean(self.families):.0f}"
            families += " family" if families == "1" else " families"
            line = f"effective sample size {np.min(self.sizes):.0f} of {self.particles}"
            if len(self.sizes) > 1:
                line += (
                    f" at the lowest, {np.mean(self.sizes):.0f} on average over"
                    f" {len(self.sizes)} populations; {families} in each"
                )
            else:
                line += f"; {families}"
            lines.append(line)
            if np.min(self.sizes) < 0.05 * self.particles:
                lines.append("warning: few particles carry the weight; give more --particles, or"
                             " a law that is nearer to the model's")  # fmt: skip
        if self.drawn > self.kept:
            lines.append(
                f"{self.kept:,} of {self.within:,} within --gc were taken, of {self.drawn:,} drawn"
            )
        return lines


def designs(
    denoiser: BaseDenoiser,
    n: int,
    sampling: Sampling,
    condition: Condition,
    wish: Wish,
    outcome: Outcome,
    progress: Progress | None = None,
) -> Iterator[tuple[Codes, Scores | None]]:
    """n sequences (chunk, L) and their scores, where there is a goal.

    Raises:
        InputError: Where hardly any has the share of G and C.
    """
    rows = condition.rows(denoiser)
    rounds = _populations if wish.tilt.goal is not None else _chunks
    rounds = _products if wish.factors else rounds
    outcome.particles = wish.particles
    number, seed = 0, sampling.seed
    while number < n:
        wanted = n - number if wish.gc is None else max(n - number, _AT_ONCE)
        for codes, scores in rounds(
            denoiser, wanted, replace(sampling, seed=seed), rows, wish, outcome
        ):
            keep = np.arange(len(codes))
            if wish.gc is not None:
                keep = np.flatnonzero(within_gc(codes, wish.gc))
            outcome.drawn += len(codes)
            outcome.within += len(keep)
            keep = keep[: n - number]
            outcome.kept += len(keep)
            if outcome.drawn > _TRIES * (outcome.within + 10):
                raise InputError(
                    f"--gc: of {outcome.drawn:,} sequences {outcome.within:,} are within it; give"
                    " wider ends, or a label that has more of them"
                )
            if len(keep):
                number += len(keep)
                outcome.scores += [] if scores is None else scores[keep].tolist()
                yield codes[keep], None if scores is None else scores[keep]
                if progress is not None:
                    progress(len(keep), n)
        seed += 1


Round = Callable[..., Iterator[tuple[Codes, Scores | None]]]


def _chunks(
    denoiser: BaseDenoiser, n: int, sampling: Sampling, rows: Mapping[str, Tensor], wish: Wish,
    outcome: Outcome,
) -> Iterator[tuple[Codes, Scores | None]]:  # fmt: skip
    each = {k: v.expand(n, *v.shape[1:]) for k, v in rows.items()}
    if wish.tilt.allowed is not None:
        each["allowed"] = wish.tilt.allowed.expand(n, *wish.tilt.allowed.shape)
    for codes in design_each(denoiser, n, sampling, each):
        yield codes, None


def _products(
    denoiser: BaseDenoiser, n: int, sampling: Sampling, rows: Mapping[str, Tensor], wish: Wish,
    outcome: Outcome,
) -> Iterator[tuple[Codes, Scores | None]]:  # fmt: skip
    factors = [Factor({**rows, **factor.condition}, factor.power) for factor in wish.factors]
    for start in range(0, n, wish.particles):
        rng = generator(sampling.seed, Stream.SAMPLE, start)
        found = product(denoiser, sampling.sigmas, wish.particles, factors, rng)
        yield found.codes[_drawn(found, n - start, outcome, rng)].numpy(), None


def _populations(
    denoiser: BaseDenoiser, n: int, sampling: Sampling, rows: Mapping[str, Tensor], wish: Wish,
    outcome: Outcome,
) -> Iterator[tuple[Codes, Scores | None]]:  # fmt: skip
    for start in range(0, n, wish.particles):
        rng = generator(sampling.seed, Stream.SAMPLE, start)
        found = tilted(denoiser, sampling.sigmas, wish.particles, wish.tilt, rows, rng)
        order = _drawn(found, n - start, outcome, rng)
        yield found.codes[order].numpy(), found.scores[order].numpy()


def _drawn(found: Population, n: int, outcome: Outcome, rng: torch.Generator) -> Tensor:
    """Which n of a population, or fewer: copies of one particle lie side by side."""
    outcome.sizes.append(min(found.sizes))
    outcome.families.append(found.families)
    return torch.randperm(len(found.codes), generator=rng)[:n]
