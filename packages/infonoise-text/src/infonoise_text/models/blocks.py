"""Text in blocks: who sees whom where a noisy block stands behind clean ones.

A noisy token sees the noisy ones of its own block and the clean ones of the blocks before it, as in
block diffusion (Arriola et al. 2025, arXiv 2503.09573); a clean token sees clean ones up to the end
of its block. So one pass over the clean text of a window and one over its noisy text learn all of
its blocks, and what was read of clean text is kept while the next block is written.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Kept(NamedTuple):
    """What a layer keeps of P clean tokens.

    Attributes:
        near: Two of (n, P, width), what its short convolutions take up.
        keys, values: (n, heads, P, channels).
    """

    near: tuple[Tensor, Tensor]
    keys: Tensor
    values: Tensor

    def then(self, later: "Kept") -> "Kept":
        """With the tokens that follow."""
        first, second = zip(self.near, later.near, strict=True)
        return Kept(
            (torch.cat(first, 1), torch.cat(second, 1)),
            torch.cat([self.keys, later.keys], 2),
            torch.cat([self.values, later.values], 2),
        )


# Of every layer.
Context = Sequence[Kept]


class Sight(NamedTuple):
    """What each of some tokens in a row sees: of themselves, and of clean ones from the start on.

    Attributes:
        block: Tokens of a block.
        start: Place of the first one in its window, where a block begins.
        clean: Whether they are clean themselves, and see the blocks before theirs in their own row.
    """

    block: int
    start: int = 0
    clean: bool = False

    def mask(self, size: int, before: int, device: torch.device) -> Tensor | None:
        """(size, before + size) bool, what attention sees of `before` clean tokens and its own row.

        None where it is everything, as in a single block.
        """
        if size <= self.block and before <= self.start:
            return None
        row = (self.start + torch.arange(size, device=device)) // self.block
        earlier = torch.arange(before, device=device) // self.block < row[:, None]
        own = row <= row[:, None] if self.clean else row == row[:, None]
        return torch.cat([earlier, own], dim=1)

    def shifted(self, row: Tensor, before: Tensor | None, offset: int) -> Tensor | None:
        """(n, size, width), for each token what stands `offset` places on, 0 if it is not seen.

        Args:
            row: (n, size, width) of the tokens.
            before: (n, P, width) of the clean ones, if there are any.

        Returns:
            None where no token sees any there.
        """
        if offset == 0:
            return row
        size = row.shape[1]
        earlier = row if before is None else before
        start = 0 if before is None else self.start
        seen = _standing(earlier, start + offset, size) if offset < 0 else None
        if abs(offset) >= self.block:
            return seen
        place = self.start + torch.arange(size, device=row.device)
        same = ((place + offset) // self.block == place // self.block)[:, None]
        own = _standing(row, offset, size)
        return own * same if seen is None else torch.where(same, own, seen)


def _standing(x: Tensor, first: int, size: int) -> Tensor:
    """x (n, P, width) from place `first` on, (n, size, width), 0 beyond either end."""
    missing = min(size, max(0, -first))
    there = x[:, max(0, first) : max(0, first + size)]
    return functional.pad(there, (0, 0, missing, size - missing - there.shape[1]))
