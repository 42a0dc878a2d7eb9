"""Where in a window the information lies: the entropy-rate profile in parts, on held-out text."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, generator
from infonoise_text.codes.book import Codes

By = Literal["bit", "position"]
# Positions of a window are put together into at most this many stretches.
STRETCHES = 8
# Windows that the denoiser sees at a time.
_CHUNK = 128


@torch.no_grad()
def measured_profile(
    denoiser: nn.Module,
    ids: Tensor,
    book: Codes,
    sigma_min: float,
    sigma_max: float,
    by: By,
    *,
    bins: int = 48,
    seed: int = 0,
) -> EntropyRateProfile:
    """The rate of windows (n, L) with its parts by bit of the code or by stretch of positions.

    The parts add up to the rate in every bin. Clusters and tokens, where there are both, are at the
    same level.

    In every bin each window meets one level, log-uniform inside it and shared out evenly among the
    windows, so the rate is an average over the bin and not a value at its centre.
    """
    if len(ids) < 2:
        raise InputError("fewer than 2 held-out windows: an error bar needs two")
    device = next(denoiser.parameters()).device
    denoiser.eval()
    x0 = book.encode(ids).to(torch.float32)
    n, length, bits = x0.shape
    names, member = _members(by, length, book.bit_names)
    edges = log_edges(sigma_min, sigma_max, bins)
    parts = torch.zeros(bins, len(names), dtype=torch.float64)
    stderr = torch.zeros(bins, dtype=torch.float64)
    for k in range(bins):
        rng = generator(seed, Stream.EVALUATE, k)
        place = (torch.randperm(n, generator=rng) + torch.rand(n, generator=rng)) / n
        sigma = edges[k].log() + place * (edges[k + 1] / edges[k]).log()
        sigma = sigma.exp().to(torch.float32)
        x = x0 + sigma[:, None, None] * torch.randn(x0.shape, generator=rng)
        square = (_denoised(denoiser, x, sigma, device) - x0).square().to(torch.float64)
        rate = square / sigma.to(torch.float64).square()[:, None, None]
        split = rate.flatten(1) @ member
        parts[k] = split.mean(0)
        stderr[k] = split.sum(1).std() / math.sqrt(n)
    return EntropyRateProfile(
        edges=edges, rate=parts.sum(1), stderr=stderr,
        count=torch.full((bins,), float(n), dtype=torch.float64), dim=length * bits,
        groups=dict(zip(names, parts.T.contiguous(), strict=True)),
    )  # fmt: skip


def _denoised(denoiser: nn.Module, x: Tensor, sigma: Tensor, device: torch.device) -> Tensor:
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(x), _CHUNK)]
    return torch.cat([denoiser(x[c].to(device), sigma[c].to(device)).cpu() for c in chunks])


def _members(by: By, length: int, bit_names: Sequence[str]) -> tuple[list[str], Tensor]:
    """Names of the parts, and (L m, parts) with a 1 where a bit of a window belongs to one."""
    bits = len(bit_names)
    place = torch.arange(length * bits)
    if by == "bit":
        names = list(bit_names)
        group = place % bits
    else:
        stretch = -(-length // min(STRETCHES, length))
        group = place // bits // stretch
        starts = range(0, length, stretch)
        names = [f"tokens {start + 1}-{min(start + stretch, length)}" for start in starts]
    return names, nn.functional.one_hot(group, len(names)).to(torch.float64)
