"""What `evaluate` measures of a run: generated sequences beside real ones and Markov chains."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.options import PLANTED
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.bound import BitsPerBase
from infonoise_bio.evaluation.checks import (
    Anchors,
    Row,
    Window,
    evidence,
    likelihood_rows,
    make_anchors,
)
from infonoise_bio.evaluation.discriminator import cnn_auc
from infonoise_bio.evaluation.held_out import DnaEvaluation
from infonoise_bio.evaluation.markov import MarkovBits, markov_bits
from infonoise_bio.evaluation.motifs import Scanner
from infonoise_bio.evaluation.oracle import Oracle, frechet_distance
from infonoise_bio.evaluation.planted import Labels, planted_rows
from infonoise_bio.methods.trained import TrainedRun
from infonoise_bio.sampling.sequences import Progress, Sampling, design_each
from infonoise_core.errors import InputError

# Outputs of an oracle that are told one by one.
_FEW = 8


@dataclass(frozen=True, eq=False)
class Assessment:
    """rows: the table.  bits: the model's bound, None for sequences from elsewhere.  anchors: the
    sets behind the other rows.
    """

    rows: list[Row]
    bits: BitsPerBase | None
    independent: float
    anchors: Anchors

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; None where a number means nothing."""
        return {
            "bits_per_base": None if self.bits is None else asdict(self.bits),
            "independent_bases": self.independent,
            "sequences": len(self.anchors.generated),
            "markov_order": self.anchors.order,
            "rows": [
                {k: None if v is None or v != v else v for k, v in asdict(row).items()}
                for row in self.rows
            ],
        }


def of_class(sequences: SequenceSet, name: str) -> SequenceSet:
    """The sequences with that label; InputError names the labels there are."""
    if name not in sequences.classes:
        there = ", ".join(sequences.classes) or "none"
        raise InputError(f"--label {name}: no such label in {sequences.source}; there are {there}")
    return sequences.take(np.flatnonzero(sequences.labels == sequences.classes.index(name)))


def generated_like(
    run: TrainedRun,
    sequences: SequenceSet,
    n: int,
    sampling: Sampling,
    seed: int = 0,
    progress: Progress | None = None,
) -> SequenceSet:
    """n new sequences, each with the labels, numbers and masked places of a real one."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(len(sequences)) for _ in range(-(-n // len(sequences)))])
    like = sequences.take(rows[:n])
    batch = example_batch(like, np.arange(n), run.denoiser.encoding)
    condition: dict[str, Tensor] = dict(batch.condition)
    chunks = list(design_each(run.denoiser, n, sampling, condition, progress))
    codes = np.where(like.mask, np.concatenate(chunks), MASKED).astype(np.uint8)
    return replace(like, codes=codes, source=str(run.path))


def assess(
    run: TrainedRun,
    training: SequenceSet,
    held_out: SequenceSet,
    generated: SequenceSet,
    scanners: Sequence[Scanner] = (),
    windows: Sequence[Window] = (),
    levels: int = 8,
    oracle: Oracle | None = None,
    *,
    own: bool = True,
) -> Assessment:
    """All rows; the bound is measured on all held-out sequences, given their labels.

    Args:
        own: Whether `generated` are the run's; of what made others nothing is known, and no
            bound.
    """
    objective = run.objective
    evaluation = DnaEvaluation(
        training, held_out, run.denoiser.encoding, objective.strand,
        objective.sigma_min, objective.sigma_max, levels,
    )  # fmt: skip
    bits = evaluation.bound(run.denoiser) if own else None
    anchors = make_anchors(training.codes, held_out.codes, generated.codes)
    rows = [] if bits is None else likelihood_rows(bits, chains_by_class(training, held_out))
    if training.source == PLANTED and generated.labels is not None:
        rows += planted_rows(
            _labelled(training), _labelled(held_out), _labelled(generated), bits, anchors.order
        )
    if oracle is not None:
        rows += oracle_rows(oracle, anchors)
    told = (cnn_auc(anchors.held_out, s) for s in (anchors.generated, anchors.markov, anchors.real))
    rows.append(Row("discriminator AUC, CNN", "on sequences it has not seen; 0.5", None, *told))
    rows += evidence(anchors, scanners, windows)
    return Assessment(rows, bits, evaluation.independent, anchors)


def oracle_rows(oracle: Oracle, anchors: Anchors) -> list[Row]:
    """Distance to the held-out sequences in the oracle's features, and each feature's mean where
    there are few.
    """
    held_out, generated, markov, real = (
        oracle.features(codes)
        for codes in (anchors.held_out, anchors.generated, anchors.markov, anchors.real)
    )
    distances = [frechet_distance(held_out, other) for other in (generated, markov, real)]
    rows = [Row("oracle, Fréchet distance", "of its features", None, *distances)]
    if held_out.shape[1] <= _FEW:
        means = zip(*(f.mean(0).tolist() for f in (held_out, generated, markov, real)), strict=True)
        rows += [Row(f"oracle, output {i}", "mean", *four) for i, four in enumerate(means)]
    return rows


def chains_by_class(training: SequenceSet, held_out: SequenceSet) -> MarkovBits:
    """Markov chains that are told what the model is told: one for each class."""
    if training.labels is None or held_out.labels is None:
        return markov_bits(training.codes, held_out.codes)
    found, weights = [], []
    for label in np.unique(held_out.labels):
        own = held_out.codes[held_out.labels == label]
        found.append(markov_bits(training.codes[training.labels == label], own))
        weights.append(int((own != MASKED).sum()))
    return MarkovBits(
        _weighted([f.everywhere for f in found], weights),
        _weighted([f.by_position for f in found], weights),
    )


def _weighted(tables: list[dict[int, float]], weights: list[int]) -> dict[int, float]:
    total = math.fsum(weights)
    return {
        order: math.fsum(t[order] * w for t, w in zip(tables, weights, strict=True)) / total
        for order in tables[0]
    }


def _labelled(sequences: SequenceSet) -> tuple[Codes, Labels]:
    if sequences.labels is None:
        raise InputError(f"{sequences.source}: its sequences have no labels; give some that do")
    return sequences.codes, sequences.labels
