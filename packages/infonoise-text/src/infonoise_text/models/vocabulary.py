"""Bits of a token that are answered as one distribution over the tokens of a vocabulary."""

import torch
from torch import Tensor, nn

# The smallest probability that float32 takes the logarithm of.
_TINY = torch.finfo(torch.float32).tiny


class Vocabulary(nn.Module):
    """V tokens and their codes of m bits, in the place of `Groups`.

    The log-odds of a token are u + sum_j c_j e_j, with what the network says of it, u, and the
    evidence e of its bits. So what bits tell of each other, because not every code is a token and
    not every token as frequent, is in the answer exactly: for log-frequencies u it is the posterior
    of the unigram law, and for the conditional law given all other tokens the exact one.

    Args:
        codes: (V, m) zeros and ones, all different.

    Attributes:
        ids: (2^m,) the token of each code, -1 for none.
    """

    codes: Tensor
    ids: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        size, self.bits = codes.shape
        ids = torch.full((1 << self.bits,), -1)
        ids[self._numbers(codes)] = torch.arange(size)
        self.register_buffer("codes", codes.to(torch.float32), persistent=False)
        self.register_buffer("ids", ids, persistent=False)

    def log_probs(self, said: Tensor, evidence: Tensor) -> Tensor:
        """(n, L, V) log-probabilities of tokens.

        Args:
            said: (n, L, V), u, by the network.
            evidence: (n, L, m) log-odds of single bits.
        """
        # Half of the evidence for a one and half against a zero: the same odds, smaller numbers.
        own = evidence.to(torch.float32) @ (self.codes - 0.5).T
        log_odds: Tensor = said.to(torch.float32) + own
        return log_odds.log_softmax(-1)

    def probs(self, log_probs: Tensor) -> Tensor:
        """(n, L, V) log-probabilities -> (n, L, m), how likely each bit is 1."""
        # Sums of float32 that should be at most 1.
        return (log_probs.exp() @ self.codes).clamp(0, 1)

    def log_odds(self, log_probs: Tensor) -> Tensor:
        """(n, L, V) log-probabilities -> (n, L, m) log-odds of each bit."""
        found = log_probs.exp()
        one, zero = found @ self.codes, found @ (1 - self.codes)
        return one.clamp_min(_TINY).log() - zero.clamp_min(_TINY).log()

    def nats(self, log_probs: Tensor, x0: Tensor) -> Tensor:
        """(n, L) what the bits x0 (n, L, m) of a token cost."""
        ids = self.ids[self._numbers(x0)][..., None]
        return -log_probs.gather(-1, ids).squeeze(-1)

    def _numbers(self, bits: Tensor) -> Tensor:
        """(..., m) zeros and ones -> (...), as whole numbers."""
        shifts = torch.arange(self.bits - 1, -1, -1, device=bits.device)
        return (bits.long() << shifts).sum(-1)
