"""Records for tests to read: numbers of which some are bad, and tar files of given members."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords, Record


class Numbers:
    """The numbers below n, but for bad ones."""

    def __init__(self, n: int, bad: frozenset[int] = frozenset()) -> None:
        self.n, self.bad = n, bad

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Record:
        if index in self.bad:
            raise InputError(f"{self.name(index)}: is bad")
        return {"x": index}

    def name(self, index: int) -> str:
        return f"number {index}"


def value(record: Mapping[str, object]) -> int:
    return int(str(record["x"]))


def quiet(limit: int) -> BadRecords:
    return BadRecords(limit, say=lambda line: None)


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path
