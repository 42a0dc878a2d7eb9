"""Numbers that sequences were asked for: followed, ignored or unpredictable."""

from dataclasses import replace

import numpy as np
import pytest

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.obeyed import LEAST, Regressor, fit_of, obedience

LENGTH = 40


def made(n, seed, signal=1.0):
    """Sequences whose number is their share of G and C by `signal`, and noise."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.2, 0.8, (n, 1))
    strong, kind = rng.random((n, LENGTH)) < share, rng.integers(0, 2, (n, LENGTH))
    codes = np.where(strong, 1 + kind, 3 * kind).astype(np.uint8)
    number = signal * 10 * strong.mean(1) + rng.normal(0, 1, n)
    ids = np.array([str(i) for i in range(n)])
    return SequenceSet(
        "made up", codes, ids, np.zeros(n, np.uint8),
        numbers=number[:, None].astype(np.float32), number_names=("act",),
    )  # fmt: skip


def test_fits_against_closed_forms():
    numbers = np.array([0.0, 1.0, 2.0, 3.0])
    assert fit_of(numbers, 2 * numbers + 5).slope == pytest.approx(2)
    assert fit_of(numbers, -numbers).correlation == pytest.approx(-1)
    assert fit_of(numbers, np.ones(4)).slope == 0


def test_a_regressor_is_calibrated_without_bias():
    """Numbers moved and stretched: predictions follow, and their slope on themselves is 1."""
    regressor = Regressor(made(800, 0).codes, made(800, 0).numbers[:, 0].astype(float))
    other = made(400, 1)
    moved = 3 * other.numbers[:, 0].astype(float) + 7
    predicted = regressor.calibrated(other.codes, moved)(other.codes)
    assert predicted.mean() == pytest.approx(moved.mean())
    assert fit_of(predicted, moved).slope == pytest.approx(1)


def test_what_is_asked_for_is_followed_or_not():
    training, held_out = made(1500, 0), made(600, 1)
    obeying = made(300, 2)
    ignoring = replace(obeying, codes=made(300, 3).codes)
    (correlation, slope), notes = obedience(training, held_out, obeying)
    assert not notes
    # Slopes of 300: their standard error is below 0.05 where 0.75 of the variance is explained.
    assert slope.generated == pytest.approx(slope.held_out, abs=0.2)
    assert correlation.generated > 0.7
    (correlation, slope), _ = obedience(training, held_out, ignoring)
    # Of independent numbers, four standard errors of a correlation of 300.
    assert abs(correlation.generated) < 4 / np.sqrt(300)
    assert abs(slope.generated) < 0.25


def test_what_cannot_be_said_is_said():
    noise = [made(n, seed, signal=0.0) for seed, n in enumerate((400, 200, 200))]
    rows, notes = obedience(*noise)
    assert len(rows) == 2
    assert "cannot say" in notes[0]
    few = made(LEAST - 1, 5)
    assert obedience(few, few, few)[1][0].startswith("whether act is obeyed is left out")
    assert obedience(*(replace(p, numbers=None, number_names=()) for p in noise)) == ([], [])


def test_missing_numbers_are_left_aside():
    training = made(400, 0)
    training.numbers[::2] = np.nan
    assert len(obedience(training, made(200, 1), made(200, 2))[0]) == 2
