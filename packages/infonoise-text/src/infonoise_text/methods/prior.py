"""What noise destroys of tokens whose bits, or groups of bits, know nothing of each other."""

import math

import torch

from infonoise_core.analytic.priors import independent_symbol_profile
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.profiles.measured import noisy_examples
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Split
from infonoise_text.data.windows import windows_of
from infonoise_text.evaluation.control import CodeLaw

# Cells of a profile that is sampled, and noisy codes in each.
_BINS, _DRAWS = 64, 4096
_ALL = slice(None)


def bit_profile(
    split: Split, book: Codes, length: int, channel: VarianceExploding, part: slice = _ALL
) -> EntropyRateProfile:
    """The profile of bits that know nothing of each other.

    Each place in the code has its own frequency of ones; those places count that `part` leaves.
    An upper bound on the text's own: the other bits can only help, and a denoiser that knows the
    frequencies is never worse than one that takes the bits for fair.
    """
    windows = windows_of(split, length)
    counts = windows.counts(book.size)
    bits = book.encode(torch.arange(book.size))[:, part].to(torch.float64)
    # One token's worth of doubt, so that no bit is certain.
    ones = (counts @ bits + 0.5) / (counts.sum() + 1)
    table = torch.stack([1 - ones, ones], dim=1).repeat(math.ceil(windows.free), 1)
    values = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    return independent_symbol_profile(channel, table, values)


@torch.no_grad()
def group_profile(
    split: Split, book: Codes, length: int, channel: VarianceExploding, width: int
) -> EntropyRateProfile:
    """The profile of groups of `width` bits that know nothing of each other.

    It lies below `bit_profile`, as bits of a group tell of each other, and above the text's own.
    Each bin is the mean posterior variance at noisy codes, the same ones in every call.
    """
    windows, rng = windows_of(split, length), torch.Generator().manual_seed(0)
    counts, free = windows.counts(book.size), windows.free
    law = CodeLaw(book, counts, width)
    x0 = book.encode(torch.multinomial(counts + 0.5, _DRAWS, replacement=True, generator=rng))
    x0, edges = x0[:, None].to(torch.float32), channel.edges(_BINS)
    rates = []
    for noisy in noisy_examples(lambda which: (x0[which], {}), _DRAWS, edges, _DRAWS, rng):
        ones = law(noisy.x, noisy.sigma).to(torch.float64)
        variance = (ones * (1 - ones)).flatten(1).sum(1)
        rates.append(variance / noisy.sigma.to(torch.float64).square())
    rate, nothing = torch.stack(rates), torch.zeros(_BINS, dtype=torch.float64)
    stderr = rate.std(1) / math.sqrt(_DRAWS)
    return EntropyRateProfile(
        edges, free * rate.mean(1), free * stderr, nothing, length * book.bits
    )
