"""Tar archives, plain or packed, from front to back: the one reader of all domains."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Self, cast

from infonoise_core.reading import Packing, open_unpacked


class _Header(tarfile.TarInfo):
    """tarfile takes a missing or incomplete header for the end; but an archive ends with zeros."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) != tarfile.BLOCKSIZE:
            raise tarfile.ReadError("its end is missing")
        return super().frombuf(buf, encoding, errors)


class Member(NamedTuple):
    """A file in an archive, which can be read while it is the last one that was given.

    Attributes:
        plain: Whether the archive is not packed, so that the content lies there at `offset`.
    """

    archive: tarfile.TarFile
    info: tarfile.TarInfo
    plain: bool

    @property
    def name(self) -> str:
        """As it is packed, folders before it."""
        return self.info.name

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.info.size

    @property
    def offset(self) -> int:
        """Where in the archive, unpacked, the content begins."""
        return self.info.offset_data

    def open(self) -> BinaryIO:
        """Its content, to be read once and forwards."""
        return cast(BinaryIO, self.archive.extractfile(self.info))

    def read(self) -> bytes:
        """All of its content; tarfile.ReadError where the archive ends before it does."""
        with self.open() as stream:
            return whole(stream.read(), self.size)


def whole(content: bytes, size: int) -> bytes:
    """The content of a member; tarfile.ReadError where it is not of its size."""
    if len(content) != size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def tar_members(path: Path, packing: Packing | Literal["any"] | None = "any") -> Iterator[Member]:
    """The regular files in an archive; links, devices and files with holes are none.

    Of a plain archive only headers are read, and what is read of the members. What tarfile and the
    libraries of packings raise for damage is passed on, also where the end is missing.

    Args:
        packing: See `open_unpacked`.
    """
    with open_unpacked(path, packing) as stream:
        # A packed one cannot go back, and a plain one need not read what it passes over.
        plain = stream.seekable()
        mode: Literal["r:", "r|"] = "r:" if plain else "r|"
        with tarfile.open(fileobj=stream, mode=mode, tarinfo=_Header) as archive:
            while (info := archive.next()) is not None:
                # A sparse one says how much of it is holes, which may be all of a memory.
                if info.isreg() and not info.issparse():
                    yield Member(archive, info, plain)
                # A kilobyte each, which tarfile would keep.
                archive.members.clear()  # type: ignore[attr-defined]
