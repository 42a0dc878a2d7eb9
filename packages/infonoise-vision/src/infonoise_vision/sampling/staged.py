"""From noise to images in stages: each at its own side, details born between them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.solvers import SOLVERS, Sample
from infonoise_vision.models.haar import ORIENTATIONS
from infonoise_vision.models.staged import StagedDenoiser

# Steps of a stage relative to those of the finest: the coarsest gets as many, one between half.
_BETWEEN = 0.5
# Shape of one image's noise -> unit noise (n, *shape).
Noise = Callable[[tuple[int, ...]], Tensor]
# Number of levels, lowest, highest -> (k,) descending levels.
Grid = Callable[[int, float, float], Tensor]


@dataclass(frozen=True)
class StagedLevels:
    """Noise levels of a sampler, coarsest stage first.

    Attributes:
        stages: (k,) descending levels of each; the first of all but the coarsest is its birth's.
    """

    stages: Sequence[Tensor]

    @property
    def all(self) -> Tensor:
        """(steps,) descending."""
        return torch.cat(list(self.stages))


def staged_levels(
    steps: int, sigma_min: float, sigma_max: float, births: Sequence[float], grid: Grid
) -> StagedLevels:
    """`steps` levels divided over stages, each by the grid between its ends; one at least.

    Args:
        births: Ascending levels between stages.
    """
    ends = [sigma_max, *reversed(births), sigma_min]
    count = len(ends) - 1
    shares = [1.0, *[_BETWEEN] * (count - 2), 1.0] if count > 1 else [1.0]
    numbers = _divided(max(steps, count), shares)
    found = []
    for i, (high, low) in enumerate(pairwise(ends)):
        last = i == count - 1
        n = numbers[i] if last else numbers[i] + 1
        # Of one level there is no grid: it is the stage's highest.
        levels = grid(n, low, high) if n > 1 else torch.tensor([high], dtype=torch.float64)
        found.append(levels if last else levels[:-1])
    return StagedLevels(found)


@torch.no_grad()
def solve_staged(
    denoiser: Denoiser,
    model: StagedDenoiser,
    levels: StagedLevels,
    noise: Noise,
    *,
    solver: str = "heun",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    condition: Mapping[str, Tensor] | None = None,
    device: torch.device | None = None,
) -> Sample:
    """Images (n, c, h, w) from noise; a solver's memory ends at a birth.

    Args:
        denoiser: The model, or what guidance makes of it.
        noise: Draws the start, then what each birth and each step with churn wants.
        condition: Keyword arguments of the denoiser, (n, ...) each.
    """
    c, h, w = model.shape
    keywords, nfe = dict(condition or {}), 0
    beside = (keywords["given"],) if model.pair else ()

    def denoise(x: Tensor, sigma: float) -> Tensor:
        nonlocal nfe
        nfe += 1
        return denoiser(x, x.new_full((len(x),), sigma), **keywords)

    x = torch.empty(0)
    lows = [float(part[0]) for part in levels.stages[1:]] + [0.0]
    for i, (part, low) in enumerate(zip(levels.stages, lows, strict=True)):
        k = model.stages - i
        side = (h >> k, w >> k)
        if i == 0:
            x = float(part[0]) * noise((c, *side)).to(device)
        else:
            fresh = noise((ORIENTATIONS * c, side[0] // 2, side[1] // 2)).to(device)
            x = model.born(x, k, fresh, *beside)
        gammas = [0.0] * len(part) if churn is None else churn(part).tolist()
        stepper = SOLVERS[solver]()
        for sigma, lower, gamma in zip(
            part.tolist(), [*part.tolist()[1:], low], gammas, strict=True
        ):
            raised = sigma
            # Not at a birth, where noise above it belongs to the stage before.
            if gamma > 0 and (i == 0 or sigma < float(part[0])):
                raised = sigma * (1 + gamma)
                fresh = noise((c, *side)).to(x)
                x = x + s_noise * math.sqrt(raised**2 - sigma**2) * fresh
            x = stepper.step(denoise, x, raised, lower)
    return Sample(x, nfe)


def _divided(steps: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers, one at least, in these proportions, that sum to `steps`."""
    numbers = [1] * len(shares)
    while sum(numbers) < steps:
        # The one that is furthest behind its share.
        behind = [share / number for share, number in zip(shares, numbers, strict=True)]
        # Of equals the finest, which comes last.
        numbers[max(range(len(shares)), key=lambda i: (behind[i], i))] += 1
    return numbers
