"""Windows that are all listed, with their probabilities, and the exact denoiser of their bits."""

import torch
from torch import Tensor, nn

from infonoise_text.codes.book import Codes
from infonoise_text.models.denoiser import CERTAIN


class ListedDenoiser(nn.Module):
    """E[x0 | x] of windows (R, L) with probabilities (R,), by Bayes' rule in float64.

    Takes what a BitDenoiser takes; `previous` is not read, because x says it all.
    """

    def __init__(self, windows: Tensor, probs: Tensor, book: Codes) -> None:
        super().__init__()
        self.bits = nn.Parameter(book.encode(windows).to(torch.float64), requires_grad=False)
        self.log_probs = nn.Parameter(probs.to(torch.float64).log(), requires_grad=False)

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
        clean: Tensor | None = None,
        logits: bool = False,
    ) -> Tensor:
        """x (n, L, m), sigma (n,) -> (n, L, m) float64."""
        square = sigma.to(torch.float64).square()[:, None, None]
        evidence = -(x[:, None].to(torch.float64) - self.bits).square().sum(-1) / (2 * square)
        if known is not None and clean is not None:
            other = (clean[:, None] != self.bits).any(-1)
            given = torch.where(other, -torch.inf, 0.0)
            evidence = torch.where(known[:, None], given, evidence)
        weights = (self.log_probs + evidence.sum(-1)).softmax(1)
        one = torch.einsum("nr,rlm->nlm", weights, self.bits)
        if not logits:
            return one
        zero = torch.einsum("nr,rlm->nlm", weights, 1 - self.bits)
        return (one.log() - zero.log()).clamp(-CERTAIN, CERTAIN)
