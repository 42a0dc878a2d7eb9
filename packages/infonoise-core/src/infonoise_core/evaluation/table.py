"""Tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from infonoise_core.evaluation.schema import Table, cells
from infonoise_core.terminal import console as plain_console


def print_tables(tables: Sequence[Table], console: Console | None = None) -> None:
    """Every table that has rows, with its note below it."""
    for table in tables:
        if table.rows:
            header, body = cells(table)
            print_rows("", header, body, console)
            if table.note:
                print(table.note)


def print_rows(
    title: str, header: Sequence[str], body: Sequence[Sequence[str]], console: Console | None = None
) -> None:
    """One table; numbers are never broken or cut off, however narrow the terminal."""
    # As Text, for a name may hold brackets that rich would take for markup.
    table = RichTable(title=Text(title) if title else None)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in body:
        table.add_row(*map(Text, row))
    console = console or plain_console()
    wide = console.options.update(width=1000)
    table.width = console.measure(table, options=wide).maximum
    console.print(table, crop=False)
