"""FASTA: reading with Bio.SeqIO's parser, writing complete or not at all."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from Bio.SeqIO.FastaIO import SimpleFastaParser

from infonoise_bio.alphabet import PAD
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.header import header_fields, header_text
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import open_text, stem_of
from infonoise_core.errors import InputError
from infonoise_core.files import check_output, whole_file
from infonoise_core.shown import printable

_WRAP = 80
# Endings that are read as other formats.
_OTHERS = (".csv", ".tsv", ".bed", ".narrowpeak", ".broadpeak", ".gb", ".gbk", ".gbff", ".genbank")


def read_fasta(path: Path, counts: Counts) -> Iterator[Record]:
    """Records of a FASTA file; id is the header's first word.

    Lines that start with `;` or `#` are comments wherever they stand: they are skipped and counted.
    """
    with open_text(path) as (handle, place):
        lines = _without_comments(handle, path, counts)
        parser = SimpleFastaParser(lines)  # type: ignore[no-untyped-call]
        for number, (title, text) in enumerate(parser, 1):
            words = title.split(maxsplit=1)
            if not words:
                raise InputError(f"{path}: record {number} has no id; write one after its '>'")
            yield make_record(words[0], text, header_fields(" ".join(words[1:])), place, counts)
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


def check_fasta(out: Path, overwrite: bool) -> None:
    """InputError where FASTA cannot be written to `out`, or would be read as another format."""
    check_output(out, overwrite)
    suffix = stem_of(out)[1]
    if suffix in _OTHERS:
        raise InputError(f"--out {out}: FASTA is written, and {suffix} is not its; give .fa")


def write_fasta(out: Path, records: Iterable[Record]) -> int:
    """Write records as they come, with their fields as key=value; returns their number.

    The file appears when it is complete: after an error or an interruption there is none.
    """
    number = 0
    with whole_file(out) as file, file.open("w", encoding="utf-8", newline="\n") as handle:
        for record in records:
            handle.write(f">{printable(record.id)} {header_text(record.fields)}".rstrip() + "\n")
            text = record.letters.replace(PAD, b"N").decode("ascii")
            for start in range(0, len(text), _WRAP):
                handle.write(text[start : start + _WRAP] + "\n")
            number += 1
    return number
