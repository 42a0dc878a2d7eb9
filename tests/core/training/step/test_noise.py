"""Noise by place: the same numbers however a batch is divided, and no more drawn than is needed."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.training.step.noise import BlockNoise, WholeNoise, noise_of, rows_of_block

# Numbers of an example of one row to a block, of several, and of more than any batch has.
SHAPES = [(3, 64, 64), (300,), (2,), (0,), ()]


@given(
    shape=st.sampled_from(SHAPES),
    cuts=st.lists(st.integers(0, 96), max_size=6),
    step=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_any_division_of_a_batch_has_the_noise_of_the_whole(
    shape: tuple[int, ...], cuts: list[int], step: int
) -> None:
    whole = BlockNoise(3).rows(step, 0, torch.empty(96, *shape))
    bounds = sorted({0, 96, *cuts})
    parts = [
        # A process of its own each.
        BlockNoise(3).rows(step, low, torch.empty(high - low, *shape))
        for low, high in pairwise(bounds)
    ]
    assert torch.equal(torch.cat(parts), whole)


def test_a_longer_batch_begins_with_the_same_rows() -> None:
    short, long = (BlockNoise(0).rows(1, 0, torch.empty(n, 700)) for n in (40, 400))
    assert torch.equal(short, long[:40])


@pytest.mark.parametrize("shape", [(3, 64, 64), (300,), (2,)])
def test_it_is_unit_noise_without_repetition(shape: tuple[int, ...]) -> None:
    n = max(64, 200_000 // math.prod(shape))
    like = torch.empty(n, *shape)
    drawn = [BlockNoise(seed).rows(step, 0, like).double() for seed in (0, 1) for step in (0, 1)]
    count = like.numel()
    for x in drawn:
        # Five standard errors of each moment.
        assert abs(float(x.mean())) < 5 / math.sqrt(count)
        assert abs(float(x.square().mean()) - 1) < 5 * math.sqrt(2 / count)
        assert abs(float(x.pow(4).mean()) - 3) < 5 * math.sqrt(96 / count)
    flat = torch.stack([x.flatten() for x in drawn])
    correlation = torch.corrcoef(flat) - torch.eye(len(flat), dtype=flat.dtype)
    assert float(correlation.abs().max()) < 5 / math.sqrt(count)
    # Neighbouring blocks.
    rows = rows_of_block(math.prod(shape), "cpu")
    first, second = drawn[0][:-rows].flatten(), drawn[0][rows:].flatten()
    if len(first):
        product = float((first * second).mean())
        assert abs(product) < 5 / math.sqrt(len(first))


class Counting(BlockNoise):
    """Notes how many numbers it draws."""

    def __init__(self) -> None:
        super().__init__(0)
        self.drawn = 0

    def _drawn(self, out: Tensor, seed: int) -> Tensor:
        self.drawn += out.numel()
        return super()._drawn(out, seed)


@pytest.mark.parametrize("shape", SHAPES[:3])
@pytest.mark.parametrize("rank", [0, 3, 7])
def test_a_rank_draws_no_more_than_its_part_and_two_blocks(
    shape: tuple[int, ...], rank: int
) -> None:
    own = 12
    noise = Counting()
    noise.rows(5, rank * own, torch.empty(own, *shape))
    numbers = math.prod(shape)
    assert noise.drawn <= own * numbers + 2 * 2**14
    if numbers > 2**13:  # a block is one row
        assert noise.drawn == own * numbers


def test_runs_of_the_first_releases_keep_their_noise() -> None:
    old = noise_of(1, seed=4, batch_size=10)
    assert isinstance(old, WholeNoise)
    rows = old.rows(2, 4, torch.empty(3, 5))
    # As they drew it: a generator of the step, and all of the batch.
    words = np.random.SeedSequence([4, 1, 2, 0]).generate_state(2, np.uint64)
    first = torch.Generator().manual_seed(int(words[0] >> 1))
    assert torch.equal(rows, torch.randn(10, 5, generator=first)[4:7])


def test_random_streams_of_a_later_release_are_refused() -> None:
    with pytest.raises(InputError, match="version 9 of random streams, this program knows 2"):
        noise_of(9, 0, 8)
