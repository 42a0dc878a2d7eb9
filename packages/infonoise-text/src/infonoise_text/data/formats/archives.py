"""Archives: their members by name, in order, with nothing written to the disk."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from infonoise_core.errors import InputError
from infonoise_core.reading import FREE_BYTES, RATIO, ZIP_DAMAGE
from infonoise_core.training.data.tars import tar_members

TAR = (
    ".tar", ".tgz", ".txz", ".tbz2", ".tbz", ".tb2", ".tzst",
    ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst",
)  # fmt: skip
ZIP = (".zip",)
SUFFIXES = (*TAR, *ZIP)
DAMAGE: tuple[type[Exception], ...] = (tarfile.TarError, *ZIP_DAMAGE)


class Member(NamedTuple):
    """A file in an archive, open while it is the last one that was given."""

    name: str
    stream: BinaryIO


def names(path: Path) -> list[str]:
    """What the files in an archive are called."""
    if _is_zip(path):
        with zipfile.ZipFile(path) as archive:
            return [info.filename for info in archive.infolist() if not info.is_dir()]
    return [member.name for member in tar_members(path)]


def members(path: Path) -> Iterator[Member]:
    """The files in an archive; links and devices are none."""
    yield from _zip(path) if _is_zip(path) else _tar(path)


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(ZIP)


def _tar(path: Path) -> Iterator[Member]:
    for member in tar_members(path):
        with member.open() as opened, io.BufferedReader(_Sequential(opened)) as content:
            yield Member(member.name, content)


class _Sequential(io.RawIOBase):
    """A member of a tar that is read from front to back, with all that a file has."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._at = stream, 0

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part: bytes = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            where = f"{path}:{info.filename}"
            if info.flag_bits & 1:
                raise InputError(f"{where}: encrypted; unpack it first")
            if info.file_size > FREE_BYTES + RATIO * info.compress_size:
                raise InputError(
                    f"{where}: unpacks to more than {RATIO} times its size, as no such data do; if"
                    " it is meant so, unpack it first and give what comes out"
                )
            opened: Any = archive.open(info)
            with opened:
                yield Member(info.filename, opened)
