"""The table of evidence: a perfect model passes what a Markov chain fails."""

import math
from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.checks import (
    Row,
    diversity,
    evidence,
    make_anchors,
)
from infonoise_bio.evaluation.held_out import DnaEvaluation
from infonoise_bio.evaluation.motifs import Window, read_scanners
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import encoding_of
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_bio.synthetic import DEMO, demo_sequences
from infonoise_core.errors import InputError

SOURCE = DEMO["housekeeping"]
# TATAAT, certain enough that its first hit lies 32 to 34.
JASPAR = """>X box
A [ 0 9 0 9 9 0 ]
C [ 0 0 0 0 0 0 ]
G [ 0 0 0 0 0 0 ]
T [ 9 0 9 0 0 9 ]
"""


def as_set(codes: np.ndarray) -> SequenceSet:
    ids = np.array([str(i) for i in range(len(codes))])
    return SequenceSet("made", codes, ids, np.zeros(len(codes), np.uint8))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    path: Path = tmp_path_factory.mktemp("motifs") / "box.jaspar"
    path.write_text(JASPAR)
    scanner = read_scanners(path, rate=1e-3, strand="forward")[0]
    train, held_out, generated = (
        SOURCE.sample(n, np.random.default_rng(seed)) for seed, n in enumerate((900, 300, 300))
    )
    anchors = make_anchors(as_set(train), as_set(held_out), generated)
    found = evidence(anchors, [scanner], [Window(scanner, 32, 34)])
    return {row.name: row for check in found for row in check.rows()}


def test_new_draws_of_the_distribution_look_like_real_ones(rows):
    auc = rows["discriminator AUC, 4-mers and positions"]
    # 300 against 300: five standard errors of chance (0.0236) are 0.118.
    assert abs(auc.generated - 0.5) < 0.118
    assert abs(auc.real - 0.5) < 0.118
    assert auc.markov > 0.7
    for name in ("1-mer Jensen-Shannon", "3-mer Jensen-Shannon", "base shares by position"):
        assert rows[name].generated < 2 * rows[name].real + 1e-3


def test_motifs_stand_where_they_were_planted_at_the_exact_rate(rows):
    box = next(w for w in SOURCE.planted if w.consensus == "TATAAT")
    window = rows["X box at 32-34"]
    # At least where the consensus is, which has the best score there is.
    rate = SOURCE.rate(box)
    spread = 4 * math.sqrt(rate * (1 - rate) / 300)
    for share in (window.held_out, window.generated, window.real):
        assert share > rate - spread
        assert share > 2 * window.markov
    assert rows["X box hits"].generated > rows["X box hits"].markov


def test_copies_differ_from_new_sequences(rows):
    assert rows["16-mers from training"].generated < 0.01
    train, held_out = (SOURCE.sample(60, np.random.default_rng(seed)) for seed in (0, 1))
    anchors = make_anchors(as_set(train), as_set(held_out), train)
    copied = {row.name: row for check in evidence(anchors) for row in check.rows()}
    assert copied["16-mers from training"].generated == 1
    assert copied["edit distance to training"].generated == 0
    assert copied["edit distance to training"].held_out > 0.2


def test_one_sequence_over_and_over_has_no_diversity():
    codes = SOURCE.sample(20, np.random.default_rng(0))
    assert diversity(np.repeat(codes[:1], 20, axis=0)) == 0
    assert diversity(codes) > 0.2


def test_the_measure_of_training_is_the_bound_with_its_error():
    data = demo_sequences(100)
    objective = Objective("forward", encoding="bits")
    training, held_out = data.part("train"), data.part("test")
    evaluation = DnaEvaluation(
        training, held_out, encoding_of(objective), "forward", 0.002, 80.0, levels=4
    )
    denoiser = DIFFUSION.task(objective, training, seed=0).denoiser
    found = evaluation(denoiser)
    by_sequence = evaluation.by_example(denoiser)
    assert len(by_sequence) == len(held_out)
    assert float(by_sequence.mean()) == pytest.approx(found["bits_per_base"])
    assert found["bits_per_base"] == pytest.approx(evaluation.independent, abs=1e-5)
    name = evaluation.measures()[0].name
    assert set(found) == {name, f"{name}_stderr", "bits_below_independent"}
    assert found["bits_below_independent"] == pytest.approx(0, abs=1e-5)


def test_too_few_sequences_are_refused():
    codes = SOURCE.sample(5, np.random.default_rng(0))
    with pytest.raises(InputError, match="at least 2"):
        make_anchors(as_set(codes), as_set(codes), codes[:1])
    data = demo_sequences(5)
    with pytest.raises(InputError, match="held out"):
        DnaEvaluation(
            data, data.take(np.arange(1)), encoding_of(Objective("both")), "both", 0.002, 80.0
        )
