"""Where in a window the information lies: the entropy-rate profile in parts, on held-out text."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.profiles.measured import Places, measure_profile
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
    known: Tensor | None = None,
    ordered: bool = False,
    bins: int = 48,
    seed: int = 0,
) -> EntropyRateProfile:
    """The rate of windows (n, L) with its parts by bit of the code or by stretch of positions.

    The parts add up to the rate in every bin. Clusters and tokens, where there are both, are at the
    same level.

    In every bin each window meets one level, log-uniform inside it and shared out evenly among the
    windows, so the rate is an average over the bin and not a value at its centre.

    Args:
        known: (n, L) bool, tokens that are given.
        ordered: Whether the denoiser's blocks stand behind the clean tokens before them.
    """
    if len(ids) < 2:
        raise InputError("fewer than 2 held-out windows: an error bar needs two")
    denoiser.eval()
    x0 = book.encode(ids).to(torch.float32)
    condition = {} if known is None else {"known": known, "clean": x0}
    if ordered:
        condition["before"] = x0
    return measure_profile(
        denoiser, x0, VarianceExploding(sigma_min, sigma_max), bins, draws=len(ids),
        generator=partial(generator, seed, Stream.EVALUATE), chunk=_CHUNK,
        device=next(denoiser.parameters()).device,
        condition=condition,
        groups=_groups(by, ids.shape[1], book.bit_names),
    )  # fmt: skip


def _groups(by: By, length: int, bit_names: Sequence[str]) -> Places:
    """By bit of a token's code, or by stretch of positions."""
    bit = torch.arange(len(bit_names)).expand(1, length, -1)
    if by == "bit":
        return Places(bit_names, bit)
    stretch = -(-length // min(STRETCHES, length))
    starts = range(0, length, stretch)
    names = [f"tokens {start + 1}-{min(start + stretch, length)}" for start in starts]
    return Places(names, (torch.arange(length) // stretch)[None, :, None].expand_as(bit))
