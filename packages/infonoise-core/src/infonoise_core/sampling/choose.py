"""Which noise levels to use for a model that is there: measured, and only where they are better."""

import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.multivariate import refuse_paths
from infonoise_core.profiles.measured import check_examples, measure_profile
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling import candidates
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.trial import LEAST, Measure, Trial

# Levels of the solve that lists are held against, by Heun's method.
_REFERENCE = 64
# Lists that are tried on all noises.
_FINALISTS = 4
# Spans on which local errors are measured.
_SPANS = 24
# Of the profile.
_BINS, _DRAWS = 48, 64


@dataclass(frozen=True)
class Tried:
    """One list and how it did.

    Attributes:
        name: What it is.
        sigmas: (n,) descending, without the final 0.
        error: Its distance from a fine solve from the same noise.
    """

    name: str
    sigmas: Tensor
    error: float


@dataclass(frozen=True)
class LevelChoice:
    """Levels for a model, a solver and a number of calls.

    Attributes:
        sigmas: (n,) descending, without the final 0; the best stock list where none was better.
        kept_stock: Whether it is that.
        best: The list taken.
        stock: The best stock list.
        tried: The finalists and all stock lists, the best first.
        remaining: Nats that a start from pure noise at sigmas[0] leaves out.
        profile: Of the model, on the examples.
        solver: Its name.
        calls: Of the denoiser.
        seconds: That choosing took.
    """

    sigmas: Tensor
    kept_stock: bool
    best: Tried
    stock: Tried
    tried: tuple[Tried, ...]
    remaining: float
    profile: EntropyRateProfile
    solver: str
    calls: int
    seconds: float

    def __str__(self) -> str:
        if self.kept_stock:
            head = f"keep stock ({self.stock.name}): no list was better on these examples"
        else:
            share = self.best.error / self.stock.error
            head = f"{self.best.name}: {share:.0%} of the error of the best stock list"
        rows = [f"  {tried.error:10.4g}  {tried.name}" for tried in self.tried]
        levels = " ".join(f"{sigma:.4g}" for sigma in self.sigmas)
        return "\n".join(
            [
                f"{self.solver}, {self.calls} calls: {head}",
                f"  levels: {levels}",
                f"  {self.remaining:.3g} nats remain above the start; chosen in"
                f" {self.seconds:.1f} s",
                "       error  list",
                *rows,
            ]
        )


def levels_in(calls: int, solver: str) -> int:
    """How many levels a solver takes with so many calls of the denoiser, or the last fewer."""
    if calls < 1:
        raise InputError(f"{calls} calls: give at least 1")
    return (calls + 1) // 2 if solver == "heun" else calls


@torch.no_grad()
def choose_levels(
    denoiser: Denoiser,
    x0: Tensor,
    channel: Channel,
    calls: int,
    solver: str = "dpmpp-2m",
    *,
    stock: Mapping[str, Tensor] | None = None,
    allowed: Tensor | None = None,
    spread: Callable[[float], float] | None = None,
    reference: Denoiser | None = None,
    finish: Callable[[Tensor], Tensor] | None = None,
    profile: EntropyRateProfile | None = None,
    condition: Mapping[str, Tensor] | None = None,
    measure: Measure = "distribution",
    examples: int = 256,
    search: int = 600,
    local_errors: bool = True,
    chunk: int = 256,
    seed: int = 0,
) -> LevelChoice:
    """The levels at which so many calls of a denoiser come nearest to a fine solve.

    First the profile is measured on the examples. From it come starts, above which few nats remain,
    and lists by rescaled entropic time and KL; local errors of one step against two, and Karras et
    al.'s list, give others. All are tried on a few noises, the best on more, and then single levels
    are moved as long as that helps. What is chosen is better than every stock list on the examples
    by more than chance; else the answer is to keep stock.

    Args:
        denoiser: Of the model, D(x, sigma, condition).
        x0: (n, ...) examples of the data, some hundred.
        channel: Of the model, for its span.
        calls: Of the denoiser, in each of the samples to make.
        solver: euler, heun, dpmpp-2m, deis, unipc, evodiff or gradient-estimation.
        stock: Lists to be better than, by name; Karras et al.'s over the span by default.
        allowed: (m,) ascending, the only levels that the model has; None for any.
        spread: Standard deviation of the noise that sampling starts from, of the first level; the
            level itself by default.
        reference: The model as a fine solve is to see it, where the sampler that takes the levels
            leaves out what makes it better, such as clipping its x0 to the range of the data; the
            denoiser by default. The profile is measured of it too.
        finish: What becomes of samples (n, ...) at the end, such as being cut to a range.
        profile: Of the model, where it is at hand.
        condition: Keyword arguments of the denoiser, (n, ...) each, taken in turn.
        measure: "distribution", the energy distance of what is made, or "path", the distance of
            each example from where the fine solve ends.
        examples: Noises that finalists are tried on; a quarter of them for all others.
        search: Calls of the denoiser that moving single levels may take, on that quarter.
        local_errors: Try lists of equal local error.
        chunk: Noises that the denoiser sees at a time.
        seed: Of the noises.
    """
    begin = time.perf_counter()
    refuse_paths(denoiser, "levels to choose")
    check_examples(x0, 2)
    if examples < LEAST:
        raise InputError(f"{examples} examples: give at least {LEAST}")
    n = levels_in(calls, solver)
    rng = torch.Generator().manual_seed(seed)
    top = channel.sigma_max if allowed is None else float(allowed[-1])
    low = channel.sigma_min if allowed is None else float(allowed[0])
    best_known = reference or denoiser
    if profile is None:
        profile = measure_profile(
            best_known, x0, channel, _BINS, _DRAWS, condition, rng, device=x0.device
        )
    trial = Trial(
        denoiser, x0, solver, spread or float, condition or {}, measure, examples, chunk, rng,
        best_known, finish,
    )  # fmt: skip
    trial.refer(candidates.snapped(karras_grid(_fine(allowed), low, top), allowed))
    given = dict(stock or {"Karras": karras_grid(n, low, top)})
    for name, sigmas in given.items():
        if len(sigmas) > n:
            raise InputError(
                f"the stock list {name} has {len(sigmas)} levels and {solver} with {calls} calls"
                f" takes {n}: give lists of as many calls"
            )

    starts = candidates.start_levels(profile, x0, top)
    local = _local_errors(trial, low, top, solver) if local_errors else None
    made = candidates.lists(profile, n, low, starts, local)
    tries = {name: candidates.snapped(sigmas, allowed) for name, sigmas in made.items()}
    finalists = _finalists(trial, tries, (low, top), allowed, search)
    stocks = [Tried(name, sigmas, trial.error(sigmas)) for name, sigmas in given.items()]
    ours = [Tried(name, sigmas, trial.error(sigmas)) for name, sigmas in finalists.items()]
    best_stock = min(stocks, key=lambda tried: tried.error)
    best = min([*ours, best_stock], key=lambda tried: tried.error)
    keep = not trial.is_better(best.sigmas, best_stock.sigmas)
    taken = best_stock if keep else best
    left = candidates.nats_above(profile, taken.sigmas[:1], x0)
    return LevelChoice(
        taken.sigmas, keep, taken, best_stock,
        tuple(sorted([*stocks, *ours], key=lambda tried: tried.error)),
        float(left), profile, solver, calls, time.perf_counter() - begin,
    )  # fmt: skip


def _fine(allowed: Tensor | None) -> int:
    return _REFERENCE if allowed is None else min(_REFERENCE, len(allowed))


def _local_errors(trial: Trial, low: float, top: float, solver: str) -> tuple[Tensor, Tensor]:
    """Density (K,) of levels of equal local error, and its edges (K+1,)."""
    edges = torch.logspace(math.log10(low), math.log10(top), _SPANS + 1, dtype=torch.float64)
    order_2 = solver != "euler"
    return candidates.local_error_density(trial.given, trial.noisy, edges, order_2), edges


def _finalists(
    trial: Trial,
    tries: dict[str, Tensor],
    span: tuple[float, float],
    allowed: Tensor | None,
    search: int,
) -> dict[str, Tensor]:
    """The best lists on a quarter of the noises, and the best of these with its levels moved."""
    ranked = sorted(tries, key=lambda name: trial.error(tries[name], small=True))[:_FINALISTS]
    found = {name: tries[name] for name in ranked}
    if search and ranked:
        moved = _moved(trial, tries[ranked[0]], span, allowed, search)
        found[f"{ranked[0]}, levels moved"] = moved
    return found


def _moved(
    trial: Trial, sigmas: Tensor, span: tuple[float, float], allowed: Tensor | None, calls: int
) -> Tensor:
    """The list after moves of single levels, each kept if it helps, until `calls` are spent."""
    best, error = sigmas, trial.error(sigmas, small=True)
    reach = 0.4
    while calls > 0 and reach > 0.05:
        helped = False
        for i, way in itertools.product(range(len(best)), (1.0, -1.0)):
            moved = _with_moved(best, i, way * reach, span, allowed)
            if moved is None:
                continue
            calls -= len(moved)
            found = trial.error(moved, small=True)
            if found < error:
                best, error, helped = moved, found, True
            if calls <= 0:
                break
        if not helped:
            reach /= 2
    return best


def _with_moved(
    sigmas: Tensor, i: int, share: float, span: tuple[float, float], allowed: Tensor | None
) -> Tensor | None:
    """One level carried a share of the way to its neighbour above (or below, if negative)."""
    places = sigmas.log()
    high = math.log(span[1]) if i == 0 else float(places[i - 1])
    low = math.log(span[0]) if i == len(places) - 1 else float(places[i + 1])
    here = float(places[i])
    moved = sigmas.clone()
    moved[i] = math.exp(here + share * (high - here if share > 0 else here - low))
    moved = candidates.snapped(moved, allowed)
    return None if bool((moved == sigmas).all()) else moved
