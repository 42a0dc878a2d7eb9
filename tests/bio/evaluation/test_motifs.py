"""Motif scanning against Bio.motifs itself, false positives against chance."""

import math
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs as bio
from Bio.Seq import Seq

from infonoise_bio.alphabet import MASKED, letters_of, reverse_complement_codes
from infonoise_bio.data.sequences import load_sequences
from infonoise_bio.evaluation.motifs import read_scanners
from infonoise_core.errors import InputError

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "dna"
JASPAR = """>T1.1 first
A [ 9 0 1 8 0 2 ]
C [ 0 8 1 1 0 3 ]
G [ 1 1 8 0 0 4 ]
T [ 0 1 0 1 10 1 ]
>T2.1 second
A [ 1 5 1 ]
C [ 7 5 0 ]
G [ 1 0 0 ]
T [ 1 0 9 ]
"""
BACKGROUND = (0.3, 0.2, 0.2, 0.3)


@pytest.fixture
def jaspar(tmp_path: Path) -> Path:
    path = tmp_path / "some.jaspar"
    path.write_text(JASPAR)
    return path


def drawn(n: int, length: int, background=BACKGROUND) -> np.ndarray:
    return np.random.default_rng(0).choice(4, (n, length), p=background).astype(np.uint8)


def test_scores_are_those_of_bio_motifs(jaspar):
    scanner = read_scanners(jaspar, ["first"], background=BACKGROUND, strand="forward")[0]
    with jaspar.open() as handle:
        motif = bio.parse(handle, "jaspar")[0]
    base = dict(zip("ACGT", BACKGROUND, strict=True))
    pseudo = {k: 0.8 * v for k, v in base.items()}
    pssm = motif.counts.normalize(pseudocounts=pseudo).log_odds(base)
    codes = drawn(5, 12)
    for row, text in zip(scanner.score(codes), letters_of(codes), strict=True):
        # Bio.motifs gives float32.
        np.testing.assert_allclose(row, pssm.calculate(Seq(text)), rtol=0, atol=1e-4)


def test_both_strands_are_searched_unless_told_otherwise(jaspar):
    codes = np.array([[0, 1, 2, 0, 3, 2]], np.uint8)  # ACGATG, the consensus
    other = reverse_complement_codes(codes)
    both = read_scanners(jaspar, ["T1.1"])[0]
    forward = read_scanners(jaspar, ["T1.1"], strand="forward")[0]
    assert both.best(codes)[0] == pytest.approx(both.best(other)[0])
    assert both.hit_rate(other) == forward.hit_rate(codes) == 1
    assert forward.hit_rate(other) == 0


def test_the_threshold_keeps_the_false_positive_rate(jaspar):
    rate = 0.005
    scanner = read_scanners(jaspar, ["first"], rate, BACKGROUND, "forward")[0]
    codes = drawn(2000, 55)
    found = float((scanner.score(codes) >= scanner.threshold).mean())
    # 100,000 places, five standard errors as if they were independent; the number of scores is
    # finite, so the rate is met from below.
    assert found < rate + 5 * math.sqrt(rate / 100_000)
    assert found > rate / 3
    assert scanner.per_kilobase(codes) == pytest.approx(1000 * found * 50 / 55)


def test_masked_bases_are_no_hit(jaspar):
    scanner = read_scanners(jaspar, ["first"])[0]
    codes = np.array([[0, 1, 2, 0, MASKED, 2], [MASKED] * 6], np.uint8)
    score, _ = scanner.best(codes)
    assert np.isneginf(score).all()
    assert scanner.hit_rate(codes) == 0
    assert scanner.within(codes, 0, 5) == 0


def test_the_best_place_is_found(jaspar):
    scanner = read_scanners(jaspar, ["first"], strand="forward")[0]
    codes = np.full((1, 20), 1, np.uint8)
    codes[0, 7:13] = [0, 1, 2, 0, 3, 2]
    assert scanner.best(codes)[1].tolist() == [7]
    assert (scanner.within(codes, 7, 7), scanner.within(codes, 8, 20)) == (1, 0)


def test_files_that_hold_no_such_motif_are_refused(jaspar, tmp_path):
    assert [s.name for s in read_scanners(jaspar)] == ["T1.1 first", "T2.1 second"]
    with pytest.raises(InputError, match="no motif 'third'"):
        read_scanners(jaspar, ["third"])
    with pytest.raises(InputError, match="--motif-rate 0"):
        read_scanners(jaspar, rate=0.0)
    empty = tmp_path / "empty"
    empty.write_text("")
    with pytest.raises(InputError, match="no motif"):
        read_scanners(empty)
    wrong = tmp_path / "wrong"
    wrong.write_text("1 2 3\nhello\n")
    with pytest.raises(InputError):
        read_scanners(wrong)
    with pytest.raises(InputError, match="too long"):
        read_scanners(jaspar)[0].score(np.zeros((1, 3), np.uint8))


@pytest.mark.data
@pytest.mark.slow
def test_known_sites_are_where_they_were_measured_to_be():
    """Rates of another implementation, in held-out sequences: CTCF and SPI1 in their peaks, TBP in
    promoters; and of the -10 box the same window, by a matrix of its own.
    """
    vertebrates = DATA / "motifs" / "JASPAR2022_CORE_vertebrates.jaspar"
    peaks = load_sequences(DATA / "tf_chip_100.csv.gz", label="label").part("test")
    for name, motif, expected in (("CTCF", "MA0139.1", 0.784), ("PU1", "MA0080.6", 0.803)):
        codes = peaks.codes[peaks.labels == peaks.classes.index(name)]
        # Pseudocounts and the grid of the threshold differ.
        assert read_scanners(vertebrates, [motif])[0].hit_rate(codes) == pytest.approx(
            expected, abs=0.01
        )
    tata = load_sequences(DATA / "mammal_tata_promoters_300.csv.gz").part("test")
    scanner = read_scanners(vertebrates, ["TBP"], strand="forward")[0]
    assert scanner.within(tata.codes, 210, 230) == pytest.approx(0.877, abs=0.01)
