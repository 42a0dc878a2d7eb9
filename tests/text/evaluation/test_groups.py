"""The profile's parts add up to it, and each lies where the bits say."""

import math

import pytest
import torch

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.errors import InputError
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.evaluation.groups import By, measured_profile
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import make_denoiser

from ..markov import MarkovDenoiser, MarkovSource

LOW, HIGH = 0.02, 80.0
CHAIN = MarkovSource(torch.full((4, 4), 0.025) + 0.9 * torch.eye(4).roll(1, 1))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("by", ["bit", "position"])
def test_the_parts_add_up_in_every_bin(by: By) -> None:
    ids = CHAIN.sample(50, 12, rng())
    book = binary_codes(4)
    found = measured_profile(MarkovDenoiser(CHAIN, book), ids, book, LOW, HIGH, by, bins=12)
    assert len(found.groups) == {"bit": 2, "position": 6}[by]
    torch.testing.assert_close(torch.stack([*found.groups.values()]).sum(0), found.rate)
    assert found.dim == 24
    assert bool((found.rate > 0).any())


def test_of_an_exact_denoiser_they_hold_the_entropy() -> None:
    """Of a chain, within 4 standard errors; a first token costs more than one that follows."""
    length = 8
    ids, book = CHAIN.sample(600, length, rng()), binary_codes(4)
    denoiser = MarkovDenoiser(CHAIN, book)
    found = measured_profile(denoiser, ids, book, LOW, HIGH, "position", bins=24)
    assert abs(found.entropy() - CHAIN.entropy(length)) < 4 * found.entropy_stderr()
    nats = [float((part * found.width).sum()) for part in found.groups.values()]
    assert len(nats) == length
    # At the ends of a window only one neighbour tells what stands there.
    assert min(nats[0], nats[-1]) > max(nats[2:-2])


def test_by_bit_each_fair_bit_has_the_same_and_a_constant_one_nothing() -> None:
    """Three bits, of which the first never changes and an exact denoiser knows it."""
    book = CodeBook(torch.tensor([0, 1, 2, 3]), 3, 0, "padded")
    source = MarkovSource(torch.full((4, 4), 0.25))
    ids = source.sample(400, 10, rng())
    found = measured_profile(MarkovDenoiser(source, book), ids, book, LOW, HIGH, "bit", bins=24)
    nats = [float((part * found.width).sum()) for part in found.groups.values()]
    assert list(found.groups) == ["bit 1", "bit 2", "bit 3"]
    assert nats[0] == pytest.approx(0, abs=1e-9)
    for value in nats[1:]:
        assert abs(value - 10 * math.log(2)) < 4 * found.entropy_stderr()


def test_rates_are_averages_over_bins() -> None:
    """Of fair bits, whose rate is known; values at the centres would be told apart."""
    ids, book = torch.randint(0, 16, (3000, 6), generator=rng()), binary_codes(16)
    denoiser = make_denoiser(4, TrunkConfig(width=16, blocks=1, heads=2), 0)
    found = measured_profile(denoiser, ids, book, LOW, HIGH, "bit", bins=8)
    source = BinarySource(24, 0.0, 1.0)
    exact = exact_profile(source, LOW, HIGH, bins=8)
    # Where the rate is small it is that of a few bits in many thousands, so errors mean little.
    seen = exact.rate > 0.05 * exact.rate.max()
    assert int(seen.sum()) == 3
    assert ((found.rate - exact.rate).abs()[seen] < 5 * found.stderr[seen]).all()
    centres = source.mmse(exact.sigma) / exact.sigma.square()
    assert ((found.rate - centres).abs()[seen] > 5 * found.stderr[seen]).any()


def test_one_window_has_no_error_bar() -> None:
    book = binary_codes(4)
    with pytest.raises(InputError, match="fewer than 2 held-out windows"):
        measured_profile(
            MarkovDenoiser(CHAIN, book), torch.zeros(1, 4).long(), book, LOW, HIGH, "bit"
        )
