"""The bit-patch transformer: one position per token, its bits in and its logits out.

The trunk stands between a linear patch and a small head, so that the cost of the output grows with
the logarithm of the vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.trunk import NoiseEmbedding, Trunk


class BitTransformer(nn.Module):
    """What the evidence of single bits lacks, to be added to their log-odds.

    Reads, for each bit, the scaled noisy value and the belief of an earlier pass, and for each
    token whether it is known. Before training the answer (n, L, m) is exactly zero.

    Args:
        bits: m, of one token.
        levels: How many noise levels an example has.

    Attributes:
        groups: Bits that are answered together; none here.
    """

    groups: None = None

    def __init__(self, bits: int, trunk: TrunkConfig, levels: int = 1) -> None:
        super().__init__()
        if bits < 1:
            raise InputError(f"{bits} bits per token: give at least 1")
        width = trunk.width
        self.bits = bits
        self.patch = nn.Linear(2 * bits, width)
        self.known = nn.Parameter(torch.zeros(width))
        self.noise = NoiseEmbedding(width, levels)
        self.trunk = Trunk(trunk)
        # Reads the patch beside the trunk, because the trunk's norm forgets its size.
        self.head = nn.Linear(2 * width, 2 * width)
        self.out = nn.Linear(2 * width, bits)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, signal: Tensor, belief: Tensor, known: Tensor, log_sigma: Tensor) -> Tensor:
        """What is to be added to the log-odds, (n, L, m).

        Args:
            signal, belief: (n, L, m).
            known: (n, L) zeros and ones.
            log_sigma: (n,) or (n, levels).
        """
        bits = torch.cat([signal, belief], dim=-1).to(self.patch.weight.dtype)
        patch = self.patch(bits) + known[..., None].to(self.known.dtype) * self.known
        mixed = self.trunk(patch, self.noise(log_sigma))
        out: Tensor = self.out(functional.silu(self.head(torch.cat([mixed, patch], dim=-1))))
        return out
