"""What a set of sequences holds: labels, numbers, ids, copies, arrays on disk."""

import numpy as np
import pytest

from infonoise_bio.data.options import Splitting
from infonoise_bio.data.sequences import SequenceSet, load_sequences

from .sequence_files import NOTHING_HELD_OUT, load, random_codes, refused


def test_labels_and_numbers(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,sequence,cell,x,y\na,AC,K562,1,2\nb,GT,HepG2,3,-4.5\nc,GG,K562,0,1e3\n")
    data = load_sequences(path, splitting=NOTHING_HELD_OUT, label="cell", numbers=("y", "x"))
    assert data.classes == ("HepG2", "K562")
    assert data.labels.tolist() == [1, 0, 1]
    assert data.number_names == ("y", "x")
    assert data.numbers.tolist() == [[2, 1], [-4.5, 3], [1000, 0]]
    some = data.take(np.array([2, 0]))
    assert some.ids.tolist() == ["c", "a"]
    assert some.labels.tolist() == [1, 1]
    refused(
        "record 'a' has no field 'tissue' .--label.; its fields: cell, x, y",
        load_sequences, path, label="tissue",
    )  # fmt: skip
    refused("record 'a': cell is 'K562', no number", load_sequences, path, numbers=("cell",))


@pytest.mark.parametrize("value", ["", "nan", "inf", "1,5", "1e99"])
def test_numbers_that_are_none(tmp_path, value):
    path = tmp_path / "x.tsv"
    path.write_text(f"id\tsequence\tx\na\tAC\t1\nb\tGT\t{value}\n")
    refused("record 'b': x is", load_sequences, path, numbers=("x",))


def test_ids_must_differ(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAC\n>b\nAC\n>a\nGG\n")
    refused(r"record 'a' \(number 3\): the id 'a' was taken by number 1", load, path)


def test_copies_are_told(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a\nAACC\n>b\nGGTT\n>c\nAACC\n>d\nACCC\n>e\nAGTC\n")
    splitting = Splitting(val=0.0, test=0.0)
    notes = load_sequences(path, splitting=splitting).notes
    assert "2 copies of another sequence, on either strand" in notes
    path.write_text(">a\nAACC\n>d\nACCC\n>e\nAGTC\n")
    assert not any("copies" in note for note in load_sequences(path, splitting=splitting).notes)


def test_arrays_may_be_memory_maps(tmp_path):
    codes = random_codes(6, 9)
    np.save(tmp_path / "codes.npy", codes)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    data = SequenceSet("mapped", mapped, np.array(list("abcdef")), np.zeros(6, np.uint8))
    assert np.array_equal(data.part("train").codes, codes)
    assert len(data.part("test")) == 0
    refused("give one of train", data.part, "other")
    refused(
        r"labels of shape \(5,\)",
        SequenceSet, "x", codes, data.ids, data.split, labels=np.zeros(5, np.int64),
    )  # fmt: skip
