"""Tables of text with a header line, which shows what separates the columns."""

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.reading import table_lines
from infonoise_text.data.reading import Document, NoFieldError, Reading, named

COMMAS, TABS = (".csv",), (".tsv",)
# Cells of whole documents are longer than what the library allows by itself.
_LONGEST = 1 << 30


def read(
    stream: BinaryIO, where: str, reading: Reading, delimiter: str = ","
) -> Iterator[Document]:
    """The text of each row."""
    csv.field_size_limit(_LONGEST)
    # Line ends inside of a cell stay as they are.
    lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    number = 1
    try:
        found, delimiter = table_lines(lines, delimiter)
        rows = csv.DictReader(found, delimiter=delimiter, strict=True)
        header = list(rows.fieldnames or ())
        for option, field in reading.fields.items():
            if field not in header:
                raise NoFieldError(
                    f"{where}: no column {field!r} (its columns: {named(header)}); name it with"
                    f" {option}"
                )
        for number, row in enumerate(rows, start=2):
            try:
                yield reading.document(row, f"{where}, row {number}", "column")
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


read_tabs = partial(read, delimiter="\t")
