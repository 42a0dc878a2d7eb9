"""The files of a checkpoint's parts: each process writes whole tensors of its share."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from infonoise_core.training.saving.tensors import TensorFile
from infonoise_core.training.saving.tree import Divided, Leaf, flatten


@dataclass(frozen=True)
class Peers:
    """The processes that write a checkpoint together; alone by default.

    Attributes:
        group: By which they talk, of torch's groups; None is that of all.
    """

    rank: int = 0
    world: int = 1
    group: Any = None

    def tell(self, value: Any) -> list[Any]:
        """What every process gave, in their order; collective."""
        values = [value]
        if self.world > 1:
            values = [None] * self.world
            dist.all_gather_object(values, value, self.group)
        return values


@dataclass(frozen=True)
class _Entry:
    """A tensor in a file of a part. writer: number of the file, from 0."""

    part: str
    name: str
    leaf: Leaf
    writer: int

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if isinstance(self.leaf, Divided) else self.leaf.dtype

    @property
    def shape(self) -> torch.Size:
        if isinstance(self.leaf, Divided):
            return self.leaf.shares.shapes[self.leaf.name]
        return self.leaf.shape


class Contents:
    """What goes into the files of a checkpoint.

    Args:
        parts: Name -> tree. Parameters in pieces are among those of every process, in one order;
            all else is of the first one's.
        peers: The processes.
        writers: Those that can write, in their order.
    """

    def __init__(self, parts: Mapping[str, Any], peers: Peers, writers: list[int]) -> None:
        self._peers, self._writers = peers, writers
        self.trees: dict[str, Any] = {}
        self._entries: list[_Entry] = []
        for part, tree in parts.items():
            leaves: dict[str, Leaf] = {}
            self.trees[part] = flatten(tree, leaves)
            entries = [
                _Entry(part, name, leaf, _writer(leaf, len(writers)))
                for name, leaf in leaves.items()
                if isinstance(leaf, Divided) or peers.rank == 0
            ]
            # Long types first, see TensorFile; otherwise as they came, which all do alike.
            self._entries += sorted(entries, key=lambda entry: -entry.dtype.itemsize)

    def tensors(self) -> Iterator[Tensor]:
        """Those that this process writes, of any shape, put together one at a time; collective."""
        for entry in self._entries:
            to, leaf = self._writers[entry.writer], entry.leaf
            tensor: Tensor | None = leaf if isinstance(leaf, Tensor) else None
            if isinstance(leaf, Divided):
                tensor = leaf.shares.whole(leaf.name, leaf.pieces, to)
            if to == self._peers.rank and tensor is not None:
                yield tensor

    def write(self, tensors: Iterable[Tensor], folder: Path) -> "Written":
        """This process's files, from all that `tensors` gives, of the same shapes."""
        waiting, found = iter(tensors), Written()
        try:
            for part, writer, entries in self._mine():
                path = folder / self._file(part, writer)
                table = [(entry.name, entry.dtype, entry.shape) for entry in entries]
                with TensorFile(path, table) as file:
                    for _ in entries:
                        file.add(next(waiting))
                    found.sums[path.name] = file.finish()
                found.names[path.name] = [entry.name for entry in entries]
                found.sizes[path.name] = file.bytes
        except OSError as error:
            found.problem = error
        # The others wait for this process's pieces.
        for _ in waiting:
            pass
        return found

    def _mine(self) -> Iterator[tuple[str, int, list[_Entry]]]:
        """Parts of which this process writes a file, its number, and the tensors in it."""
        for part in self.trees:
            every = [entry for entry in self._entries if entry.part == part]
            for writer, rank in enumerate(self._writers):
                own = [entry for entry in every if entry.writer == writer]
                # A part without tensors is a file without any.
                if rank == self._peers.rank and (own or not (every or writer)):
                    yield part, writer, own

    def _file(self, part: str, writer: int) -> str:
        if len(self._writers) == 1:
            return f"{part}.safetensors"
        return f"{part}-{writer + 1:05d}-of-{len(self._writers):05d}.safetensors"


@dataclass
class Written:
    """What one process has written.

    Attributes:
        sums: Name of a file -> its SHA-256.
        names: Name of a file -> the tensors in it.
        sizes: Name of a file -> bytes of its tensors.
        problem: Why it is not all.
    """

    sums: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    problem: OSError | None = None


def index_of(part: str, written: Iterable[Written]) -> dict[str, Any] | None:
    """By what the hub's tools find a tensor among the files of a part; None where one has all."""
    where, size = {}, 0
    for one in written:
        for file in one.names:
            if file.startswith(f"{part}-"):
                where.update(dict.fromkeys(one.names[file], file))
                size += one.sizes[file]
    return {"metadata": {"total_size": size}, "weight_map": where} if where else None


def _writer(leaf: Leaf, writers: int) -> int:
    """Neighbours go to one writer, and to all about as many numbers."""
    if not isinstance(leaf, Divided):
        return 0
    return leaf.shares.place_of(leaf.name) * writers // max(leaf.shares.size, 1)


def can_see(folder: Path, peers: Peers) -> list[int]:
    """The processes for which a folder is there: on machines without its file system it is not."""
    return [rank for rank, there in enumerate(peers.tell(os.path.isdir(folder))) if there]
