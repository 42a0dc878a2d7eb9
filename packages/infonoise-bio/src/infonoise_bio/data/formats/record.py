"""One sequence of a file, whatever the file's format, and the check that all of them pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infonoise_bio.alphabet import BASES, foreign_letter, rna_to_dna
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.header import header_fields
from infonoise_bio.data.formats.regions import Region
from infonoise_bio.data.formats.textfile import Place
from infonoise_core.errors import InputError

_CLEAR = BASES.encode()


# Not frozen, which takes eight times as long to make, and files have millions of them.
@dataclass(slots=True)
class Record:
    """One sequence as the file has it, U read as T.

    Attributes:
        letters: IUPAC nucleotide letters in either case, or alphabet.PAD.
        said: What the file says of it, as `fields` or as a header whose first word is the id.
        origin: How error messages call it, or the file in which its id names it.
    """

    id: str
    letters: bytes
    said: Mapping[str, str] | str
    origin: str | Path

    @property
    def circular(self) -> bool:
        """Whether it goes on across its end."""
        return False

    @property
    def chromosome(self) -> str:
        """The record it was cut from, "" where it is not known to be a piece of one."""
        return ""

    @property
    def regions(self) -> tuple[Region, ...]:
        """The features that are looked for, of a GenBank record."""
        return ()

    def __len__(self) -> int:
        return len(self.letters)

    @property
    def fields(self) -> Mapping[str, str]:
        """Columns of a table, key=value words of a header, or qualifiers of a feature.

        A header is read when it is asked for: most of a file's are not.
        """
        if isinstance(self.said, str):
            rest = self.said.split(None, 1)[1:]
            self.said = header_fields(rest[0]) if rest else {}
        return self.said

    @property
    def where(self) -> str:
        """How error messages call it; put in words only where one is needed."""
        if isinstance(self.origin, str):
            return self.origin
        return f"{self.origin}: record '{self.id}'"


@dataclass(slots=True)
class Placed(Record):
    """A record of which more is known; apart, for each attribute adds to the time of all others."""

    circular: bool = False
    chromosome: str = ""
    regions: tuple[Region, ...] = field(default=(), repr=False)


def make_record(
    name: str,
    text: str | bytes,
    said: Mapping[str, str] | str,
    place: Place,
    counts: Counts,
    circular: bool = False,
    regions: tuple[Region, ...] = (),
    ignored: bytes = b"",
) -> Record:
    """A record of the letters that a reader found; every reader's letters go through here.

    Args:
        name: The record's id.
        text: Its letters, perhaps RNA.
        said: What the file says of it.
        place: Where the reader is; it is moved on.
        counts: What was met so far; it is added to.
        circular: Whether the record goes on across its end.
        regions: Features that are looked for.
        ignored: Bytes that mean nothing among its letters.

    Raises:
        InputError: For a record without letters, and for a letter that is no nucleotide's.
    """
    letters = text if isinstance(text, bytes) else text.encode()
    clear = not letters.translate(None, _CLEAR)
    if not clear and ignored:
        letters = letters.translate(None, ignored)
    if circular or regions:
        found: Record = Placed(name, letters, said, place.path, circular, "", regions)
    else:
        found = Record(name, letters, said, place.path)
    if not letters:
        raise InputError(f"{found.where}: is empty; give it a sequence or take it out")
    counts.records += 1
    counts.bases += len(letters)
    place.move(name, counts.records)
    if not clear:
        check_letters(letters, found.where)
        counts.letters(letters)
        found.letters = rna_to_dna(letters)
    return found


def check_letters(letters: bytes, where: str) -> None:
    """InputError for a letter that is no nucleotide's."""
    at = foreign_letter(letters)
    if at is not None:
        # In characters, of which one may be several bytes.
        before, after = letters[:at].decode(), letters[at:].decode()
        raise InputError(
            f"{where}: {after[0]!r} at position {len(before)} (from 0) is no nucleotide letter;"
            " give DNA or RNA without gaps, not protein"
        )
