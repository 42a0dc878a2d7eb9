"""Opening what may be compressed: gz or bgz, bz2, xz and zip, recognised by content."""

import contextlib
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TextIO, TypeVar, cast

from infonoise_core.errors import InputError
from infonoise_core.reading import FREE_BYTES, RATIO, check_regular, open_unpacked, packing_of

_GZIP_MAGIC, _ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
# Every bgz file ends with this empty block (SAM specification, 4.1.2): without it, it is cut off.
_BGZ_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_Opened = TypeVar("_Opened")
# What sheets of LibreOffice and Numbers hold.
_SHEETS = ("content.xml", "Document.iwa")
_PACKED = (".gz", ".bgz", ".bgzf", ".bz2", ".xz", ".zip")


class Place:
    """Where a reader is, for error messages; the reader moves it on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = ""
        self._last: tuple[str, int] | None = None

    def move(self, name: str, number: int) -> None:
        """A record has been read; it is put in words only where they are needed."""
        self._last = name, number

    def __str__(self) -> str:
        record = self.record
        if self._last is not None:
            record = f"record '{self._last[0]}' (number {self._last[1]})"
        return f"{self.path}, after {record}" if record else str(self.path)


@contextmanager
def open_text(path: Path) -> Iterator[tuple[TextIO, Place]]:
    """A text handle and the place that errors name; InputError for what cannot be read."""
    with (
        open_binary(path) as (stream, place),
        io.TextIOWrapper(stream, encoding="utf-8-sig") as handle,
    ):
        yield handle, place


@contextmanager
def open_binary(path: Path) -> Iterator[tuple[BinaryIO, Place]]:
    """The bytes of a file, unpacked, and the place that errors name; as `open_text`."""
    place = Place(path)
    try:
        check_regular(path)
        with path.open("rb") as raw:
            head = raw.read(18)
        if head.startswith(_ZIP_MAGIC):
            with _open_zip(path) as stream:
                yield stream, place
        else:
            if head.startswith(_GZIP_MAGIC):
                _check_end(path, head)
            with open_unpacked(path, packing_of(head)) as stream:
                yield stream, place
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; give a file of sequences") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile):
        raise InputError(
            f"{place}: the compressed file is cut off or damaged; get it again"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place}: this is no text in UTF-8 (byte {error.object[error.start]:#x}); if it is"
            " text, save it as UTF-8 (of a spreadsheet: 'CSV UTF-8')"
        ) from None
    except csv.Error as error:
        raise InputError(f"{place}: the table cannot be read ({error})") from None
    except OSError as error:
        # bz2 says of damage that it is an OSError, without a number.
        reason = error.strerror or f"{error}; if it is compressed, get it again"
        raise InputError(f"{place}: cannot be read ({reason})") from None


@contextmanager
def _open_zip(path: Path) -> Iterator[BinaryIO]:
    """The one file in a zip."""
    with _known(path, lambda: zipfile.ZipFile(path)) as archive:
        member = _only(path, archive)
        if member.flag_bits & 1:
            raise InputError(
                f"{path}: is locked with a password; unpack it and give what comes out"
            )
        if member.file_size > FREE_BYTES + RATIO * member.compress_size:
            raise InputError(
                f"{path}: unpacks to more than {RATIO} times its size, as no such data do; if it is"
                " meant so, unpack it first and give what comes out"
            )
        opened = _known(path, lambda: archive.open(member))
        with opened, io.BufferedReader(cast(io.RawIOBase, opened), 1 << 18) as stream:
            yield stream


def _known(path: Path, opened: Callable[[], _Opened]) -> _Opened:
    """What is opened; InputError for a version or packing that the library does not know."""
    try:
        return opened()
    except NotImplementedError:
        raise InputError(
            f"{path}: is packed in a way that is not known here; unpack it and give what comes out"
        ) from None


def _only(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The file in a zip beside what macOS adds."""
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not any(
            part.startswith(("__MACOSX", ".")) for part in PurePosixPath(member.filename).parts
        )
    ]
    if any(member.filename.startswith("xl/") for member in members):
        raise InputError(f"{path}: this is an Excel workbook; save its sheet as 'CSV UTF-8' (.csv)")
    if any(Path(member.filename).name in _SHEETS for member in members):
        raise InputError(
            f"{path}: this is a sheet of another program; save it as CSV in UTF-8 (.csv)"
        )
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:5]) or "none"
        raise InputError(
            f"{path}: holds {len(members)} files ({names}); unpack it and give those that are meant"
        )
    return members[0]


def _check_end(path: Path, head: bytes) -> None:
    # gzip itself cannot see a bgz file that is cut off between two blocks.
    if head[3:4] == b"\x04" and head[12:14] == b"BC":
        with path.open("rb") as raw:
            raw.seek(max(0, path.stat().st_size - len(_BGZ_END)))
            if raw.read() != _BGZ_END:
                raise EOFError


def check_unpacked(out: Path, but: tuple[str, ...] = ()) -> None:
    """InputError for a file to write whose name says that it is packed, which it will not be."""
    suffix = out.suffix.lower()
    if suffix in _PACKED and suffix not in but:
        also = " or ".join(("as plain text", *but))
        raise InputError(f"--out {out}: is written {also}, not as {suffix}; give another name")


@contextmanager
def create_text(path: Path, *, packed: bool) -> Iterator[TextIO]:
    """A new text file in UTF-8, perhaps as gz, the same bytes for the same text."""
    with path.open("wb") as raw, contextlib.ExitStack() as stack:
        stream: BinaryIO = raw
        if packed:
            opened = gzip.GzipFile("", "wb", fileobj=raw, mtime=0)
            stream = cast(BinaryIO, stack.enter_context(opened))
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
        yield stack.enter_context(text)


def stem_of(path: Path) -> tuple[str, str]:
    """Name without its endings, and the ending that names the format, without .gz and the like."""
    name = path.name
    for ending in _PACKED:
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    inner = Path(name)
    return inner.stem, inner.suffix.lower()
