"""What `evaluate` measures of a run: generated sequences beside real ones and Markov chains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.designs import read_designs
from infonoise_bio.data.options import PLANTED, Strand
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.chains import chains_by_class, reference_bits
from infonoise_bio.evaluation.checks import COLUMNS, Anchors, Check, Row, evidence, make_anchors
from infonoise_bio.evaluation.discriminator import LEAST, cnn_auc
from infonoise_bio.evaluation.held_out import DnaEvaluation
from infonoise_bio.evaluation.motifs import (
    Scanner,
    Window,
    check_fits,
    parse_motif,
    placed,
    read_scanners,
)
from infonoise_bio.evaluation.obeyed import obedience
from infonoise_bio.evaluation.options import EvaluateExtras
from infonoise_bio.evaluation.oracles.oracle import Oracle, frechet_distance
from infonoise_bio.evaluation.planted import exact_bits, planted_rows
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.sampling.sequences import Progress, Sampling, design_each
from infonoise_core.errors import InputError
from infonoise_core.evaluation import schema as found
from infonoise_core.training.progress import progress
from infonoise_core.training.step.listening import listening

# Outputs of an oracle that are named one by one.
_FEW = 8
SPECTRA_NOTE = "k-mer spectra, GC and CpG prove nothing alone: a Markov chain passes them"


@dataclass(frozen=True, eq=False)
class Subject:
    """The model that is measured, and how it is sampled.

    Attributes:
        denoiser: Its averaged weights.
        strand: Whether both strands are alike.
        sigma_min, sigma_max: Its noise levels.
        sampling: From noise to sequences; None where those that are measured come from a file.
    """

    denoiser: BaseDenoiser
    strand: Strand
    sigma_min: float
    sigma_max: float
    sampling: Sampling | None


def evaluate_run(
    subject: Subject,
    training: SequenceSet,
    held_out: SequenceSet,
    samples: int,
    options: EvaluateExtras,
) -> found.Evaluated:
    """The likelihood, if the sequences are the model's own, and all checks of them.

    Args:
        subject: The model.
        training: What it was trained on.
        held_out: What it did not see.
        samples: How many sequences are generated, no more than there are of either.
        options: What is measured beyond what always is.

    Raises:
        InputError: For a label, a motif, an oracle or designs that cannot be measured.
    """
    if options.label is not None:
        training, held_out = of_class(training, options.label), of_class(held_out, options.label)
    scanners, windows = _motifs(subject, options)
    check_fits(scanners, windows, training.length)
    oracle = None if options.oracle is None else Oracle(options.oracle)
    n = min(samples, len(held_out), len(training))
    own = subject.sampling is not None
    if subject.sampling is not None:
        with progress(n, "sample") as reporter:
            generated = generated_like(
                subject.denoiser, held_out, n, subject.sampling,
                lambda done, _: reporter.advance(done),
            )  # fmt: skip
    elif options.designs is not None:
        generated = read_designs(options.designs, held_out, n, options.label)
    else:
        raise ValueError("neither a way to sample nor a file of designs")
    likelihood = [likelihood_table(subject, training, held_out, options.levels)] if own else []
    anchors = make_anchors(training, held_out, generated.codes)
    obeyed, notes = obedience(training, held_out, generated)
    notes += [
        f"motif {scanner.name}: its best match occurs by chance with {scanner.rate:.2g} per place"
        f" and strand, more than --motif-rate {options.motif_rate:g}"
        for scanner in scanners
        if scanner.rate > options.motif_rate
    ]
    checks = [
        Check("planted motifs", partial(_planted, training, held_out, generated, anchors.order))
    ]
    if oracle is not None:
        checks.append(Check("oracle", partial(oracle_rows, oracle, anchors)))
    checks.append(Check("numbers", lambda: obeyed))
    if n >= LEAST:
        checks.append(Check("discriminator, CNN", partial(_cnn, anchors)))
    else:
        notes.append(
            f"discriminators are left out: they need {LEAST} sequences of each kind, and there are"
            f" {n}"
        )
    rows = _carried_out([*checks, *evidence(anchors, scanners, windows)])
    named = "" if options.designs is None else f"; generated: {options.designs.name}"
    tables = [*likelihood, _checks(rows, anchors, named)]
    return found.Evaluated(tables, _about(subject, options), notes)


def _carried_out(checks: Sequence[Check]) -> list[Row]:
    rows: list[Row] = []
    with progress(len(checks), "checks") as reporter:
        for check in checks:
            reporter.advance(0, check.name)
            rows += check.rows()
            reporter.advance()
    return rows


def _motifs(subject: Subject, options: EvaluateExtras) -> tuple[list[Scanner], list[Window]]:
    if options.motifs is None:
        return [], []
    places = [parse_motif(text) for text in options.motif]
    scanners = read_scanners(
        options.motifs, tuple(name for name, _ in places), options.motif_rate,
        subject.denoiser.config.frequencies, subject.strand,
    )  # fmt: skip
    return scanners, placed(scanners, places)


def _about(subject: Subject, options: EvaluateExtras) -> dict[str, str | int]:
    about: dict[str, str | int] = {}
    if subject.sampling is not None:
        about = {"solver": subject.sampling.solver, "steps": len(subject.sampling.sigmas)}
    elif options.designs is not None:
        about = {"designs": options.designs.name}
    return about if options.label is None else {**about, "label": options.label}


def likelihood_table(
    subject: Subject, training: SequenceSet, held_out: SequenceSet, levels: int
) -> found.Table:
    """The model's bound on all held-out sequences, given their labels as the chains are."""
    evaluation = DnaEvaluation(
        training, held_out, subject.denoiser.encoding, subject.strand,
        subject.sigma_min, subject.sigma_max, levels,
    )  # fmt: skip
    # The network's errors, then those of independent bases, each at so many levels.
    with (
        progress(2 * levels, "bits per base") as reporter,
        listening(evaluation, lambda _, total: reporter.advance(levels / total)),
    ):
        bits = evaluation.bound(subject.denoiser)
    chains = chains_by_class(training, held_out)
    values = {
        "model": bits.value,
        "independent bases": evaluation.independent,
        **reference_bits(training, held_out),
    }
    if training.source == PLANTED and held_out.labels is not None:
        values["exact"] = exact_bits(held_out.labels)
    explanation = (
        "Upper bound on the negative log-likelihood of held-out sequences, from the squared error"
        f" of the averaged weights at {levels} noise levels each; the best Markov chains,"
        f" everywhere the same of order {chains.best_order} and by position of order"
        f" {chains.best_position_order}, one for each class where there are any; exact: the entropy"
        " of the generator of made-up data."
    )
    row = found.Row(
        "bits per base", values, {"model": bits.stderr}, better="lower", explanation=explanation
    )
    return found.Table(
        "likelihood", "likelihood", tuple(values), [row],
        {"sequences": len(held_out), "levels": levels},
    )  # fmt: skip


def _cnn(anchors: Anchors) -> list[Row]:
    generated, markov, real = (
        cnn_auc(anchors.held_out, codes)
        for codes in (anchors.generated, anchors.markov, anchors.real)
    )
    about = "on sequences it has not seen; 0.5: cannot be told from real"
    return [Row("discriminator AUC, CNN", about, None, generated, markov, real)]


def _checks(rows: Sequence[Row], anchors: Anchors, named: str) -> found.Table:
    n = len(anchors.generated)
    return found.Table(
        "checks", f"{n:,} sequences of each kind{named}", COLUMNS,
        [
            found.Row(row.name, row.values, better=row.better, explanation=row.explanation)
            for row in rows
        ],
        {"sequences": n, "markov_order": anchors.order},
        SPECTRA_NOTE,
    )  # fmt: skip


def _planted(
    training: SequenceSet, held_out: SequenceSet, generated: SequenceSet, order: int
) -> list[Row]:
    """Checks of the made-up data, of sequences whose class is known."""
    if training.source != PLANTED or training.labels is None:
        return []
    if held_out.labels is None or generated.labels is None:
        return []
    return planted_rows(
        (training.codes, training.labels),
        (held_out.codes, held_out.labels),
        (generated.codes, generated.labels),
        order,
    )


def generated_like(
    denoiser: BaseDenoiser,
    sequences: SequenceSet,
    n: int,
    sampling: Sampling,
    progress: Progress | None = None,
) -> SequenceSet:
    """n new sequences, each with the labels, numbers and masked places of a real one."""
    rng = np.random.default_rng(sampling.seed)
    rows = np.concatenate([rng.permutation(len(sequences)) for _ in range(-(-n // len(sequences)))])
    like = sequences.take(rows[:n])
    batch = example_batch(like, np.arange(n), denoiser.encoding)
    condition: dict[str, Tensor] = dict(batch.condition)
    chunks = list(design_each(denoiser, n, sampling, condition, progress))
    codes = np.where(like.mask, np.concatenate(chunks), MASKED).astype(np.uint8)
    return replace(like, codes=codes, source="generated")


def of_class(sequences: SequenceSet, name: str) -> SequenceSet:
    """The sequences with that label; InputError names the labels there are."""
    if name not in sequences.classes:
        there = ", ".join(sequences.classes) or "none"
        raise InputError(f"--label {name}: no such label in {sequences.source}; there are {there}")
    return sequences.take(np.flatnonzero(sequences.labels == sequences.classes.index(name)))


def oracle_rows(oracle: Oracle, anchors: Anchors) -> list[Row]:
    """Distance to the held-out sequences in the oracle's features; their means, if they are few."""
    held_out, generated, markov, real = (
        oracle.features(codes)
        for codes in (anchors.held_out, anchors.generated, anchors.markov, anchors.real)
    )
    of_generated, of_markov, of_real = (
        frechet_distance(held_out, other) for other in (generated, markov, real)
    )
    name, about = "oracle, Fréchet distance", "of its features"
    rows = [Row(name, about, None, of_generated, of_markov, of_real, "lower")]
    if held_out.shape[1] <= _FEW:
        means = zip(*(f.mean(0).tolist() for f in (held_out, generated, markov, real)), strict=True)
        rows += [Row(f"oracle, output {i}", "mean", *four) for i, four in enumerate(means)]
    return rows
