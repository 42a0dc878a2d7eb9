"""Tables of measures on the terminal."""

from collections.abc import Sequence

from infonoise_core.evaluation.schema import Table, cells
from infonoise_core.terminal import print_rows


def print_tables(tables: Sequence[Table]) -> None:
    """Every table that has rows, with its note below it."""
    for table in tables:
        if table.rows:
            header, body = cells(table)
            print_rows("", header, body)
            if table.note:
                print(table.note)
