"""Profiles of bits, and of groups of bits, that know nothing of each other: nothing is learned."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_core.processes.channel import VarianceExploding
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.methods.prior import bit_profile, group_profile

from ..markov import MarkovDenoiser, MarkovSource

L = 6
# Each bit alone is fair; what follows what is nearly certain.
CHAIN = MarkovSource(torch.full((4, 4), 0.025) + 0.9 * torch.eye(4).roll(1, 1))
BOOK = CodeBook(torch.tensor([5, 0, 6, 3, 1]), 3, 0, "some")
CHANNEL = VarianceExploding(0.002, 80.0)


def split_of(ids: Tensor) -> Split:
    flat = ids.flatten().numpy().astype(np.uint16)
    return Split("train", flat, SplitCounts(1, len(flat), len(flat), ""))


def test_bits_alone_hold_their_own_entropy() -> None:
    """Each place in the code with its own frequency, for each token of a window."""
    ids = torch.randint(0, 5, (4000,), generator=torch.Generator().manual_seed(0)) % 4
    profile = bit_profile(split_of(ids), BOOK, L, CHANNEL)
    ones = BOOK.encode(ids).double().mean(0)
    entropy = -(torch.xlogy(ones, ones) + torch.xlogy(1 - ones, 1 - ones)).sum()
    # One token's worth of doubt, and the 2e-5 nats a bit above sigma 80.
    assert profile.entropy() == pytest.approx(L * float(entropy), rel=2e-3)
    assert profile.dim == L * 3
    twice = bit_profile(split_of(ids), BOOK, 2 * L, CHANNEL)
    torch.testing.assert_close(twice.rate, 2 * profile.rate)


def uneven() -> Tensor:
    """Ids of five tokens, some of them much more frequent than others."""
    p = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03])
    return torch.multinomial(p, 4000, replacement=True, generator=torch.Generator().manual_seed(0))


def entropy_of(codes: Tensor) -> float:
    """Nats of a code (n,), by how often each is there."""
    share = codes.unique(return_counts=True)[1].double() / len(codes)
    return float(-torch.xlogy(share, share).sum())


@pytest.mark.parametrize("width", [1, 2, 3])
def test_groups_of_bits_hold_the_entropy_of_their_codes(width: int) -> None:
    """From single bits to whole tokens; the last group of two is a single bit."""
    ids = uneven()
    bits = BOOK.encode(ids).long()
    parts = [bits[:, at : at + width] for at in range(0, 3, width)]
    places = [(part << torch.arange(part.shape[1])).sum(1) for part in parts]
    entropy = L * sum(entropy_of(codes) for codes in places)
    profile = group_profile(split_of(ids), BOOK, L, CHANNEL, width)
    assert profile.dim == L * 3
    # Half a token for every code is 2e-3 of their number; the cells are sampled.
    stderr = float((profile.stderr * profile.width).square().sum().sqrt())
    assert abs(profile.entropy() - entropy) < 4 * stderr + 4e-3 * entropy
    assert stderr < 0.01 * entropy


def test_groups_of_one_bit_are_bits() -> None:
    split = split_of(uneven())
    bits = bit_profile(split, BOOK, L, CHANNEL)
    one = group_profile(split, BOOK, L, CHANNEL, 1)
    # Further out so few codes are undecided that the error over draws says too little.
    seen = bits.rate > 1e-2 * bits.rate.max()
    far = (one.rate - bits.rate).abs() - 4 * one.stderr - 4e-3 * bits.rate
    assert float(far[seen].max()) < 0


def test_the_profile_of_groups_is_the_same_in_every_call() -> None:
    split = split_of(uneven())
    first, again = (group_profile(split, BOOK, L, CHANNEL, 2) for _ in range(2))
    assert torch.equal(first.rate, again.rate)


@pytest.mark.parametrize("width", [1, 2])
def test_no_text_exceeds_the_profile_of_its_bits(width: int) -> None:
    """The exact denoiser of a Markov source errs less at every level, by far in the middle."""
    rng = torch.Generator().manual_seed(0)
    ids = CHAIN.sample(4000, L, rng)
    book, split = binary_codes(4), split_of(ids)
    profile = (
        bit_profile(split, book, L, CHANNEL)
        if width == 1
        else group_profile(split, book, L, CHANNEL, width)
    )
    denoiser, x0 = MarkovDenoiser(CHAIN, book), book.encode(ids).double()
    for level in (0.15, 0.3, 0.6, 1.2, 3.0):
        sigma = torch.full((4000,), level, dtype=torch.float64)
        x = x0 + level * torch.randn(x0.shape, generator=rng, dtype=torch.float64)
        rate = (denoiser(x, sigma) - x0).square().flatten(1).sum(1) / level**2
        bound = float(profile.at(sigma[:1]))
        # Between two bins' centres the profile is a line: 2 % where it bends most.
        assert float(rate.mean()) < 1.02 * bound + 4 * float(rate.std()) / math.sqrt(4000)
        if level == 0.6:
            assert float(rate.mean()) < 0.6 * bound
