"""A denoiser that knows which bases may stand where."""

import torch
from torch import Tensor, nn

from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.models.encoding import Encoding, probabilities
from infonoise_bio.models.guided import Guided


class Restricted(nn.Module):
    """D(x, sigma, allowed, ...) of a trained denoiser whose posterior keeps to what is allowed.

    Each base's posterior is cut down to the letters allowed there and normalised again: for one
    base that is Bayes' rule; what it means for the others the network works out at lower noise.

    Args:
        denoiser: The trained one, perhaps guided.
    """

    def __init__(self, denoiser: BaseDenoiser | Guided) -> None:
        super().__init__()
        self.denoiser = denoiser

    @property
    def encoding(self) -> Encoding:
        """Of the denoiser."""
        return self.denoiser.encoding

    def probs(self, x: Tensor, sigma: Tensor, allowed: Tensor, **condition: Tensor) -> Tensor:
        """(n, 4, L) posterior of A C G T; allowed (n, 4, L) or (4, L) bool."""
        logits = self.denoiser.logits(x, sigma, **condition)
        return probabilities(logits.masked_fill(~allowed, -torch.inf))

    def forward(self, x: Tensor, sigma: Tensor, allowed: Tensor, **condition: Tensor) -> Tensor:
        """x (n, C, L), sigma (n,), allowed (n, 4, L) bool, and the denoiser's own conditions."""
        return self.encoding.mean(self.probs(x, sigma, allowed, **condition))
