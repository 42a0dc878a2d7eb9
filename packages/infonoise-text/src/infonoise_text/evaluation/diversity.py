"""How varied generated text is.

A perplexity has to be read beside it, for it falls where a model repeats itself.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from infonoise_core.errors import InputError


def unigram_entropy(ids: Tensor) -> float:
    """Nats: the entropy of the tokens of one window of (n, L), taken over windows on average.

    At most ln L.
    """
    n, length = _shape(ids)
    rising = ids.sort(dim=1).values
    fresh = torch.ones_like(rising, dtype=torch.bool)
    fresh[:, 1:] = rising.diff(dim=1) != 0
    share = torch.bincount(fresh.flatten().cumsum(0) - 1).to(torch.float64) / length
    # A token's run lies in one window, so the sum over runs is one over windows.
    return float(-(share * share.log()).sum()) / n


def distinct(ids: Tensor, n: int) -> float:
    """Share of different n-grams among all n-grams of the windows (windows, L).

    From Li et al. 2016, "A diversity-promoting objective".
    """
    _, length = _shape(ids)
    if not 1 <= n <= length:
        raise InputError(f"{n}-grams of windows of {length} tokens: give 1 to {length}")
    return distinct_of(list(ids), n)


def distinct_of(rows: Sequence[Tensor], n: int) -> float:
    """The same of rows (tokens,) of any lengths, one of n tokens at least among them."""
    grams = torch.cat([row.unfold(0, n, 1) for row in rows if len(row) >= n])
    return len(torch.unique(grams, dim=0)) / len(grams)


def _shape(ids: Tensor) -> tuple[int, int]:
    if ids.dim() != 2 or not ids.numel():
        raise InputError(f"ids of shape {tuple(ids.shape)}: give (windows, tokens), some of each")
    return len(ids), ids.shape[1]
