"""Masked diffusion: tokens are hidden one by one, and guessed from those that are left.

Sahoo et al. 2024 (arXiv 2406.07524). With the linear schedule, the number of hidden tokens of a
window is all that time says, and it is uniform when weighted as the bound weighs it.
"""

from functools import partial

import torch
from torch import Tensor, nn

from infonoise_core.evaluation.discrete import even_hidden, masked_nats
from infonoise_core.sampling.discrete import Random, checked_calls, first_hitting, in_chunks
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

# Draws of hidden tokens for each window of an evaluation.
_LEVELS = 16


class Masked(nn.Module):
    """ids (n, L) and which are hidden (n, L) -> logits (n, L, V) of the hidden ones."""

    def __init__(self, size: int, trunk: TrunkConfig) -> None:
        super().__init__()
        self.size = size
        self.network = TokenTransformer(size, trunk)

    def forward(self, ids: Tensor, hidden: Tensor) -> Tensor:
        """What is hidden is not read."""
        logits: Tensor = self.network(ids.masked_fill(hidden, self.size))
        return logits


def cost(network: nn.Module, windows: Examples, levels: int = 1) -> Tensor:
    """(n,) unbiased draws of an upper bound on -log p of what is not given.

    The bound of `infonoise_core.evaluation.discrete`. Given tokens are always shown and cost
    nothing.

    Args:
        levels: Draws for each window, in as many strata of the number of hidden tokens, which are
            cut evenly among the windows of a batch.
    """
    ids, known, _ = windows
    n, length = ids.shape
    total = torch.zeros(n, device=ids.device)

    def costs(hidden: Tensor) -> Tensor:
        return cross_entropy(network(ids, hidden), ids)

    for level in range(levels):
        drawn = even_hidden(n, length, level, levels, ids.device, given=known)
        total = total + masked_nats(costs, drawn)
    return total / levels


def cost_behind(network: nn.Module, ids: Tensor, known: int) -> Tensor:
    """(n,) the bound on all but the first `known` tokens of windows (n, L), given those."""
    given = torch.arange(ids.shape[1], device=ids.device) < known
    return cost(network, Examples(ids, given.expand(ids.shape)), _LEVELS)


MEASURE = TokenMeasure(cost, partial(cost, levels=_LEVELS), cost_behind, exact=False)


def sample(
    network: Masked, n: int, length: int, calls: int | None = None, *, seed: int = 0,
    chunk: int = 64, own: Own | None = None, given: Given | None = None,
) -> Generated:  # fmt: skip
    """n windows by the first-hitting sampler (`infonoise_core.sampling.discrete`).

    Args:
        calls: One for each token if None; fewer let several tokens come to light at once.
        given: Tokens that are never hidden.
    """
    calls = checked_calls(calls, length, "token")
    network.eval()
    device = next(network.parameters()).device

    def hidden_tokens(ids: Tensor, hidden: Tensor) -> Tensor:
        logits: Tensor = network(ids.to(device), hidden.to(device))
        return logits

    def sampler(rng: Random, rows: int) -> Tensor:
        return first_hitting(hidden_tokens, rows, length, calls, rng, there(rows))

    there = given_chunks(given, n)
    ids = torch.cat(list(in_chunks(sampler, n, seed=seed, chunk=chunk, own=own)))
    return Generated(ids, torch.zeros_like(ids, dtype=torch.bool), calls)


def _sampler(
    network: Masked, n: int, length: int, calls: int, own: Own, given: Given | None
) -> Generated:
    return sample(network, n, length, calls, own=own, given=given)


# The method, for an objective and assets.
method = partial(TokenMethod, "masked", Masked, MEASURE, _sampler)
