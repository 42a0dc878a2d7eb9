"""From noise to images in stages: each at its own side, details born between them."""

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
    keywords = dict(condition or {})
    beside = (keywords["given"],) if model.pair else ()
    way = _Way(denoiser, model, keywords, noise, solver, churn, s_noise)
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
        # Not at a birth, where noise above it belongs to the stage before.
        x = way.down(x, part, low, churned=i == 0)
    return Sample(x, way.nfe)


@torch.no_grad()
def solve_whole(
    denoiser: Denoiser,
    model: StagedDenoiser,
    sigmas: Tensor,
    noise: Noise,
    *,
    solver: str = "heun",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    condition: Mapping[str, Tensor] | None = None,
    device: torch.device | None = None,
) -> Sample:
    """Images (n, c, h, w) at their full side all the way, such as are to be completed.

    Args:
        denoiser: What is made of the model.
        sigmas: (k,) descending.
    """
    way = _Way(denoiser, model, dict(condition or {}), noise, solver, churn, s_noise)
    eps = noise(model.shape).to(device)
    x = float(sigmas[0]) * model.shaped(eps, _each(eps, float(sigmas[0])))
    return Sample(way.down(x, sigmas, 0.0, churned=True), way.nfe)


class _Way:
    """The way down of one chunk: a denoiser's calls, and the noise that churn wants.

    Attributes:
        nfe: Calls that were made.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        model: StagedDenoiser,
        keywords: dict[str, Tensor],
        noise: Noise,
        solver: str,
        churn: Churn | None,
        s_noise: float,
    ) -> None:
        self._denoiser, self._levels, self._keywords = denoiser, model.levels, keywords
        self._noise, self._solver = noise, solver
        self._churn, self._s_noise = churn, s_noise
        self.nfe = 0

    def down(self, x: Tensor, sigmas: Tensor, low: float, *, churned: bool) -> Tensor:
        """x (n, c, h, w) from the first of the levels (k,) through the others to `low`.

        Args:
            churned: Whether there is churn at the first, too.
        """
        gammas = [0.0] * len(sigmas) if self._churn is None else self._churn(sigmas).tolist()
        stepper, levels = SOLVERS[self._solver](), sigmas.tolist()
        for sigma, lower, gamma in zip(levels, [*levels[1:], low], gammas, strict=True):
            raised = sigma
            if gamma > 0 and (churned or sigma < levels[0]):
                raised = sigma * (1 + gamma)
                fresh = self._noise(tuple(x.shape[1:])).to(x)
                x = x + self._s_noise * self._levels.raising(
                    fresh, _each(x, sigma), _each(x, raised)
                )
            # The last step is to the estimate itself.
            x = stepper.step(self._along if lower else self._denoise, x, raised, lower)
        return x

    def _along(self, x: Tensor, sigma: float) -> Tensor:
        return self._levels.along(x, self._denoise(x, sigma), _each(x, sigma))

    def _denoise(self, x: Tensor, sigma: float) -> Tensor:
        self.nfe += 1
        return self._denoiser(x, _each(x, sigma), **self._keywords)


def _each(x: Tensor, sigma: float) -> Tensor:
    """(n,) the level of every example."""
    return x.new_full((len(x),), sigma)


def _divided(steps: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers, one at least, in these proportions, that sum to `steps`."""
    numbers = [1] * len(shares)
    while sum(numbers) < steps:
        # The one that is furthest behind its share.
        behind = [share / number for share, number in zip(shares, numbers, strict=True)]
        # Of equals the finest, which comes last.
        numbers[max(range(len(shares)), key=lambda i: (behind[i], i))] += 1
    return numbers
