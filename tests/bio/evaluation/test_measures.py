"""Chains that are told the class, generated sets like real ones, and the made-up data's checks."""

import math

import numpy as np
import pytest

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.bound import BitsPerBase
from infonoise_bio.evaluation.markov import markov_bits
from infonoise_bio.evaluation.measures import chains_by_class
from infonoise_bio.evaluation.planted import exact_bits, planted_rows
from infonoise_bio.synthetic import DEMO, demo_sequences


def labelled(n=200, masked=False):
    """Class x is all A, class y all C: a chain for each has next to nothing to tell."""
    codes = np.repeat(np.array([0, 1], np.uint8), n)[:, None].repeat(8, axis=1)
    if masked:
        codes[:, 3] = MASKED
    ids = np.array([str(i) for i in range(2 * n)])
    labels = np.repeat([0, 1], n)
    return SequenceSet("made up", codes, ids, np.zeros(2 * n, np.uint8), labels, ("x", "y"))


def test_chains_are_told_the_class():
    data = labelled()
    told, not_told = chains_by_class(data, data), markov_bits(data.codes, data.codes)
    assert told.everywhere[0] < 0.1
    assert not_told.everywhere[0] == pytest.approx(1.0, abs=0.05)
    assert told.everywhere[0] == pytest.approx(
        np.mean([markov_bits(p, p).everywhere[0] for p in (data.codes[:200], data.codes[200:])])
    )


def test_planted_rows_hold_for_new_draws():
    data = demo_sequences(1000)
    train, test = data.part("train"), data.part("test")
    pairs = [(part.codes, part.labels) for part in (train, test, data.part("val"))]
    exact, *rows = planted_rows(*pairs, BitsPerBase(1.9, 0.01), order=3)
    entropies = [s.entropy() / s.length / math.log(2) for s in DEMO.values()]
    assert exact.held_out == exact_bits(test.labels) == pytest.approx(np.mean(entropies))
    assert len(rows) == sum(len(source.planted) for source in DEMO.values())
    windows = [(s, w) for s in DEMO.values() for w in s.planted]
    for row, (source, window) in zip(rows, windows, strict=True):
        rate = source.rate(window)
        # 100 sequences of each class: four standard errors.
        assert abs(row.generated - rate) < 4 * math.sqrt(rate * (1 - rate) / 100)
        assert abs(row.real - rate) < 4 * math.sqrt(rate * (1 - rate) / 800)
        assert row.markov < row.real
