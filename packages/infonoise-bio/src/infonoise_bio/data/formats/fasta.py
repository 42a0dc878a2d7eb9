"""FASTA: reading by blocks, writing complete or not at all."""

import codecs
import io
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from infonoise_bio.alphabet import ALLOWED, BASES, PAD, only_bases, rna_to_dna
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.header import header_text
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import (
    Place,
    check_unpacked,
    create_text,
    open_binary,
    stem_of,
)
from infonoise_core.errors import InputError
from infonoise_core.files import check_output, whole_file
from infonoise_core.shown import printable

_WRAP = 80
# Fits into a processor's cache: larger ones took up to four times as long.
_BLOCK = 1 << 16
_SPACE = b" \t\n\r\v\f"
# What else parts the words of a header, among ASCII.
_ODD_SPACE = b"\t\v\f\x1c\x1d\x1e\x1f"
# Endings that are read as other formats.
_OTHERS = (
    ".csv", ".tsv", ".bed", ".narrowpeak", ".broadpeak", ".gappedpeak", ".gb", ".gbk", ".gbff",
    ".genbank", ".embl", ".gff", ".gff3", ".gtf", ".fq", ".fastq", ".2bit", ".vcf", ".txt",
)  # fmt: skip


def read_fasta(path: Path, counts: Counts) -> Iterator[Record]:
    """Records of a FASTA file; id is the header's first word.

    Lines that start with `;` or `#` are comments wherever they stand: they are skipped and counted.
    """
    with open_binary(path) as (stream, place):
        for text in _blocks(stream, path):
            if (block := _two_line_block(text, place, counts)) is not None:
                yield from block
                continue
            chunks = _split(text, path, counts)
            block = _plain_block(chunks, place, counts)
            yield from _one_by_one(chunks, place, counts) if block is None else block
    if not counts.records:
        raise InputError(f"{path}: holds no sequence; give FASTA with at least one record")


def _two_line_block(text: bytes, place: Place, counts: Counts) -> list[Record] | None:
    """The records of a block at once where each is a header and one line of clear bases.

    Most files of short sequences are so; None where any record is not.
    """
    third = text.find(b"\n", text.find(b"\n") + 1) + 1
    if not text.startswith(b">") or not text.startswith(b">", third % len(text)):
        return None
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    marked, letters = lines[::2], lines[1::2]
    together = b"".join(letters)
    if len(marked) != len(letters) or not all(letters) or not only_bases(together):
        return None
    headers = b"\n".join(marked)
    return _records(headers[1:], "\n>", letters, len(together), place, counts)


def _records(
    headers: bytes, between: str, letters: list[bytes], bases: int, place: Place, counts: Counts
) -> list[Record] | None:
    """Records by their headers, or None where one has no id, is no text, or are more or fewer."""
    try:
        said = headers.decode().split(between)
    except UnicodeDecodeError:
        return None
    if len(said) != len(letters):
        return None
    plain = headers.isascii() and not any(byte in headers for byte in _ODD_SPACE)
    if plain and b" " not in headers:
        names = said
    elif plain:
        names = [header.partition(" ")[0] for header in said]
    else:
        names = [(header.split(None, 1) or [""])[0] for header in said]
    if not all(names):
        return None
    found = list(map(Record, names, letters, said, repeat(place.path)))
    counts.records += len(found)
    counts.bases += bases
    if found:
        place.move(names[-1], counts.records)
    return found


def _plain_block(chunks: list[bytes], place: Place, counts: Counts) -> list[Record] | None:
    """The records of a block at once, or None where one of them may be at fault.

    Letters are checked and counted over the whole block, which is several times faster than record
    by record.
    """
    parts = [chunk.partition(b"\n") for chunk in chunks]
    letters = [body.replace(b"\n", b"") for _, _, body in parts]
    together = letters[0] if len(letters) == 1 else b"".join(letters)
    other = b"" if only_bases(together) else together.translate(None, BASES.encode())
    plain = other.translate(None, _SPACE)
    if plain.translate(None, ALLOWED):
        return None
    if len(plain) < len(other):
        letters = [text.translate(None, _SPACE) for text in letters]
    if not all(letters):
        return None
    headers = b"\n".join([header for header, _, _ in parts])
    if b"U" in plain or b"u" in plain:
        letters = [rna_to_dna(text) for text in letters]
    found = _records(headers, "\n", letters, sum(map(len, letters)), place, counts)
    if found is not None and plain:
        counts.letters(plain)
    return found


def _one_by_one(chunks: list[bytes], place: Place, counts: Counts) -> Iterator[Record]:
    """The records before one that is at fault, and the error that names it."""
    for chunk in chunks:
        header, _, body = chunk.partition(b"\n")
        words = header.decode().split(None, 1)
        if not words:
            raise InputError(
                f"{place.path}: record {counts.records + 1} has no id; write one after its '>'"
            )
        letters = body.replace(b"\n", b"")
        yield make_record(words[0], letters, header.decode(), place, counts, ignored=_SPACE)


def _blocks(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Whole records, those of a piece of the file at a time, with what may stand before the first.

    Not by lines: a file of many short records takes a third of the time.
    """
    waiting = [b"\n"]
    while block := _piece(stream):
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if waiting == [b"\n"]:
            block = block.removeprefix(codecs.BOM_UTF8)
            _check_start(block, path)
        # Where the last record begins, counted from the byte before the block.
        cut = (waiting[-1][-1:] + block).rfind(b"\n>")
        if cut < 0:
            waiting.append(block)
            continue
        waiting.append(block[: max(0, cut - 1)])
        whole = b"".join(waiting)
        yield (whole if cut else whole[:-1]).removeprefix(b"\n")
        waiting = [block[cut - 1 :] if cut else b"\n" + block]
    yield b"".join(waiting).removeprefix(b"\n")


def _piece(stream: BinaryIO) -> bytes:
    # What comes before damage is read, so that a message can say after which record it is.
    return cast(io.BufferedReader, stream).read1(_BLOCK)


def _split(text: bytes, path: Path, counts: Counts) -> list[bytes]:
    """What stands between a '>' at a line's start and the next, without comments.

    Args:
        text: It begins at a record, or at the start of the file.
    """
    text = b"\n" + text
    # One byte is found many times as fast as two.
    if (b";" in text and b"\n;" in text) or (b"#" in text and b"\n#" in text):
        lines = text.split(b"\n")
        kept = [line for line in lines if not line.startswith((b";", b"#"))]
        counts.comments += len(lines) - len(kept)
        text = b"\n".join(kept)
    if _within_lines(text):
        before, *chunks = text.split(b"\n>")
    else:
        before, *chunks = text.split(b">")
    _check_start(before, path)
    return chunks


def _within_lines(text: bytes) -> bool:
    """Whether a '>' stands anywhere but at a line's start."""
    row = np.frombuffer(text, np.uint8)
    return bool(((row[1:] == ord(">")) & (row[:-1] != ord("\n"))).any())


def _check_start(text: bytes, path: Path) -> None:
    """InputError where the first line that says something is no header."""
    for line in text.split(b"\n", 1000):
        if line.startswith(b">"):
            return
        if line.strip() and not line.startswith((b";", b"#")):
            raise InputError(
                f"{path}: this is no FASTA, it starts with {line[:20].decode().strip()!r}; a header"
                " line '>id' stands before each sequence"
            )


def check_fasta(out: Path, overwrite: bool) -> None:
    """InputError where FASTA cannot be written to `out`, or would be read as another format."""
    check_output(out, overwrite)
    check_unpacked(out, but=(".gz",))
    suffix = stem_of(out)[1]
    if suffix in _OTHERS:
        raise InputError(f"--out {out}: FASTA is written, and {suffix} is not its; give .fa")


def write_fasta(out: Path, records: Iterable[Record]) -> int:
    """Write records as they come, with their fields as key=value; returns their number.

    A name that ends in .gz makes it a packed file.

    The file appears when it is complete: after an error or an interruption there is none.
    """
    number = 0
    with whole_file(out) as file, create_text(file, packed=out.suffix.lower() == ".gz") as handle:
        for record in records:
            handle.write(f">{printable(record.id)} {header_text(record.fields)}".rstrip() + "\n")
            text = record.letters.replace(PAD, b"N").decode("ascii")
            for start in range(0, len(text), _WRAP):
                handle.write(text[start : start + _WRAP] + "\n")
            number += 1
    return number
