"""Paths of two noise levels, and text along them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.generate import sampler_churn, sampler_levels
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.sampling.solvers import SOLVERS
from infonoise_text.codes.clusters import ClusterBook, per_bit
from infonoise_text.data.spans import Given
from infonoise_text.models.denoiser import CENTRE, SIGMA_LAST
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import (
    Calls,
    Generated,
    Own,
    check_guidance,
    given_condition,
    own_of,
    read_bits,
)

Profiles = Sequence[EntropyRateProfile | None]


def check_path(path: Tensor) -> None:
    """InputError unless path (k, 2) has two places or more and no level rises or reaches 0."""
    if path.dim() != 2 or path.shape[1] != 2 or len(path) < 2:
        raise InputError(f"a path of shape {tuple(path.shape)}: give (k, 2) levels, k at least 2")
    if not bool((path > 0).all()) or not bool((path.diff(dim=0) <= 0).all()):
        raise InputError("a path's levels stay above 0 and never rise")


def check_solver(sampler: SamplerConfig) -> None:
    """InputError for a solver that goes along no path of two levels."""
    if sampler.solver != "euler":
        raise InputError(
            f"--solver {sampler.solver}: the two levels of a run with clusters take euler alone"
        )


def equal_path(sigma_max: float) -> Tensor:
    """(2, 2): both kinds at the same level all the way."""
    _check_top(sigma_max)
    return torch.tensor([[sigma_max] * 2, [SIGMA_LAST] * 2], dtype=torch.float64)


def tokens_path(sigma_max: float) -> Tensor:
    """(2, 2): tokens alone, their clusters never given."""
    _check_top(sigma_max)
    return torch.tensor([[sigma_max] * 2, [sigma_max, SIGMA_LAST]], dtype=torch.float64)


def _check_top(sigma_max: float) -> None:
    if not sigma_max > SIGMA_LAST:
        raise InputError(
            f"--sigma-max {sigma_max:g}: bits are already certain at {SIGMA_LAST:g};"
            " give a higher one"
        )


def joint_path(sampler: TextSampler, sigma_max: float, profiles: Profiles) -> Tensor:
    """(steps, 2) levels of clusters and tokens.

    Each kind goes along the sampler's grid by its own profile, which for the entropic one means
    that every step removes as large a share of the entropy of either. With a lead, clusters have
    made that share of their way when tokens begin; 1 is clusters first, then tokens.

    Args:
        profiles: Of clusters and tokens.
    """
    grids = torch.stack(
        [sampler_levels(sampler, SIGMA_LAST, sigma_max, p) for p in profiles], dim=1
    )
    n, lead = len(grids), sampler.lead
    if lead == 0 or n == 1:
        return grids
    time = torch.linspace(0, 1 + lead, n, dtype=torch.float64)
    place = torch.stack([time, time - lead], dim=1).clamp(0, 1) * (n - 1)
    below = place.long().clamp_max(n - 2)
    high, low = grids.gather(0, below), grids.gather(0, below + 1)
    # Straight in log sigma, and to the bit the highest level while tokens wait.
    return high * (low / high) ** (place - below)


def joint_churn(sampler: SamplerConfig, path: Tensor, profiles: Profiles) -> Tensor:
    """(k, 2): how much each level of the path is raised before its step, relative to it."""
    gammas = torch.zeros_like(path)
    for kind, profile in enumerate(profiles):
        churn = sampler_churn(sampler, profile)
        if churn is not None:
            gammas[:, kind] = churn(path[:, kind])
    return gammas


@torch.no_grad()
def generate_along(
    denoiser: nn.Module,
    book: ClusterBook,
    n: int,
    length: int,
    path: Tensor,
    gammas: Tensor,
    sampler: SamplerConfig,
    *,
    given: Given | None = None,
    progress: Callable[[int, int], None] | None = None,
    own: Own | None = None,
) -> Generated:
    """n windows of `length` tokens (n, length), on the CPU, along a path (k, 2).

    Args:
        gammas: (k, 2), see `joint_churn`.  Of the sampler it takes s_noise, seed, chunk and
            guidance; steps are of first order.
        given: Tokens that stand where they are in every window, with their clusters.
    """
    check_solver(sampler)
    check_guidance(given, sampler.guidance)
    condition = {} if given is None else given_condition(given, book, n, length)
    calls = Calls(denoiser, length, sampler.guidance, True, SOLVERS[sampler.solver])
    denoiser.eval()
    decoded = []
    for start in range(0, n, sampler.chunk):
        rows = slice(start, min(start + sampler.chunk, n))
        calls.start()
        rng = [(own or own_of(sampler.seed))(i) for i in range(rows.start, rows.stop)]
        noise = _normal(length, book.bits, rng)
        x = CENTRE + per_bit(path[:1].float(), book.widths) * noise
        part = {name: value[rows] for name, value in condition.items()}
        x = _walk(calls, x, book.widths, path, gammas, sampler.s_noise, rng, part, denoiser)
        decoded.append(read_bits(book, x))
        if progress is not None:
            progress(rows.stop - start, n)
    ids, invalid = (torch.cat(parts) for parts in zip(*decoded, strict=True))
    return Generated(ids, invalid, calls.nfe)


def _walk(
    calls: Calls,
    x: Tensor,
    widths: tuple[int, int],
    path: Tensor,
    gammas: Tensor,
    s_noise: float,
    rng: Sequence[torch.Generator],
    condition: dict[str, Any],
    denoiser: nn.Module,
) -> Tensor:
    """x (n, L, bits) at the path's first levels, carried to 0; on the CPU."""
    device = next(denoiser.parameters()).device
    x, n = x.to(device), len(x)
    condition = {name: value.to(device) for name, value in condition.items()}
    ends = torch.cat([path[1:], torch.zeros_like(path[:1])])
    for sigma, lower, gamma in zip(path, ends, gammas, strict=True):
        raised = sigma * (1 + gamma)
        if bool((gamma > 0).any()):
            size = s_noise * (raised.square() - sigma.square()).sqrt()
            x = x + _spread(size, widths, x) * _normal(x.shape[1], x.shape[2], rng).to(device)
        denoised = calls(x, raised.to(x).expand(n, 2), **condition)
        x = denoised + _spread(lower / raised, widths, x) * (x - denoised)
    return x.cpu()


def _normal(length: int, bits: int, rng: Sequence[torch.Generator]) -> Tensor:
    """(n, length, bits), each example by its own generator."""
    return torch.stack([torch.randn(length, bits, generator=own) for own in rng])


def _spread(values: Tensor, widths: tuple[int, int], like: Tensor) -> Tensor:
    """(2,) -> (1, 1, bits)."""
    return per_bit(values[None], widths).to(like)
