"""Text in blocks: who sees whom, and one pass over a window as block after block."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import BinarySource
from infonoise_core.errors import InputError
from infonoise_text.models.behind import Behind
from infonoise_text.models.blocks import Sight
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import BitDenoiser, make_denoiser
from infonoise_text.models.trunk import Neighbours

M, L = 6, 12
SIZES = TrunkConfig(width=24, blocks=2, heads=2, reach=2, tuples=True)
BLOCKS = [1, 2, 4, 5, 12]


def trained(block: int, *, whole: bool = False) -> BitDenoiser:
    """Random weights everywhere: nothing is zero, as after training."""
    denoiser = make_denoiser(M, replace(SIZES, block=block, whole=whole), 0)
    rng = torch.Generator().manual_seed(1)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.2, generator=rng)
    return denoiser.eval()


def noisy(n: int = 3, sigma: float = 0.5) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(2)
    clean = torch.randint(0, 2, (n, L, M), generator=rng).float()
    return clean, clean + sigma * torch.randn(n, L, M, generator=rng), torch.full((n,), sigma)


def differs(one: Tensor, other: Tensor) -> list[int]:
    """Which tokens do, by more than float32 rounds."""
    return ((one - other).abs().amax((0, 2)) > 1e-6).nonzero().flatten().tolist()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("block", BLOCKS)
@torch.no_grad()
def test_a_token_sees_its_own_noisy_block_and_clean_ones_before_it(block: int, whole: bool) -> None:
    denoiser, (clean, x, sigma) = trained(block, whole=whole), noisy()
    found, at = denoiser(x, sigma, before=clean), 7
    own = range(at // block * block, min(at // block * block + block, L))
    other = x.clone()
    other[:, at] += 1
    assert differs(denoiser(other, sigma, before=clean), found) == list(own)
    other = clean.clone()
    other[:, at] = 1 - other[:, at]
    assert differs(denoiser(x, sigma, before=other), found) == list(range(own.stop, L))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("block", BLOCKS)
@torch.no_grad()
def test_block_after_block_it_is_what_one_pass_says(block: int, whole: bool) -> None:
    """To what float32 leaves of sums in another order: weights of 0.2 make log-odds of up to 100,
    and of those 2^-18 is a rounding."""
    denoiser, (clean, x, sigma) = trained(block, whole=whole), noisy()
    behind, parts = Behind.first(denoiser, len(x)), []
    for start in range(0, L, block):
        there = slice(start, start + block)
        parts.append(behind(x[:, there], sigma))
        behind = behind.then(clean[:, there])
    together = torch.cat(parts, 1)
    torch.testing.assert_close(together, denoiser(x, sigma, before=clean), atol=2e-4, rtol=0)


@torch.no_grad()
def test_tokens_that_are_given_are_kept_and_steer_their_block() -> None:
    denoiser, (clean, x, sigma) = trained(4), noisy()
    known = torch.zeros(3, L, dtype=torch.bool)
    known[:, 5] = True
    found = denoiser(x, sigma, known=known, clean=clean, before=clean)
    assert torch.equal(found[:, 5], clean[:, 5])
    assert differs(found, denoiser(x, sigma, before=clean)) == [4, 5, 6, 7]


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 2])
def test_a_token_alone_in_its_block_is_not_told_what_it_believed(block: int) -> None:
    denoiser, (clean, x, sigma) = trained(block), noisy()
    first = denoiser(x, sigma, before=clean)
    second = denoiser(x, sigma, first, before=clean)
    assert torch.equal(first, second) == (block == 1)
    behind = Behind.first(denoiser, 3)
    found = behind(x[:, :block], sigma, first[:, :block])
    torch.testing.assert_close(found, second[:, :block], atol=2e-4, rtol=0)


@torch.no_grad()
def test_untrained_it_is_the_posterior_of_fair_bits() -> None:
    """As `BitDenoiser`'s own test says."""
    clean, x, sigma = noisy()
    exact = BinarySource(L * M, 0.0, 1.0, 0.5)
    expected = exact.denoise(x.flatten(1).double(), sigma.double()).reshape(x.shape)
    found = make_denoiser(M, replace(SIZES, block=3), 0)(x, sigma, before=clean)
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0)


@torch.no_grad()
def test_a_window_without_clean_tokens_is_seen_as_a_whole() -> None:
    """As by the same weights without blocks."""
    denoiser, (_, x, sigma) = trained(3, whole=True), noisy()
    other = make_denoiser(M, SIZES, 5)
    weights = denoiser.state_dict()
    # What tells the network that text is in order.
    assert weights.pop("network.ordered").shape == (24,)
    other.load_state_dict(weights)
    assert torch.equal(denoiser(x, sigma), other(x, sigma))


@torch.no_grad()
def test_a_network_that_learns_both_ways_is_told_which() -> None:
    """By the first block, which stands behind nothing either way."""
    (clean, x, sigma), first = noisy(), slice(0, 4)
    for whole in (False, True):
        denoiser = trained(4, whole=whole)
        in_order = denoiser(x[:, first], sigma, before=clean[:, first])
        # Up to the rounding of probabilities, whose sums have another order behind clean tokens.
        apart = float((in_order - denoiser(x[:, first], sigma)).abs().max())
        assert (apart > 1e-3) if whole else (apart < 1e-6)


def test_networks_without_blocks_say_so() -> None:
    clean, x, sigma = noisy()
    patch = make_denoiser(M, TrunkConfig(width=24, blocks=1, heads=2), 0)
    with pytest.raises(InputError, match="this network has no blocks: leave `before` out"):
        patch(x, sigma, before=clean)
    for denoiser in (patch, make_denoiser(M, SIZES, 0)):
        with pytest.raises(InputError, match="no blocks to write in"):
            Behind.first(denoiser, 2)


@pytest.mark.parametrize("block", [1, 2, 3, 5])
@pytest.mark.parametrize("reach", [1, 2])
@pytest.mark.parametrize("side", ["noisy", "clean"])
def test_neighbours_in_blocks_are_the_sum_over_those_that_are_seen(
    block: int, reach: int, side: str
) -> None:
    """By the rule, place by place: behind at most what is left of a block, the rest before."""
    rng = torch.Generator().manual_seed(0)
    near = Neighbours(4, reach, causal=False, block=block)
    row, clean = torch.randn(2, 1, 9, 4, generator=rng).unbind(0)
    found = near(row, Sight(block, 0, side == "clean"), None if side == "clean" else clean)
    expected = row.clone()
    first = min(reach, block - 1) - 2 * reach
    for i in range(9):
        for place, offset in enumerate(range(first, first + 2 * reach + 1)):
            j = i + offset
            if not 0 <= j < 9 or j // block > i // block:
                continue
            same = j // block == i // block or side == "clean"
            expected[:, i] += near.weight[place] * (row if same else clean)[:, j]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
