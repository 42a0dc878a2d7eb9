"""Reading files that anyone may have written: regular ones only, and never more than a bound.

A file may be a link to /dev/zero, a pipe that nobody writes to, a kilobyte that unpacks to all the
memory there is, or JSON with a million brackets. Whoever reads a file that a user named reads it
through here, and gets its content or one InputError.
"""

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import math
import os
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO, cast

from infonoise_core.errors import InputError
from infonoise_core.extras import require

Packing = Literal["gz", "xz", "bz2", "zst"]
Number = Callable[[str], Any]

# What is written by us or by a tool as one small document: settings, cards, manifests.
DOCUMENT_BYTES = 32 << 20
# A packed file may always unpack to so much, and beyond it to so many times its own size. DNA, text
# and images come to 4..30 times; what is made to fill a memory comes to 1,000 (gz) and more.
FREE_BYTES, RATIO = 64 << 20, 100
_MAGIC: dict[Packing, bytes] = {
    "gz": b"\x1f\x8b",
    "xz": b"\xfd7zXZ\x00",
    "bz2": b"BZh",
    "zst": b"\x28\xb5\x2f\xfd",
}
_BZ2_BLOCK = b"1AY&SY"
# Packed bytes of Zstandard at a time, each of which may become 32 KiB, and how far back a frame may
# reach: as far as its command line allows at most, as large dumps of forums do.
_ZSTD_BYTES, _ZSTD_WINDOW = 1 << 11, 1 << 31
# What zipfile raises for an archive that is damaged, cut short or packed in a way it does not know:
# ValueError or OSError for places before the file's start, RuntimeError for a password.
ZIP_DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError,
    ValueError, RuntimeError,
)  # fmt: skip
# What separates the columns of tables that are called .csv all the same, and how a spreadsheet says
# it in a line before the header.
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)
_QUOTED = re.compile('"[^"]*"')
_INT64 = 1 << 63
# Digits that no whole number of 64 bits has; Python itself takes time that grows as their square.
_DIGITS = 20


def check_regular(path: str | Path) -> None:
    """InputError for a pipe, a device or a socket, which may never end; others are passed over.

    Links are followed. What is not there at all is left to whoever opens it.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: is a pipe or a device, which may never end; give a regular file")


def read_bytes(path: str | Path, limit: int = DOCUMENT_BYTES) -> bytes:
    """The bytes of a regular file of at most `limit` bytes."""
    check_regular(path)
    with open(path, "rb") as file:
        content = read_upto(file, limit + 1)
    if len(content) > limit:
        raise InputError(f"{path}: is larger than {size_words(limit)}; give a smaller file")
    return content


def read_any_json(path: Path, limit: int = DOCUMENT_BYTES) -> Any:
    """What a file of JSON holds; InputError where it holds something else."""
    return parse_json(read_bytes(path, limit), str(path))


def parse_json(
    content: bytes | str, where: str, *, surrogates: bool = False, number: Number | None = None
) -> Any:
    """A value of JSON whose whole numbers fit into 64 bits and whose text is Unicode.

    Args:
        surrogates: Let halves of surrogate pairs pass, for a caller that has a word of its own.
        number: What makes a value of a whole number, if not an int of 64 bits.

    Raises:
        InputError: For everything else, among it brackets too deep for Python's parser.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(text, parse_int=number or _int64)
        if not surrogates and ("\\ud" in text or "\\uD" in text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else _in_short(error)
        raise InputError(
            f"{where}: is no JSON that can be read ({reason}); write it again"
        ) from None


def _int64(digits: str) -> int:
    if len(digits) > _DIGITS or not -_INT64 <= int(digits) < _INT64:
        raise ValueError(f"the number {digits[:_DIGITS]}... does not fit into 64 bits")
    return int(digits)


def _in_short(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 200 else f"{words[:200]} ..."


def packing_of(head: bytes) -> Packing | None:
    """How a file that begins with these bytes, 10 or more, is packed; None where it is not."""
    for kind, magic in _MAGIC.items():
        if head.startswith(magic) and (kind != "bz2" or head[4:10] == _BZ2_BLOCK):
            return kind
    return None


@contextmanager
def open_unpacked(
    path: Path, packing: Packing | Literal["any"] | None = "any"
) -> Iterator[BinaryIO]:
    """The content of a regular file, unpacked as it is read.

    Args:
        packing: How it is packed; "any" looks at its first bytes, None takes it as it is.

    Raises:
        InputError: While reading, once it unpacks to more than `RATIO` times its own size, beyond
            the first `FREE_BYTES`. What the packing's own library raises for damage is passed on.
    """
    check_regular(path)
    with path.open("rb") as raw:
        if packing == "any":
            packing = packing_of(raw.read(10))
            raw.seek(0)
        with unpacked(raw, str(path), packing) as stream:
            yield stream


@contextmanager
def unpacked(raw: BinaryIO, where: str, packing: Packing | None) -> Iterator[BinaryIO]:
    """The same of an open file."""
    if packing is None:
        yield raw
        return
    opened: Any
    if packing == "gz":
        opened = gzip.GzipFile(fileobj=raw, mode="rb")
    elif packing == "zst":
        library = require("zstandard", "zstd", f"{where}: reading .zst")
        opened = _Frames(raw, library)
    else:
        opened = (lzma.LZMAFile if packing == "xz" else bz2.BZ2File)(raw, "rb")
    with opened, io.BufferedReader(_Bounded(raw, opened, where), 1 << 18) as stream:
        yield stream


class _Frames(io.RawIOBase):
    """Frames of Zstandard: the library's own reader takes what was cut short for a whole file."""

    def __init__(self, raw: BinaryIO, library: Any) -> None:
        self._raw, self._frame, self._packed = raw, None, b""
        self._made, self._damage = memoryview(b""), library.ZstdError
        self._next = library.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj

    def read1(self, size: int) -> bytes:
        while not self._made:
            packed = self._packed or self._raw.read(_ZSTD_BYTES)
            if not packed and self._frame is None:
                return b""
            if not packed:
                raise EOFError("Compressed file ended before the end of its last frame")
            frame: Any = self._frame or self._next()
            try:
                self._made = memoryview(frame.decompress(packed))
            except self._damage as error:
                raise OSError(f"damaged, or followed by something else: {error}") from None
            self._frame, self._packed = (None, frame.unused_data) if frame.eof else (frame, b"")
        made, self._made = self._made[:size], self._made[size:]
        return bytes(made)


class _Bounded(io.RawIOBase):
    """What a packed file holds, up to where it is more than such a file should.

    Args:
        raw: The packed bytes; how many of them were read is what is allowed for.
        stream: What unpacks them.
        where: How messages call the file.
    """

    def __init__(self, raw: BinaryIO, stream: Any, where: str) -> None:
        self._raw, self._stream, self._where, self._made = raw, stream, where, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # What comes before damage is passed on, so that a reader can say how far it came.
        content = cast(bytes, self._stream.read1(len(buffer)))
        n = len(content)
        buffer[:n] = content
        self._made += n
        if self._made > FREE_BYTES + RATIO * self._raw.tell():
            raise InputError(
                f"{self._where}: unpacks to more than {RATIO} times its size, as no such data do;"
                " if it is meant so, unpack it first and give what comes out"
            )
        return n


def read_upto(stream: BinaryIO, size: int) -> bytes:
    """At most `size` bytes of a stream, making room only for what is really there."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(min(size, 1 << 22))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def sha256_of(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_fits(size: int, where: str) -> None:
    """InputError for what would take more bytes than this machine has memory."""
    have = memory()
    if size > have:
        raise InputError(
            f"{where}: takes {size_words(size)} of memory and there are {size_words(have)}; give a"
            " smaller one"
        )


def memory() -> int:
    """Bytes that this process can have at most: of the machine, its container and its limits."""
    found = []
    with contextlib.suppress(AttributeError, ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(ImportError, OSError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        found += [soft] if soft != resource.RLIM_INFINITY else []
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(ValueError, OSError):
            found.append(int(Path(file).read_text()))
    return min((size for size in found if size > 0), default=sys.maxsize)


def size_words(size: int) -> str:
    """Bytes in words, such as 2.5 GiB."""
    power = min(max(0, int(math.log2(max(1, size))) // 10), 4)
    if size >= 1 << 64:  # as a damaged file may say
        return f"2^{size.bit_length() - 1} bytes"
    value = size / 1024**power
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB")[power]
    return f"{value:.0f} {unit}" if value >= 100 or not power else f"{value:.3g} {unit}"


def table_lines(lines: TextIO, separator: str = ",") -> tuple[Iterator[str], str]:
    """The lines of a table from its header on, and what separates its columns.

    Args:
        lines: An opened table with a header line.
        separator: What its ending says; where the header does not hold it, another one of commas,
            semicolons, tabs and bars counts, or what a first line sep=; of a spreadsheet says.
    """
    header = next((line for line in lines if line.strip()), "")
    said = _SEPARATOR_LINE.fullmatch(header.strip("\r\n"))
    if said is not None:
        separator, header = said[1], lines.readline()
    else:
        bare = _QUOTED.sub("", header)
        if separator not in bare:
            most = max(_SEPARATORS, key=bare.count)
            separator = most if most in bare else separator
    return chain([header], lines), separator
