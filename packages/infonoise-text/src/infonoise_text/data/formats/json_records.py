"""Records in JSON: one object a line, or an array of objects."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.reading import parse_json
from infonoise_text.data.formats.text import decoded, refuse_binary, whole
from infonoise_text.data.reading import Document, Reading, lacks

LINES = (".jsonl", ".ndjson")
WHOLE = (".json",)
_MARK = "\ufeff"
# Bytes of one line; a longer one has no line ends where there should be some.
_LINE_BYTES = 1 << 28


def read_lines(stream: BinaryIO, where: str, reading: Reading) -> Iterator[Document]:
    """The text of each line; blank lines are none."""
    offset = 0
    for number, line in enumerate(iter(lambda: stream.readline(_LINE_BYTES), b""), start=1):
        if number == 1:
            refuse_binary(line, where)
        if len(line) == _LINE_BYTES:
            raise InputError(f"{where}, line {number}: has no end; give one object per line")
        try:
            text = decoded(line, where, offset)
            if number == 1:
                text = text.removeprefix(_MARK)
            if text.strip():
                here = f"{where}, line {number}"
                yield reading.document(parse_json(text, here, surrogates=True), here)
        except InputError as error:
            reading.refuse(error)
        offset += len(line)


def read_whole(stream: BinaryIO, where: str, reading: Reading) -> Iterator[Document]:
    """The text of each record of an array; of one object a line too, as some write it."""
    content = whole(stream, where)
    try:
        records = parse_json(decoded(content, where).removeprefix(_MARK), where, surrogates=True)
    except InputError:
        yield from read_lines(io.BytesIO(content), where, reading)
        return
    records = records if isinstance(records, list) else [records]
    if records and all(any(lacks(r, field) for field in reading.fields.values()) for r in records):
        reading.document(records[0], f"{where}, record 1")  # says so
    for number, record in enumerate(records, start=1):
        try:
            yield reading.document(record, f"{where}, record {number}")
        except InputError as error:
            reading.refuse(error)
