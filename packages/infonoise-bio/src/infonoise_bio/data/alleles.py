"""Variants on a genome -> pairs of windows, with the reference and with the alternative allele."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infonoise_bio.alphabet import MASKED, PAD, codes_of, only_bases
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Edge, Reading
from infonoise_bio.data.formats.spool import Spool
from infonoise_bio.data.formats.vcf import Variant, read_vcf
from infonoise_bio.data.genomes.open import open_genome
from infonoise_bio.data.genomes.whole import Whole
from infonoise_bio.data.open import renamed, unknown_name
from infonoise_core.errors import InputError


@dataclass(frozen=True, slots=True)
class Alleles:
    """Windows of one length around a variant.

    Attributes:
        reference, alternative: Letters; the variant begins at `offset` in both.
    """

    variant: Variant
    reference: bytes
    alternative: bytes
    offset: int


class Variants:
    """The variants of a file by the name that their sequence has in the genome.

    They lie in a temporary file: a few bytes of memory for each, however many there are.
    """

    def __init__(self, found: Iterable[Variant], reading: Reading) -> None:
        self._spool, self._numbers = Spool(), dict[str, int]()
        for v in found:
            name = renamed(v.chromosome, reading)
            number = self._numbers.setdefault(name, len(self._numbers))
            letters = (v.reference.decode(), v.alternative.decode())
            self._spool.add(number, (v.number, v.chromosome, v.start, v.id, *letters, v.where))

    def __contains__(self, name: str) -> bool:
        return name in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def of(self, name: str) -> Iterator[Variant]:
        """Those of one sequence, in the order of the file; none for a name that is not there."""
        if name not in self._numbers:
            return
        for row in self._spool.of(self._numbers[name]):
            number, chromosome, start, identifier, reference, alternative, where = row
            yield Variant(
                number, chromosome, start, identifier, reference.encode(), alternative.encode(),
                where,
            )  # fmt: skip


def variants_by_chromosome(path: Path, reading: Reading, counts: Counts) -> Variants:
    """The variants of a file by the name that their sequence has in the genome."""
    return Variants(read_vcf(path, counts), reading)


def alleles(
    variants: Variants, genome: Path, length: int, edge: Edge, counts: Counts
) -> Iterator[Alleles]:
    """Pairs of windows in the order of the genome, of which one sequence is open at a time.

    The variant begins in the middle of its window. An allele of another length than the
    reference's moves what comes after it: the window goes on, or ends earlier, at its 3' end.

    Args:
        variants: By their sequence in the genome.
        genome: Where it lies.
        length: Of the windows.
        edge: What happens to a window that leaves its sequence: `drop`, `mask` or `error`.
        counts: What was met so far; it is added to.

    Raises:
        InputError: For a sequence that is not there, and for a reference allele that is not the
            genome's.
    """
    there: list[str] = []
    for whole in open_genome(genome, counts):
        if whole.id in there and whole.id in variants:
            raise InputError(f"{whole.where}: the name was taken by an earlier record")
        there.append(whole.id)
        for variant in variants.of(whole.id):
            found = _alleles(whole, variant, length, edge, counts)
            if found is not None:
                yield found
    missing = next((name for name in variants if name not in there), None)
    if missing is not None:
        where = next(variants.of(missing)).where
        raise unknown_name(where, missing, variants, there, genome)


def _alleles(
    whole: Whole, variant: Variant, length: int, edge: Edge, counts: Counts
) -> Alleles | None:
    letters, n = whole.letters, len(whole.letters)
    end = variant.start + len(variant.reference)
    in_genome = letters[variant.start : end].upper() if end <= n else b""
    if in_genome != variant.reference:
        has = in_genome[:20].decode() or f"an end at {n:,}"
        raise InputError(
            f"{variant.where}: REF is {variant.reference[:20].decode()} and the genome has {has}"
            " there; give the genome that the variants were called on"
        )
    if not (only_bases(variant.reference) and only_bases(variant.alternative)):
        counts.symbolic += 1  # a base that may be several has no cost to compare
        return None
    offset = (length - 1) // 2
    if offset + max(len(variant.reference), len(variant.alternative)) > length:
        counts.too_long += 1
        return None
    first = variant.start - offset
    after = length - offset
    rest = {allele: after - len(allele) for allele in (variant.reference, variant.alternative)}
    last = end + max(rest.values())
    if (first < 0 or last > n) and edge != "mask":
        if edge == "error":
            raise InputError(
                f"{variant.where}: its window {first}-{last} (from 0) leaves the record of {n}"
                " bases; give --edge drop or mask"
            )
        counts.outside += 1
        return None
    before = PAD * -min(0, first) + letters[max(0, first) : variant.start]
    windows = [
        before + allele + (letters[end : min(n, end + size)] if size else b"").ljust(size, PAD)
        for allele, size in rest.items()
    ]
    # The bound is a sum over known bases: of fewer it is lower, whatever the change.
    if codes_of(windows[0]).count(MASKED) != codes_of(windows[1]).count(MASKED):
        counts.unequal += 1
        return None
    return Alleles(variant, windows[0], windows[1], offset)
