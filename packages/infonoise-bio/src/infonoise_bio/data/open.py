"""One door to all formats: a path and how to read it -> records or windows, as a stream."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from infonoise_bio.data.cutter import Cutter, placement_of
from infonoise_bio.data.formats.bed import read_bed
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import read_fasta
from infonoise_bio.data.formats.fastq import read_fastq
from infonoise_bio.data.formats.genbank import read_genbank
from infonoise_bio.data.formats.gff import read_gff
from infonoise_bio.data.formats.kinds import ANNOTATED, PLACES, format_of
from infonoise_bio.data.formats.lines import read_lines
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.formats.regions import Placement, Region, check_inside
from infonoise_bio.data.formats.table import read_table
from infonoise_bio.data.formats.textfile import stem_of
from infonoise_bio.data.genomes.open import open_genome
from infonoise_core.errors import InputError


def read_source(path: Path, reading: Reading, counts: Counts) -> Iterator[Record]:
    """All sequences of a file, or the windows that `reading` names; one record at a time."""
    kind = format_of(path)
    _check_options(path, kind, reading)
    if kind == "fasta":
        yield from read_fasta(path, counts)
    elif kind == "fastq":
        yield from read_fastq(path, counts)
    elif kind == "lines":
        yield from read_lines(path, counts)
    elif kind == "table":
        delimiter = "\t" if stem_of(path)[1] == ".tsv" else ","
        yield from read_table(path, counts, reading.sequence_column, reading.id_column, delimiter)
    elif kind == "vcf":
        raise InputError(
            f"{path}: variants are no sequences; give infonoise-bio score --vcf {path}"
        )
    elif kind in PLACES:
        yield from _windows_of_places(path, kind, reading, counts)
    elif kind in ANNOTATED:
        records = read_genbank(path, counts, reading.feature, kind)
        yield from _feature_windows(records, reading, counts) if reading.feature else records
    else:
        for whole in open_genome(path, counts):
            yield Record(whole.id, whole.letters[: len(whole.letters)], {}, whole.where)


def _check_options(path: Path, kind: str, reading: Reading) -> None:
    if kind in PLACES and reading.genome is None:
        raise InputError(f"{path}: intervals need their sequences; give --genome FILE")
    if kind not in PLACES and reading.genome is not None:
        raise InputError(f"{path}: --genome goes with a BED, GFF or GTF file, this is {kind}")
    if kind not in (*ANNOTATED, "gff") and reading.feature is not None:
        raise InputError(
            f"{path}: --feature goes with a GenBank, EMBL, GFF or GTF file, this is {kind}"
        )
    if (
        kind not in PLACES
        and reading.feature is None
        and placement_of(reading) != Placement(edge=reading.edge)
    ):
        raise InputError(
            f"{path}: --around, --upstream and --downstream go with --feature or a BED file"
        )


def _feature_windows(
    records: Iterable[Record], reading: Reading, counts: Counts
) -> Iterator[Record]:
    cutter = Cutter(placement_of(reading), counts)
    for record in records:
        for region in record.regions:
            check_inside(region, len(record))
        yield from cutter.windows(record, record.regions)


def _windows_of_places(path: Path, kind: str, reading: Reading, counts: Counts) -> Iterator[Record]:
    """In the order of the genome, so that it is read once and one record at a time."""
    circular: set[str] = set()
    if kind == "gff":
        annotation = read_gff(path, reading.feature, counts)
        found, circular = annotation.regions, annotation.circular
    else:
        found = read_bed(path)
    intervals: dict[str, list[Region]] = {}
    for name, regions in found.items():
        # A file may write a chromosome both ways, as chr1 and as 1.
        intervals.setdefault(renamed(name, reading), []).extend(regions)
    circular = {renamed(name, reading) for name in circular}
    if reading.genome is None:
        raise InputError(f"{path}: intervals need their sequences; give --genome FILE")
    if reading.around == "summit" and (kind == "gff" or stem_of(path)[1] == ".bed"):
        _check_summits(intervals)
    cutter = Cutter(placement_of(reading), counts)
    there: list[str] = []
    for whole in open_genome(reading.genome, counts):
        there.append(whole.id)
        yield from cutter.windows(whole, intervals.get(whole.id, ()), circular=whole.id in circular)
    missing = next((name for name in intervals if name not in cutter.names), None)
    if missing is not None:
        raise unknown_name(intervals[missing][0].where, missing, intervals, there, reading.genome)


def renamed(name: str, reading: Reading) -> str:
    """A chromosome's name as the genome has it, as --chr-prefix says."""
    if reading.chr_prefix == "add":
        return name if name.startswith("chr") else f"chr{name}"
    return name.removeprefix("chr") if reading.chr_prefix == "drop" else name


def unknown_name(
    where: str, name: str, names: Iterable[str], there: list[str], genome: Path
) -> InputError:
    """That the genome has no sequence of that name, and what to do."""
    return InputError(
        f"{where}: {genome} has no sequence '{name}', only {_some(there)};"
        f" {_naming_hint(name, names, there)}"
    )


def _naming_hint(name: str, intervals: Iterable[str], there: list[str]) -> str:
    """What to do where the names of two files differ."""
    wanted = list(intervals)
    for word, change in (
        ("drop", lambda name: name.removeprefix("chr")),
        ("add", lambda name: f"chr{name}"),
    ):
        if any(change(other) in there for other in wanted if other not in there):
            return f"give --chr-prefix {word}"
    alike = next((other for other in there if _plain(other) == _plain(name)), None)
    if alike is not None:
        return f"if it is '{alike}', write it so"
    if any(other in there for other in wanted):
        return "take its lines out, or give the genome that has it"
    return "give the genome the intervals were made on"


def _plain(name: str) -> str:
    """A name without what files write differently: case, prefix, version, M or MT."""
    plain = re.sub(r"\.\d+$", "", name.lower().removeprefix("chr"))
    return "mt" if plain == "m" else plain


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8:,} others" if len(names) > 8 else "")


def _check_summits(intervals: Mapping[str, list[Region]]) -> None:
    if all(region.summit is None for found in intervals.values() for region in found):
        where = next(iter(intervals.values()))[0].where
        raise InputError(f"{where}: has no summit; give a narrowPeak file, or --around center")
