"""Labels of a file: with spaces, empty, or not there at all."""

from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.data.options import Examples
from infonoise_bio.data.sequences import SequenceSet, load_sequences
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_core import InputError
from infonoise_core.config.idle import refuse_idle

TEXTS = ["ACGTAC", "CCGTAA", "TTGTAC", "GGATAC"]


def loaded(path: Path, rows: list[str], **how) -> SequenceSet:
    lines = [
        f"{i},{text},{label}\n" for i, (text, label) in enumerate(zip(TEXTS, rows, strict=True))
    ]
    path.write_text("id,sequence,label\n" + "".join(lines))
    return load_sequences(path, label="label", **how)


def test_an_empty_label_is_an_error_that_names_its_row(tmp_path):
    for empty in ("", "  "):
        with pytest.raises(
            InputError, match=r"record '2'.*'label' \(--label\) is empty.*--unlabelled"
        ):
            loaded(tmp_path / "x.csv", ["a", "b", empty, "b"])


def test_unlabelled_sequences_are_examples_of_no_class(tmp_path):
    data = loaded(
        tmp_path / "x.csv", ["B cell, naive".replace(",", ";"), "", "a", ""], unlabelled=True
    )
    assert data.classes == ("B cell; naive", "a")
    assert data.labels.tolist() == [0, 2, 1, 2]
    # Their label is the one that says "not given" to the network.
    task = DIFFUSION.task(Objective("forward", cond_dropout=0.0), data, seed=0)
    null = task.denoiser.config.conditions.null()["label"]
    assert int(null) == 2
    assert task.batch(np.arange(4)).condition["label"].tolist() == [0, 2, 1, 2]


def test_a_file_without_any_label_is_refused(tmp_path):
    with pytest.raises(InputError, match="no sequence has a field 'label'"):
        loaded(tmp_path / "x.csv", ["", "", "", ""], unlabelled=True)
    path = tmp_path / "x.fa"
    path.write_text("".join(f">r{i}\n{t}\n" for i, t in enumerate(TEXTS)))
    with pytest.raises(InputError, match="record 'r0' has no field 'label'"):
        load_sequences(path, label="label")


def test_a_class_that_is_called_as_a_missing_value_is_told(tmp_path):
    notes = loaded(tmp_path / "x.csv", ["a", "NA", "NA", "b"]).notes
    assert [note for note in notes if "warning: label 'NA' of 2 sequences is a class" in note]
    assert not any("warning: label" in n for n in loaded(tmp_path / "x.csv", list("abab")).notes)


def test_numbers_as_programs_write_them(tmp_path):
    path = tmp_path / "x.csv"
    for text, match in (
        ("1_000", "'1_000', no number; correct it"),
        ('"0,5"', "'0,5', no number; write a point"),
        ('"1,234.5"', "no number; write a point for decimals, and nothing between thousands"),
        ("", "'', no number; correct it or drop the row"),
    ):
        path.write_text(f"id,sequence,x\na,ACGT,{text}\n")
        with pytest.raises(InputError, match=match):
            load_sequences(path, numbers=("x",))


def test_options_of_labels_that_would_do_nothing_are_refused():
    for options, match in (
        ({"label": " "}, "--label: is empty"),
        ({"label": "a", "numbers": ("x", "y", "x")}, "--numbers: x is named twice"),
    ):
        with pytest.raises(InputError, match=match):
            Examples(**options)
    # A run that was begun with it goes on.
    begun = Examples(unlabelled=True)
    with pytest.raises(InputError, match="--unlabelled: give --label"):
        refuse_idle(begun)
    refuse_idle(Examples(label="a", unlabelled=True))
