"""Opening text that may be compressed: plain, gz or bgz, recognised by content and not by name."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular, open_unpacked

_GZIP_MAGIC = b"\x1f\x8b"
# Every bgz file ends with this empty block (SAM specification, 4.1.2): without it, it is cut off.
_BGZ_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


class Place:
    """Where a reader is, for error messages; the reader moves `record` on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = ""

    def __str__(self) -> str:
        return f"{self.path}, after {self.record}" if self.record else str(self.path)


@contextmanager
def open_text(path: Path) -> Iterator[tuple[TextIO, Place]]:
    """A text handle and the place that errors name; InputError for what cannot be read."""
    place = Place(path)
    try:
        check_regular(path)
        with path.open("rb") as raw:
            head = raw.read(18)
        if head[:2] == _GZIP_MAGIC:
            _check_end(path, head)
            with (
                open_unpacked(path, "gz") as stream,
                io.TextIOWrapper(stream, encoding="utf-8-sig") as handle,
            ):
                yield handle, place
        else:
            with path.open(encoding="utf-8-sig", newline=None) as handle:
                yield handle, place
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; give a file of sequences") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(
            f"{place}: the compressed file is cut off or damaged; get it again"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{place}: this is no text; give FASTA, GenBank, BED or CSV") from None
    except csv.Error as error:
        raise InputError(f"{place}: the table cannot be read ({error})") from None
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror or error})") from None


def _check_end(path: Path, head: bytes) -> None:
    # gzip itself cannot see a bgz file that is cut off between two blocks.
    if head[3:4] == b"\x04" and head[12:14] == b"BC":
        with path.open("rb") as raw:
            raw.seek(max(0, path.stat().st_size - len(_BGZ_END)))
            if raw.read() != _BGZ_END:
                raise EOFError


def stem_of(path: Path) -> tuple[str, str]:
    """Name without its endings, and the ending that names the format, without .gz or .bgz."""
    name = path.name
    for ending in (".gz", ".bgz", ".bgzf"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    inner = Path(name)
    return inner.stem, inner.suffix.lower()
