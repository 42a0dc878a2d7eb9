"""Sequence files -> records, one at a time: FASTA, GenBank and tables, by Bio.SeqIO's parsers."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from Bio import SeqIO
from Bio.Seq import UndefinedSequenceError
from Bio.SeqIO.FastaIO import SimpleFastaParser

from infonoise_bio.alphabet import codes_of, foreign_letter, lower_of, rna_to_dna
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.regions import Part, Region
from infonoise_bio.data.formats.textfile import Place, open_text
from infonoise_core.errors import InputError

# Qualifiers of a GenBank feature that go along with its window.
_QUALIFIERS = ("locus_tag", "gene", "product", "regulatory_class", "note")


@dataclass(frozen=True)
class Record:
    """One sequence as the file has it, U read as T.

    letters: IUPAC nucleotide letters in either case, or alphabet.PAD.
    fields: what the file says of it: columns of a table, key=value words of a FASTA header,
        qualifiers of a feature.
    where: how error messages call it.
    circular: whether it goes on across its end.
    chromosome: the record it was cut from, "" where it is not known to be a piece of one.
    regions: the features asked for, of a GenBank record.
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


def read_fasta(path: Path, counts: Counts) -> Iterator[Record]:
    """Records of a FASTA file; id is the header's first word.

    Lines that start with `;` or `#` are comments wherever they stand: they are skipped and counted.
    """
    with open_text(path) as (handle, place):
        lines = _without_comments(handle, path, counts)
        parser = SimpleFastaParser(lines)  # type: ignore[no-untyped-call]
        for number, (title, text) in enumerate(parser, 1):
            words = title.split()
            if not words:
                raise InputError(f"{path}: record {number} has no id; write one after its '>'")
            named = dict(word.split("=", 1) for word in words[1:] if "=" in word)
            yield _checked(words[0], text, named, place, counts)
    if not counts.records:
        raise InputError(f"{path}: holds no sequence; give FASTA with at least one record")


def _without_comments(handle: TextIO, path: Path, counts: Counts) -> Iterator[str]:
    begun = False
    for line in handle:
        if line[0] in ";#":
            counts.comments += 1
            continue
        if not begun and not line.isspace():
            if line[0] != ">":
                raise InputError(
                    f"{path}: this is no FASTA, it starts with {line[:20].strip()!r}; a header"
                    " line '>id' stands before each sequence"
                )
            begun = True
        yield line


def read_genbank(path: Path, counts: Counts, feature: str | None = None) -> Iterator[Record]:
    """Records of a GenBank file, with the regions of features of type `feature`.

    A promoter may be written as a feature of that type, or as a `regulatory` one of that class:
    both are found.

    Raises:
        InputError: At the end if there was none in the whole file.
    """
    kinds: Counter[str] = Counter()
    name, found = "", 0
    with open_text(path) as (handle, place):
        parser = SeqIO.parse(handle, "genbank")  # type: ignore[no-untyped-call]
        while (entry := _next_entry(parser, place)) is not None:
            name = entry.id
            kinds.update(kind for f in entry.features for kind in _kinds(f))
            regions = _regions(entry, feature, path, counts) if feature else ()
            found += len(regions)
            circular = entry.annotations.get("topology") == "circular"
            words = {"organism": str(entry.annotations.get("organism", ""))}
            letters = _defined(entry, path)
            yield _checked(name, letters, words, place, counts, circular, regions)
    if not counts.records:
        raise InputError(f"{path}: holds no GenBank record; a record starts with LOCUS")
    if feature and not found:
        there = ", ".join(f"{kind} ({n})" for kind, n in kinds.most_common(12)) or "no feature"
        raise InputError(f"{path}: record '{name}' has no feature {feature!r}; it has {there}")


def _next_entry(parser: Iterator[Any], place: Place) -> Any:
    try:
        return next(parser, None)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise InputError(f"{place}: this is no GenBank that can be read ({error})") from None


def _defined(entry: Any, path: Path) -> str:
    try:
        return str(entry.seq)
    except UndefinedSequenceError:
        raise InputError(
            f"{path}: record '{entry.id}' has no sequence, only annotation; get the full record"
            " (with ORIGIN)"
        ) from None


def _kinds(feature: Any) -> list[str]:
    classes = feature.qualifiers.get("regulatory_class", [])
    return [feature.type, *classes] if feature.type == "regulatory" else [feature.type]


def _regions(entry: Any, kind: str, path: Path, counts: Counts) -> tuple[Region, ...]:
    regions = []
    for feature in entry.features:
        if kind not in _kinds(feature):
            continue
        where = f"{path}: record '{entry.id}', {kind} at {feature.location}"
        if feature.location is None:
            raise InputError(f"{where}: its position is not known; take it out of the file")
        if any(p.ref for p in feature.location.parts):  # a piece of it lies in another record
            counts.outside += 1
            continue
        said = {k: feature.qualifiers[k][0] for k in _QUALIFIERS if k in feature.qualifiers}
        regions.append(Region(_parts(feature, where), where, {"feature": kind, **said}))
    return tuple(regions)


def _parts(feature: Any, where: str) -> tuple[Part, ...]:
    try:
        return tuple(
            Part(int(p.start), int(p.end), -1 if p.strand == -1 else 1)
            for p in feature.location.parts
        )
    except TypeError:
        raise InputError(f"{where}: its position is not known; take it out of the file") from None


def read_table(
    path: Path, counts: Counts, sequence_column: str, id_column: str, delimiter: str = ","
) -> Iterator[Record]:
    """Rows of a table with a header line; the other columns become fields.

    Without a column `id_column`, rows are called row1, row2, ... in their order.
    """
    with open_text(path) as (handle, place):
        rows = csv.DictReader(handle, delimiter=delimiter, strict=True)
        columns = rows.fieldnames
        if not columns:
            raise InputError(f"{path}: is empty; give a table with a header line")
        if sequence_column not in columns:
            raise InputError(
                f"{path}: has no column '{sequence_column}' of sequences, only"
                f" {', '.join(columns)}; name it with --sequence-column"
            )
        for number, row in enumerate(rows, 1):
            name = row.get(id_column) or f"row{number}"
            # The reader files surplus cells under None and fills missing ones with None.
            if None in row or None in row.values():
                raise InputError(
                    f"{path}: record '{name}' (row {number}) has not {len(columns)} columns"
                )
            said = {k: v for k, v in row.items() if k not in (sequence_column, id_column)}
            yield _checked(name, row[sequence_column].strip(), said, place, counts)
    if not counts.records:
        raise InputError(f"{path}: holds no sequence, only a header line; give at least one row")


def _checked(
    name: str,
    text: str,
    fields: Mapping[str, str],
    place: Place,
    counts: Counts,
    circular: bool = False,
    regions: tuple[Region, ...] = (),
) -> Record:
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
