"""One door to all formats: a path and how to read it -> records or windows, as a stream."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, read_fasta, read_genbank, read_table
from infonoise_bio.data.formats.regions import (
    Around,
    Edge,
    Part,
    Placement,
    Region,
    check_inside,
    cut,
    window_name,
)
from infonoise_bio.data.formats.textfile import open_text, stem_of
from infonoise_core.errors import InputError

FASTA = (".fa", ".fasta", ".fna", ".ffn", ".frn", ".fas", ".fsa")
GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
TABLE: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}
BED = (".bed", ".narrowpeak", ".broadpeak")


@dataclass(frozen=True)
class Reading:
    """How a file becomes sequences."""

    feature: str | None = None
    """GenBank: cut a window for each feature of this type, such as CDS or promoter"""
    genome: Path | None = None
    """BED: the sequences that the intervals lie on (FASTA or GenBank)"""
    around: Around = "feature"
    """the window: the whole feature (joined) and its flanks, or a place in it"""
    upstream: int = 0
    """bases before the feature, or before the start, center or end"""
    downstream: int = 0
    """bases after the feature, or from the start, center or end on"""
    edge: Edge = "drop"
    """windows that leave a linear record"""
    sequence_column: str = "sequence"
    """tables: column of the sequences"""
    id_column: str = "id"
    """tables: column of the names; rows are numbered without it"""

    def placement(self) -> Placement:
        """Which window is cut for a feature or an interval."""
        return Placement(self.around, self.upstream, self.downstream, self.edge)


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
        f"{path}: the ending does not tell the format; give a name that ends in .fa, .gb, .csv,"
        " .tsv or .bed, perhaps with .gz"
    )


def read_source(path: Path, reading: Reading, counts: Counts) -> Iterator[Record]:
    """All sequences of a file, windows where `reading` asks for them; nothing is held but one
    record.
    """
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
        and reading.placement() != Placement(edge=reading.edge)
    ):
        raise InputError(
            f"{path}: --around, --upstream and --downstream go with --feature or a BED file"
        )


def _feature_windows(
    records: Iterable[Record], reading: Reading, counts: Counts
) -> Iterator[Record]:
    seen: set[str] = set()
    for record in records:
        yield from _windows(record, record.regions, reading.placement(), counts, seen)


def _bed_windows(path: Path, reading: Reading, counts: Counts) -> Iterator[Record]:
    """In the order of the genome, so that it is read once and one record at a time."""
    wanted = read_bed(path)
    whole = Reading(genome=None)
    seen: set[str] = set()
    if reading.genome is None or format_of(reading.genome) not in ("fasta", "genbank"):
        raise InputError(f"--genome {reading.genome}: give FASTA or GenBank")
    for record in read_source(reading.genome, whole, counts):
        regions = wanted.pop(record.id, [])
        yield from _windows(record, regions, reading.placement(), counts, seen)
    for chromosome, regions in wanted.items():
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


def read_bed(path: Path) -> dict[str, list[Region]]:
    """Intervals by chromosome; name, score and strand where the file has them."""
    wanted: dict[str, list[Region]] = {}
    with open_text(path) as (handle, place):
        for number, line in enumerate(handle, 1):
            words = line.rstrip("\r\n").split("\t" if "\t" in line else None)
            if not words or line.isspace() or line.startswith(("#", "track", "browser")):
                continue
            where = f"{path}: line {number}"
            wanted.setdefault(words[0], []).append(_interval(words, where))
            place.record = f"line {number}"
    if not wanted:
        raise InputError(f"{path}: holds no interval; give lines of chromosome, start and end")
    return wanted


def _interval(words: list[str], where: str) -> Region:
    try:
        start, end = int(words[1]), int(words[2])
    except (IndexError, ValueError):
        raise InputError(
            f"{where}: has no start and end as whole numbers; give chromosome, start, end,"
            " separated by tabs"
        ) from None
    where = f"{where}, {words[0]}:{start}-{end}"
    if start >= end:
        raise InputError(f"{where}: the end must lie after the start")
    strand = words[5] if len(words) > 5 else "."
    if strand not in ("+", "-", "."):
        raise InputError(f"{where}: strand {strand!r}; give +, - or .")
    said = dict(zip(("name", "score", "strand"), words[3:6], strict=False))
    return Region((Part(start, end, -1 if strand == "-" else 1),), where, said)
