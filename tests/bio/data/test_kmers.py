"""Clusters of similar sequences, against a comparison of all pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_bio.alphabet import MASKED, letters_of, reverse_complement, reverse_complement_codes
from infonoise_bio.data.kmers import similarity_clusters, two_strand_digests

from .sequence_files import random_codes


def brute_clusters(codes: np.ndarray, k: int) -> list[set[int]]:
    """Clusters by comparing sets of k-mers, written as text, of all pairs."""

    def kmers(row: np.ndarray) -> set[str]:
        found = {"whole" + min(text, rc) for text, rc in [strands(row)]}
        for text in strands(row):
            pieces = (text[i : i + k] for i in range(len(text) - k + 1))
            found |= {p for p in pieces if "N" not in p and len(set(p)) >= 3}
        return found

    def strands(row: np.ndarray) -> tuple[str, str]:
        text = letters_of(row[None])[0]
        return text, reverse_complement(text.encode()).decode()

    clusters: list[tuple[set[int], set[str]]] = []
    for i, row in enumerate(codes):
        members, words = {i}, kmers(row)
        apart = []
        for other, has in clusters:
            if has & words:
                members, words = members | other, words | has
            else:
                apart.append((other, has))
        clusters = [*apart, (members, words)]
    return [members for members, _ in clusters]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(4, 6), st.integers(3, 14))
def test_clusters_are_those_of_all_pairs(seed, n, k, length):
    codes = np.random.default_rng(seed).integers(0, 5, (n, length), dtype=np.uint8)
    codes[codes == MASKED] %= 4 if seed % 3 else 5
    cluster = similarity_clusters(codes, k)
    for members in brute_clusters(codes, k):
        assert {int(cluster[i]) for i in members} == {min(members)}


@pytest.mark.parametrize("passes", [2, 4, 50])
def test_clusters_do_not_depend_on_the_number_of_passes(monkeypatch, passes):
    codes = random_codes(60, 30)
    codes[7, :20] = codes[3, 5:25]
    codes[40] = reverse_complement_codes(codes[7:8])
    expected = similarity_clusters(codes, 12)
    assert len(np.unique(expected)) == 58
    monkeypatch.setattr("infonoise_bio.data.kmers._AT_ONCE", math.ceil(60 * 19 / passes))
    assert np.array_equal(similarity_clusters(codes, 12), expected)


def test_a_chain_of_overlaps_is_one_cluster_in_any_order():
    genome = random_codes(1, 4000)[0]
    tiles = np.stack([genome[s : s + 50] for s in range(0, 3900, 25)])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(tiles))
        shuffled = tiles[order]
        shuffled[::2] = reverse_complement_codes(shuffled[::2])
        assert np.array_equal(np.unique(similarity_clusters(shuffled, 24)), [0])


def test_simple_repeats_do_not_make_clusters_but_copies_do():
    codes = random_codes(5, 60)
    codes[0, :40] = codes[1, :40] = np.tile([0, 3], 20)
    codes[2] = codes[3] = 0
    assert similarity_clusters(codes, 24).tolist() == [0, 1, 2, 2, 4]


def test_digests_are_those_of_both_strands():
    codes = random_codes(20, 15)
    turned = reverse_complement_codes(codes)
    assert np.array_equal(two_strand_digests(codes), two_strand_digests(turned))
    assert len(np.unique(two_strand_digests(codes))) == 20
