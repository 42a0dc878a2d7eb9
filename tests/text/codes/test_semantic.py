"""Semantic codes: counts by hand, vectors against an exact factorisation, planted groups."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infonoise_text.codes import semantic
from infonoise_text.codes.semantic import cooccurrence, semantic_codes, token_vectors, tree_codes


def planted(groups: int, members: int, runs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A corpus in which the tokens of a group stand together, and the group of each token."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(groups), members))
    ids = [rng.choice(np.flatnonzero(group == rng.integers(groups)), 30) for _ in range(runs)]
    return np.concatenate(ids).astype(np.uint16), group


@pytest.mark.parametrize("chunk", [5, 7, 1 << 20])
def test_counts_are_those_of_a_double_loop(chunk, monkeypatch):
    monkeypatch.setattr(semantic, "_CHUNK", chunk)
    ids = np.random.default_rng(0).integers(0, 9, 50).astype(np.uint16)
    expected = np.zeros((10, 10), np.int64)
    for i, one in enumerate(ids):
        for j, other in enumerate(ids):
            expected[one, other] += 1 <= abs(i - j) <= 4
    # Columns are tokens from the most frequent to the one that never occurs.
    columns = np.argsort(-np.bincount(ids, minlength=10), kind="stable")
    np.testing.assert_array_equal(cooccurrence(ids, 10), expected[:, columns])


def test_few_contexts_are_the_frequent_ones(monkeypatch):
    monkeypatch.setattr(semantic, "_CONTEXTS", 2)
    ids = np.array([0, 2, 2, 1, 1, 1])
    # Neighbours within four places of token 1 (at 3, 4, 5) and token 2 (at 1, 2).
    np.testing.assert_array_equal(cooccurrence(ids, 3), [[2, 2], [6, 6], [6, 2]])


def test_vectors_are_those_of_an_exact_factorisation():
    counts = np.random.default_rng(0).poisson(0.7, (30, 20)).astype(np.int32)
    counts[4] = 0
    joint = counts / counts.sum()
    context = counts.sum(0) ** 0.75 / (counts.sum(0) ** 0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(joint / (joint.sum(1, keepdims=True) * context))
    information = np.where(np.isfinite(information), np.maximum(information, 0), 0)
    left, values, _ = np.linalg.svd(information, full_matrices=False)
    expected = left * np.sqrt(values)
    norm = np.linalg.norm(expected, axis=1, keepdims=True)
    expected = np.where(norm > 1e-9, expected / np.maximum(norm, 1e-9), 0)
    vectors = token_vectors(counts, 20)
    # Signs are free, angles are not. The table is float32 and 20 wide.
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-4)
    assert not vectors[4].any()


def test_first_bits_are_the_planted_groups():
    ids, group = planted(groups=4, members=24, runs=600, seed=1)
    book = semantic_codes(ids, 96, unknown=5)
    assert (book.bits, book.unknown) == (7, 5)
    coarse = (book.codes >> 5).numpy()
    pairs = set(zip(group.tolist(), coarse.tolist(), strict=True))
    assert len(pairs) == 4  # one value of the first two bits for each group, and different ones


def test_the_same_corpus_gives_the_same_codes():
    ids, _ = planted(groups=3, members=15, runs=200, seed=2)
    assert torch.equal(semantic_codes(ids, 50).codes, semantic_codes(ids, 50).codes)


@given(st.integers(1, 200), st.integers(0, 3), st.integers(0, 100))
def test_codes_are_different_whatever_the_vectors(n, kinds, seed):
    # kinds = 0: all vectors zero; few kinds: many equal ones.
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((max(kinds, 1), 5)).astype(np.float32) * (kinds > 0)
    vectors = vectors[rng.integers(0, max(kinds, 1), n)]
    bits = max((n - 1).bit_length(), 1)
    codes = tree_codes(vectors, bits)
    assert len(set(codes.tolist())) == n
    assert codes.min() >= 0
    assert codes.max() < 1 << bits


def test_halves_are_equal():
    codes = tree_codes(np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32), 9)
    for level in range(1, 6):
        sizes = np.bincount(codes >> (9 - level), minlength=1 << level)
        assert sizes.max() - sizes.min() <= 1


def test_neighbours_in_a_leaf_differ_in_one_bit():
    order = np.random.default_rng(0).permutation(16)
    line = np.outer(order, [1.0, 2.0]).astype(np.float32)
    codes = tree_codes(line, 4)[np.argsort(order)]
    assert [int(a ^ b).bit_count() for a, b in pairwise(codes)] == [1] * 15
