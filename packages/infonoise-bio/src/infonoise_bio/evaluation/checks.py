"""Evidence that sequences are like real ones and no copies, beside real ones and a Markov chain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import Codes
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.chains import chains_by_class, sampled_by_class
from infonoise_bio.evaluation.composition import (
    cpg_ratio,
    gc_content,
    jensen_shannon,
    kmer_counts,
    pearson,
    profile_distance,
)
from infonoise_bio.evaluation.copies import (
    DEFAULT_K,
    TrainingWords,
    distance_per_base,
    edit_distance,
    nearest_distance,
)
from infonoise_bio.evaluation.discriminator import LEAST, discriminator_auc
from infonoise_bio.evaluation.motifs import Scanner, Window
from infonoise_core.errors import InputError
from infonoise_core.evaluation.schema import Better

Counts = NDArray[np.int64]
SPECTRA = range(1, 7)
COLUMNS = ("held out", "generated", "Markov", "real to real")
# Sequences whose edit distance to the training set is measured.
_MEASURED = 32


@dataclass(frozen=True)
class Row:
    """One check: the same number for several sets of sequences; None where it means nothing.

    k-mer spectra and GC prove nothing alone: a Markov chain passes them.

    Attributes:
        name: What is measured.
        explanation: What the number is.
        held_out: Of held-out sequences.
        generated: Of generated ones.
        markov: Of those of a Markov chain.
        real: Of a sample of the training set, which is real against real.
        better: Which way is better, where either is.
    """

    name: str
    explanation: str
    held_out: float | None
    generated: float
    markov: float | None
    real: float | None
    better: Better = ""

    @property
    def values(self) -> dict[str, float | None]:
        """The numbers by column."""
        numbers = (self.held_out, self.generated, self.markov, self.real)
        return dict(zip(COLUMNS, numbers, strict=True))


@dataclass(frozen=True)
class Check:
    """Rows that are found together.

    Attributes:
        name: What is looked at, while it takes its time.
        rows: What finds them.
    """

    name: str
    rows: Callable[[], list[Row]]


@dataclass(frozen=True, eq=False)
class Anchors:
    """What sequences are compared with: as many as there are generated ones of each kind.

    Attributes:
        held_out, generated: codes.
        markov: Of a chain fitted to the training set, one for each class where there are any, of
            the order that is best on held-out sequences.
        real: Of the training set.
    """

    train: Codes
    held_out: Codes
    generated: Codes
    markov: Codes
    real: Codes
    order: int


def make_anchors(
    training: SequenceSet, held_out: SequenceSet, generated: Codes, seed: int = 0
) -> Anchors:
    """Sets of equal size, so that their distances are comparable."""
    n = min(len(training), len(held_out), len(generated))
    if n < 2:
        raise InputError(
            "an evaluation needs at least 2 sequences each: train, held out, generated"
        )
    rng = np.random.default_rng(seed)
    order = chains_by_class(training, held_out).best_order
    some = held_out.take(np.sort(rng.permutation(len(held_out))[:n]))
    # As long as real ones, and with as much that is not known.
    markov = sampled_by_class(training, some, order, rng)
    real = training.codes[np.sort(rng.permutation(len(training))[:n])]
    return Anchors(training.codes, some.codes, generated[:n], markov, real, order)


def evidence(
    anchors: Anchors,
    scanners: Sequence[Scanner] = (),
    windows: Sequence[Window] = (),
    k: int = DEFAULT_K,
) -> list[Check]:
    """Every check that needs sequences only, to be carried out one after the other."""
    checks = _discriminators(anchors) if len(anchors.generated) >= LEAST else []
    checks += [Check("places of motifs", partial(_window, anchors, window)) for window in windows]
    checks += [Check("hits of motifs", partial(_motif, anchors, scanner)) for scanner in scanners]
    k = min(k, anchors.train.shape[1])
    return [
        *checks,
        Check("k-mers from training", partial(_contained, anchors, k)),
        Check("edit distances", partial(_edits, anchors)),
        Check("diversity", partial(_diversity, anchors)),
        Check("composition", partial(_composition, anchors)),
    ]


def _discriminators(anchors: Anchors) -> list[Check]:
    kinds = {"4-mers and positions": True, "4-mers": False}
    return [
        Check(f"discriminator, {name}", partial(_discriminator, anchors, name, by_position))
        for name, by_position in kinds.items()
    ]


def _discriminator(anchors: Anchors, name: str, by_position: bool) -> list[Row]:
    auc = partial(discriminator_auc, by_position=by_position)
    about = "0.5: cannot be told from real"
    return [_between(anchors, f"discriminator AUC, {name}", about, auc)]


def _window(anchors: Anchors, window: Window) -> list[Row]:
    row = _of_each(
        anchors,
        f"{window.scanner.name} at {window.low}-{window.high}",
        "share of sequences whose best place begins there",
        lambda codes: window.scanner.within(codes, window.low, window.high),
    )
    return [row]


def _motif(anchors: Anchors, scanner: Scanner) -> list[Row]:
    about = f"share of sequences with a hit, strand {scanner.strand}; false positives"
    name = f"{scanner.name} hits"
    return [_of_each(anchors, name, f"{about} {scanner.rate:g}", scanner.hit_rate)]


def _contained(anchors: Anchors, k: int) -> list[Row]:
    words = TrainingWords(anchors.train, k)
    sets = (anchors.held_out, anchors.generated, anchors.markov)
    held_out, generated, markov = (words.nearness(codes).containment for codes in sets)
    explanation = "mean share of a sequence, either strand"
    return [Row(f"{k}-mers from training", explanation, held_out, generated, markov, None)]


def _edits(anchors: Anchors) -> list[Row]:
    def distance(codes: Codes) -> float:
        some = codes[:_MEASURED]
        return distance_per_base(nearest_distance(some, anchors.train), some)

    sets = (anchors.held_out, anchors.generated, anchors.markov)
    held_out, generated, markov = map(distance, sets)
    explanation = "per base, to the nearest one found"
    return [Row("edit distance to training", explanation, held_out, generated, markov, None)]


def _diversity(anchors: Anchors) -> list[Row]:
    about = "per base, mean of pairs"
    return [_of_each(anchors, "edit distance to each other", about, diversity)]


def _composition(anchors: Anchors) -> list[Row]:
    about = "root mean square difference"
    by_position = _between(anchors, "base shares by position", about, profile_distance, "lower")
    return [by_position, *_spectra(anchors)]


def _spectra(anchors: Anchors) -> list[Row]:
    orders = [k for k in SPECTRA if k <= anchors.train.shape[1]]
    rows = [
        _between(
            anchors,
            f"{k}-mer Jensen-Shannon",
            "bits",
            partial(_spectrum, jensen_shannon, k),
            "lower",
        )
        for k in orders
    ]
    longest = orders[-1]
    pearson_of = partial(_spectrum, pearson, longest)
    name = f"{longest}-mer Pearson"
    rows.append(_between(anchors, name, "correlation of counts", pearson_of, "higher"))
    return [
        *rows,
        _of_each(anchors, "GC", "mean share", lambda codes: float(np.nanmean(gc_content(codes)))),
        _of_each(anchors, "GC spread", "std", lambda codes: float(np.nanstd(gc_content(codes)))),
        _of_each(anchors, "CpG", "observed over expected", cpg_ratio),
    ]


def _spectrum(
    compare: Callable[[Counts, Counts], float], k: int, first: Codes, second: Codes
) -> float:
    return compare(kmer_counts(first, k), kmer_counts(second, k))


def diversity(codes: Codes) -> float:
    """Mean edit distance per base between neighbours in the set (n, L), of some pairs."""
    some = codes[: _MEASURED + 1]
    pairs = [edit_distance(some[i], some[i + 1]) for i in range(len(some) - 1)]
    return distance_per_base(np.array(pairs), some[:-1])


def _between(
    anchors: Anchors,
    name: str,
    explanation: str,
    distance: Callable[[Codes, Codes], float],
    better: Better = "",
) -> Row:
    """A number between a set and the held-out one."""
    generated, markov, real = (
        distance(anchors.held_out, other)
        for other in (anchors.generated, anchors.markov, anchors.real)
    )
    return Row(name, explanation, None, generated, markov, real, better)


def _of_each(
    anchors: Anchors, name: str, explanation: str, measure: Callable[[Codes], float]
) -> Row:
    """A number of each set."""
    sets = (anchors.held_out, anchors.generated, anchors.markov, anchors.real)
    held_out, generated, markov, real = map(measure, sets)
    return Row(name, explanation, held_out, generated, markov, real)
