"""One door to all formats: a path and how to read it -> records or windows, as a stream."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from infonoise_bio.data.formats.bed import read_bed
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import read_fasta
from infonoise_bio.data.formats.genbank import read_genbank
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.formats.regions import (
    Part,
    Placement,
    Region,
    check_inside,
    cut,
    window_name,
)
from infonoise_bio.data.formats.table import read_table
from infonoise_bio.data.formats.textfile import open_text, stem_of
from infonoise_core.errors import InputError

FASTA = (".fa", ".fasta", ".fna", ".ffn", ".frn", ".fas", ".fsa")
GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
TABLE: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}
BED = (".bed", ".narrowpeak", ".broadpeak")


def placement_of(reading: Reading) -> Placement:
    """Which window is cut for a feature or an interval."""
    return Placement(reading.around, reading.upstream, reading.downstream, reading.edge)


def format_of(path: Path) -> str:
    """fasta, genbank, table or bed: by the name's ending, else by the first character."""
    suffix = stem_of(path)[1]
    for name, endings in (("fasta", FASTA), ("genbank", GENBANK), ("bed", BED), ("table", TABLE)):
        if suffix in endings:
            return name
    with open_text(path) as (handle, _):
        head = handle.read(5)
    if head[:1] in (">", ";"):
        return "fasta"
    if head == "LOCUS":
        return "genbank"
    raise InputError(
        f"{path}: the ending is that of no format; give a name that ends in .fa, .gb, .csv,"
        " .tsv or .bed, perhaps with .gz"
    )


def read_source(path: Path, reading: Reading, counts: Counts) -> Iterator[Record]:
    """All sequences of a file, or the windows that `reading` names; one record at a time."""
    kind = format_of(path)
    _check_options(path, kind, reading)
    if kind == "fasta":
        yield from read_fasta(path, counts)
    elif kind == "table":
        delimiter = TABLE[stem_of(path)[1]]
        yield from read_table(path, counts, reading.sequence_column, reading.id_column, delimiter)
    elif kind == "bed":
        yield from _bed_windows(path, reading, counts)
    else:
        whole = read_genbank(path, counts, reading.feature)
        yield from _feature_windows(whole, reading, counts) if reading.feature else whole


def _check_options(path: Path, kind: str, reading: Reading) -> None:
    if kind == "bed" and reading.genome is None:
        raise InputError(f"{path}: intervals need their sequences; give --genome FILE")
    if kind != "bed" and reading.genome is not None:
        raise InputError(f"{path}: --genome goes with a BED file, this is {kind}")
    if kind != "genbank" and reading.feature is not None:
        raise InputError(f"{path}: --feature goes with a GenBank file, this is {kind}")
    if (
        kind != "bed"
        and reading.feature is None
        and placement_of(reading) != Placement(edge=reading.edge)
    ):
        raise InputError(
            f"{path}: --around, --upstream and --downstream go with --feature or a BED file"
        )


def _feature_windows(
    records: Iterable[Record], reading: Reading, counts: Counts
) -> Iterator[Record]:
    seen: set[str] = set()
    for record in records:
        yield from _windows(record, record.regions, placement_of(reading), counts, seen)


def _bed_windows(path: Path, reading: Reading, counts: Counts) -> Iterator[Record]:
    """In the order of the genome, so that it is read once and one record at a time."""
    intervals = read_bed(path)
    whole = Reading(genome=None)
    seen: set[str] = set()
    if reading.genome is None or format_of(reading.genome) not in ("fasta", "genbank"):
        raise InputError(f"--genome {reading.genome}: give FASTA or GenBank")
    for record in read_source(reading.genome, whole, counts):
        regions = intervals.pop(record.id, [])
        yield from _windows(record, regions, placement_of(reading), counts, seen)
    for chromosome, regions in intervals.items():
        raise InputError(
            f"{regions[0].where}: {reading.genome} has no sequence '{chromosome}'; give the genome"
            " the intervals were made on"
        )


def _windows(
    record: Record,
    regions: Iterable[Region],
    placement: Placement,
    counts: Counts,
    seen: set[str],
) -> Iterator[Record]:
    n = len(record)
    for region in regions:
        check_inside(region, n)
        parts = placement.window(region)
        name = window_name(record.id, parts, n if record.circular else 0)
        if not sum(map(len, parts)):
            raise InputError(f"{region.where}: is empty; give --upstream or --downstream")
        letters = cut(record.letters, record.circular, parts, placement.edge)
        if letters is None:
            _check_edge(region, parts, placement, n)
            counts.outside += 1
        elif name in seen:
            counts.repeated += 1
        else:
            seen.add(name)
            yield Record(name, letters, region.fields, region.where, False, record.id)


def _check_edge(region: Region, parts: tuple[Part, ...], placement: Placement, n: int) -> None:
    if placement.edge == "error":
        low, high = min(p.start for p in parts), max(p.end for p in parts)
        raise InputError(
            f"{region.where}: its window {low + 1}-{high} leaves the record of {n} bases; give"
            " smaller flanks, or --edge drop or mask"
        )
