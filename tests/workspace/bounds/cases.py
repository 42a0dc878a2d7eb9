"""Examples and denoisers on which likelihoods and profiles are compared with an older release's.

Everything is drawn by numpy's PCG64, whose numbers stay, and the denoisers are closed forms.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SIGMA_MIN, SIGMA_MAX = 0.002, 80.0


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def pixels(n: int, seed: int, channels: int = 1) -> np.ndarray:
    """(n, channels, 8, 8) of 17 grey levels: ramps with dents."""
    ramp = np.add.outer(np.arange(8), np.arange(8))
    dents = rng(seed).integers(-2, 3, (n, channels, 8, 8))
    return (ramp + dents).clip(0, 16).astype(np.uint8)


def codes(n: int, length: int, seed: int) -> np.ndarray:
    """(n, length) bases A C G T, with a word in the middle of each second sequence."""
    drawn = rng(seed).choice(4, (n, length), p=[0.4, 0.2, 0.1, 0.3])
    drawn[::2, 8:14] = [3, 2, 0, 1, 3, 1]
    return drawn.astype(np.uint8)


def masked(found: np.ndarray, seed: int) -> np.ndarray:
    """The same with a tenth of the bases unknown (4)."""
    return np.where(rng(seed).random(found.shape) < 0.1, 4, found).astype(np.uint8)


def tokens(n: int, length: int, vocabulary: int, seed: int) -> Tensor:
    """(n, length) tokens, half of which repeat the one before."""
    random = rng(seed)
    ids = random.integers(0, vocabulary, (n, length))
    repeat = random.random((n, length)) < 0.5
    for i in range(1, length):
        ids[:, i] = np.where(repeat[:, i], ids[:, i - 1], ids[:, i])
    return torch.from_numpy(ids)


class Shrink(nn.Module):
    """x / (1 + sigma^2), the answer for white noise; what is known of x0 stays."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, sigma: Tensor, **told: Any) -> Tensor:
        found = x / (1 + sigma.reshape(-1, *(1,) * (x.dim() - 1)).square())
        if "shown" in told:
            found = torch.where(told["known"] > 0, told["shown"], found)
        return found


class Neighbours(nn.Module):
    """Bits from their own noisy value and from those of the tokens beside it; sigma (n,) or
    (n, 2).
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, sigma: Tensor, logits: bool = False, previous: Any = None, **told: Tensor
    ) -> Tensor:
        level = sigma.reshape(len(x), -1)[:, -1:, None]
        own = (x - 0.5) / (level.square() + 1e-4)
        found = own + 0.3 * own.roll(1, 1).tanh()
        if "known" in told:
            sure = 40 * (told["clean"] - 0.5)
            found = torch.where(told["known"][..., None], sure, found)
        return found if logits else found.sigmoid()


class KnowsTokens(nn.Module):
    """Log-odds of tokens by the one before, hidden or not; for baselines (ids, hidden)."""

    def __init__(self, vocabulary: int, start: int) -> None:
        super().__init__()
        table = torch.from_numpy(rng(9).normal(size=(vocabulary + 1, vocabulary)))
        self.table = nn.Parameter(table.float(), requires_grad=False)
        self.start = start

    def forward(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        shown = ids if hidden is None else ids.masked_fill(hidden, self.start)
        before = torch.cat([torch.full_like(shown[:, :1], self.start), shown[:, :-1]], 1)
        return self.table[before]


def fill(module: nn.Module, seed: int, scale: float) -> nn.Module:
    """All weights normal, drawn by numpy; so networks that start with zeros say something."""
    random = rng(seed)
    with torch.no_grad():
        for _, parameter in sorted(module.named_parameters()):
            drawn = random.normal(scale=scale, size=tuple(parameter.shape))
            parameter.copy_(torch.as_tensor(drawn))
    return module.eval()
