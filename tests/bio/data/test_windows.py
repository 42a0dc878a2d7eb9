"""Sequences of one length: crops, padding, tiles, and bases that are not clear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_bio.alphabet import letters_of
from infonoise_bio.data.options import Windowing

from .sequence_files import fasta, load, random_codes, refused


def test_equal_lengths_need_no_window(tmp_path):
    data = load(fasta(tmp_path / "x.fa", {"a": "ACGTN", "b": "TTTTT"}))
    assert data.codes.tolist() == [[0, 1, 2, 3, 4], [3] * 5]
    assert data.codes.dtype == np.uint8
    assert data.mask.tolist() == [[True] * 4 + [False], [True] * 5]
    assert data.ids.tolist() == ["a", "b"]
    assert (len(data), data.length) == (2, 5)
    assert data.counts["ambiguous"] == 1
    refused(
        "record 'b' has 3 bases and .*record 'a' 2; give --window",
        load,
        fasta(tmp_path / "y.fa", {"a": "AC", "b": "ACG"}),
    )


@pytest.mark.parametrize(("anchor", "kept"), [("start", "ACG"), ("center", "CGT"), ("end", "TAC")])
def test_crop(tmp_path, anchor, kept):
    data = load(fasta(tmp_path / "x.fa", {"a": "ACGTAC"}), window=3, anchor=anchor)
    assert letters_of(data.codes) == [kept]
    assert data.counts["cropped"] == 3


@pytest.mark.parametrize(
    ("anchor", "padded"), [("start", "ACGNNN"), ("center", "NACGNN"), ("end", "NNNACG")]
)
def test_padding_is_masked_and_never_a_base(tmp_path, anchor, padded):
    path = fasta(tmp_path / "x.fa", {"a": "ACG"})
    data = load(path, window=6, anchor=anchor, shorter="pad")
    assert letters_of(data.codes) == [padded]
    assert data.mask.sum() == 3
    assert data.counts["padded"] == 3
    # Padding is no ambiguity of the sequence.
    assert len(load(path, window=6, shorter="pad", ambiguous="error")) == 1


def test_shorter_than_the_window(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACGTAC", "b": "ACG"})
    refused("record 'b' has 3 bases, fewer than the window of 4", load, path, window=4)
    data = load(path, window=4, shorter="drop")
    assert (data.ids.tolist(), data.counts["short"]) == (["a"], 1)
    refused("no sequence is left", load, path, window=40, shorter="drop")


@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 30))
def test_tiles(tmp_path_factory, window, stride, extra):
    path = tmp_path_factory.mktemp("tiles") / "x.fa"
    text = letters_of(random_codes(1, window + extra))[0]
    data = load(fasta(path, {"g": text}), window=window, stride=stride)
    starts = range(0, extra + 1, stride) if extra else [0]
    assert letters_of(data.codes) == [text[s : s + window] for s in starts]


def test_ambiguous_bases(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACRT", "b": "ACGT", "c": "NNNN"})
    assert load(path).codes[0].tolist() == [0, 1, 4, 3]
    data = load(path, ambiguous="drop")
    assert (data.ids.tolist(), data.counts["unclear"]) == (["b"], 2)
    assert data.counts["ambiguous"] == 5
    refused("record 'a': 'R' at position 2", load, path, ambiguous="error")


def test_lower_case(tmp_path):
    path = fasta(tmp_path / "x.fa", {"a": "ACgt", "b": "ACGT"})
    assert letters_of(load(path).codes) == ["ACGT", "ACGT"]
    assert load(path).lower is None
    assert letters_of(load(path, lower_case="mask").codes) == ["ACNN", "ACGT"]
    kept = load(path, lower_case="keep")
    assert kept.lower.tolist() == [[False, False, True, True], [False] * 4]
    assert letters_of(kept.codes) == ["ACGT", "ACGT"]
    assert load(path).counts["lower"] == 2


@pytest.mark.parametrize("bad", [{"window": 0}, {"stride": 3}, {"window": 3, "stride": 0}])
def test_windows_that_make_no_sense(bad):
    refused("--window|--stride", Windowing, **bad)
