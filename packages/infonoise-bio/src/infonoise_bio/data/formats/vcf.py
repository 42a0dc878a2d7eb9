"""VCF -> variants: where they are, and their alleles. Nothing else of a file is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infonoise_bio.alphabet import foreign_letter
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError

_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Variant:
    """One alternative allele.

    Attributes:
        number: Of its row in the output, from 0.
        chromosome: As in the file.
        start: Of the reference allele, from 0; the file counts from 1.
        id: As in the file, "." where it has none.
        reference, alternative: Letters A C G T or ambiguity codes, upper case.
        where: How error messages call it.
    """

    number: int
    chromosome: str
    start: int
    id: str
    reference: bytes
    alternative: bytes
    where: str


def read_vcf(path: Path, counts: Counts) -> Iterator[Variant]:
    """Every alternative allele that is spelled out, in the order of the file.

    Those that are not (``<DEL>``, ``*``, breakends), and lines without any (.), are counted.

    Raises:
        InputError: Names the line that cannot be read.
    """
    number = lines = 0
    with open_text(path) as (handle, place):
        for at, line in enumerate(handle, 1):
            if line.startswith("#") or line.isspace():
                continue
            lines += 1
            where = f"{path}: line {at}"
            place.record = f"line {at}"
            words = line.split("\t", _COLUMNS)
            if len(words) < _COLUMNS:
                raise InputError(
                    f"{where} has {len(words)} columns; give VCF: CHROM, POS, ID, REF and ALT,"
                    " separated by tabs"
                )
            chromosome, position, name, reference, alternatives = (
                word.strip() for word in words[:_COLUMNS]
            )
            if not position.isdecimal() or not 0 < int(position) <= 1 << 40:
                raise InputError(f"{where}: position {position!r}; give a whole number from 1 on")
            if not _is_spelled(reference):
                raise InputError(f"{where}: REF is {reference!r}; give its letters")
            for alternative in alternatives.split(","):
                if not _is_spelled(alternative) or alternative.upper() == reference.upper():
                    counts.symbolic += 1
                    continue
                yield Variant(
                    number, chromosome, int(position) - 1, name, reference.upper().encode(),
                    alternative.upper().encode(), f"{where}, {chromosome}:{position}",
                )  # fmt: skip
                number += 1
    if not lines:
        raise InputError(f"{path}: holds no variant; give lines of CHROM, POS, ID, REF and ALT")


def _is_spelled(allele: str) -> bool:
    letters = allele.encode("ascii", "replace")
    return bool(letters) and foreign_letter(letters) is None
