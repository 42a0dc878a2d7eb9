"""Tables (.csv, .tsv) with a header line -> records, one row each."""

import csv
from collections.abc import Iterator
from pathlib import Path

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError


def read_table(
    path: Path, counts: Counts, sequence_column: str, id_column: str, delimiter: str = ","
) -> Iterator[Record]:
    """Rows of a table with a header line; the other columns become fields.

    Without a column `id_column`, rows are called row1, row2, ... in their order.
    """
    with open_text(path) as (handle, place):
        rows = csv.DictReader(handle, delimiter=delimiter, strict=True)
        columns = rows.fieldnames
        if not columns:
            raise InputError(f"{path}: is empty; give a table with a header line")
        if sequence_column not in columns:
            raise InputError(
                f"{path}: has no column '{sequence_column}' of sequences, only"
                f" {', '.join(columns)}; name it with --sequence-column"
            )
        for number, row in enumerate(rows, 1):
            name = row.get(id_column) or f"row{number}"
            # The reader files surplus cells under None and fills missing ones with None.
            if None in row or None in row.values():
                raise InputError(
                    f"{path}: record '{name}' (row {number}) has not {len(columns)} columns"
                )
            said = {k: v for k, v in row.items() if k not in (sequence_column, id_column)}
            yield make_record(name, row[sequence_column].strip(), said, place, counts)
    if not counts.records:
        raise InputError(f"{path}: holds no sequence, only a header line; give at least one row")
