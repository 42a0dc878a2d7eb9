"""What a change of letters does to the bound: two sequences on the same noises."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from infonoise_bio.alphabet import MASKED, codes_of
from infonoise_bio.data.alleles import Alleles
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.formats.spool import Spool
from infonoise_bio.evaluation.scores.score import Scorer
from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.shown import cell

_VARIANT = ("chrom", "pos", "id", "ref", "alt")
_PAIR = ("reference", "alternative")
_NUMBERS = ("nats_ref", "nats_alt", "effect", "stderr")


@dataclass(frozen=True)
class Effect:
    """Of one change.

    Attributes:
        number: Of its row, from 0.
        names: What identifies it, in the columns of its table.
        reference, alternative: Bounds on -log p in nats.
        effect: reference - alternative: how much more probable the alternative is, in nats.
        stderr: Of the effect, from the noises that were drawn: both had the same ones, and what
            they share cancels.
    """

    number: int
    names: tuple[str, ...]
    reference: float
    alternative: float
    effect: float
    stderr: float


@dataclass(frozen=True)
class Pair:
    """Two sequences and what they are called."""

    number: int
    names: tuple[str, ...]
    reference: Record
    alternative: Record


def effects(
    scorer: Scorer, pairs: Iterable[Pair], label: int | None = None, chunk: int = 64
) -> Iterator[Effect]:
    """In the order of the pairs; memory holds one chunk of sequences."""
    for some in _chunks(pairs, max(1, chunk // 2)):
        records = [pair.reference for pair in some] + [pair.alternative for pair in some]
        codes, lengths = scorer.codes(records)
        parts = scorer.parts(codes, label, lengths)
        reference, alternative = parts[: len(some)], parts[len(some) :]
        difference = reference - alternative
        error = difference.std(1) / math.sqrt(difference.shape[1])
        columns = (reference.mean(1), alternative.mean(1), difference.mean(1), error)
        for pair, *numbers in zip(some, *(c.tolist() for c in columns), strict=True):
            yield Effect(pair.number, pair.names, *numbers)


def of_alleles(found: Iterable[Alleles]) -> Iterator[Pair]:
    """Pairs of a VCF file's alleles, with positions as there: from 1."""
    for alleles in found:
        v = alleles.variant
        names = (v.chromosome, str(v.start + 1), v.id, v.reference.decode(), v.alternative.decode())
        one, other = (
            Record(v.id, letters, {}, v.where)
            for letters in (alleles.reference, alleles.alternative)
        )
        yield Pair(v.number, names, one, other)


def of_neighbours(records: Iterable[Record]) -> Iterator[Pair]:
    """The first with the second, the third with the fourth, and so on.

    Raises:
        InputError: Where one is left over, or has other numbers of known bases than its partner.
    """
    stream = iter(records)
    for number, reference in enumerate(stream):
        alternative = next(stream, None)
        if alternative is None:
            raise InputError(
                f"{reference.where}: has no partner; give sequences in pairs, each reference before"
                " its alternative"
            )
        unknown = [codes_of(r.letters).count(MASKED) for r in (reference, alternative)]
        if len(reference) == len(alternative) and unknown[0] != unknown[1]:
            raise InputError(
                f"{alternative.where}: has {unknown[1]} bases that are not known and its reference"
                f" '{reference.id}' {unknown[0]}: the bounds of more and fewer bases cannot be"
                " compared; give both as many"
            )
        yield Pair(number, (reference.id, alternative.id), reference, alternative)


def write_effects(out: Path, found: Iterable[Effect], *, variants: bool) -> int:
    """Write a table (tab-separated) in the order of the input; it appears when it is complete.

    Memory holds 16 bytes for each row.

    Args:
        out: The file.
        found: In any order.
        variants: Whether they are of a VCF file, or of pairs.
    """
    columns = (*(_VARIANT if variants else _PAIR), *_NUMBERS)
    rows = Spool()
    with whole_file(out) as file, file.open("w", encoding="utf-8", newline="\n") as handle:
        for e in found:
            numbers = (e.reference, e.alternative, e.effect, e.stderr)
            rows.add(e.number, [*map(cell, e.names), *(f"{number:.4f}" for number in numbers)])
        handle.write("\t".join(columns) + "\n")
        for row in rows.in_order():
            handle.write("\t".join(row) + "\n")
    return len(rows)


def _chunks(pairs: Iterable[Pair], size: int) -> Iterator[Sequence[Pair]]:
    stream = iter(pairs)
    while some := list(islice(stream, size)):
        yield some
