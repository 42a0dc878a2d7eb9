"""Plain text in UTF-8: one document, as it is."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits
from infonoise_text.data.reading import Document, Reading

SUFFIXES = (
    ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log", ".tokens", ".raw",
)  # fmt: skip
_MARK = "\ufeff"
# Where in files that are no text which bytes stand -> what they are, and what to do about it.
_BINARY = (
    (0, b"%PDF", "a PDF; make text of it first, such as with pdftotext"),
    (0, b"%!PS", "PostScript; make text of it first, such as with ps2ascii"),
    (
        0,
        b"PK\x03\x04",
        "a ZIP container (.docx, .xlsx, .epub ...); unpack it or save as text",
    ),
    (0, b"\xd0\xcf\x11\xe0", "an old Office file; save it as text"),
    (0, b"{\\rtf", "RTF; save it as plain text"),
    (60, b"BOOKMOBI", "a Mobipocket book; make text of it first, such as with ebook-convert"),
    (0, b"AT&TFORM", "a DjVu document; make text of it first, such as with djvutxt"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (4, b"ftyp", "a film or a sound"),
    (0, b"\x1f\x8b", "compressed by gzip; give it the suffix .gz"),
    (0, b"BZh", "compressed by bzip2; give it the suffix .bz2"),
    (0, b"\xfd7zXZ", "compressed by xz; give it the suffix .xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd; give it the suffix .zst"),
    (0, b"\x04\x22\x4d\x18", "compressed by lz4; unpack it"),
    (0, b"]\0\0", "compressed by lzma; unpack it"),
    (0, b"\x1f\x9d", "compressed by compress (.Z); unpack it"),
    (257, b"ustar", "a tar archive; give it the suffix .tar"),
    (0, b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (0, b"Rar!", "a RAR archive; unpack it"),
    (0, b"PAR1", "Parquet; give it the suffix .parquet"),
    (0, b"ARROW1", "Arrow; save it as Parquet or JSON lines"),
    (0, b"Obj\x01", "Avro; save it as Parquet or JSON lines"),
    (0, b"\x89HDF", "HDF5; save it as JSON lines"),
    (0, b"\x93NUMPY", "a NumPy array; token ids are not read, give text"),
    (0, b"SQLite format", "a SQLite database; save its text as JSON lines"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xff\xfe\0\0", "UTF-32; convert it to UTF-8"),
    (0, b"\0\0\xfe\xff", "UTF-32; convert it to UTF-8"),
    (0, b"\xff\xfe", "UTF-16; convert it to UTF-8"),
    (0, b"\xfe\xff", "UTF-16; convert it to UTF-8"),
)
# The same of files that begin as a text might.
_IF_NO_TEXT = (
    *((0, bytes((128, n)), "a pickle; save its text as JSON lines") for n in range(2, 6)),
    (0, b"ORC", "ORC; save it as Parquet or JSON lines"),
    (0, b"FEA1", "Feather; save it as Parquet or JSON lines"),
    (0, b"LZIP", "compressed by lzip; unpack it"),
    (0, b"MSCF", "a CAB archive; unpack it"),
    (0, b"ITSF", "compiled help (.chm); make text of it first"),
    (0, b"RIFF", "a sound, a film or a WebP image"),
    (0, b"ID3", "a sound"),
    (0, b"OggS", "a sound"),
    (0, b"fLaC", "a sound"),
    (0, b"GGUF", "a model"),
    (0, b"MZ", "a program"),
    (0, b"BM", "a BMP image"),
)

# Share of zero bytes in the beginning of a file that no text has; UTF-16 of English has a half.
_ZEROS, HEAD = 0.05, 4096
# Bytes that no encoding of text has but by chance, and their share where there is no text.
_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\x1a\x1b"})
_CONTROL_SHARE = 0.03


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
    head = content[:HEAD]
    _refuse_known(head, _BINARY, where)
    if head.count(0) > _ZEROS * len(head):
        raise InputError(f"{where}: not text but zero bytes; convert it to UTF-8 if it is UTF-16")


def _refuse_known(head: bytes, kinds: Iterable[tuple[int, bytes, str]], where: str) -> None:
    for start, magic, what in kinds:
        if head.startswith(magic, start):
            raise InputError(f"{where}: not text but {what}")


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
        head = content[:HEAD]
        if not offset:
            _refuse_known(head, _IF_NO_TEXT, where)
        if len(head) - len(head.translate(None, _CONTROLS)) > _CONTROL_SHARE * len(head):
            raise InputError(f"{where}: not text but binary data; make text of it first") from error
        raise InputError(
            f"{where}: not UTF-8 at byte {offset + error.start}"
            f" (0x{content[error.start]:02x}); convert the file to UTF-8"
        ) from error
