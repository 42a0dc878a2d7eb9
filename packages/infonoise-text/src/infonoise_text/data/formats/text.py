"""Plain text in UTF-8: one document, as it is."""

from collections.abc import Iterator
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits
from infonoise_text.data.reading import Document, Reading

SUFFIXES = (
    ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log", ".tokens", ".raw",
)  # fmt: skip
_MARK = "\ufeff"
# How files begin that are no text -> what they are, and what to do about it.
_BINARY = {
    b"%PDF": "a PDF; make text of it first, such as with pdftotext",
    b"PK\x03\x04": "a ZIP container (.docx, .xlsx, .odt, .epub ...); unpack it or save it as text",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it as text",
    b"{\\rtf": "RTF; save it as plain text",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x1f\x8b": "compressed by gzip; give it the suffix .gz",
    b"BZh": "compressed by bzip2; give it the suffix .bz2",
    b"\xfd7zXZ": "compressed by xz; give it the suffix .xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; give it the suffix .zst",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"PAR1": "Parquet; give it the suffix .parquet",
    b"ARROW1": "Arrow; save it as Parquet or JSON lines",
    b"\x89HDF": "HDF5; save it as JSON lines",
    b"\x93NUMPY": "a NumPy array; token ids are not read, give text",
    b"SQLite format": "a SQLite database; save its text as JSON lines",
    b"\x7fELF": "a program",
    b"\xff\xfe": "UTF-16; convert it to UTF-8",
    b"\xfe\xff": "UTF-16; convert it to UTF-8",
}

# Share of zero bytes in the beginning of a file that no text has; UTF-16 of English has a half.
_ZEROS, _HEAD = 0.05, 4096


def read(stream: BinaryIO, where: str, reading: Reading) -> Iterator[Document]:
    """The file as one document; a byte order mark in front is none of it."""
    if reading.answer is not None:
        raise InputError(
            f"{where}: plain text has no fields, so no pairs for --answer; give JSON lines, a table"
            " or Parquet"
        )
    yield Document(decoded(whole(stream, where), where).removeprefix(_MARK))


def whole(stream: BinaryIO, where: str) -> bytes:
    """All of a file that is text."""
    content = everything(stream, where)
    refuse_binary(content, where)
    return content


def everything(stream: BinaryIO, where: str) -> bytes:
    """All of a file; as text it may take up to four times as much."""
    parts: list[bytes] = []
    size = 0
    while part := stream.read(1 << 22):
        parts.append(part)
        size += len(part)
        check_fits(2 * size, where)
    return b"".join(parts)


def refuse_binary(content: bytes, where: str) -> None:
    """InputError for the beginning of a file that is no text, by its kind if that is known."""
    for start, what in _BINARY.items():
        if content.startswith(start):
            raise InputError(f"{where}: not text but {what}")
    head = content[:_HEAD]
    if head.count(0) > _ZEROS * len(head):
        raise InputError(f"{where}: not text but zero bytes; convert it to UTF-8 if it is UTF-16")


def decoded(content: bytes, where: str, offset: int = 0) -> str:
    """The text of some bytes.

    Args:
        offset: Where in the file they begin.

    Raises:
        InputError: Names the first byte that is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: not UTF-8 at byte {offset + error.start}"
            f" (0x{content[error.start]:02x}); convert the file to UTF-8"
        ) from error
