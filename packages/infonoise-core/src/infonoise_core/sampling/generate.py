"""Examples from a trained denoiser, chunk by chunk."""

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.churn import Churn, band_churn, constant_churn, rate_churn
from infonoise_core.sampling.grids import (
    entropic_grid,
    karras_grid,
    kl_grid,
    log_uniform_grid,
    rescaled_entropic_grid,
)
from infonoise_core.sampling.options import MAX_GAMMA, SamplerConfig
from infonoise_core.sampling.solvers import Sample, Solver, solve
from infonoise_core.together import at_most, in_turn

_PLAIN: Mapping[str, Callable[[int, float, float], Tensor]] = {
    "log-uniform": log_uniform_grid,
}
_BY_PROFILE: Mapping[str, Callable[[EntropyRateProfile, int, float, float], Tensor]] = {
    "entropic": entropic_grid,
    "rescaled-entropic": rescaled_entropic_grid,
    "kl": kl_grid,
}
# Quantiles of the entropy between which "band" churns.
_BAND = (0.05, 0.95)


def sampler_levels(
    sampler: SamplerConfig,
    sigma_min: float,
    sigma_max: float,
    profile: EntropyRateProfile | None,
) -> Tensor:
    """(steps,) descending noise levels of a sampler.

    Raises:
        InputError: Where the grid needs a profile and there is none: no other takes its place.
    """
    sigma_min = sigma_min if sampler.sigma_min is None else sampler.sigma_min
    sigma_max = sigma_max if sampler.sigma_max is None else sampler.sigma_max
    if not sigma_min < sigma_max:
        raise InputError(
            f"noise levels from {sigma_max:g} down to {sigma_min:g}: give a --sigma-min below"
            " --sigma-max"
        )
    if sampler.grid == "karras":
        return karras_grid(sampler.steps, sigma_min, sigma_max, sampler.rho)
    if sampler.grid in _PLAIN:
        return _PLAIN[sampler.grid](sampler.steps, sigma_min, sigma_max)
    if profile is None:
        plain = "--grid karras --churn 0" if sampler.churns_by_profile else "--grid karras"
        raise InputError(
            f"--grid {sampler.grid} needs a profile and there is none: give {plain}, or train"
            " again (every run measures one now)"
        )
    return _BY_PROFILE[sampler.grid](profile, sampler.steps, sigma_min, sigma_max)


def sampler_churn(sampler: SamplerConfig, profile: EntropyRateProfile | None) -> Churn | None:
    """Where and how much fresh noise a sampler adds; None for none.

    Raises:
        InputError: Where it follows a profile and there is none.
    """
    most = math.inf if sampler.s_max is None else sampler.s_max
    if sampler.s_churn:
        gamma = min(sampler.s_churn / sampler.steps, MAX_GAMMA)
        return constant_churn(gamma, sampler.s_min, most)
    if sampler.churn == 0:
        return None
    if sampler.churn_gate == "constant":
        return constant_churn(sampler.churn, sampler.s_min, most)
    if profile is None:
        raise InputError(
            f"--churn-gate {sampler.churn_gate} needs a profile and there is none: give --churn 0"
            " or --churn-gate constant, or train again (every run measures one now)"
        )
    if sampler.churn_gate == "rate":
        return rate_churn(profile, sampler.churn)
    return band_churn(profile, sampler.churn, *_BAND)


def generate_chunks(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    n: int,
    sigmas: Tensor,
    *,
    solver: str | Callable[[], Solver] = "heun",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    seed: int = 0,
    chunk: int = 256,
    condition: Mapping[str, Tensor] | None = None,
    progress: Callable[[int, int], None] | None = None,
    origin: float = 0.0,
    device: torch.device | None = None,
    own: Callable[[int], torch.Generator] | None = None,
) -> Iterator[Sample]:
    """n examples of `shape` in chunks of at most `chunk`, each on the CPU; memory stays flat.

    Processes that are `together` take chunks in turn, and each gets all of them in order.

    Args:
        sigmas: (k,) descending noise levels.
        condition: Keyword arguments of the denoiser, each (n, ...), cut like the examples.
        origin: The centre of the data, where the first noise is put.
        device: Where the denoiser is; that of its parameters if it is a module.
        progress: Called with (examples just done, n). Noise is drawn on the CPU, so a seed and
            a chunk size give the same examples on every device up to rounding.
        own: Number of an example -> a generator of its own, in place of one for each chunk from
            `seed`; then an example is the same whatever `chunk` and n are.
    """
    device = device or _device_of(denoiser)
    if isinstance(denoiser, nn.Module):
        denoiser.eval()
    conditions = dict(condition or {})
    for name, value in conditions.items():
        if len(value) != n:
            raise InputError(f"condition {name}: {len(value)} rows for {n} examples; give one each")
    if own is not None:
        chunk = at_most(chunk, n)

    def made(k: int) -> Sample:
        rows = slice(k * chunk, min((k + 1) * chunk, n))
        rng: torch.Generator | list[torch.Generator]
        if own is None:
            rng = generator(seed, Stream.SAMPLE, rows.start)
            noise = torch.randn(rows.stop - rows.start, *shape, generator=rng)
        else:
            rng = [own(i) for i in range(rows.start, rows.stop)]
            noise = torch.stack([torch.randn(shape, generator=g) for g in rng])
        sample = solve(
            denoiser, (origin + float(sigmas[0]) * noise).to(device), sigmas, solver,
            churn=churn, s_noise=s_noise, generator=rng,
            condition={k: v[rows].to(device) for k, v in conditions.items()},
        )  # fmt: skip
        return Sample(sample.x.cpu(), sample.nfe)

    for sample in in_turn(math.ceil(n / chunk), made):
        yield sample
        if progress is not None:
            progress(len(sample.x), n)


def generate(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    n: int,
    sigmas: Tensor,
    *,
    solver: str | Callable[[], Solver] = "heun",
    churn: Churn | None = None,
    s_noise: float = 1.003,
    seed: int = 0,
    chunk: int = 256,
    condition: Mapping[str, Tensor] | None = None,
    progress: Callable[[int, int], None] | None = None,
    origin: float = 0.0,
    device: torch.device | None = None,
) -> Sample:
    """All of `generate_chunks` in one tensor (n, ...), on the CPU.

    Its nfe counts calls per example.
    """
    if n < 1:
        raise InputError(f"{n} examples: give at least 1")
    chunks = generate_chunks(
        denoiser, shape, n, sigmas, solver=solver, churn=churn, s_noise=s_noise, seed=seed,
        chunk=chunk, condition=condition, progress=progress, origin=origin, device=device,
    )  # fmt: skip
    parts = list(chunks)
    return Sample(torch.cat([part.x for part in parts]), parts[-1].nfe)


def _device_of(denoiser: Denoiser) -> torch.device:
    if isinstance(denoiser, nn.Module):
        return next(denoiser.parameters()).device
    return torch.device("cpu")
