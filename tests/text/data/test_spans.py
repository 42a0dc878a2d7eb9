"""Which tokens are given: the law of random spans, prompts and gaps where they were asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.data.spans import block_starts, gaps, prompt, random_spans

CPU = torch.device("cpu")


@given(st.integers(1, 12), st.floats(0, 1), st.integers(0, 1000))
@settings(max_examples=40)
def test_spans_leave_something_unknown_and_are_one_stretch_or_its_rest(
    length: int, share: float, seed: int
) -> None:
    torch.manual_seed(seed)
    known = random_spans(50, length, share, CPU)
    assert known.shape == (50, length)
    assert known.dtype == torch.bool
    assert not known.all(1).any()
    # On the line between no and yes there are at most two borders.
    borders = (known[:, 1:] != known[:, :-1]).sum(1)
    assert (borders <= 2).all()


def test_the_share_of_examples_and_of_kinds() -> None:
    """Within 5 standard errors of binomial counts; a span is empty or whole in few of them."""
    torch.manual_seed(0)
    n, length = 20_000, 60
    known = random_spans(n, length, 0.3, CPU)
    some = known.any(1)
    # An empty prompt, an empty stretch and a gap that is everything or nothing: about 1/30 of all.
    assert 0.3 * (1 - 2 / 30) - 0.017 < float(some.float().mean()) < 0.3 + 0.017
    first, last = known[some, 0], known[some, -1]
    prompts, holes = first & ~last, first & last
    assert abs(float(prompts.float().mean()) - 1 / 3) < 0.06
    assert abs(float(holes.float().mean()) - 1 / 3) < 0.06
    # A prompt is of all lengths alike.
    ends = known[some][prompts].sum(1).bincount(minlength=length)[1:]
    assert ends[: length // 2].sum() / ends.sum() == pytest.approx(0.5, abs=0.06)
    assert not random_spans(1000, length, 0.0, CPU).any()


def test_spans_are_a_function_of_the_global_seed() -> None:
    torch.manual_seed(3)
    first = random_spans(20, 9, 0.5, CPU)
    torch.manual_seed(3)
    assert torch.equal(random_spans(20, 9, 0.5, CPU), first)
    assert not torch.equal(random_spans(20, 9, 0.5, CPU), first)


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=40)
def test_starts_of_blocks_are_of_all_lengths_but_the_whole(
    length: int, block: int, seed: int
) -> None:
    torch.manual_seed(seed)
    known = block_starts(50, length, block, 1.0, CPU)
    assert known.shape == (50, length)
    for start in range(0, length, block):
        own = known[:, start : start + block]
        assert (own[:, 1:] <= own[:, :-1]).all()
        assert not own[:, block - 1 :].any()
    assert not block_starts(50, length, block, 0.0, CPU).any()


def test_starts_of_blocks_are_uniform() -> None:
    """Of 4: 0 to 3 tokens alike in a third of the examples, within 5 standard errors."""
    torch.manual_seed(0)
    given = block_starts(6000, 40, 4, 1 / 3, CPU).reshape(6000, 10, 4).sum(-1)
    some = given[given.any(1)]
    error = 5 / 6000**0.5
    # Ten blocks are all without a start once in a million examples.
    assert abs(len(some) / 6000 - 1 / 3) < error * (2 / 9) ** 0.5
    share = some.flatten().bincount(minlength=4) / some.numel()
    assert (share - 0.25).abs().max() < error * 0.75**0.5


def test_a_prompt_stands_first() -> None:
    ids, known = prompt([7, 8, 9], 5)
    assert ids[:3].tolist() == [7, 8, 9]
    assert known.tolist() == [True] * 3 + [False] * 2
    assert not prompt([], 2).known.any()


@pytest.mark.parametrize("tokens", [5, 6])
def test_a_prompt_longer_than_the_context_is_refused(tokens: int) -> None:
    told = f"a prompt of {tokens} tokens in a text of 5: .* 4 .* than {tokens}"
    with pytest.raises(InputError, match=told):
        prompt([1] * tokens, 5)


def test_gaps_share_the_room_that_is_left() -> None:
    ids, known = gaps([[5, 6], [7], []], 10)
    assert known.tolist() == [True] * 2 + [False] * 4 + [True] + [False] * 3
    assert ids[known].tolist() == [5, 6, 7]
    ids, known = gaps([[], [4]], 3)
    assert known.tolist() == [False, False, True]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=2, max_size=5), st.integers(1, 9))
@settings(max_examples=40)
def test_gaps_keep_every_token_in_order(parts: list[list[int]], room: int) -> None:
    length = sum(map(len, parts)) + room
    if room < len(parts) - 1:
        with pytest.raises(InputError, match=f"leaves {room} for {len(parts) - 1} gaps"):
            gaps(parts, length)
        return
    ids, known = gaps(parts, length)
    assert ids.shape == known.shape == (length,)
    assert ids[known].tolist() == [token for part in parts for token in part]


def test_a_text_without_a_gap_is_refused() -> None:
    with pytest.raises(InputError, match="no gap to fill"):
        gaps([[1, 2]], 5)


def test_gaps_of_a_given_size_leave_the_rest_of_the_window_open() -> None:
    found = gaps([[1, 2], [3], [4]], 12, size=2)
    assert found.ids.tolist() == [1, 2, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0]
    assert found.known.tolist() == [i in (0, 1, 4, 7) for i in range(12)]
    assert len(gaps([[1], [2]], 5, size=3).ids) == 5
    with pytest.raises(InputError, match="leaves 3 for 1 gaps of 4"):
        gaps([[1], [2]], 5, size=4)
    with pytest.raises(InputError, match="--gap 0: give at least 1"):
        gaps([[1], [2]], 5, size=0)
