"""Sequences as long as they are: what is kept, how they are split, what is refused."""

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED, designs_of, letters_of, reverse_complement
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.kmers import similarity_clusters, two_strand_digests
from infonoise_bio.data.options import Windowing
from infonoise_bio.data.split import default_k
from infonoise_bio.models.encoding import make_encoding

from .sequence_files import fasta, load, refused

TEXTS = {"a": "ACGTACGTTT", "b": "GGC", "c": "TTAACN"}


def test_each_keeps_its_length_and_ends_in_padding(tmp_path):
    path = fasta(tmp_path / "x.fa", TEXTS)
    data = load(path, lengths="as-they-are")
    assert data.lengths.tolist() == [10, 3, 6]
    assert data.length == 10
    assert data.mean_length == pytest.approx(19 / 3)
    assert letters_of(data.codes) == [text.ljust(10, "N") for text in TEXTS.values()]
    assert designs_of(data.codes[:2]) == ["ACGTACGTTT", "GGC"]
    assert data.mask.sum() == 18
    assert any("3 to 10 bases; padding to the longest is 37%" in note for note in data.notes)
    assert data.take(np.array([2, 1])).lengths.tolist() == [6, 3]
    refused("give --window for one length, or --lengths as-they-are", load, path)


def test_longer_ones_are_cropped_and_lower_case_is_kept(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "acGTAC", "b": "gg"})
    data = load(path, lengths="as-they-are", window=4, anchor="start", lower_case="keep")
    assert letters_of(data.codes) == ["ACGT", "GGNN"]
    assert data.lengths.tolist() == [4, 2]
    assert data.lower.tolist() == [[True, True, False, False], [True, True, False, False]]
    assert data.counts["cropped"] == 2


def test_equal_lengths_are_ordinary_data(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACGT", "b": "GGCC"})
    assert load(path, lengths="as-they-are").lengths is None


@pytest.mark.parametrize("more", [{"stride": 3, "window": 9}, {"shorter": "pad", "window": 9}])
def test_what_cuts_or_pads_does_not_go_with_it(more):
    refused("leave out --stride and --shorter", Windowing, lengths="as-they-are", **more)


def test_both_strands_of_a_short_sequence_are_the_same_one():
    rng = np.random.default_rng(0)
    codes = np.full((3, 40), MASKED, np.uint8)
    lengths = np.array([40, 20, 20])
    for row, length in zip(codes, lengths, strict=True):
        row[:length] = rng.integers(0, 4, length)
    text = designs_of(codes)[1].encode()
    other = reverse_complement(text).decode()
    codes[2, :20] = [b"ACGT".index(letter.encode()) for letter in other]
    digests = two_strand_digests(codes, lengths)
    assert digests[1] == digests[2] != digests[0]
    assert similarity_clusters(codes, 31, lengths).tolist() == [0, 1, 1]


def test_what_makes_two_similar_goes_by_the_middle_length():
    assert default_k(300, np.array([45, 48, 300])) == default_k(48) == 16


def test_batches_say_where_sequences_end(tmp_path):
    data = load(fasta(tmp_path / "x.fa", TEXTS), lengths="as-they-are")
    batch = example_batch(data, np.array([1, 2]), make_encoding("bits"))
    assert batch.condition["length"].tolist() == [3, 6]
    assert torch.equal(batch.condition["mask"], torch.from_numpy(data.mask[[1, 2]]))
