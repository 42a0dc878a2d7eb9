"""Entropy and distinct n-grams, by their definitions."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.evaluation.diversity import distinct, unigram_entropy


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=40)
def test_as_counted(windows: int, length: int, size: int, seed: int) -> None:
    ids = torch.randint(0, size, (windows, length), generator=torch.Generator().manual_seed(seed))
    entropy = 0.0
    for row in ids.tolist():
        entropy -= sum(c / length * math.log(c / length) for c in Counter(row).values())
    assert unigram_entropy(ids) == pytest.approx(entropy / windows)
    for n in range(1, length + 1):
        grams = [tuple(row[i : i + n]) for row in ids.tolist() for i in range(length - n + 1)]
        assert distinct(ids, n) == pytest.approx(len(set(grams)) / len(grams))


def test_at_their_ends() -> None:
    """All different, all the same; one window is one law, however many there are."""
    assert unigram_entropy(torch.arange(128).expand(3, 128)) == pytest.approx(math.log(128))
    assert unigram_entropy(torch.arange(3)[:, None].expand(3, 128)) == 0
    assert distinct(torch.arange(12).reshape(3, 4), 2) == 1
    assert distinct(torch.zeros(3, 5, dtype=torch.long), 2) == pytest.approx(1 / 12)


@pytest.mark.parametrize("n", [0, 5])
def test_grams_longer_than_the_windows_are_refused(n: int) -> None:
    with pytest.raises(InputError, match=f"{n}-grams of windows of 4"):
        distinct(torch.zeros(2, 4), n)


@pytest.mark.parametrize("shape", [(4,), (0, 4), (4, 0)])
def test_no_windows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"give \(windows, tokens\)"):
        unigram_entropy(torch.zeros(shape, dtype=torch.long))
