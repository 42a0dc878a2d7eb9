"""`infonoise-bio inspect` and `extract`: what a file holds, and windows cut out of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import write_fasta
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.inspection import inspect_file
from infonoise_bio.data.open import format_of, read_source
from infonoise_core.errors import InputError
from infonoise_core.files import check_output


@dataclass(frozen=True)
class Inspect:
    """Print what a file of sequences holds, and what in it would spoil a model."""

    data: Positional[Path]
    """FASTA, GenBank, table (.csv, .tsv) or BED file, perhaps .gz or .bgz"""
    window: int | None = None
    """length examples shall have: an error where a sequence is shorter"""
    label: str | None = None
    """count the values of this column, FASTA header word or qualifier"""
    split_column: str = "split"
    """the one that says train, val or test"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)


@dataclass(frozen=True)
class Extract:
    """Cut windows around GenBank features or BED intervals into a FASTA file."""

    data: Positional[Path]
    """GenBank file with --feature, or BED file with --genome"""
    out: Path
    """FASTA file to write"""
    overwrite: bool = False
    """replace the file --out"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)


def run_inspect(config: Inspect) -> None:
    """Print the report; what would stop a training is an error at its end."""
    lines, fault = inspect_file(
        config.data, config.reading, config.window, config.split_column, config.label
    )
    print("\n".join(lines))
    if fault is not None:
        raise InputError(fault)


def run_extract(config: Extract) -> None:
    """Write the windows, then print how many there are and what was dropped."""
    check_output(config.out, config.overwrite)
    kind = format_of(config.data)
    if kind not in ("genbank", "bed"):
        raise InputError(f"{config.data}: this is {kind}; give a GenBank or BED file")
    if kind == "genbank" and config.reading.feature is None:
        raise InputError(f"{config.data}: say which features; give --feature, such as CDS")
    counts = Counts()
    windows = read_source(config.data, config.reading, counts)
    number = write_fasta(config.out, _at_least_one(windows, config.data, counts))
    print(f"{config.out}: {number:,} sequences")
    for line in counts.lines():
        print(f"  {line}")


def _at_least_one(windows: Iterable[Record], data: Path, counts: Counts) -> Iterator[Record]:
    found = False
    for window in windows:
        found = True
        yield window
    if not found:
        raise InputError(
            f"{data}: no window is left ({'; '.join(counts.lines())}); give smaller flanks, or"
            " --edge mask"
        )
