"""Lists of noise levels held against a fine solve from the same noises."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.sampling.solvers import solve

Measure = Literal["distribution", "path"]
# What must be won over another list: a share, and standard errors of the difference.
_MARGIN, _CERTAIN = 0.02, 1.0
_FOLDS = 8
# Fewest examples.
LEAST = 2 * _FOLDS


class Trial:
    """Lists held against a fine solve from the same noises."""

    def __init__(
        self,
        denoiser: Denoiser,
        x0: Tensor,
        solver: str,
        spread: Callable[[float], float],
        condition: Mapping[str, Tensor],
        measure: Measure,
        examples: int,
        chunk: int,
        rng: torch.Generator,
        reference: Denoiser,
        finish: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self._denoiser, self._solver, self._spread = denoiser, solver, spread
        self._measure, self._chunk, self._x0 = measure, chunk, x0
        self._reference, self._finish = reference, finish
        self._rows = torch.arange(examples) % len(x0)
        self._condition = {name: value[self._rows] for name, value in condition.items()}
        self._noise = torch.randn(examples, *x0.shape[1:], generator=rng).to(x0.device)
        self._kept: dict[tuple[tuple[float, ...], bool], Tensor] = {}
        self._fine = self._noise

    def given(self, x: Tensor, sigma: Tensor, **_: Any) -> Tensor:
        """The denoiser, given the first rows' conditions: x (n, ...), sigma (n,) -> (n, ...)."""
        return self._denoiser(x, sigma, **{k: v[: len(x)] for k, v in self._condition.items()})

    def noisy(self, sigma: float) -> Tensor:
        """A few noisy examples (n, ...) at a level."""
        few = self._quarter
        return self._x0[self._rows[:few]] + sigma * self._noise[:few]

    @property
    def _quarter(self) -> int:
        return max(LEAST, len(self._noise) // 4)

    def refer(self, sigmas: Tensor) -> None:
        """The fine solve, by levels (k,), that all are held against."""
        self._fine = self._solved(self._reference, sigmas, "heun", len(self._noise))

    def error(self, sigmas: Tensor, small: bool = False) -> float:
        """Distance of the samples of a list (k,) from the fine ones."""
        made = self.made(sigmas, small)
        return _distance(made, self._fine[: len(made)], self._measure)

    def made(self, sigmas: Tensor, small: bool = False) -> Tensor:
        """(m, dim) what comes of a list, kept."""
        key = (tuple(sigmas.tolist()), small)
        if key not in self._kept:
            count = self._quarter if small else len(self._noise)
            self._kept[key] = self._solved(self._denoiser, sigmas, self._solver, count)
        return self._kept[key]

    def is_better(self, sigmas: Tensor, than: Tensor) -> bool:
        """Whether a list (k,) wins over another by a margin, and by the jackknife's error."""
        made, other = self.made(sigmas), self.made(than)
        whole = self._won(made, other, self._fine)
        if not whole > _MARGIN * _distance(other, self._fine, self._measure):
            return False
        fold = torch.arange(len(made)) % _FOLDS
        parts = torch.tensor(
            [
                self._won(made[fold != i], other[fold != i], self._fine[fold != i])
                for i in range(_FOLDS)
            ]
        )
        stderr = math.sqrt((_FOLDS - 1) * float(parts.var(correction=0)))
        return whole > _CERTAIN * stderr

    def _won(self, made: Tensor, other: Tensor, fine: Tensor) -> float:
        return _distance(other, fine, self._measure) - _distance(made, fine, self._measure)

    def _solved(self, denoiser: Denoiser, sigmas: Tensor, solver: str, count: int) -> Tensor:
        ends = []
        size = self._spread(float(sigmas[0]))
        for start in range(0, count, self._chunk):
            rows = slice(start, min(start + self._chunk, count))
            condition = {name: value[rows] for name, value in self._condition.items()}
            x = size * self._noise[rows]
            ends.append(solve(denoiser, x, sigmas, solver, condition=condition).x)
        made = torch.cat(ends)
        made = made if self._finish is None else self._finish(made)
        return made.flatten(1).to("cpu", torch.float64)


def _distance(made: Tensor, fine: Tensor, measure: Measure) -> float:
    scale = math.sqrt(made.shape[1])
    if measure == "path":
        return float((made - fine).norm(dim=1).mean()) / scale
    # With both from the same noises this V-statistic is 0 where the samples are the same.
    cross, own, theirs = (torch.cdist(a, b).mean() for a, b in _pairs(made, fine))
    return float(2 * cross - own - theirs) / scale


def _pairs(x: Tensor, y: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
    return (x, y), (x, x), (y, y)
