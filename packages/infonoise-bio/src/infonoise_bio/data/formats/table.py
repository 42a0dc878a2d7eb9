"""Tables (.csv, .tsv) with a header line -> records, one row each."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError
from infonoise_core.reading import table_lines

_SEQUENCE = re.compile(r"[ACGTUN]{8,}", re.IGNORECASE)


def read_table(
    path: Path, counts: Counts, sequence_column: str, id_column: str, delimiter: str = ","
) -> Iterator[Record]:
    """Rows of a table with a header line; the other columns become fields.

    Args:
        path: The file. Its columns may be separated by another sign than its ending says, as the
            header shows, or a first line sep=; of a spreadsheet.
        counts: What was met so far; it is added to.
        sequence_column: Name of the column of sequences.
        id_column: That of names; without it, rows are called row1, row2, ... in their order.
        delimiter: What separates columns, if the header does not say otherwise.

    Raises:
        InputError: Names the row at fault, or the columns that are there.
    """
    with open_text(path) as (handle, place):
        lines, delimiter = table_lines(handle, delimiter)
        rows = csv.DictReader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
        columns = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = columns
        if not any(columns):
            raise InputError(f"{path}: is empty; give a table with a header line")
        if sequence_column not in columns:
            raise InputError(
                f"{path}: has no column '{sequence_column}' of sequences, only"
                f" {_shown(columns)}; {_fix(columns, sequence_column)}"
            )
        twice = next((name for name in columns if name and columns.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{path}: has two columns '{twice}'; rename one")
        for number, row in enumerate(rows, 1):
            if not any(map(str.strip, _cells(row))):
                counts.blank += 1
                continue
            name = (row.get(id_column) or "").strip() or f"row{number}"
            # The reader files surplus cells under None and fills missing ones with None.
            if None in row or None in row.values():
                there = sum(v is not None for k, v in row.items() if k is not None)
                there += len(row.get(None, []))
                raise InputError(
                    f"{path}: record '{name}' (row {number}) has {there} columns, not"
                    f" {len(columns)} as the header has"
                )
            if any("\n" in cell and delimiter in cell for cell in _cells(row)):
                raise InputError(
                    f"{path}: record '{name}' (row {number}) has a cell that goes on over further"
                    " rows, as behind a quote that is not closed; close it, or take it out"
                )
            fields = {k: v.strip() for k, v in row.items() if k not in (sequence_column, id_column)}
            yield make_record(name, row[sequence_column].strip(), fields, place, counts)
    if not counts.records:
        raise InputError(f"{path}: holds no sequence, only a header line; give at least one row")


def _cells(row: Mapping[str | None, str | list[str] | None]) -> Iterator[str]:
    """All that a row holds, surplus cells too."""
    for value in row.values():
        yield from value if isinstance(value, list) else [value or ""]


def _shown(columns: Sequence[str]) -> str:
    return ", ".join(name if len(name) <= 30 else f"{name[:30]}..." for name in columns[:12])


def _fix(columns: Sequence[str], wanted: str) -> str:
    """What to do where no column has the name of the sequences'."""
    alike = next((name for name in columns if name.lower() == wanted.lower()), None)
    if alike is not None:
        return f"give --sequence-column {alike}"
    if any(_SEQUENCE.fullmatch(name) for name in columns):
        return "its first line holds a sequence already: write a line of column names above it"
    return "name it with --sequence-column"
