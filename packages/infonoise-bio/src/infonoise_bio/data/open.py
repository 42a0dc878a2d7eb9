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
    cutter = _Cutter(placement_of(reading), counts)
    for record in records:
        for region in record.regions:
            check_inside(region, len(record))
        yield from cutter.windows(record, record.regions)


def _bed_windows(path: Path, reading: Reading, counts: Counts) -> Iterator[Record]:
    """In the order of the genome, so that it is read once and one record at a time."""
    intervals = {_renamed(name, reading): found for name, found in read_bed(path).items()}
    if reading.genome is None or format_of(reading.genome) not in ("fasta", "genbank"):
        raise InputError(f"--genome {reading.genome}: give FASTA or GenBank")
    if reading.around == "summit" and stem_of(path)[1] == ".bed":
        _check_summits(intervals)
    cutter = _Cutter(placement_of(reading), counts)
    there: list[str] = []
    for record in read_source(reading.genome, Reading(genome=None), counts):
        there.append(record.id)
        yield from cutter.windows(record, intervals.get(record.id, ()))
    missing = next((name for name in intervals if name not in cutter.names), None)
    if missing is not None:
        raise InputError(
            f"{intervals[missing][0].where}: {reading.genome} has no sequence '{missing}', only"
            f" {_some(there)}; {_naming_hint(intervals, there)}"
        )


def _renamed(name: str, reading: Reading) -> str:
    if reading.chr_prefix == "add":
        return name if name.startswith("chr") else f"chr{name}"
    return name.removeprefix("chr") if reading.chr_prefix == "drop" else name


def _naming_hint(intervals: Iterable[str], there: list[str]) -> str:
    """What to do where the names of two files differ."""
    for word, change in (
        ("drop", lambda name: name.removeprefix("chr")),
        ("add", lambda name: f"chr{name}"),
    ):
        if any(change(name) in there for name in intervals if name not in there):
            return f"give --chr-prefix {word}"
    return "give the genome the intervals were made on"


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8:,} others" if len(names) > 8 else "")


def _check_summits(intervals: Mapping[str, list[Region]]) -> None:
    if all(region.summit is None for found in intervals.values() for region in found):
        where = next(iter(intervals.values()))[0].where
        raise InputError(f"{where}: has no summit; give a narrowPeak file, or --around center")


class _Cutter:
    """Cuts windows out of records; no place twice, and no name for two records.

    Attributes:
        names: Of the records that windows were cut out of.
    """

    def __init__(self, placement: Placement, counts: Counts) -> None:
        self.names: set[str] = set()
        self._placement, self._counts = placement, counts
        self._seen: set[str] = set()

    def windows(self, record: Record, regions: Iterable[Region]) -> Iterator[Record]:
        """The windows of one record, in the order of its regions."""
        for region in regions:
            if record.id in self.names:
                raise InputError(
                    f"{record.where}: the name was taken by an earlier record, so its windows"
                    " could not be distinguished; give every record its own name"
                )
            if self._is_left_out(region):
                continue
            parts = self._placement.window(region)
            if not sum(map(len, parts)):
                raise InputError(f"{region.where}: is empty; give --upstream or --downstream")
            window = self._cut(record, region, parts)
            if window is not None:
                yield window
        if regions:
            self.names.add(record.id)

    def _is_left_out(self, region: Region) -> bool:
        """Count what is odd; a place that is not in the file has no window."""
        counts, around = self._counts, self._placement.around
        counts.joined += len(region.parts) > 1 and "feature" not in region.fields
        counts.no_summit += around == "summit" and region.summit is None
        counts.other_summit += around == "center" and region.summit is not None
        unknown = {
            "start": region.open_start,
            "end": region.open_end,
            "center": region.open_start or region.open_end,
        }.get(around, False)
        pseudo = region.pseudo and around in ("start", "end")
        counts.partial += unknown
        counts.pseudo += pseudo and not unknown
        return unknown or pseudo

    def _cut(self, record: Record, region: Region, parts: tuple[Part, ...]) -> Record | None:
        n, placement = len(record), self._placement
        name = window_name(record.id, parts, n if record.circular else 0)
        letters = cut(record.letters, record.circular, parts, placement.edge)
        if letters is None:
            _check_edge(region, parts, placement, n)
            self._counts.outside += 1
            return None
        if name in self._seen:
            self._counts.repeated += 1
            return None
        self._seen.add(name)
        return Record(name, letters, region.fields, region.where, False, record.id)


def _check_edge(region: Region, parts: tuple[Part, ...], placement: Placement, n: int) -> None:
    if placement.edge == "error":
        low, high = min(p.start for p in parts), max(p.end for p in parts)
        raise InputError(
            f"{region.where}: its window {low + 1}-{high} leaves the record of {n} bases; give"
            " smaller flanks, or --edge drop or mask"
        )
