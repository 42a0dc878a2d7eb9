"""Integrate the probability-flow ODE dx/dsigma = (x - D(x, sigma)) / sigma, with optional churn."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.multivariate import refuse_paths
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.multistep import DEIS, Denoise, EVODiff, UniPC


class Sample(NamedTuple):
    """What a solver made.

    Attributes:
        x: (n, ...) what was generated.
        nfe: Calls of the denoiser that were made.
    """

    x: Tensor
    nfe: int


class Solver(Protocol):
    """Takes the steps of one `solve` call, in order; it may keep what earlier steps saw."""

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        """Carry x (n, ...) from level sigma to a lower level, which may be 0."""


class Euler:
    """First order, one call a step; the same as DDIM in this coordinate (Song et al. 2021)."""

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


class DPMSolverPP2M:
    """DPM-Solver++(2M): second order, one call a step (Lu et al. 2022, algorithm 2).

    With lambda = -log sigma the exact step is lower/sigma * x plus an exponentially weighted
    integral of D over lambda; D is taken as the line through its last two values.  First order for
    the first step, the last (where lambda has no end), and after fresh noise, which breaks the path
    the line runs along.
    """

    def __init__(self) -> None:
        self._last: tuple[Tensor, float, float] | None = None

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        denoised = denoise(x, sigma)
        target = denoised
        if self._last is not None and lower > 0:
            before, above, reached = self._last
            if reached == sigma:
                step_ratio = math.log(sigma / lower) / math.log(above / sigma)
                target = denoised + step_ratio / 2 * (denoised - before)
        self._last = (denoised, sigma, lower)
        return target + (lower / sigma) * (x - target)


class GradientEstimation:
    """Euler along 2 eps - (last step's eps), one call a step (Permenter & Yuan 2024, gamma = 2).

    Formally first order.  Plain Euler for the first step, the last, and after fresh noise.
    """

    def __init__(self) -> None:
        self._last: tuple[Tensor, float] | None = None

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        eps = slope = (x - denoise(x, sigma)) / sigma
        if self._last is not None and lower > 0:
            before, reached = self._last
            if reached == sigma:
                slope = 2 * eps - before
        self._last = (eps, lower)
        return x + (lower - sigma) * slope


SOLVERS: Mapping[str, Callable[[], Solver]] = {
    "euler": Euler,
    "heun": Heun,
    "dpmpp-2m": DPMSolverPP2M,
    "gradient-estimation": GradientEstimation,
    "deis": DEIS,
    "unipc": UniPC,
    "evodiff": EVODiff,
}


@torch.no_grad()
def solve(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    solver: str | Callable[[], Solver] = "heun",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
    condition: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """Carry x from noise level sigmas[0] down to 0; nfe counts the calls of the denoiser.

    Args:
        x: (n, ...) = x0 + sigmas[0] eps, so pure noise of that size to generate; half precision
            is raised to float32.
        sigmas: (k,) descending, without the final 0.
        solver: A name in SOLVERS or a callable that makes one.
        churn: Relative noise increase per level, added fresh with factor s_noise before the
            step (Karras et al. 2022, algorithm 2; churn.py has some), drawn where the generator
            lives.
        generator: Of the fresh noise; a sequence has one for each of the n examples, so that
            what comes of one does not depend on those beside it.
        condition: Keyword arguments of the denoiser.
        progress: Called with (steps done, steps in all).
    """
    refuse_paths(denoiser, "the solver")
    levels = _levels(sigmas)
    gammas = _gammas(churn, levels)
    stepper = _factory(solver)()
    x = _state(x)
    keywords = dict(condition or {})
    nfe = 0

    def denoise(x: Tensor, sigma: float) -> Tensor:
        nonlocal nfe
        nfe += 1
        denoised = denoiser(x, x.new_full((len(x),), sigma), **keywords)
        if denoised.shape != x.shape:
            raise InputError(
                f"the denoiser gave shape {tuple(denoised.shape)} for x of shape {tuple(x.shape)}:"
                " it must return one x0 of the same shape"
            )
        return denoised

    for i, (sigma, lower) in enumerate(pairwise([*levels, 0.0])):
        if gammas[i] > 0:
            raised = sigma * (1 + gammas[i])
            x = x + s_noise * (raised**2 - sigma**2) ** 0.5 * _noise_like(x, generator)
            sigma = raised
        x = stepper.step(denoise, x, sigma, lower)
        if progress is not None:
            progress(i + 1, len(levels))
    return Sample(x, nfe)


def _noise_like(x: Tensor, generator: torch.Generator | Sequence[torch.Generator] | None) -> Tensor:
    if generator is None or isinstance(generator, torch.Generator):
        at = x.device if generator is None else generator.device
        return torch.randn(x.shape, generator=generator, device=at, dtype=x.dtype).to(x.device)
    if len(generator) != len(x):
        raise InputError(f"{len(generator)} generators for {len(x)} examples: give one each")
    shape, dtype = x.shape[1:], x.dtype
    rows = [torch.randn(shape, generator=g, device=g.device, dtype=dtype) for g in generator]
    return torch.stack(rows).to(x.device)


def _levels(sigmas: Tensor) -> list[float]:
    levels: list[float] = sigmas.detach().cpu().to(torch.float64).flatten().tolist()
    falls = all(a > b for a, b in pairwise([math.inf, *levels, 0.0]))
    if sigmas.dim() != 1 or not levels or not falls:
        raise InputError(
            "sigmas must fall strictly and stay above 0: use a grid from infonoise_core"
        )
    return levels


def _gammas(churn: Churn | None, levels: list[float]) -> list[float]:
    if churn is None:
        return [0.0] * len(levels)
    given = churn(torch.tensor(levels, dtype=torch.float64))
    gammas: list[float] = given.flatten().tolist()
    if given.shape != (len(levels),) or not all(0 <= g < math.inf for g in gammas):
        raise InputError(
            f"churn must give one finite gamma of at least 0 for each of the {len(levels)} levels"
        )
    return gammas


def _factory(solver: str | Callable[[], Solver]) -> Callable[[], Solver]:
    if not isinstance(solver, str):
        return solver
    if solver not in SOLVERS:
        raise InputError(f"solver {solver!r} is not known: give one of {', '.join(SOLVERS)}")
    return SOLVERS[solver]


def _state(x: Tensor) -> Tensor:
    if x.dim() < 1 or not x.is_floating_point():
        raise InputError(
            f"x of type {x.dtype} and shape {tuple(x.shape)}: give noise of shape (n, ...), real"
        )
    return x.to(torch.promote_types(x.dtype, torch.float32))
