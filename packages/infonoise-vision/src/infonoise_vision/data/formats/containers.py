"""Named files in a folder, a zip or tar archives: listed once, read in order."""

import bisect
import itertools
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Protocol

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import is_shown
from infonoise_core.reading import (
    DOCUMENT_BYTES,
    ZIP_DAMAGE,
    check_fits,
    check_regular,
    read_bytes,
    size_words,
)
from infonoise_core.training.data.tars import Member, tar_members, whole
from infonoise_vision.data.formats.source import Content

DATASET_JSON = "dataset.json"
# Beside images in a folder of Hugging Face's kind.
METADATA = ("metadata.csv", "metadata.jsonl")
# Label files beside the images of a WebDataset shard.
NOTES = (".cls", ".json")
# One image, packed as a file; and the listing of a set, with a line for each of some millions.
FILE_BYTES, LISTING_BYTES = 1 << 30, 256 << 20
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")


class Container(Protocol):
    """Files by place, in reading order.

    Attributes:
        path: Of the folder or archive.
        names: (n,) with slashes, without hidden files.
        notes: Place -> contents of the files that may hold labels.
    """

    path: Path
    names: list[str]
    notes: dict[int, bytes]

    @property
    def apart(self) -> bool:
        """Whether a file can be read without those before it, and without looking it up."""

    def where(self, place: int) -> str:
        """What to call a file in a message."""

    def contents(self, places: Sequence[int]) -> Iterator[Content]:
        """The bytes of the files at ascending `places`.

        In place of one that cannot be read stands the error that says so.

        Raises:
            InputError: Where none can be read any more.
        """


class Folder:
    """All files below a folder, sorted by path."""

    apart = True

    def __init__(self, path: Path) -> None:
        self.path = path
        # As text: paths as objects cost a quarter of the time of small images.
        self._root = f"{path}{os.sep}"
        found = (file.removeprefix(self._root).split(os.sep) for file in _walk(path))
        self.names = ["/".join(parts) for parts in sorted(found)]
        self.notes: dict[int, bytes] = {}
        for place, name in enumerate(self.names):
            if name.rpartition("/")[2] in (DATASET_JSON, *METADATA):
                self.notes[place] = read_bytes(path / name, LISTING_BYTES)

    def where(self, place: int) -> str:
        return f"{self._root}{self.names[place]}"

    def contents(self, places: Sequence[int]) -> Iterator[Content]:
        return (read_file(self.where(place)) for place in places)


class Zip:
    """All files in a zip archive, sorted by path."""

    apart = False

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as archive:
            found = [info.filename for info in archive.infolist() if not info.is_dir()]
            # Some programs of Windows pack with backslashes, which no other system parts at.
            self._stored = {name.replace("\\", "/"): name for name in found}
            shown = (n for n in self._stored if is_shown(n) and not n.endswith("/"))
            self.names = sorted(shown, key=lambda name: name.split("/"))
            self.notes = {
                i: _member(archive, self._stored[name], self.where(i), LISTING_BYTES)
                for i, name in enumerate(self.names)
                if PurePosixPath(name).name in (DATASET_JSON, *METADATA)
            }

    def where(self, place: int) -> str:
        return f"{self.path}, {self.names[place]}"

    def contents(self, places: Sequence[int]) -> Iterator[Content]:
        with self._opened() as archive:
            for place in places:
                yield self._content(archive, place)

    def _content(self, archive: zipfile.ZipFile, place: int) -> Content:
        try:
            with _zip_errors(self.where(place)):
                return _member(
                    archive, self._stored[self.names[place]], self.where(place), FILE_BYTES
                )
        except InputError as error:
            return error

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        check_regular(self.path)
        with _zip_errors(str(self.path)), zipfile.ZipFile(self.path) as archive:
            yield archive


def _member(archive: zipfile.ZipFile, name: str, where: str, limit: int) -> bytes:
    _check_size(archive.getinfo(name).file_size, limit, where)
    return archive.read(name)


def _check_size(size: int, limit: int, where: str) -> None:
    if size > limit:
        raise InputError(
            f"{where}: is larger than {size_words(limit)}; take it out or give a smaller one"
        )
    check_fits(size, where)


class Tars:
    """All files in tar archives, plain or compressed, in the order they were packed."""

    def __init__(self, path: Path, shards: Sequence[Path]) -> None:
        self.path, self.shards = path, tuple(shards)
        self.names: list[str] = []
        self.notes: dict[int, bytes] = {}
        self._shard: list[int] = []
        # Of plain ones where each file lies; the others are gone through once more.
        self._offset: dict[int, int] = {}
        self._size: list[int] = []
        for number, shard in enumerate(self.shards):
            with _tar_errors(shard):
                for name, member in _members(shard):
                    listing = name.rpartition("/")[2] in (DATASET_JSON, *METADATA)
                    if listing or name.endswith(NOTES):
                        limit = LISTING_BYTES if listing else DOCUMENT_BYTES
                        self.notes[len(self.names)] = _content(member, limit)
                    if member.plain:
                        self._offset[len(self.names)] = member.offset
                    self.names.append(name)
                    self._shard.append(number)
                    self._size.append(member.size)

    @property
    def apart(self) -> bool:
        """Of plain archives."""
        return len(self._offset) == len(self.names)

    def where(self, place: int) -> str:
        return f"{self.shards[self._shard[place]]}, {self.names[place]}"

    def shard(self, place: int) -> int:
        """Number of the archive a file lies in."""
        return self._shard[place]

    def contents(self, places: Sequence[int]) -> Iterator[Content]:
        for number, group in itertools.groupby(places, self.shard):
            wanted = list(group)
            read = self._plain if wanted[0] in self._offset else self._packed
            # One that cannot be read ends all: what follows in its shard is lost too.
            with _tar_errors(self.shards[number]):
                yield from read(number, wanted)

    def _plain(self, number: int, places: Sequence[int]) -> Iterator[bytes]:
        with self.shards[number].open("rb") as file:
            for place in places:
                size = self._size[place]
                _check_size(size, FILE_BYTES, self.where(place))
                file.seek(self._offset[place])
                yield whole(file.read(size), size)

    def _packed(self, number: int, places: Sequence[int]) -> Iterator[bytes]:
        wanted, start = set(places), bisect.bisect_left(self._shard, number)
        for place, (_, member) in enumerate(_members(self.shards[number]), start):
            if place in wanted:
                yield _content(member, FILE_BYTES)
            if place == places[-1]:
                return


def read_file(file: str | Path) -> Content:
    """The bytes of a file, or the error that it cannot be read."""
    try:
        return read_bytes(file, FILE_BYTES)
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"{file}: cannot be read ({error.strerror}); repair or remove the file")


def sound(contents: Iterator[Content]) -> Iterator[bytes]:
    """The same, but the first error is raised."""
    for content in contents:
        if isinstance(content, InputError):
            raise content
        yield content


def is_tar(path: Path) -> bool:
    """Whether a file's name says that it is a tar archive."""
    return path.name.lower().endswith(TAR_SUFFIXES)


def _members(shard: Path) -> Iterator[tuple[str, Member]]:
    """The files of one archive that are shown."""
    for member in tar_members(shard):
        name = member.name.removeprefix("./")
        if is_shown(name):
            yield name, member


def _content(member: Member, limit: int) -> bytes:
    _check_size(member.size, limit, member.name)
    return member.read()


@contextmanager
def _tar_errors(shard: Path) -> Iterator[None]:
    """What tarfile raises, wherever in a shard, as one line."""
    try:
        yield
    except InputError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, LZMAError, OSError, ValueError,
            OverflowError) as error:  # fmt: skip
        raise _damaged(str(shard), error) from error


@contextmanager
def _zip_errors(where: str) -> Iterator[None]:
    """What zipfile raises as one line."""
    try:
        yield
    except (InputError, FileNotFoundError, PermissionError):
        raise
    except ZIP_DAMAGE as error:
        if "encrypted" in str(error):
            raise InputError(f"{where}: {error}; unpack it first") from error
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return InputError(f"{where}: damaged or cut short ({reason}); fetch or write it again")


def _walk(folder: Path) -> Iterator[str]:
    visited = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in visited:  # a link to a folder already seen, perhaps back up
            folders.clear()
            continue
        visited.add(real)
        # macOS leaves copies named ._cat.png in archives, below __MACOSX or beside the images.
        folders[:] = sorted(f for f in folders if is_shown(f))
        yield from (os.path.join(root, name) for name in files if is_shown(name))
