"""Copies are found: shared words, longest runs, edit distances, against search by hand."""

import difflib
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from infonoise_bio.alphabet import MASKED, letters_of, reverse_complement_codes
from infonoise_bio.evaluation.copies import (
    TrainingWords,
    distance_per_base,
    edit_distance,
    nearest_distance,
)
from infonoise_core.errors import InputError

bases = arrays.arrays(np.uint8, st.integers(0, 8), elements=st.integers(0, 3))


def drawn(n: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)


@given(first=bases, second=bases)
def test_edit_distance_is_the_recursion(first, second):
    @functools.cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        change = distance(i - 1, j - 1) + int(first[i - 1] != second[j - 1])
        return min(change, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    assert edit_distance(first, second) == distance(len(first), len(second))


def padded(codes: np.ndarray, before: int, after: int) -> np.ndarray:
    return np.pad(codes, ((0, 0), (before, after)), constant_values=MASKED)


def test_padding_is_no_difference_and_no_length():
    train, other = drawn(40, 30), drawn(8, 20, seed=1)
    near = nearest_distance(other, train)
    assert (nearest_distance(padded(other, 0, 15), padded(train, 2, 3)) == near).all()
    assert edit_distance(padded(other[:1], 3, 0)[0], padded(other[:1], 0, 9)[0]) == 0
    mixed = np.concatenate([padded(other, 0, 10), drawn(2, 30, seed=2)])
    distances = np.array([10] * 8 + [30] * 2)
    assert distance_per_base(distances, mixed) == pytest.approx((8 * 10 / 20 + 2) / 10)


def test_a_copy_without_its_end_is_contained_and_what_is_too_short_does_not_count():
    train = drawn(50, 60)
    short = padded(train[:3, :25], 0, 35)
    tiny = padded(drawn(4, 10, seed=3), 0, 50)
    words = TrainingWords(train)
    assert words.nearness(np.concatenate([short, tiny])).containment == 1
    assert words.nearness(tiny).containment == 0
    assert words.nearness(short).longest.tolist() == [25] * 3


def test_copies_on_either_strand_are_fully_contained_and_random_bases_are_not():
    train = drawn(50, 60)
    words = TrainingWords(train)
    for copies in (train[:5], reverse_complement_codes(train[:5])):
        near = words.nearness(copies)
        assert near.containment == 1
        assert near.longest.tolist() == [60] * 5
        assert near.copies(60) == 1
    far = words.nearness(drawn(50, 60, seed=1))
    # 6000 training words among 4^16.
    assert far.containment == 0
    assert far.longest.tolist() == [0] * 50


def test_the_longest_run_is_the_longest_common_substring():
    train = drawn(1, 40)
    other = drawn(1, 40, seed=3)
    other[0, 5:27] = train[0, 10:32]
    words = TrainingWords(train, 8)
    a, b = letters_of(train)[0], letters_of(other)[0]
    match = difflib.SequenceMatcher(None, a, b, autojunk=False).find_longest_match()
    near = words.nearness(other)
    assert near.longest.tolist() == [match.size]
    assert near.containment == pytest.approx((match.size - 7) / 33)


def test_masked_bases_are_in_no_word():
    train = drawn(3, 30)
    train[:, 15] = MASKED
    words = TrainingWords(train, 16)
    assert words.nearness(drawn(2, 30)).containment == 0
    # What is left of the other half is 14 bases: no word.
    assert words.nearness(train).longest.tolist() == [0] * 3


def test_the_nearest_training_sequence_is_found_on_either_strand():
    train = drawn(200, 50)
    query = np.concatenate([train[[3]], reverse_complement_codes(train[[7]]), drawn(1, 50, 9)])
    query[0, 10] = (query[0, 10] + 1) % 4
    query[1, [5, 30]] = (query[1, [5, 30]] + 2) % 4
    found = nearest_distance(query, train)
    assert found[:2].tolist() == [1, 2]
    assert found[2] > 15


def test_words_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="40-mers"):
        TrainingWords(drawn(2, 50), 40)
