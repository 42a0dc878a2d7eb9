"""The profile of a trained network on held-out sequences, split by position or by base."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from infonoise_bio.alphabet import BASES, MASKED, Codes
from infonoise_bio.evaluation.options import By
from infonoise_bio.models.denoiser import BaseDenoiser, IndependentBases
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.measured import Places, Take, group_rates, profile_of_rates
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, generator
from infonoise_core.training.task import Batch

BINS = 64
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Grouped:
    """A profile by groups of bases, and what a network knows of each.

    Attributes:
        profile: Of the network's errors; its `groups` add up to the rate.
        saved: (g,) bits per base of each group by which it is below independent bases.
        stderr: (g,) their standard error.
        bases: (g,) bases of the group in one sequence, on average.
    """

    profile: EntropyRateProfile
    saved: Tensor
    stderr: Tensor
    bases: Tensor


def group_of(codes: Codes, by: By) -> tuple[Tensor, list[str]]:
    """(n, L) group of each base, and the names of the groups.

    A masked base lies in any of them, for its error is zero.
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
    progress: Callable[[int], None] | None = None,
) -> Grouped:
    """Errors on sequences codes (n, L), which are `batch` as points with their conditions.

    Args:
        draws: Noisy sequences per bin of noise levels.  The errors of independent bases of
            `frequencies` (4,) are measured on the same noises: their difference, integrated, is
            how many bits the network saves (`bound` has the theory), and hardly noisy.
    """
    group, names = group_of(codes, by)
    device = next(denoiser.parameters()).device
    start = IndependentBases(denoiser.encoding, frequencies).to(device)
    edges = channel.edges(BINS)
    width = edges.log().diff()
    groups = Places(names, group[:, None])

    def take(which: Tensor, *, bare: bool = False) -> tuple[Tensor, Mapping[str, Tensor]]:
        condition = {k: v[which] for k, v in batch.condition.items() if not bare or k == "mask"}
        return batch.x0[which], condition

    def rates(network: Denoiser, take: Take) -> Iterator[Tensor]:
        rng = generator(seed, Stream.EVALUATE)
        return group_rates(
            network, take, len(codes), edges, groups,
            draws=draws, generator=rng, chunk=_CHUNK, device=device,
        )  # fmt: skip

    savings, spreads = [], []

    def compared() -> Iterator[Tensor]:
        """The network's, while those of independent bases are met on the same noises."""
        both = zip(
            rates(denoiser.eval(), take), rates(start, partial(take, bare=True)), strict=True
        )
        for own, other in both:
            gain = other - own
            savings.append(gain.mean(0))
            spreads.append(gain.var(0) / draws)
            yield own

    dim = denoiser.encoding.channels * codes.shape[1]
    profile = profile_of_rates(compared(), edges, dim, names, progress)
    known = torch.from_numpy(codes != MASKED)
    bases = torch.zeros(len(names), dtype=torch.float64)
    bases.scatter_add_(0, group[known], torch.ones(int(known.sum()), dtype=torch.float64))
    bases /= len(codes)
    unit = bases.clamp_min(torch.finfo(torch.float64).tiny) * math.log(2)
    saved = (torch.stack(savings) * width[:, None]).sum(0) / unit
    stderr = (torch.stack(spreads) * width[:, None].square()).sum(0).sqrt() / unit
    return Grouped(profile, saved, stderr, bases)
