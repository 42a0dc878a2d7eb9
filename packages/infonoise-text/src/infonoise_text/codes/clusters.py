"""Tokens as bits with those of their cluster ahead of them."""

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.codes.book import CodeBook, Decoded

# Order of the two kinds of bits, of their noise levels and of their errors.
KINDS = ("clusters", "tokens")


class ClusterBook:
    """Ids <-> the cluster's bits, then the token's own.

    A token's cluster is where it stands in the top levels of the semantic tree, so it is a function
    of the token and says nothing new: the entropy of both together is that of the tokens.

    Args:
        tokens: The code that is read back.
        tree: Of the same tokens, whose first bits are the clusters'.
        clusters: How many, a power of two.
    """

    def __init__(self, tokens: CodeBook, tree: CodeBook, clusters: int) -> None:
        bits = clusters.bit_length() - 1
        if clusters < 2 or clusters != 1 << bits or bits >= tree.bits:
            raise InputError(
                f"--clusters {clusters}: give a power of two, from 2 to {1 << (tree.bits - 1)}"
                f" for {tree.size} tokens"
            )
        if tree.size != tokens.size:
            raise ValueError(f"a tree of {tree.size} tokens for codes of {tokens.size}")
        self.tokens, self.tree = tokens, tree
        self.size, self.widths = tokens.size, (bits, tokens.bits)
        self.bits = sum(self.widths)
        self.name = f"{tokens.name} with {clusters} clusters"

    @property
    def bit_names(self) -> list[str]:
        """Of the bits of a code, for people, those of the cluster first."""
        return [f"cluster bit {i + 1}" for i in range(self.widths[0])] + self.tokens.bit_names

    def encode(self, ids: Tensor) -> Tensor:
        """(...) ids -> (..., bits) uint8, on the ids' device."""
        cluster = self.tree.encode(ids)[..., : self.widths[0]]
        return torch.cat([cluster, self.tokens.encode(ids)], dim=-1)

    def decode(self, bits: Tensor) -> Decoded:
        """(..., bits) zeros and ones -> ids (...): what the token's own bits say."""
        if bits.shape[-1:] != (self.bits,):
            raise ValueError(f"bits of shape {tuple(bits.shape)}: give (..., {self.bits})")
        return self.tokens.decode(bits[..., self.widths[0] :])

    def nearest(self, ones: Tensor) -> Tensor:
        """(n, bits) how likely each bit is 1 -> (n,): what the token's own bits say."""
        return self.tokens.nearest(ones[:, self.widths[0] :])


def per_bit(levels: Tensor, widths: tuple[int, int]) -> Tensor:
    """(n, 2) of clusters and tokens -> (n, 1, bits), each kind's value at each of its bits."""
    parts = [levels[:, i : i + 1].expand(-1, width) for i, width in enumerate(widths)]
    return torch.cat(parts, dim=1)[:, None]


def per_kind(bits: Tensor, widths: tuple[int, int]) -> Tensor:
    """(n, L, bits) -> (n, 2), the sums over the bits of clusters and over those of tokens."""
    first = widths[0]
    parts = (bits[..., :first], bits[..., first:])
    return torch.stack([part.flatten(1).sum(1) for part in parts], dim=1)
