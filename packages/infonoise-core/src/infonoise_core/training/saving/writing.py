"""A checkpoint on its way to disk: whole or not at all, by one process or all of them."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from infonoise_core.reading import sha256_of
from infonoise_core.training.saving.contents import Contents, Peers, Written, can_see, index_of
from infonoise_core.training.saving.names import (
    DIVIDED,
    FORMAT,
    TEMPORARY,
    VERSION,
    digest,
    flush,
    path_of,
    remove,
    steps,
)


class Writing:
    """One checkpoint; every method is collective.

    Args:
        folder: Of the checkpoints.
        parts: Name -> tree of dicts, lists, tensors and plain values, see `Contents`.
        info: Plain values for the manifest, of the first process.
        peers: Who writes. One at a time may write into a folder.
    """

    def __init__(
        self, folder: Path, step: int, parts: Mapping[str, Any], info: Mapping[str, Any],
        peers: Peers | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._step, self._info = folder, step, info
        self._peers = peers or Peers()
        self._temporary = folder / f"{TEMPORARY}{step:08d}"
        with together(self._peers) as first, self._cleared():
            if first:
                _begin(folder, self._temporary)
        with self._cleared():
            writers = can_see(self._temporary, self._peers)
            self._contents = Contents(parts, self._peers, writers)

    def tensors(self) -> Iterator[Tensor]:
        """Those that this process writes, of any shape, one at a time."""
        return self._contents.tensors()

    def finish(
        self, tensors: Iterable[Tensor], peers: Peers | None = None, *,
        before: Callable[[], None] = lambda: None, keep: int = 2, best: int | None = None,
        stays: int = 0,
    ) -> Path:  # fmt: skip
        """Write them and the manifest, and drop older checkpoints; returns the folder.

        The `keep` newest stay, that of step `best`, and those of multiples of `stays`.

        Args:
            tensors: What `tensors()` gave, or copies, of the same shapes.
            peers: Who writes, where it goes on in another thread.
            before: What the first process writes elsewhere, before the checkpoint.

        Raises:
            OSError: On every process, when the disk of one is full; what was there before is
                untouched.
        """
        peers = peers or self._peers
        with self._cleared():
            with together(peers) as first:
                if first:
                    before()
            written = peers.tell(self._contents.write(tensors, self._temporary))
            with together(peers) as first:
                problem = next((one.problem for one in written if one.problem), None)
                if problem is not None:
                    raise problem
                if first:
                    self._seal(written)
        final = path_of(self._folder, self._step)
        if peers.rank == 0:
            kept = {*steps(self._folder)[:keep], best}
            for step in steps(self._folder):
                if step not in kept and not (stays and step % stays == 0):
                    remove(path_of(self._folder, step))
        return final

    def _seal(self, written: list[Written]) -> None:
        sums = {name: value for one in written for name, value in one.sums.items()}
        version = VERSION
        for part in self._contents.trees:
            index = index_of(part, written)
            if index is not None:
                version = DIVIDED
                path = self._temporary / f"{part}.safetensors.index.json"
                path.write_text(json.dumps(index, indent=1))
                flush(path)
                sums[path.name] = sha256_of(path)
        manifest = {
            "format": FORMAT,
            "version": version,
            "step": self._step,
            **self._info,
            "parts": self._contents.trees,
            "files": sums,
        }
        path = self._temporary / "manifest.json"
        path.write_text(json.dumps({"checksum": digest(manifest), **manifest}, indent=1))
        flush(path)
        flush(self._temporary)
        final = path_of(self._folder, self._step)
        if final.exists():
            remove(final)
        os.replace(self._temporary, final)
        flush(self._folder)

    @contextmanager
    def _cleared(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._peers.rank == 0:
                shutil.rmtree(self._temporary, ignore_errors=True)
            raise


def save(
    folder: Path,
    step: int,
    parts: Mapping[str, Any],
    info: Mapping[str, Any],
    keep: int = 2,
    best: int | None = None,
) -> Path:
    """Write `folder/step-<step>` from one process, and drop older checkpoints; see `Writing`."""
    writing = Writing(folder, step, parts, info)
    return writing.finish(writing.tensors(), keep=keep, best=best)


def _begin(folder: Path, temporary: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    temporary.mkdir()


@contextmanager
def together(peers: Peers) -> Iterator[bool]:
    """Whether this is the first process; an OSError of any is raised on all."""
    problem: OSError | None = None
    try:
        yield peers.rank == 0
    except OSError as error:
        problem = error
    for other in peers.tell(problem):
        if other is not None:
            raise other
