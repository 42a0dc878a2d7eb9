"""Which format a file has: by its name's ending, else by how it begins."""

import re
from collections.abc import Mapping
from pathlib import Path

from infonoise_bio.data.formats.lines import is_sequence
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.textfile import open_binary, stem_of
from infonoise_core.errors import InputError

ENDINGS: Mapping[str, tuple[str, ...]] = {
    "fasta": (".fa", ".fasta", ".fna", ".ffn", ".frn", ".fas", ".fsa", ".mfa"),
    "fastq": (".fq", ".fastq"),
    "genbank": (".gb", ".gbk", ".gbff", ".genbank"),
    "embl": (".embl",),
    "twobit": (".2bit",),
    "gff": (".gff", ".gff3", ".gtf", ".gff2"),
    "bed": (".bed", ".narrowpeak", ".broadpeak", ".gappedpeak"),
    "vcf": (".vcf",),
    "table": (".csv", ".tsv"),
}
# Intervals or features whose sequences are in another file.
PLACES = ("bed", "gff")
# Those with features of their own.
ANNOTATED = ("genbank", "embl")
_HEADS = {b">": "fasta", b";": "fasta", b"@": "fastq", b"LOCUS": "genbank", b"ID   ": "embl",
          b"##gff": "gff", b"##fileformat=VCF": "vcf", b"\x43\x27\x41\x1a": "twobit",
          b"\x1a\x41\x27\x43": "twobit"}  # fmt: skip


_NOT_TEXT = {
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save its sheet as 'CSV UTF-8' (.csv)"),
    b"\xff\xfe": ("text in UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("text in UTF-16", "save it as UTF-8"),
}


def _is_header(line: str) -> bool:
    """Whether a line names the columns of a table, one of them that of sequences."""
    cells = [cell.strip(" \"'").lower() for cell in re.split(r"[,;\t|]", line)]
    return len(cells) > 1 and Reading.sequence_column in cells


def format_of(path: Path) -> str:
    """A name of ENDINGS, or lines: one sequence a line."""
    suffix = stem_of(path)[1]
    for name, endings in ENDINGS.items():
        if suffix in endings:
            return name
    with open_binary(path) as (stream, _):
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf")
    line = _first_line(head)
    for start, name in _HEADS.items():
        # Before a text's first line there may be empty ones and comments.
        if head.startswith(start) or line.startswith(start.decode("latin-1")):
            return name
    if is_sequence(line):
        return "lines"
    if _is_header(line):
        return "table"
    for start, (what, fix) in _NOT_TEXT.items():
        if head.startswith(start):
            raise InputError(f"{path}: this is {what}; {fix}")
    raise InputError(
        f"{path}: the ending is that of no format, and so is its beginning; give a name that ends"
        " in .fa, .fq, .gb, .embl, .csv, .tsv, .bed, .gff, .gtf or .2bit, perhaps with .gz"
    )


def _first_line(head: bytes) -> str:
    lines = (line.strip() for line in head.splitlines())
    return next((line for line in lines if line and not line.startswith(b"#")), b"").decode(
        "ascii", "replace"
    )
