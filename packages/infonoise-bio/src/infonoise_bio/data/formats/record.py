"""One sequence of a file, whatever the file's format, and the check that all of them pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infonoise_bio.alphabet import codes_of, foreign_letter, lower_of, rna_to_dna
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.regions import Region
from infonoise_bio.data.formats.textfile import Place
from infonoise_core.errors import InputError


@dataclass(frozen=True)
class Record:
    """One sequence as the file has it, U read as T.

    Attributes:
        letters: IUPAC nucleotide letters in either case, or alphabet.PAD.
        fields: What the file says of it: columns of a table, key=value words of a FASTA header,
            qualifiers of a feature.
        where: How error messages call it.
        circular: Whether it goes on across its end.
        chromosome: The record it was cut from, "" where it is not known to be a piece of one.
        regions: The features that are looked for, of a GenBank record.
    """

    id: str
    letters: bytes
    fields: Mapping[str, str]
    where: str
    circular: bool = False
    chromosome: str = ""
    regions: tuple[Region, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.letters)


def make_record(
    name: str,
    text: str,
    fields: Mapping[str, str],
    place: Place,
    counts: Counts,
    circular: bool = False,
    regions: tuple[Region, ...] = (),
) -> Record:
    """A record of the letters that a reader found; every reader's letters go through here.

    Args:
        name: The record's id.
        text: Its letters, perhaps RNA.
        fields: What the file says of it.
        place: Where the reader is; it is moved on.
        counts: What was met so far; it is added to.
        circular: Whether the record goes on across its end.
        regions: Features that are looked for.

    Raises:
        InputError: For a record without letters, and for a letter that is no nucleotide's.
    """
    where = f"{place.path}: record '{name}'"
    # Letters beyond ASCII become ?, which is no base either.
    letters = text.encode("ascii", "replace")
    if not letters:
        raise InputError(f"{where}: is empty; give it a sequence or take it out")
    at = foreign_letter(letters)
    if at is not None:
        raise InputError(
            f"{where}: {text[at]!r} at position {at + 1} is no nucleotide letter; give DNA or RNA"
            " without gaps, not protein"
        )
    counts.records += 1
    counts.bases += len(letters)
    counts.uracil += letters.count(b"U") + letters.count(b"u")
    counts.ambiguous += codes_of(letters).count(4)
    counts.lower += lower_of(letters).count(1)
    place.record = f"record '{name}' (number {counts.records})"
    return Record(name, rna_to_dna(letters), fields, where, circular, "", regions)
