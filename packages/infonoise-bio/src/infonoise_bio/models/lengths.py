"""Sequences of several lengths: how often each comes, and where each of them ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class LengthLaw:
    """How often each length came in training: what those of new sequences are drawn from.

    Attributes:
        lengths: Those there were, ascending.
        counts: For each class, and last for all sequences together: how many had each length.
    """

    lengths: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "LengthLaw":
        """What a run's config.json holds of it."""
        return LengthLaw(tuple(values["lengths"]), tuple(map(tuple, values["counts"])))

    def draw(self, n: int, rng: torch.Generator, label: int | None = None) -> Tensor:
        """(n,) lengths as those of a class are, or as those of all are.

        Args:
            n: How many.
            rng: On the CPU.
            label: The class; where it has none, all count.
        """
        counts = self.counts[-1] if label is None else self.counts[label]
        weights = torch.tensor(counts if any(counts) else self.counts[-1], dtype=torch.float64)
        return torch.tensor(self.lengths)[weights.multinomial(n, replacement=True, generator=rng)]


def length_law(
    lengths: NDArray[np.int64], labels: NDArray[np.int64] | None, classes: int
) -> LengthLaw:
    """Of training sequences with lengths (n,) and labels (n,); of no class are those at the end."""
    found, index = np.unique(lengths, return_inverse=True)

    def counted(rows: NDArray[np.intp]) -> tuple[int, ...]:
        return tuple(np.bincount(rows, minlength=len(found)).tolist())

    of_classes = [] if labels is None else [counted(index[labels == c]) for c in range(classes)]
    return LengthLaw(tuple(found.tolist()), (*of_classes, counted(index)))


# Ends of batches, as parts of the longest sequence of all: each shape is compiled by itself.
_ENDS = 8


def end_of(longest: int, most: int) -> int:
    """Where a batch may end whose longest sequence has so many bases, `most` of all."""
    part = -(-most // _ENDS)
    return min(most, -(-longest // part) * part)


def places_of(lengths: Tensor, longest: int) -> Tensor:
    """(n, L) whether each place lies within a sequence of these lengths (n,)."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def read_backwards(h: Tensor, lengths: Tensor | None = None) -> Tensor:
    """h (n, ..., L), each from its own end; what lies beyond that stays where it is."""
    if lengths is None:
        return h.flip(-1)
    place = torch.arange(h.shape[-1], device=h.device)
    ends = lengths[:, None]
    index = torch.where(place < ends, ends - 1 - place, place)
    index = index.reshape(len(h), *(1,) * (h.dim() - 2), -1)
    return h.gather(-1, index.expand_as(h))
