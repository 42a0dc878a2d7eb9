"""Composition of sets against counting by hand."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from infonoise_bio.alphabet import MASKED, letters_of
from infonoise_bio.evaluation.composition import (
    base_profile,
    cpg_ratio,
    gc_content,
    jensen_shannon,
    kmer_counts,
    pearson,
    profile_distance,
)
from infonoise_core.errors import InputError

some_codes = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 4), st.integers(3, 9)), elements=st.integers(0, MASKED)
)


@given(codes=some_codes, k=st.integers(1, 3))
def test_kmers_are_counted_as_words_are(codes, k):
    texts = letters_of(codes)
    words = Counter(t[i : i + k] for t in texts for i in range(len(t) - k + 1))
    counts = kmer_counts(codes, k)
    for word, times in words.items():
        if "N" not in word:
            index = sum("ACGT".index(b) * 4 ** (k - 1 - i) for i, b in enumerate(word))
            assert counts[index] == times
    assert counts.sum() == sum(n for word, n in words.items() if "N" not in word)


def test_divergence_and_correlation():
    p, q = np.array([1, 1, 0, 0]), np.array([0, 0, 3, 3])
    assert jensen_shannon(p, q) == pytest.approx(1)
    assert jensen_shannon(p, 7 * p) == 0
    # (1, 0) and (1/2, 1/2) around their middle (3/4, 1/4).
    by_hand = 0.5 * (math.log2(1 / 0.75)) + 0.5 * (
        0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25)
    )
    assert jensen_shannon(np.array([2, 0]), np.array([1, 1])) == pytest.approx(by_hand)
    assert pearson(np.array([1, 2, 4]), np.array([10, 20, 40])) == pytest.approx(1)
    assert math.isnan(pearson(np.array([1, 1]), np.array([1, 2])))


def test_gc_and_cpg():
    codes = np.array([[0, 1, 2, 3], [1, 2, MASKED, MASKED], [MASKED] * 4], np.uint8)
    found = gc_content(codes)
    assert found[:2].tolist() == [0.5, 1.0]
    assert math.isnan(found[2])
    # CG twice among 4 known pairs; C and G are 2 of 6 known bases each.
    assert cpg_ratio(codes) == pytest.approx(2 / (4 * (2 / 6) ** 2))
    assert math.isnan(cpg_ratio(np.zeros((2, 5), np.uint8)))


def test_profiles_by_position():
    codes = np.array([[0, 1], [0, MASKED], [3, MASKED]], np.uint8)
    table = base_profile(codes)
    assert table[0].tolist() == pytest.approx([2 / 3, 0, 0, 1 / 3])
    assert table[1].tolist() == [0, 1, 0, 0]
    assert profile_distance(codes, codes) == 0
    other = np.array([[0, 2]], np.uint8)
    square = ((1 / 3) ** 2 * 2 + 1 + 1) / 8
    assert profile_distance(codes, other) == pytest.approx(math.sqrt(square))


def test_kmers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="5-mers"):
        kmer_counts(np.zeros((2, 4), np.uint8), 5)
