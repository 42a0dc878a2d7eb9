"""Tables of text with a header line, which shows what separates the columns."""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.reading import table_lines
from infonoise_text.data.formats.text import HEAD, refuse_binary
from infonoise_text.data.reading import Document, NoFieldError, Reading, named

COMMAS, TABS = (".csv",), (".tsv", ".tab")
# Cells of whole documents are longer than what the library allows by itself.
_LONGEST = 1 << 30


def read(
    stream: BinaryIO, where: str, reading: Reading, delimiter: str = ","
) -> Iterator[Document]:
    """The text of each row."""
    csv.field_size_limit(_LONGEST)
    raw = io.BufferedReader(stream)  # type: ignore[type-var]
    refuse_binary(raw.peek(HEAD)[:HEAD], where)
    # Line ends inside of a cell stay as they are.
    lines = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    number = 1
    try:
        found, delimiter = table_lines(lines, delimiter)
        rows = filter(None, csv.reader(found, delimiter=delimiter, strict=True))
        header = next(rows, [])
        places = {f: _place(f, option, header, where) for option, f in reading.fields.items()}
        for number, row in enumerate(rows, start=2):
            try:
                here = f"{where}, row {number}"
                _check_cells(row, header, delimiter, here)
                record = {f: row[at] if at < len(row) else None for f, at in places.items()}
                yield reading.document(record, here, "column")
            except InputError as error:
                reading.refuse(error)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: not UTF-8 behind row {number} (0x{error.object[error.start]:02x}); convert"
            " the file to UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{where}: row {number + 1} is no row of a table ({error})") from error
    finally:
        lines.detach()
        raw.detach()


def _place(field: str, option: str, header: Sequence[str], where: str) -> int:
    """Which column a field is: by its name, or by that without the spaces around it."""
    names = header if field in header else [name.strip() for name in header]
    if field not in names:
        raise NoFieldError(
            f"{where}: no column {field!r} (its columns: {named(header)}); name it with {option}"
        )
    if names.count(field) > 1:
        raise InputError(
            f"{where}: {names.count(field)} columns are called {field!r}; give one another name"
        )
    return names.index(field)


def _check_cells(row: Sequence[str], header: Sequence[str], delimiter: str, where: str) -> None:
    """InputError where a text goes on in cells behind its own, other than those left empty."""
    if any(cell.strip() for cell in row[len(header) :]):
        raise InputError(
            f"{where}: {len(row)} cells under a header of {len(header)}; put quotes around cells"
            f" that hold {delimiter!r}"
        )


read_tabs = partial(read, delimiter="\t")
