"""Lists of noise levels to try: where to start, how to go on, and which levels a model has."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.grids import (
    TOUCH,
    entropic_grid,
    karras_grid,
    kl_grid,
    rescaled_entropic_grid,
)
from infonoise_core.sampling.solvers import Euler, Heun, Solver

# Nats that may remain above a start: 1 is a guess that a sampler may still take back, 0.01 is none.
TOLERANCES = (1.0, 0.3, 0.1, 0.03, 0.01)


def nats_above(profile: EntropyRateProfile, sigma: Tensor, x0: Tensor) -> Tensor:
    """Nats that a start from pure noise at sigma leaves out; sigma's shape, float64.

    That is KL(p_sigma, N(0, sigma^2 I)) where it is small, or rather a bound on it: the integral
    of the rate above sigma, which is what x still says of x0, and the share mean^2 / (2 sigma^2)
    of the mean, which pure noise does not have.

    A network's own error is no measure where it exceeds what no network at all leaves: the rate is
    cut off at var / sigma^2, which also is what is above the profile.

    Args:
        profile: Of the denoiser.
        sigma: Levels to start from; any shape.
        x0: (n, ...) examples, for their mean and variance.
    """
    flat = x0.detach().to("cpu", torch.float64).flatten(1)
    mean = float(flat.mean(0).square().sum())
    variance = float(flat.var(0, correction=0).sum())
    edges = profile.edges
    whole = variance / 2 * (edges[:-1] ** -2 - edges[1:] ** -2)
    pieces = torch.minimum(profile.rate.clamp_min(0) * profile.width, whole)
    above = torch.cat([pieces.flip(0).cumsum(0).flip(0), pieces.new_zeros(1)])
    above = above + variance / (2 * float(edges[-1]) ** 2)
    at = sigma.detach().to("cpu", torch.float64)
    i = torch.searchsorted(edges.log(), at.log()).clamp(1, len(edges) - 1)
    low, high = edges[i - 1].log(), edges[i].log()
    share = ((at.log() - low) / (high - low)).clamp(0, 1)
    inside = torch.lerp(above[i - 1], above[i], share)
    beyond = torch.minimum(inside, variance / (2 * at.square()))
    return torch.where(at > edges[-1], beyond, inside) + mean / (2 * at.square())


def start_levels(
    profile: EntropyRateProfile,
    x0: Tensor,
    sigma_max: float,
    tolerances: Sequence[float] = TOLERANCES,
) -> list[float]:
    """Lowest levels above which no more than each tolerance of nats remains, ascending.

    None above sigma_max, which is the last of them whatever remains above it.

    Args:
        profile: Of the denoiser.
        x0: (n, ...) examples.
        sigma_max: The highest level.
        tolerances: In nats.
    """
    fine = torch.logspace(
        math.log10(float(profile.edges[0])), math.log10(sigma_max), 400, dtype=torch.float64
    )
    left = nats_above(profile, fine, x0)
    starts = []
    for tolerance in tolerances:
        enough = (left <= tolerance).nonzero()
        if len(enough):
            starts.append(float(fine[int(enough[0])]))
    # Those that hardly differ are one.
    kept = [sigma_max]
    for start in sorted(starts, reverse=True):
        if start < kept[-1] / 1.15:
            kept.append(start)
    return kept[::-1]


@torch.no_grad()
def local_error_density(
    denoiser: Denoiser, x: Callable[[float], Tensor], edges: Tensor, second_order: bool
) -> Tensor:
    """(K,) how densely levels must lie per unit log sigma for steps of equal local error.

    In each span one step of the solver is set against two; their difference is c h^(p+1), and the
    density its root of that order over h.

    Args:
        denoiser: Of the model.
        x: Noisy examples (n, ...) at a level.
        edges: (K+1,) ascending, of the spans.
        second_order: Take steps of Heun; else of Euler.
    """
    make: Callable[[], Solver] = Heun if second_order else Euler
    power = 1 / (3 if second_order else 2)

    def denoise(noisy: Tensor, sigma: float) -> Tensor:
        return denoiser(noisy, noisy.new_full((len(noisy),), sigma))

    densities = []
    for low, high in edges.unfold(0, 2, 1).tolist():
        noisy, middle = x(high), math.sqrt(low * high)
        once = make().step(denoise, noisy, high, low)
        twice = make().step(denoise, make().step(denoise, noisy, high, middle), middle, low)
        error = float((once - twice).flatten(1).norm(dim=1).mean())
        densities.append(error**power / math.log(high / low))
    return torch.tensor(densities, dtype=torch.float64)


def by_density(density: Tensor, edges: Tensor, n: int, low: float, high: float) -> Tensor:
    """(n,) descending levels from high to low, placed by a density (K,) per unit log sigma."""
    # A profile with this rate has the density as its entropic one.
    ones = torch.ones_like(density)
    shaped = EntropyRateProfile(edges, density.clamp_min(1e-12), ones, ones)
    return entropic_grid(shaped, n, low, high)


def snapped(sigmas: Tensor, allowed: Tensor | None) -> Tensor:
    """The nearest levels that a model has, all different, descending.

    Args:
        sigmas: (n,) descending.
        allowed: (m,) ascending levels of the model, m >= n; None where any level is allowed.
    """
    if allowed is None:
        return sigmas
    if len(allowed) < len(sigmas):
        raise InputError(f"{len(sigmas)} levels of a model that has {len(allowed)}: give fewer")
    places = allowed.log()
    above = torch.searchsorted(places, sigmas.log()).clamp(1, len(places) - 1)
    nearer = sigmas.log() - places[above - 1] < places[above] - sigmas.log()
    rows = torch.where(nearer, above - 1, above).tolist()
    # Down from the top, then up from the bottom, so that each has a place of its own.
    for i, row in enumerate(rows):
        rows[i] = row if i == 0 else min(row, rows[i - 1] - 1)
    for i in range(len(rows) - 1, -1, -1):
        least = 0 if i == len(rows) - 1 else rows[i + 1] + 1
        rows[i] = max(rows[i], least)
    return allowed[torch.tensor(rows)]


def lists(
    profile: EntropyRateProfile,
    n: int,
    low: float,
    starts: Sequence[float],
    local: tuple[Tensor, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Lists of n levels by name, from each start down to `low`; those that do not fit are left out.

    Args:
        profile: Of the model; one that knows its dim also gives lists by KL.
        n: Levels of each.
        low: The last level.
        starts: First levels.
        local: A density (K,) and its edges (K+1,), for lists of equal local error.
    """
    found: dict[str, Tensor] = {}
    for start in starts:
        if not start > low * (1 + TOUCH):
            continue
        makers: dict[str, Callable[[float], Tensor]] = {
            "rescaled entropic": lambda top: rescaled_entropic_grid(profile, n, low, top),
            "Karras": lambda top: karras_grid(n, low, top),
        }
        if profile.dim is not None:
            makers["KL"] = lambda top: kl_grid(profile, n, low, top)
        if local is not None:
            makers["local error"] = lambda top: by_density(*local, n, low, top)
        for name, make in makers.items():
            try:
                found[f"{name} from {start:.3g}"] = make(start)
            except InputError:
                continue
    return found
