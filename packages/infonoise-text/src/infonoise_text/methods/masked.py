"""Masked diffusion: tokens are hidden one by one, and guessed from those that are left.

Sahoo et al. 2024 (arXiv 2406.07524). With the linear schedule, the number of hidden tokens of a
window is all that time says, and it is uniform when weighted as the bound weighs it: the bound is
that of a model that gives tokens in any order (Hoogeboom et al. 2022, arXiv 2110.02037, eq. 3).
"""

from functools import partial

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.discrete import first_hitting
from infonoise_text.methods.tokens import (
    TokenMeasure,
    TokenMethod,
    TokenTransformer,
    cross_entropy,
)
from infonoise_text.models.config import TrunkConfig
from infonoise_text.sampling.text import Generated

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


def cost(network: nn.Module, ids: Tensor, levels: int = 1) -> Tensor:
    """(n,) unbiased draws of an upper bound on -log p of windows (n, L).

    The bound is the sum over k = 1..L of the mean cost of a hidden token when k are: L/k times the
    cost of k hidden tokens, k uniform. levels: draws for each window, in as many strata of k; the
    windows of a batch share one shift, so that they lie evenly too.
    """
    n, length = ids.shape
    total = torch.zeros(n, device=ids.device)
    for level in range(levels):
        # Each level's share is cut evenly among the windows, in a random order.
        place = (torch.randperm(n, device=ids.device) + torch.rand(n, device=ids.device)) / n
        k = ((level + place) / levels * length).floor().clamp(max=length - 1) + 1
        order = torch.rand(n, length, device=ids.device).argsort(1)
        rank = torch.empty_like(order).scatter_(
            1, order, torch.arange(length, device=ids.device).expand(n, -1)
        )
        hidden = rank < k[:, None]
        nats = cross_entropy(network(ids, hidden), ids)
        total = total + (nats * hidden).sum(1) * length / k
    return total / levels


MEASURE = TokenMeasure(cost, partial(cost, levels=_LEVELS), exact=False)


@torch.no_grad()
def sample(
    network: Masked, n: int, length: int, calls: int | None = None, *, seed: int = 0,
    chunk: int = 64,
) -> Generated:  # fmt: skip
    """n windows by the first-hitting sampler (`infonoise_core.sampling.discrete`).

    Args:
        calls: One for each token if None; fewer let several tokens come to light at once.
    """
    calls = length if calls is None else calls
    if not 1 <= calls <= length:
        raise InputError(f"--steps {calls}: give 1 to {length}, one for each token")
    network.eval()
    device = next(network.parameters()).device

    def hidden_tokens(ids: Tensor, hidden: Tensor) -> Tensor:
        logits: Tensor = network(ids.to(device), hidden.to(device))
        return logits

    ids = torch.cat([
        first_hitting(
            hidden_tokens, min(chunk, n - start), length, calls,
            generator(seed, Stream.SAMPLE, start),
        )
        for start in range(0, n, chunk)
    ])  # fmt: skip
    return Generated(ids, torch.zeros_like(ids, dtype=torch.bool), calls)


def _sampler(network: Masked, n: int, length: int, calls: int, seed: int) -> Generated:
    return sample(network, n, length, calls, seed=seed)


# The method, for an objective and assets.
method = partial(TokenMethod, "masked", Masked, MEASURE, _sampler)
