"""Windows of a split: training examples by number, and held-out ones.

Packed windows are cut anywhere from documents that follow each other. Others begin with a document
or a further piece of one, or hold a prompt and its answer; behind an end, ends fill the window.
"""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import Split
from infonoise_text.data.rows import Rows, document_rows, pair_rows

# Windows overlap until there are about this many, so that a small corpus is met in every phase.
_WINDOWS = 2**20
# Tokens that are counted at a time.
_CHUNK = 2**22
Index = NDArray[np.integer]


class Examples(NamedTuple):
    """Windows of text.

    Attributes:
        ids: (n, L).
        known: (n, L) bool, tokens of prompts, which are given and cost nothing; None for none.
        padding: (n, L) bool, the ends behind an end; None for none. What they cost is what it costs
            to say where a text ends, but they are no tokens of it: nothing is counted per them.
    """

    ids: Tensor
    known: Tensor | None = None
    padding: Tensor | None = None

    @property
    def units(self) -> Tensor:
        """(n,) tokens that costs are counted per."""
        counted = torch.ones_like(self.ids, dtype=torch.bool)
        for mask in (self.known, self.padding):
            if mask is not None:
                counted &= ~mask
        return counted.sum(1)

    @property
    def conditions(self) -> dict[str, Tensor]:
        """The masks that are there, by name."""
        masks = {"known": self.known, "padding": self.padding}
        return {name: mask for name, mask in masks.items() if mask is not None}

    def take(self, rows: slice, device: torch.device | None = None) -> "Examples":
        """Some of them, on a device."""
        masks = {name: mask[rows].to(device) for name, mask in self.conditions.items()}
        return Examples(self.ids[rows].to(device), **masks)


class HeldOut(NamedTuple):
    """Held-out windows.

    Attributes:
        tokens_per_byte: Tokens that count, for each byte of the text that they are.
    """

    examples: Examples
    tokens_per_byte: float


class Source(Protocol):
    """Training examples by number."""

    def __len__(self) -> int:
        """How many."""

    def examples(self, index: Index) -> Examples:
        """Those at `index` (n,)."""

    def counts(self, size: int) -> Tensor:
        """(size,) float64: how often each token is there that is not given."""

    @property
    def free(self) -> float:
        """Tokens of a window that are not given, on average."""


class Windows:
    """Whole windows of `length` tokens, one every `stride`: nothing is padded."""

    def __init__(self, split: Split, length: int, stride: int | None = None) -> None:
        split.windows(length)  # refuses a split without a whole one
        self.split, self.length = split, length
        self.stride = _stride(split, length) if stride is None else stride

    def __len__(self) -> int:
        return (len(self.split) - self.length) // self.stride + 1

    def examples(self, index: Index) -> Examples:
        """int32, all tokens unknown."""
        positions = np.asarray(index, np.int64) * self.stride
        return Examples(torch.from_numpy(self.split.window(positions, self.length)))

    def counts(self, size: int) -> Tensor:
        """(size,) float64: how often each token is in the split."""
        counts = torch.zeros(size, dtype=torch.int64)
        for start in range(0, len(self.split), _CHUNK):
            ids = torch.from_numpy(self.split.ids[start : start + _CHUNK].astype(np.int64))
            counts += torch.bincount(ids, minlength=size)
        return counts.to(torch.float64)

    @property
    def free(self) -> float:
        """All."""
        return float(self.length)


class PaddedWindows:
    """Windows of `length` tokens that begin where the text does, and end with it."""

    def __init__(self, split: Split, length: int, stride: int | None = None) -> None:
        step = _stride(split, length) if stride is None else stride
        self.split, self.length, self.rows = split, length, _rows(split, length, step)

    def __len__(self) -> int:
        return len(self.rows.start)

    def examples(self, index: Index) -> Examples:
        """int32, with masks."""
        ids, known, padding = self.rows.windows(self.split, np.asarray(index, np.int64))
        given = torch.from_numpy(known) if self.split.pairs is not None else None
        return Examples(torch.from_numpy(ids), given, torch.from_numpy(padding))

    def counts(self, size: int) -> Tensor:
        """(size,) float64: how often each token is there that is not given, padding among them."""
        counts = torch.zeros(size, dtype=torch.int64)
        chunk = max(1, _CHUNK // self.length)
        for start in range(0, len(self), chunk):
            found = self.examples(np.arange(start, min(start + chunk, len(self))))
            ids = found.ids.long()
            counts += torch.bincount(
                ids.flatten() if found.known is None else ids[~found.known], minlength=size
            )
        return counts.to(torch.float64)

    @property
    def free(self) -> float:
        """All but those of prompts."""
        return self.length - float(self.rows.given.mean())


def windows_of(split: Split, length: int, stride: int | None = None) -> Source:
    """The windows of a split that training takes, packed or not as the split says."""
    kind = Windows if split.packed else PaddedWindows
    return kind(split, length, stride)


def held_out(split: Split, length: int, windows: int) -> HeldOut:
    """n <= `windows` windows that do not overlap, spread over the split.

    Raises:
        InputError: Where the split has room for less than two: an error bar needs them.
    """
    if split.packed:
        share = split.counts.tokens / max(split.counts.bytes, 1)
        return HeldOut(Examples(held_out_windows(split, length, windows)), share)
    source = PaddedWindows(split, length, length)
    if len(source) < 2:
        raise InputError(
            f"the {split.name} split has {len(source)} windows: an error bar needs two; prepare"
            " more text"
        )
    chosen = _spread(len(source), windows)
    examples = source.examples(chosen)
    size = source.rows.size
    if size is None:
        share = split.counts.tokens / max(split.counts.bytes, 1)
    else:
        share = int(examples.units.sum()) / max(int(size[chosen].sum()), 1)
    return HeldOut(examples._replace(ids=examples.ids.long()), share)


def held_out_windows(split: Split, length: int, windows: int) -> Tensor:
    """(n, length) ids of n <= `windows` packed windows; see `held_out`."""
    there = split.windows(length)
    if there < 2:
        raise InputError(
            f"the {split.name} split has {len(split)} tokens, one window of {length}: an error bar"
            " needs two; give a shorter length or prepare more text"
        )
    positions = _spread(there, windows) * length
    return torch.from_numpy(split.window(positions, length)).to(torch.int64)


def _rows(split: Split, length: int, stride: int) -> Rows:
    rows = document_rows(split, length, stride) if split.pairs is None else pair_rows(split, length)
    if not len(rows.start):
        raise InputError(
            f"the {split.name} split has nothing that fits windows of {length} tokens; give a"
            " greater length or prepare more text"
        )
    return rows


def _stride(split: Split, length: int) -> int:
    return max(1, min(length, len(split) // _WINDOWS))


def _spread(there: int, windows: int) -> NDArray[np.int64]:
    """At most `windows` numbers below `there`, evenly."""
    places = np.linspace(0, there - 1, min(windows, there)).round()
    return np.unique(places.astype(np.int64))
