"""Token ids on their way into files."""

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from infonoise_text.data.corpus import SPLITS, SplitCounts, ids_file
from infonoise_text.data.pairs import DTYPE, lengths_file


class Writer:
    """Appends the ids of one split to its file and counts.

    Attributes:
        documents, tokens, bytes: So far.
        longest: Tokens of the longest answer.
        pairs: SHA-256 of the lengths of pairs, once `close` has written them.
    """

    def __init__(self, folder: Path, split: str, dtype: str) -> None:
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._folder, self._split = folder, split
        self._file: IO[bytes] = (folder / ids_file(split)).open("wb")
        self._sha256 = hashlib.sha256()
        self._lengths = array("I")
        self.documents = self.tokens = self.bytes = self.longest = 0
        self.pairs = ""

    def write(self, ids: NDArray[np.integer] | list[int]) -> None:
        """Append ids (n,)."""
        content = np.asarray(ids, self._dtype).tobytes()
        self._file.write(content)
        self._sha256.update(content)
        self.tokens += len(ids)

    def pair(self, prompt: int, answer: int, size: int) -> None:
        """Note the tokens of the pair that was written last, and the bytes of its answer."""
        self._lengths.extend((prompt, answer, size))
        self.longest = max(self.longest, answer)

    def close(self, *, pairs: bool = False) -> SplitCounts:
        """Write what is left.

        Args:
            pairs: Whether the lengths of pairs are written too.
        """
        self._file.close()
        if pairs:
            content = np.frombuffer(self._lengths, np.uint32).astype(DTYPE).tobytes()
            (self._folder / lengths_file(self._split)).write_bytes(content)
            self.pairs = hashlib.sha256(content).hexdigest()
        return SplitCounts(self.documents, self.tokens, self.bytes, self._sha256.hexdigest())


@contextmanager
def writers(folder: Path, dtype: str) -> Iterator[dict[str, Writer]]:
    """A writer for each split, whose files are closed in the end."""
    found = {split: Writer(folder, split, dtype) for split in SPLITS}
    try:
        yield found
    finally:
        for writer in found.values():
            writer.close()
