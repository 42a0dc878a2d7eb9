"""Integrate the probability-flow ODE dx/dsigma = (x - D(x, sigma)) / sigma, with optional churn."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from infonoise_core.denoiser import Denoiser
from infonoise_core.errors import InputError

Denoise = Callable[[Tensor, float], Tensor]
# Noise levels (n,) -> relative increase gamma (n,) of each level before its step.
Churn = Callable[[Tensor], Tensor]


class Sample(NamedTuple):
    """x: what was generated.  nfe: calls of the denoiser that were made."""

    x: Tensor
    nfe: int


class Solver(Protocol):
    """One step from level sigma to a lower level, which may be 0."""

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor: ...


class Euler:
    """First order; the same as DDIM in this coordinate (Song et al. 2021)."""

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        denoised = denoise(x, sigma)
        return denoised + (lower / sigma) * (x - denoised)


class Heun:
    """Second order, two calls a step, one for the last (Karras et al. 2022, algorithm 1)."""

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        slope = (x - denoise(x, sigma)) / sigma
        x_lower = x + (lower - sigma) * slope
        if lower == 0:
            return x_lower
        slope_lower = (x_lower - denoise(x_lower, lower)) / lower
        return x + (lower - sigma) * (slope + slope_lower) / 2


SOLVERS: Mapping[str, Callable[[], Solver]] = {"euler": Euler, "heun": Heun}


@torch.no_grad()
def solve(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    solver: str | Solver = "heun",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    generator: torch.Generator | None = None,
    condition: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """Carry x from noise level sigmas[0] down to 0.

    x: (n, ...) = x0 + sigmas[0] eps, so pure noise of that size to generate.  sigmas: (k,)
    descending, without the final 0.  solver: a name in SOLVERS or an object with `step`.  churn:
    relative noise increase per level, added fresh with factor s_noise before the step (Karras et
    al. 2022, algorithm 2).
    condition: keyword arguments of the denoiser.  progress: called with (steps done, steps in all).
    """
    levels = _levels(sigmas)
    stepper = _solver(solver)
    gammas = [0.0] * len(levels) if churn is None else churn(sigmas).tolist()
    keywords = dict(condition or {})
    nfe = 0

    def denoise(x: Tensor, sigma: float) -> Tensor:
        nonlocal nfe
        nfe += 1
        return denoiser(x, x.new_full((len(x),), sigma), **keywords)

    for i, (sigma, lower) in enumerate(zip(levels, [*levels[1:], 0.0], strict=True)):
        gamma = gammas[i]
        if gamma > 0:
            raised = sigma * (1 + gamma)
            eps = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = x + s_noise * (raised**2 - sigma**2) ** 0.5 * eps
            sigma = raised
        x = stepper.step(denoise, x, sigma, lower)
        if progress is not None:
            progress(i + 1, len(levels))
    return Sample(x, nfe)


def _levels(sigmas: Tensor) -> list[float]:
    levels = [float(s) for s in sigmas]
    falls = all(a > b for a, b in pairwise(levels))
    if not levels or not falls or not levels[-1] > 0:
        raise InputError(
            "sigmas must fall strictly and stay above 0: use a grid from infonoise_core"
        )
    return levels


def _solver(solver: str | Solver) -> Solver:
    if not isinstance(solver, str):
        return solver
    if solver not in SOLVERS:
        raise InputError(f"solver {solver!r} is not known: give one of {', '.join(SOLVERS)}")
    return SOLVERS[solver]()
