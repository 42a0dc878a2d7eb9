"""A Markov source of tokens with clusters, and its exact denoiser at two levels."""

import torch
from torch import Tensor

from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.codes.clusters import ClusterBook, per_bit

from ...markov import MarkovDenoiser, MarkovSource

# What follows what is nearly certain, and each token alone nearly fair.
CHAIN = MarkovSource(
    torch.tensor(
        [
            [0.85, 0.05, 0.05, 0.05],
            [0.05, 0.05, 0.85, 0.05],
            [0.3, 0.1, 0.1, 0.5],
            [0.1, 0.8, 0, 0.1],
        ]
    )
)
# Tokens 0 and 2 are one cluster, 1 and 3 the other: not what the first bit of an id says.
TREE = CodeBook(torch.tensor([0, 2, 1, 3]), 2, 0, "semantic")
BOOK = ClusterBook(binary_codes(4), TREE, 2)


class PairDenoiser(MarkovDenoiser):
    """E[x0 | x] of a Markov source's clusters and tokens."""

    def __init__(self) -> None:
        super().__init__(CHAIN, BOOK)

    def _evidence(self, x: Tensor, sigma: Tensor) -> Tensor:
        both = sigma[:, None].expand(-1, 2) if sigma.dim() == 1 else sigma
        square = per_bit(both, BOOK.widths).square()[:, :, None]
        return -((x[:, :, None] - self.codes).square() / (2 * square)).sum(-1)
