"""Whether sequences have the numbers that they were asked for, as a regressor sees them.

A ridge regression on 4-mers, their stretches and the bases by position is fitted to the training
set. It explains only a part of any number, so that its predictions follow real values with a slope
below 1; of each half of the held-out sequences the slope is taken as what obedience looks like.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import Codes
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.checks import Row
from infonoise_bio.evaluation.discriminator import features

Floats = NDArray[np.float64]

# Sequences with a number that each set must have, and that the regressor is fitted to at most.
LEAST, _MOST = 20, 20_000
# Penalties that are tried, by the error on sequences left out, for each feature.
_PENALTIES = (0.01, 0.1, 1.0, 10.0)
# Below this correlation with held-out numbers the regressor cannot judge.
WEAK = 0.2


@dataclass(frozen=True)
class Fit:
    """Predictions against the numbers that were measured or asked for.

    Attributes:
        correlation: Pearson's.
        slope: Of the predictions on the numbers, by least squares.
    """

    correlation: float
    slope: float


def fit_of(numbers: Floats, predicted: Floats) -> Fit:
    """Both (n,); zeros where either does not vary."""
    if len(numbers) < 2 or np.ptp(numbers) == 0 or np.ptp(predicted) == 0:
        return Fit(0.0, 0.0)
    slope = float(np.cov(numbers, predicted)[0, 1] / np.var(numbers, ddof=1))
    return Fit(float(np.corrcoef(numbers, predicted)[0, 1]), slope)


class Regressor:
    """Predicts a number of sequences, with a scale and an offset calibrated on others.

    Args:
        codes: (n, L) it is fitted to.
        numbers: (n,) of them.
    """

    def __init__(self, codes: Codes, numbers: Floats) -> None:
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        rows = np.random.default_rng(0).permutation(len(codes))[:_MOST]
        found = features(codes[rows], by_position=True)
        penalties = np.array(_PENALTIES) * found.shape[1]
        self._model = make_pipeline(StandardScaler(), RidgeCV(penalties))
        self._model.fit(found, numbers[rows])
        self._scale, self._offset = 1.0, 0.0

    def calibrated(self, codes: Codes, numbers: Floats) -> "Regressor":
        """Itself, such that numbers of these sequences are predicted without bias."""
        raw = self._model.predict(features(codes, by_position=True))
        against = fit_of(raw, numbers)
        self._scale = against.slope
        self._offset = float(numbers.mean() - against.slope * raw.mean())
        return self

    def __call__(self, codes: Codes) -> Floats:
        """(n,) of codes (n, L)."""
        raw = self._model.predict(features(codes, by_position=True))
        predicted: Floats = self._scale * raw + self._offset
        return predicted


def obedience(
    training: SequenceSet, held_out: SequenceSet, generated: SequenceSet
) -> tuple[list[Row], list[str]]:
    """Two rows for each number, and a line for each of which nothing can be said.

    The regressor is calibrated on one half of the held-out sequences; the other half has the column
    of held-out ones.

    Args:
        training: With numbers, NaN where one is missing.
        held_out: The same.
        generated: Its numbers are those that were asked for.
    """
    sets = (training, held_out, generated)
    if any(part.numbers is None for part in sets):
        return [], []
    rows: list[Row] = []
    notes = []
    for i, name in enumerate(training.number_names):
        known = [_known(part, i) for part in sets]
        fewest = min(len(numbers) for _, numbers in known)
        if fewest < LEAST:
            notes.append(
                f"whether {name} is obeyed is left out: it needs {LEAST} sequences of each kind"
                f" with a number, and there are {fewest}"
            )
            continue
        found = _rows(name, *known)
        rows += found
        if (found[0].held_out or 0.0) < WEAK:
            notes.append(
                f"{name}: the regressor hardly predicts it of held-out sequences (correlation"
                f" {found[0].held_out:.2f}), so it cannot say whether it is obeyed"
            )
    return rows, notes


def _known(sequences: SequenceSet, i: int) -> tuple[Codes, Floats]:
    assert sequences.numbers is not None
    numbers = sequences.numbers[:, i].astype(np.float64)
    there = np.isfinite(numbers)
    return sequences.codes[there], numbers[there]


def _rows(
    name: str,
    training: tuple[Codes, Floats],
    held_out: tuple[Codes, Floats],
    generated: tuple[Codes, Floats],
) -> list[Row]:
    order = np.random.default_rng(0).permutation(len(held_out[1]))
    half = len(order) // 2
    first, second = (
        (held_out[0][part], held_out[1][part]) for part in (order[:half], order[half:])
    )
    regressor = Regressor(*training).calibrated(*first)
    real, asked = (fit_of(numbers, regressor(codes)) for codes, numbers in (second, generated))
    how = "by a regressor of the training part, calibrated on held-out sequences"
    return [
        Row(
            f"{name}, correlation with predicted",
            f"measured or asked for against predicted {how}",
            real.correlation, asked.correlation, None, None,
        ),
        Row(
            f"{name}, slope of predicted",
            f"on what was measured or asked for, {how}; as held out: obeyed, 0: not at all",
            real.slope, asked.slope, None, None,
        ),
    ]  # fmt: skip
