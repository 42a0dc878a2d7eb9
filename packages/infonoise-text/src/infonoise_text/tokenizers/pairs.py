"""A second tokenizer on top of the first: byte-pair merges over token ids that fill 2^k codes.

A vocabulary of, say, 50,257 tokens leaves 15,279 of the 2^16 codes of 16 bits without a meaning.
Merging the most frequent pairs of neighbours into new symbols gives each of them one, and makes
the sequence shorter (Sennrich et al., arXiv 1508.07909, on ids instead of characters).
"""

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular, parse_json
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.chain import Chain, Ids, Places

PAIRS_FILE = "pairs.safetensors"
# Between the name of a tokenizer and the bits that its pairs fill.
FILLED = " filled to 2^"
FORMAT = "infonoise-text pairs"
VERSION = 1

_LONGEST = 64  # tokens in one symbol, which bounds the table that decodes
_CHUNK = 1 << 20  # tokens merged at a time in a stream


class PairCoder:
    """Token ids <-> codes 0 .. 2^k - 1, none of them without a meaning.

    Args:
        size: Of the first vocabulary, whose ids keep their value.
        merges: (n, 2) int32; row i says which two symbols the code size + i stands for.
        barrier: An id that is never merged, such as the end of a document.
    """

    def __init__(self, size: int, merges: Ids, barrier: int | None = None) -> None:
        self.tokens, self.merges, self.barrier = size, merges, barrier
        self.size = size + len(merges)
        self._rank = {int(a) * self.size + int(b): i for i, (a, b) in enumerate(merges)}
        self._flat, self._start, self._length = _expansions(size, merges)

    @property
    def bits(self) -> int:
        """Bits of a code: enough for all symbols."""
        return (self.size - 1).bit_length()

    @classmethod
    def learn(
        cls, ids: NDArray[np.integer], size: int, bits: int, barrier: int | None = None
    ) -> "PairCoder":
        """Merge the most frequent pair in `ids` (n,) until there are 2^bits symbols.

        Equally frequent pairs are taken in the order of their symbols. Raises InputError where
        2^bits is less than `size`, or `ids` have too few pairs to get there.
        """
        total = 1 << bits
        if total < size:
            raise InputError(
                f"2^{bits} codes are fewer than the {size} tokens: give {(size - 1).bit_length()}"
                " bits or more"
            )
        chain = Chain(ids, total, barrier)
        counts = dict(zip(*(v.tolist() for v in chain.pairs()), strict=True))
        length = [1] * size
        heap = [(-n, key) for key, n in counts.items()]
        heapq.heapify(heap)
        merges: list[tuple[int, int]] = []
        while len(merges) < total - size:
            if not heap:
                raise _too_few_pairs(size, len(merges), bits)
            n, key = heapq.heappop(heap)
            now = counts.get(key, 0)
            left, right = divmod(key, total)
            if now != -n or now == 0:
                if now:
                    heapq.heappush(heap, (-now, key))
                continue
            if length[left] + length[right] > _LONGEST:
                continue
            length.append(length[left] + length[right])
            changed, change = chain.merge(left, right, size + len(merges))
            merges.append((left, right))
            for other, by in zip(changed.tolist(), change.tolist(), strict=True):
                counts[other] = counts.get(other, 0) + by
                if by > 0:
                    heapq.heappush(heap, (-counts[other], other))
                elif counts[other] == 0:
                    del counts[other]
        return cls(size, np.array(merges, np.int32).reshape(-1, 2), barrier)

    def encode(self, ids: NDArray[np.integer] | Sequence[int]) -> Ids:
        """(n,) token ids -> (at most n,) codes: the merges in the order they were learnt."""
        ids = np.asarray(ids, np.int64)
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.tokens:
            raise ValueError(f"ids between {ids.min()} and {ids.max()}: give 0..{self.tokens - 1}")
        chain = Chain(ids, self.size, self.barrier)
        waiting = {
            rank for key in chain.pairs()[0].tolist() if (rank := self._rank.get(key, -1)) + 1
        }
        heap = sorted(waiting)
        while heap:
            rank = heapq.heappop(heap)
            left, right = self.merges[rank].tolist()
            changed, change = chain.merge(left, right, self.tokens + rank)
            for key in changed[change > 0].tolist():
                # A new pair holds the symbol just made, so its turn is always still to come.
                later = self._rank.get(key)
                if later is not None and later not in waiting:
                    waiting.add(later)
                    heapq.heappush(heap, later)
        return chain.symbols(self.barrier)

    def encode_stream(self, chunks: Iterable[NDArray[np.integer]]) -> Iterator[Ids]:
        """The codes of all chunks together, the same as `encode` of their concatenation.

        What follows the last barrier is held back until the next one, so memory is bounded by the
        longest stretch between barriers.
        """
        held: list[NDArray[np.integer]] = []
        size, has_end = 0, False
        for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            has_end = has_end or (self.barrier is not None and bool((chunk == self.barrier).any()))
            if size < _CHUNK or not has_end:
                continue
            ids = np.concatenate(held)
            cut = int(np.flatnonzero(ids == self.barrier)[-1]) + 1
            yield self.encode(ids[:cut])
            held, size, has_end = [ids[cut:]], len(ids) - cut, False
        if held:
            yield self.encode(np.concatenate(held))

    def decode(self, codes: NDArray[np.integer] | Sequence[int]) -> Ids:
        """(n,) codes -> (at least n,) token ids, the inverse of `encode`."""
        codes = np.asarray(codes, np.int64)
        if len(codes) and not 0 <= codes.min() <= codes.max() < self.size:
            raise ValueError(
                f"codes between {codes.min()} and {codes.max()}: give 0..{self.size - 1}"
            )
        length = self._length[codes]
        behind = np.cumsum(length)
        shift = np.repeat(self._start[codes] - (behind - length), length)
        ids: Ids = self._flat[np.arange(len(shift)) + shift]
        return ids

    def save(self, path: Path) -> None:
        about = {"version": VERSION, "size": self.tokens, "barrier": self.barrier}
        # One entry, because safetensors writes several in any order.
        path.write_bytes(save({"merges": self.merges}, {FORMAT: json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> "PairCoder":
        """Read what `save` wrote; InputError where that is something else."""
        check_regular(path)
        try:
            with safe_open(path, "np") as file:
                about = parse_json((file.metadata() or {}).get(FORMAT, "{}"), str(path))
                merges: Any = file.get_tensor("merges") if about else None
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: not a file of pairs ({error})") from error
        if not isinstance(about, dict) or about.get("version") != VERSION:
            raise InputError(f"{path}: not a file of pairs of version {VERSION}")
        try:
            return cls(about["size"], merges, about["barrier"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise InputError(f"{path}: not a file of pairs ({type(error).__name__})") from error


class PairTokenizer:
    """A tokenizer with a PairCoder behind it; see `Tokenizer`."""

    def __init__(self, base: Tokenizer, coder: PairCoder) -> None:
        if base.size != coder.tokens:
            raise InputError(
                f"{base.name} has {base.size} tokens but the pairs were learnt over {coder.tokens};"
                " give the tokenizer they were learnt with"
            )
        self.base, self.coder = base, coder
        self.name = f"{base.name}{FILLED}{coder.bits}"
        self.size, self.unknown, self.end = coder.size, base.unknown, base.end
        content = base.digest.encode() + coder.merges.astype("<i4").tobytes()
        self.digest = hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, base: Tokenizer, path: Path) -> "PairTokenizer":
        return cls(base, PairCoder.load(path))

    def encode(self, text: str) -> list[int]:
        codes: list[int] = self.coder.encode(self.base.encode(text)).tolist()
        return codes

    def decode(self, ids: Sequence[int]) -> str:
        return self.base.decode(self.coder.decode(ids).tolist())

    def save(self, folder: Path) -> None:
        self.base.save(folder)
        self.coder.save(folder / PAIRS_FILE)


def _expansions(size: int, merges: Ids) -> tuple[Ids, Places, Places]:
    """The token ids of all symbols in a row, where each symbol begins, and how long it is."""
    pieces: list[tuple[int, ...]] = [(i,) for i in range(size)]
    for left, right in merges.tolist():
        pieces.append(pieces[left] + pieces[right])
    length = np.array([len(piece) for piece in pieces], np.int64)
    flat = np.fromiter((i for piece in pieces for i in piece), np.int32, int(length.sum()))
    return flat, np.cumsum(length) - length, length


def _too_few_pairs(size: int, merges: int, bits: int) -> InputError:
    fits = (size + merges).bit_length() - 1
    fix = f"give {fits} bits" if 1 << fits >= size else "do without pairs"
    return InputError(
        f"the corpus has pairs for {merges} codes beside its {size} tokens, which does not fill"
        f" 2^{bits}; {fix}, or more text"
    )
