"""WebDataset shards: plain tar files, read at any record without going through those before it."""

import hashlib
import itertools
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.training.data.records import Record
from infonoise_core.training.data.tars import tar_members

# Of the index files; another number makes them be built anew.
_VERSION = 1
# As tarfile reads names that are no UTF-8.
_NAMES = {"errors": "surrogateescape"}


class TarShards:
    """The records of tar shards: files that share a name up to its first dot, as {ending: bytes}.

    Record k is record k in every process and after any restart.

    Args:
        shards: Paths, where data-{000..010}.tar stands for eleven of them.
        fields: The endings a record must have, such as ("jpg", "cls"), and the only ones that are
            read; None for whatever each has.
        cache: Folder for the index of each shard, which is built by going through its headers once;
            None keeps it in memory.

    Raises:
        InputError: For a shard that is missing, packed, cut short or holds a record twice.
    """

    def __init__(
        self,
        shards: str | Path | Iterable[str | Path],
        fields: tuple[str, ...] | None = None,
        cache: Path | None = None,
    ) -> None:
        given = [shards] if isinstance(shards, (str, Path)) else list(shards)
        self.paths = [Path(path) for text in given for path in expand(str(text))]
        self.fields = fields
        self._indices = [_index_of(path, cache) for path in self.paths]
        self._ends = np.cumsum([len(index) for index in self._indices])
        if not len(self):
            names = " ".join(map(str, given))
            raise InputError(
                f"{names or 'no shards'}: no records; give tar files with at least one"
            )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> Record:
        shard, row = self._place(index)
        members = self._indices[shard].members(row)
        missing = [ending for ending in self.fields or () if ending not in members]
        if missing:
            raise InputError(
                f"{self.name(index)}: has no .{missing[0]}, only"
                f" {', '.join(f'.{ending}' for ending in members)}; fix the shard"
            )
        with self.paths[shard].open("rb", buffering=0) as file:
            wanted = self.fields or members
            return {ending: self._read(file, index, *members[ending]) for ending in wanted}

    def name(self, index: int) -> str:
        shard, row = self._place(index)
        return f"{self.paths[shard]}:{self._indices[shard].key(row)}"

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        shard = int(np.searchsorted(self._ends, index, side="right"))
        return shard, index - (int(self._ends[shard - 1]) if shard else 0)

    def _read(self, file: Any, index: int, offset: int, size: int) -> bytes:
        file.seek(offset)
        parts = []
        while size > 0 and (part := file.read(size)):
            parts.append(part)
            size -= len(part)
        if size:
            raise InputError(
                f"{self.name(index)}: {size} bytes are missing; the shard has been cut short"
            )
        return b"".join(parts)


def expand(pattern: str) -> list[str]:
    """Paths of a pattern: data-{08..11}.tar gives data-08.tar to data-11.tar, {train,val} both."""
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    choices = [_choices(piece, pattern) if i % 2 else [piece] for i, piece in enumerate(pieces)]
    return ["".join(parts) for parts in itertools.product(*choices)]


def _choices(inside: str, pattern: str) -> list[str]:
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if numbers is None:
        return inside.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if last < first:
        raise InputError(f"{pattern}: {{{inside}}} runs backwards; give the smaller number first")
    return [f"{number:0{len(numbers[1])}d}" for number in range(first, last + 1)]


class _Index:
    """Where the members of a shard lie: a few arrays, as there may be many millions.

    Args:
        names: (bytes,) the keys one after the other, in UTF-8.
        name_ends: (records,).
        endings: Those that occur.
        offset, size: (records, endings), size -1 where there is none.
    """

    def __init__(
        self,
        names: NDArray[np.uint8],
        name_ends: NDArray[np.int64],
        endings: NDArray[np.str_],
        offset: NDArray[np.int64],
        size: NDArray[np.int64],
    ) -> None:
        self.names, self.name_ends, self.endings = names, name_ends, endings
        self.offset, self.size = offset, size

    def __len__(self) -> int:
        return len(self.name_ends)

    def key(self, row: int) -> str:
        start = int(self.name_ends[row - 1]) if row else 0
        return self.names[start : self.name_ends[row]].tobytes().decode(**_NAMES)

    def members(self, row: int) -> dict[str, tuple[int, int]]:
        """Ending -> (offset, size)."""
        places = zip(self.endings, self.offset[row], self.size[row], strict=True)
        return {str(e): (int(o), int(s)) for e, o, s in places if s >= 0}

    @classmethod
    def of(cls, records: dict[str, dict[str, tuple[int, int]]]) -> "_Index":
        endings = sorted({ending for members in records.values() for ending in members})
        table = np.array(
            [[m.get(ending, (0, -1)) for ending in endings] for m in records.values()], np.int64
        ).reshape(len(records), len(endings), 2)
        keys = [key.encode(**_NAMES) for key in records]
        return cls(
            np.frombuffer(b"".join(keys), np.uint8),
            np.cumsum([len(key) for key in keys], dtype=np.int64),
            np.array(endings, dtype=np.str_),
            table[:, :, 0],
            table[:, :, 1],
        )


def _index_of(path: Path, cache: Path | None) -> _Index:
    if not path.is_file():
        raise InputError(f"{path}: no such shard; give tar files that are there")
    if cache is None:
        return _build(path)
    about = path.stat()
    stamp = np.array([_VERSION, about.st_size, about.st_mtime_ns], np.int64)
    # Shards of the same name may lie in several folders.
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=6).hexdigest()
    place = cache / f"{path.name}.{digest}.npz"
    index = _load(place, stamp)
    if index is None:
        index = _build(path)
        with whole_file(place) as temporary, temporary.open("wb") as file:
            np.savez(file, stamp=stamp, **vars(index))
    return index


def _load(place: Path, stamp: NDArray[np.int64]) -> _Index | None:
    """The index in a file; None where it is not there, damaged, or of an earlier shard."""
    try:
        # Opened here: numpy leaves a damaged file open.
        with place.open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = dict(members)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if not np.array_equal(arrays.pop("stamp", None), stamp):
        return None
    return _Index(**arrays)


def _build(path: Path) -> _Index:
    records: dict[str, dict[str, tuple[int, int]]] = {}
    last = ""
    try:
        for member in tar_members(path, packing=None):
            key, ending = _split(member.name)
            if not ending:
                continue
            if ending in records.get(key, {}) or (key in records and key != last):
                raise InputError(
                    f"{path}: record {key} comes twice ({member.name}); give every record a name of"
                    " its own"
                )
            records.setdefault(key, {})[ending] = (member.offset, member.size)
            last = key
    except tarfile.ReadError as error:
        raise InputError(_unreadable(path, last, error)) from None
    return _Index.of(records)


def _split(name: str) -> tuple[str, str]:
    """Folder and name up to the first dot, and what comes after it in lower case."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, _, ending = file.partition(".")
    # Hidden files are no records; they are what some systems leave behind.
    return (f"{folder}{slash}{stem}", ending.lower()) if stem else ("", "")


def _unreadable(path: Path, last: str, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(6)
    if start[:2] == b"\x1f\x8b" or start[:3] == b"BZh" or start == b"\xfd7zXZ\x00":
        return f"{path}: packed, so no record can be read by itself; unpack it to a plain .tar"
    if last:
        return f"{path}: damaged or cut short after record {last} ({error}); fetch it again"
    return f"{path}: not a tar file ({error}); give plain .tar shards"
