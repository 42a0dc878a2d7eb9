"""Tokens from left to right: an exact likelihood, and a call for each token of a sample."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.discrete import left_to_right
from infonoise_text.methods.tokens import (
    TokenMeasure,
    TokenMethod,
    TokenTransformer,
    cross_entropy,
)
from infonoise_text.models.config import TrunkConfig
from infonoise_text.sampling.text import Generated


class Autoregressive(nn.Module):
    """ids (n, L) -> logits (n, L, V) of each id given those before it in the window."""

    def __init__(self, size: int, trunk: TrunkConfig) -> None:
        super().__init__()
        self.size = size
        self.network = TokenTransformer(size, replace(trunk, causal=True))

    def forward(self, ids: Tensor) -> Tensor:
        """The first id stands behind a start symbol."""
        start = torch.full_like(ids[:, :1], self.size)
        logits: Tensor = self.network(torch.cat([start, ids[:, :-1]], dim=1))
        return logits


def cost(network: nn.Module, ids: Tensor) -> Tensor:
    """(n,) -log p of windows (n, L)."""
    return cross_entropy(network(ids), ids).sum(1)


MEASURE = TokenMeasure(cost, cost, exact=True)


@torch.no_grad()
def sample(
    network: Autoregressive, n: int, length: int, *, seed: int = 0, chunk: int = 64
) -> Generated:
    """n windows from the model's own distribution."""
    network.eval()
    device = next(network.parameters()).device

    def next_token(before: Tensor) -> Tensor:
        # What stands at the last place is not read: its logits are those of the next token.
        logits: Tensor = network(functional.pad(before, (0, 1)).to(device))
        return logits[:, -1]

    ids = torch.cat([
        left_to_right(
            next_token, min(chunk, n - start), length, generator(seed, Stream.SAMPLE, start)
        )
        for start in range(0, n, chunk)
    ])  # fmt: skip
    return Generated(ids, torch.zeros_like(ids, dtype=torch.bool), length)


def _sampler(network: Autoregressive, n: int, length: int, calls: int, seed: int) -> Generated:
    # Each token takes a call, however many were given; what was made is in the result.
    return sample(network, n, length, seed=seed)


# The method, for an objective and assets.
method = partial(TokenMethod, "autoregressive", Autoregressive, MEASURE, _sampler)
