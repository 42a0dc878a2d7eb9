"""`infonoise-bio inspect` and `extract`: what a file holds, and windows cut out of it."""

from collections.abc import Iterable, Iterator

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import check_fasta, write_fasta
from infonoise_bio.data.formats.kinds import ANNOTATED, PLACES, format_of
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.inspection import inspect_file
from infonoise_bio.data.sources import paths_of, read_sources
from infonoise_bio.options import Extract, Inspect
from infonoise_core.errors import InputError
from infonoise_core.shown import amount


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
    check_fasta(config.out, config.overwrite)
    for path in paths_of(config.data):
        kind = format_of(path)
        if kind not in (*ANNOTATED, *PLACES):
            raise InputError(f"{path}: this is {kind}; give a GenBank, EMBL, BED, GFF or GTF file")
        if kind in ANNOTATED and config.reading.feature is None:
            raise InputError(f"{path}: say which features; give --feature, such as CDS")
    counts = Counts()
    windows = read_sources(config.data, config.reading, counts)
    number = write_fasta(config.out, _at_least_one(windows, config.data, counts))
    print(f"{config.out}: {amount(number, 'sequence')}; names count from 0, ends not included")
    for line in counts.lines():
        print(f"  {line}")


def _at_least_one(windows: Iterable[Record], data: str, counts: Counts) -> Iterator[Record]:
    found = False
    for window in windows:
        found = True
        yield window
    if not found:
        raise InputError(
            f"{data}: no window is left ({'; '.join(counts.lines())}); give smaller flanks, or"
            " --edge mask"
        )
