"""Tokens that know nothing of each other: a denoiser in closed form whose cost is known exactly.

What the noises of a likelihood bound happen to cost it is taken out of the cost of others (control
variates). The nearer its law is to that of the text, the more alike the two costs are.
"""

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.binning import log_edges
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_text.codes.book import Codes
from infonoise_text.models.denoiser import evidence
from infonoise_text.models.groups import Groups

# Codes of all tokens at all levels that a control may look at, and those at a time.
_CODES, _AT_ONCE = 1 << 30, 1 << 22
# Bins of profiles of a bit, and how many standard deviations its noise reaches.
_BINS, _FAR = 256, 9.0
# Tokens that are counted at most.
_COUNTED = 1 << 22


def token_counts(ids: np.ndarray, size: int) -> Tensor:
    """(size,) float64: how often each token is among the first 4 million ids (n,)."""
    counted = np.bincount(np.asarray(ids[:_COUNTED], np.int64), minlength=size)
    return torch.from_numpy(counted).to(torch.float64)


def control_width(bits: int, tokens: int) -> int:
    """Bits whose joint law a control can afford for so many tokens at all levels.

    All bits of a token where possible: then it is the unigram law.
    """
    count = 1
    while count < bits and tokens * count << -(-bits // count) > _CODES:
        count += 1
    return -(-bits // count)


class CodeLaw(nn.Module):
    """The posterior mean of tokens whose groups of bits are independent, each with its frequency.

    Args:
        counts: (size,) of tokens; half a token is added to every code.
        width: Bits of a group; all of a token for the unigram law.

    Attributes:
        log_prior: (groups, 2^k) of codes.
    """

    log_prior: Tensor

    def __init__(self, book: Codes, counts: Tensor, width: int) -> None:
        super().__init__()
        self.groups = Groups(book.bits, width)
        self.place = nn.Parameter(torch.zeros(()))  # says where it is
        codes = self.groups.indices(book.encode(torch.arange(book.size)))
        there = self.groups.never == 0
        law = 0.5 * there.to(torch.float64)
        for group, row in enumerate(law):
            row.index_add_(0, codes[:, group], counts)
            law[group] = row / row.sum()
        self.register_buffer("log_prior", law.log().clamp_min(-1e4).to(torch.float32))

    @torch.no_grad()
    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        known: Tensor | None = None,
        clean: Tensor | None = None,
        before: Tensor | None = None,
    ) -> Tensor:
        """x (n, L, m), sigma (n,) -> (n, L, m); `before` tells nothing of independent tokens."""
        rows = max(1, _AT_ONCE // (x.shape[1] * self.log_prior.numel()))
        said = self.log_prior.flatten()
        own = evidence(x, sigma)
        found = [
            self.groups.probs(self.groups.log_probs(said, own[start : start + rows]))
            for start in range(0, len(x), rows)
        ]
        denoised = torch.cat(found)
        if known is None or clean is None:
            return denoised
        return torch.where(known[..., None], clean, denoised)

    def nats(self, x0: Tensor, sigma_max: float) -> Tensor:
        """(n, L) float64: its integral of squared error / sigma^2 over log sigma, up to sigma_max.

        The bound is exact for it: what a token costs, but for the divergence at sigma_max of its
        noisy bits from those of all tokens, (x0 - mean)^2 / (2 sigma_max^2), whose next term is
        smaller by another sigma_max^2. Below the lowest level that is charged, bits are certain.

        Args:
            x0: (n, L, m).
        """
        prior = self.log_prior.to(torch.float64)
        cost = -prior.exp()[torch.arange(self.groups.count), self.groups.indices(x0)].log()
        mean = self.groups.probs(self.log_prior[None, None]).flatten().to(torch.float64)
        square = (x0.to(torch.float64) - mean).square().sum(-1)
        return cost.sum(-1) - square / (2 * sigma_max**2)


def bit_rates(sigma_min: float, sigma_max: float) -> EntropyRateProfile:
    """The profile of one fair bit."""
    return exact_profile(BinarySource(1, 0.0, 1.0), sigma_min, sigma_max, bins=_BINS)


def bit_spread(sigma_min: float, sigma_max: float) -> EntropyRateProfile:
    """How much squared error / sigma^2 of one fair bit varies with the noise: its deviation."""
    edges = log_edges(sigma_min, sigma_max, _BINS)
    sigma = (edges[1:] * edges[:-1]).sqrt()[:, None]
    eps = torch.linspace(-_FAR, _FAR, 2001, dtype=torch.float64)
    weight = (-eps.square() / 2).exp() / (-eps.square() / 2).exp().sum()
    # Of a bit that is 1; one that is 0 is its mirror image.
    error = (1 - ((0.5 + sigma * eps) / sigma.square()).sigmoid()).square()
    mean = (weight * error).sum(1)
    variance = (weight * error.square()).sum(1) - mean.square()
    rate = variance.clamp_min(0).sqrt() / sigma[:, 0].square()
    return EntropyRateProfile(edges, rate, torch.zeros_like(rate), torch.ones_like(rate))
