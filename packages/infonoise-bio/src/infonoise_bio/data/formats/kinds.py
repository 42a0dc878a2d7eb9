"""Which format a file has: by its name's ending, else by how it begins."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

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


# Letters of a word that is none of a language.
_WORD = 8


class _Foreign(NamedTuple):
    """Files that people have and that are not read, with what to do instead."""

    what: str
    fix: str
    endings: tuple[str, ...] = ()
    starts: tuple[bytes, ...] = ()


_FOREIGN = (
    _Foreign("aligned reads", "make FASTQ of them, such as with samtools fastq",
             (".sam", ".bam", ".cram"), (b"BAM\x01", b"CRAM\x02", b"CRAM\x03", b"@HD\t", b"@SQ\t")),
    _Foreign("an alignment", "write its sequences as FASTA, without gaps",
             (".sto", ".stk", ".aln", ".phy", ".phylip", ".nex", ".nexus", ".msf", ".xmfa"),
             (b"# STOCKHOLM", b"CLUSTAL", b"#NEXUS", b"##maf")),
    _Foreign("a track of numbers", "give its intervals as BED, with --genome",
             (".wig", ".bw", ".bigwig", ".bedgraph", ".bdg"),
             (b"track type=wiggle", b"track type=bedGraph", b"fixedStep", b"variableStep",
              b"\x26\xfc\x8f\x88")),
    _Foreign("a BigBed file", "make BED of it with bigBedToBed",
             (".bb", ".bigbed"), (b"\xeb\xf2\x89\x87",)),
    _Foreign("a chromatogram", "export its bases as FASTQ or FASTA",
             (".ab1", ".abi", ".scf"), (b"ABIF", b".scf")),
    _Foreign("a SnapGene file", "export it as GenBank", (), (b"\t\0\0\0\x14SnapGene",)),
    _Foreign("an assembly graph", "write its segments as FASTA", (".gfa", ".gfa2"), (b"H\tVN:Z:",)),
    _Foreign("a structure", "write its sequences as FASTA",
             (".pdb", ".cif", ".mmcif"), (b"HEADER    ",)),
    _Foreign("JSON", "write a table (.csv) with a column sequence, or FASTA",
             (".json", ".jsonl", ".ndjson"), (b"{", b"[")),
    _Foreign("arrays or tables of another program",
             "write the letters as FASTA, or a table (.csv) with a column sequence",
             (".h5", ".hdf5", ".h5ad", ".npy", ".npz", ".parquet", ".feather", ".pt", ".pkl"),
             (b"\x89HDF", b"\x93NUMPY", b"PAR1", b"ARROW1")),
    _Foreign("an Excel workbook", "save its sheet as 'CSV UTF-8' (.csv)",
             (".xls",), (b"\xd0\xcf\x11\xe0",)),
    _Foreign("text in UTF-16", "save it as UTF-8", (), (b"\xff\xfe", b"\xfe\xff")),
)  # fmt: skip


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
    _refuse_foreign(path, lambda one: head.startswith(one.starts))
    line = _first_line(head)
    for start, name in _HEADS.items():
        # Before a text's first line there may be empty ones and comments.
        if head.startswith(start) or line.startswith(start.decode("latin-1")):
            return name
    if is_sequence(line):
        return "lines"
    if _is_header(line):
        return "table"
    _refuse_foreign(path, lambda one: suffix in one.endings)
    if any(len(word) > _WORD and is_sequence(word) for word in re.split(r"[\s,;|]+", line)):
        raise InputError(
            f"{path}: a line holds more than a sequence; make a table of it (.tsv) with column"
            " names in its first line, one of them sequence"
        )
    raise InputError(
        f"{path}: the ending is that of no format, and so is its beginning; give a name that ends"
        " in .fa, .fq, .gb, .embl, .csv, .tsv, .bed, .gff, .gtf or .2bit, perhaps with .gz"
    )


def _refuse_foreign(path: Path, is_one: Callable[[_Foreign], bool]) -> None:
    for one in filter(is_one, _FOREIGN):
        raise InputError(f"{path}: this is {one.what}; {one.fix}")


def _first_line(head: bytes) -> str:
    lines = (line.strip() for line in head.splitlines())
    return next((line for line in lines if line and not line.startswith(b"#")), b"").decode(
        "ascii", "replace"
    )
