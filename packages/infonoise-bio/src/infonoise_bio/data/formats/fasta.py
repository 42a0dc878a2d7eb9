"""FASTA: reading with Bio.SeqIO's parser, writing complete or not at all."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from Bio.SeqIO.FastaIO import SimpleFastaParser

from infonoise_bio.alphabet import PAD
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.shown import printable

_WRAP = 80


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
            yield make_record(words[0], text, named, place, counts)
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


def write_fasta(out: Path, records: Iterable[Record]) -> int:
    """Write records as they come, with their fields as key=value; returns their number.

    The file appears when it is complete: after an error or an interruption there is none.
    """
    number = 0
    with whole_file(out) as file, file.open("w", encoding="utf-8", newline="\n") as handle:
        for record in records:
            words = (f"{k}={'_'.join(v.split())}" for k, v in record.fields.items() if v)
            handle.write(f">{' '.join([printable(record.id), *words])}\n")
            text = record.letters.replace(PAD, b"N").decode("ascii")
            for start in range(0, len(text), _WRAP):
                handle.write(text[start : start + _WRAP] + "\n")
            number += 1
    return number
