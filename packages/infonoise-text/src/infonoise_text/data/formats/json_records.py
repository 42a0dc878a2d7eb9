"""Records in JSON: one object a line, or an array of objects."""

import codecs
import io
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.reading import parse_json
from infonoise_text.data.formats.text import decoded, everything, refuse_binary
from infonoise_text.data.reading import Document, Reading, lacks

LINES = (".jsonl", ".ndjson", ".jsonlines", ".jl")
WHOLE = (".json",)
_MARK = "\ufeff"
# Bytes of one line; a longer one has no line ends where there should be some.
_LINE_BYTES = 1 << 28


def read_lines(stream: BinaryIO, where: str, reading: Reading) -> Iterator[Document]:
    """The text of each line; blank lines are none. Of an array, as some write it, each record's."""
    first = stream.readline(_LINE_BYTES)
    if first.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        yield from read_whole(stream, where, reading, first)
        return
    refuse_binary(first, where)
    offset = 0
    for number, line in enumerate(chain([first], iter(partial(stream.readline, _LINE_BYTES), b""))):
        here = f"{where}, line {number + 1}"
        if len(line) == _LINE_BYTES:
            raise InputError(f"{here}: has no end; give one object per line")
        try:
            text = decoded(line, where, offset)
            if not number:
                text = text.removeprefix(_MARK)
            if text.strip() == "{":
                raise InputError(f"{here}: the object goes on in the next; give one per line")
            if text.strip():
                yield reading.document(_parsed(text, here), here)
        except InputError as error:
            reading.refuse(error)
        offset += len(line)


def read_whole(
    stream: BinaryIO, where: str, reading: Reading, first: bytes = b""
) -> Iterator[Document]:
    """The text of each record of an array; of one object a line too, as some write it.

    Args:
        first: What has been read of the stream.
    """
    content = first + everything(stream, where)
    refuse_binary(content, where)
    try:
        records = _parsed(decoded(content, where).removeprefix(_MARK), where)
    except InputError:
        if content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
            raise
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


def _parsed(text: str, where: str) -> Any:
    """A value; whole numbers of any size pass, for none is read."""
    return parse_json(text, where, surrogates=True, number=_unread)


def _unread(_: str) -> int:
    return 0
