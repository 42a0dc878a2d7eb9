"""Which documents are held out."""

import hashlib
from array import array
from collections.abc import Iterator

import numpy as np

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import SPLITS
from infonoise_text.data.documents import Documents

HELD_OUT = 0.05  # share of the bytes that goes to valid, and to test


class Division:
    """Which split a document goes to, by its content alone.

    Documents are taken in the order of the hash of their content: first those that fit into the
    share of valid, then those of test, and the rest is train. So all copies of a document are on
    one side, and the order of reading does not matter. Where there are fewer than three different
    documents, each is cut instead, near the end of a line, into its beginning (train) and two
    pieces of its end.
    """

    def __init__(self, held_out: dict[int, str], total: int, *, by_stretch: bool) -> None:
        self._held_out, self.total, self.by_stretch = held_out, total, by_stretch

    @classmethod
    def of(cls, documents: Documents) -> "Division":
        """Reads all documents once; InputError where there are none."""
        hashes, sizes = array("Q"), array("Q")
        for text in documents:
            content = text.encode()
            hashes.append(_hash(content))
            sizes.append(len(content))
        total = sum(sizes)
        if not total:
            raise InputError(f"{documents.name}: no text in it; give a corpus with some")
        order, where = np.unique(np.frombuffer(hashes, np.uint64), return_inverse=True)
        if len(order) < 3:
            return cls({}, total, by_stretch=True)
        size = np.bincount(where, np.frombuffer(sizes, np.uint64).astype(np.float64))
        held_out: dict[int, str] = {}
        free = list(zip(order.tolist(), size.tolist(), strict=True))
        for split in SPLITS[1:]:
            taken = _taken(free, HELD_OUT * total)
            held_out |= dict.fromkeys(taken, split)
            free = [(key, n) for key, n in free if key not in taken]
        return cls(held_out, total, by_stretch=False)

    def pieces(self, text: str) -> Iterator[tuple[str, str]]:
        """(split, text) for each split that gets something of `text`."""
        if not self.by_stretch:
            yield self._held_out.get(_hash(text.encode()), "train"), text
            return
        first = _line_end(text, round((1 - 2 * HELD_OUT) * len(text)))
        second = _line_end(text, max(first, round((1 - HELD_OUT) * len(text))))
        for split, piece in zip(
            SPLITS, (text[:first], text[first:second], text[second:]), strict=True
        ):
            if piece:
                yield split, piece


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _taken(free: list[tuple[int, float]], target: float) -> set[int]:
    """Documents in the given order that fit into `target` bytes, or else the smallest."""
    taken, filled = set(), 0.0
    for key, size in free:
        if filled + size <= target:
            taken.add(key)
            filled += size
    return taken or {min(free, key=lambda item: item[1])[0]}


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at, at + len(text) // 100)
    return found + 1 if found >= 0 else at
