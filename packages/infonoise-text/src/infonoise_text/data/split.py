"""Which documents are held out."""

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import SPLITS
from infonoise_text.data.documents import Documents
from infonoise_text.data.reading import Document

_OPTIONS = {"valid": "--val", "test": "--test"}
HELD_OUT = 0.05  # share of the bytes that goes to valid, and to test


class Division:
    """Which split a document goes to: the one it is given for, or one by its content alone.

    For the splits that are not given, documents are taken in the order of the hash of their
    content until the share of valid is full, then of test, and the rest is train. White space is
    the same to the hash however much of it there is, so all copies of a document are on one side,
    and the order of reading does not matter.
    Where there are fewer than three different documents, each is cut instead, near the end of a
    line, into its beginning (train) and pieces of its end. Pairs are told apart by their prompts,
    and never cut.

    Args:
        held_out: Hash of a document -> its split.
        total: Bytes of all documents.
        drawn: The splits that are not given.
        by_stretch: Whether documents are cut.
        shared: How many documents of train are in a given split too.
    """

    def __init__(
        self,
        held_out: Mapping[int, str],
        total: int,
        drawn: tuple[str, ...] = SPLITS[1:],
        *,
        by_stretch: bool,
        shared: int = 0,
    ) -> None:
        self._held_out, self.total, self.by_stretch = held_out, total, by_stretch
        self.drawn, self.shared = drawn, shared

    @classmethod
    def of(cls, documents: Documents, said: Callable[[int], None] | None = None) -> "Division":
        """Reads all documents once; InputError where there are none.

        Args:
            said: Told the bytes so far behind every document.
        """
        hashes, sizes = array("Q"), array("Q")
        given: dict[str, set[int]] = {}
        total = 0
        for document in documents:
            length = sum(len(part.encode()) for part in document.parts)
            total += length
            if said is not None:
                said(total)
            if document.split in SPLITS[1:]:
                given.setdefault(document.split, set()).add(_hash(document.text))
                continue
            hashes.append(_hash(document.text))
            sizes.append(length)
        if not len(hashes):
            raise InputError(f"{documents.name}: no text in it; give a corpus with some")
        drawn = tuple(split for split in SPLITS[1:] if split not in given)
        order, where = np.unique(np.frombuffer(hashes, np.uint64), return_inverse=True)
        shared = sum(key in there for there in given.values() for key in order.tolist())
        if drawn and len(order) < 3:
            if documents.new().answer is not None:
                missing = " and ".join(_OPTIONS[split] for split in drawn)
                raise InputError(
                    f"{documents.name}: pairs with fewer than three different prompts, of which"
                    f" none can be held out; give more, or {missing}"
                )
            return cls({}, total, drawn, by_stretch=True, shared=shared)
        size = np.bincount(where, np.frombuffer(sizes, np.uint64).astype(np.float64))
        held_out: dict[int, str] = {}
        free = list(zip(order.tolist(), size.tolist(), strict=True))
        for split in drawn:
            taken = _taken(free, HELD_OUT * float(size.sum()))
            held_out |= dict.fromkeys(taken, split)
            free = [(key, n) for key, n in free if key not in taken]
        return cls(held_out, total, drawn, by_stretch=False, shared=shared)

    def pieces(self, document: Document) -> Iterator[tuple[str, str]]:
        """(split, text) for each split that gets something of a document.

        Of a pair, its prompt and its answer, both in the same split.
        """
        text = document.text
        if document.split in SPLITS[1:]:
            yield from ((document.split, part) for part in document.parts)
        elif not self.by_stretch:
            split = self._held_out.get(_hash(text), "train")
            yield from ((split, part) for part in document.parts)
        else:
            start = 0
            for split, end in zip(("train", *self.drawn), self._ends(text), strict=True):
                if end > start:
                    yield split, text[start:end]
                start = max(start, end)

    def _ends(self, text: str) -> Iterator[int]:
        last = 0
        for left in range(len(self.drawn), 0, -1):
            last = _line_end(text, max(last, round((1 - left * HELD_OUT) * len(text))))
            yield last
        yield len(text)


def _hash(text: str) -> int:
    content = " ".join(text.split()).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _taken(free: list[tuple[int, float]], target: float) -> set[int]:
    """Documents in the given order until `target` bytes are nearest, or else the smallest.

    None is passed over for its size: those held out are as long as the others.
    """
    taken, filled = set(), 0.0
    for key, size in free:
        if filled + size / 2 > target:
            break
        taken.add(key)
        filled += size
    return taken or {min(free, key=lambda item: item[1])[0]}


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at, at + len(text) // 100)
    return found + 1 if found >= 0 else at
