"""The profile of a trained network on held-out sequences, split by position or by base."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from infonoise_bio.alphabet import BASES, MASKED, Codes
from infonoise_bio.models.denoiser import BaseDenoiser, IndependentBases
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, generator
from infonoise_core.training.task import Batch

By = Literal["position", "base"]
BINS = 64
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Grouped:
    """profile: of the network's errors, its `groups` add up to the rate.  saved, stderr: (g,) bits
    per base of each group by which it is below independent bases, and their standard error.
    bases: (g,) bases of the group in one sequence, on average.
    """

    profile: EntropyRateProfile
    saved: Tensor
    stderr: Tensor
    bases: Tensor


def group_of(codes: Codes, by: By) -> tuple[Tensor, list[str]]:
    """(n, L) group of each base, and the names of the groups; a masked base lies in any, for its
    error is zero.
    """
    if by == "base":
        return torch.from_numpy(np.where(codes == MASKED, 0, codes).astype(np.int64)), list(BASES)
    place = torch.arange(codes.shape[1]).expand(len(codes), -1)
    return place, [str(i) for i in range(codes.shape[1])]


@torch.no_grad()
def grouped_profile(
    denoiser: BaseDenoiser,
    codes: Codes,
    batch: Batch,
    frequencies: Tensor,
    channel: Channel,
    by: By,
    draws: int = 256,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> Grouped:
    """Errors on sequences codes (n, L), which are `batch` as points with their conditions.

    Args:
        draws: Noisy sequences per bin of noise levels.  The errors of independent bases of
            `frequencies` (4,) are measured on the same noises: their difference, integrated, is
            how many bits the network saves (`bound` has the theory), and hardly noisy.
    """
    if draws < 2:
        raise InputError(f"--draws {draws}: give at least 2, to know the error")
    group, names = group_of(codes, by)
    start = IndependentBases(denoiser.encoding, frequencies).to(_device(denoiser))
    edges = channel.edges(BINS)
    width = edges.log().diff()
    rates, errors, savings, spreads = [], [], [], []
    rng = generator(seed, Stream.EVALUATE)
    for i, (low, high) in enumerate(edges.log().unfold(0, 2, 1).tolist()):
        which = (i * draws + torch.arange(draws)) % len(codes)
        share = (torch.randperm(draws, generator=rng) + torch.rand(draws, generator=rng)) / draws
        sigma = torch.exp(low + (high - low) * share)
        eps = torch.randn((draws, *batch.x0.shape[1:]), generator=rng)
        own, other = _rates(denoiser.eval(), start, batch, which, sigma, eps)
        table = torch.zeros(2, draws, len(names), dtype=torch.float64)
        for row, rate in zip(table, (own, other), strict=True):
            row.scatter_add_(1, group[which], rate)
        rates.append(table[0].mean(0))
        errors.append(float(own.sum(1).std()) / math.sqrt(draws))
        gain = table[1] - table[0]
        savings.append(gain.mean(0))
        spreads.append(gain.var(0) / draws)
        if progress is not None:
            progress()
    rate = torch.stack(rates)
    profile = EntropyRateProfile(
        edges,
        rate.sum(1),
        torch.tensor(errors, dtype=torch.float64),
        torch.full_like(width, float(draws)),
        denoiser.encoding.channels * codes.shape[1],
        groups=dict(zip(names, rate.unbind(1), strict=True)),
    )
    known = torch.from_numpy(codes != MASKED)
    bases = torch.zeros(len(names), dtype=torch.float64)
    bases.scatter_add_(0, group[known], torch.ones(int(known.sum()), dtype=torch.float64))
    bases /= len(codes)
    unit = bases.clamp_min(torch.finfo(torch.float64).tiny) * math.log(2)
    saved = (torch.stack(savings) * width[:, None]).sum(0) / unit
    stderr = (torch.stack(spreads) * width[:, None].square()).sum(0).sqrt() / unit
    return Grouped(profile, saved, stderr, bases)


def _rates(
    denoiser: BaseDenoiser,
    start: IndependentBases,
    batch: Batch,
    which: Tensor,
    sigma: Tensor,
    eps: Tensor,
) -> tuple[Tensor, Tensor]:
    """(draws, L) squared error / sigma^2 of each base, of the network and of independent bases."""
    own, other = [], []
    device = _device(denoiser)
    for begin in range(0, len(which), _CHUNK):
        at = slice(begin, begin + _CHUNK)
        rows = which[at]
        part = Batch(batch.x0[rows], {k: v[rows] for k, v in batch.condition.items()}).to(device)
        mask = {"mask": part.condition["mask"]} if "mask" in part.condition else {}
        s, e = sigma[at].to(device), eps[at].to(device)
        own.append(_base_rates(denoiser, part, s, e))
        other.append(_base_rates(start, Batch(part.x0, mask), s, e))
    return torch.cat(own), torch.cat(other)


def _base_rates(denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Tensor:
    x = batch.x0 + sigma[:, None, None] * eps
    error = denoiser(x, sigma, **batch.condition) - batch.x0
    return (error.square().sum(1) / sigma[:, None].square()).cpu().to(torch.float64)


def _device(denoiser: BaseDenoiser) -> torch.device:
    return next(denoiser.parameters()).device
