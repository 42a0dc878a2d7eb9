"""Examples from a trained denoiser, chunk by chunk."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from infonoise_core.churn import Churn
from infonoise_core.denoiser import Denoiser
from infonoise_core.errors import InputError
from infonoise_core.solver import Sample, Solver, solve
from infonoise_core.training.randomness import Stream, generator


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
) -> Iterator[Sample]:
    """n examples of `shape` in chunks of at most `chunk`, each on the CPU; memory stays flat.

    sigmas: (k,) descending noise levels.  condition: keyword arguments of the denoiser, each
    (n, ...), cut like the examples.  origin: the centre of the data, where the first noise is put.
    device: where the denoiser is; that of its parameters if it is a module.  progress: called with
    (examples just done, n).
    Noise is drawn on the CPU, so a seed and a chunk size give the same examples on every device up
    to rounding.
    """
    device = device or _device_of(denoiser)
    if isinstance(denoiser, nn.Module):
        denoiser.eval()
    conditions = dict(condition or {})
    for name, value in conditions.items():
        if len(value) != n:
            raise InputError(f"condition {name}: {len(value)} rows for {n} examples; give one each")
    for start in range(0, n, chunk):
        rows = slice(start, min(start + chunk, n))
        rng = generator(seed, Stream.SAMPLE, start)
        noise = torch.randn(rows.stop - start, *shape, generator=rng)
        sample = solve(
            denoiser, (origin + float(sigmas[0]) * noise).to(device), sigmas, solver,
            churn=churn, s_noise=s_noise, generator=rng,
            condition={k: v[rows].to(device) for k, v in conditions.items()},
        )  # fmt: skip
        yield Sample(sample.x.cpu(), sample.nfe)
        if progress is not None:
            progress(rows.stop - start, n)


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
    """All of `generate_chunks` in one tensor (n, *shape), on the CPU; nfe counts calls per
    example.
    """
    if n < 1:
        raise InputError(f"{n} examples asked for: give at least 1")
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
