"""Tokens from left to right: an exact likelihood, and a call for each token of a sample."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.evaluation.discrete import before
from infonoise_core.sampling.discrete import Random, in_chunks, left_to_right
from infonoise_text.data.spans import Given
from infonoise_text.data.windows import Examples
from infonoise_text.methods.tokens import (
    TokenMeasure,
    TokenMethod,
    TokenTransformer,
    cross_entropy,
    given_chunks,
)
from infonoise_text.models.config import TrunkConfig
from infonoise_text.sampling.text import Generated, Own


class Autoregressive(nn.Module):
    """ids (n, L) -> logits (n, L, V) of each id given those before it in the window."""

    def __init__(self, size: int, trunk: TrunkConfig) -> None:
        super().__init__()
        self.size = size
        self.network = TokenTransformer(size, replace(trunk, causal=True))

    def forward(self, ids: Tensor) -> Tensor:
        """The first id stands behind a start symbol."""
        logits: Tensor = self.network(before(ids, self.size))
        return logits


def cost(network: nn.Module, windows: Examples) -> Tensor:
    """(n,) -log p of what is not given, to the end: what fills up behind it is no part of it."""
    nats = cross_entropy(network(windows.ids), windows.ids)
    for mask in windows.conditions.values():
        nats = nats * ~mask
    return nats.sum(1)


def cost_behind(network: nn.Module, ids: Tensor, known: int) -> Tensor:
    """(n,) -log p of all but the first `known` tokens of windows (n, L), given those."""
    return cross_entropy(network(ids), ids)[:, known:].sum(1)


MEASURE = TokenMeasure(cost, cost, cost_behind, exact=True)


def sample(
    network: Autoregressive, n: int, length: int, *, seed: int = 0, chunk: int = 64,
    own: Own | None = None, given: Given | None = None,
) -> Generated:  # fmt: skip
    """n windows from the model's own distribution, behind given beginnings."""
    network.eval()
    device = next(network.parameters()).device

    def next_token(known: Tensor) -> Tensor:
        # What stands at the last place is not read: its logits are those of the next token.
        logits: Tensor = network(functional.pad(known, (0, 1)).to(device))
        return logits[:, -1]

    def sampler(rng: Random, rows: int) -> Tensor:
        return left_to_right(next_token, rows, length, rng, there(rows))

    there = given_chunks(given, n)
    ids = torch.cat(list(in_chunks(sampler, n, seed=seed, chunk=chunk, own=own)))
    return Generated(ids, torch.zeros_like(ids, dtype=torch.bool), length)


def _sampler(
    network: Autoregressive, n: int, length: int, calls: int, own: Own, given: Given | None
) -> Generated:
    # Each token takes a call, however many were given; what was made is in the result.
    return sample(network, n, length, own=own, given=given)


# The method, for an objective and assets.
method = partial(TokenMethod, "autoregressive", Autoregressive, MEASURE, _sampler)
