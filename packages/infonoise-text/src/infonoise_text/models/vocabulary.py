"""Bits of a token that are answered as one distribution over the tokens of a vocabulary."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# The smallest probability that float32 takes the logarithm of.
_TINY = torch.finfo(torch.float32).tiny


class Words(nn.Linear):
    """Hidden states (n, L, width) and evidence (n, L, m) -> log-odds of V tokens, (n, L, V).

    u + sum_j (c_j - 1/2) e_j, with the weights' u and the evidence e of a token's bits c_j: half of
    it for a one and half against a zero, which are the same odds.

    Args:
        codes: (V, m) zeros and ones.
    """

    codes: Tensor

    def __init__(self, width: int, codes: Tensor, spread: float) -> None:
        super().__init__(width, len(codes))
        nn.init.normal_(self.weight, std=spread)
        nn.init.zeros_(self.bias)
        self.register_buffer("codes", codes.to(torch.float32) - 0.5, persistent=False)

    def forward(self, hidden: Tensor, evidence: Tensor) -> Tensor:  # type: ignore[override]
        """All in one product: a sum of V numbers for each token would pass through memory twice."""
        one = hidden.new_ones((*hidden.shape[:-1], 1))
        read = torch.cat([hidden, evidence.to(hidden.dtype), one], dim=-1)
        codes = self.codes.to(self.weight.dtype)
        weight = torch.cat([self.weight, codes, self.bias[:, None]], dim=-1)
        return functional.linear(read, weight)


class Vocabulary(nn.Module):
    """V tokens and their codes of m bits, in the place of `Groups`.

    What bits tell of each other, because not every code is a token and not every token as frequent,
    is in the answer exactly: where the network says log-frequencies it is the posterior of the
    unigram law, and where it says the law given all other tokens the exact one.

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

    def answer(self, said: Tensor, evidence: Tensor) -> Tensor:
        """(n, L, V) log-odds of tokens, those of `Words`, which have the evidence in them."""
        return said.to(torch.float32)

    def probs(self, answer: Tensor) -> Tensor:
        """(n, L, V) log-odds -> (n, L, m), how likely each bit is 1."""
        return self._ones(answer.softmax(-1))

    def log_odds(self, answer: Tensor) -> Tensor:
        """(n, L, V) log-odds -> (n, L, m) log-odds of each bit."""
        found = answer.softmax(-1)
        one, zero = found @ self.codes, found @ (1 - self.codes)
        return one.clamp_min(_TINY).log() - zero.clamp_min(_TINY).log()

    def cost(self, answer: Tensor, x0: Tensor) -> tuple[Tensor, Tensor]:
        """What the bits x0 (n, L, m) of a token cost, (n, L) nats, and `probs`, detached."""
        nats, probs = _Cost.apply(answer, self.ids[self._numbers(x0)])  # type: ignore[no-untyped-call]
        return nats, self._ones(probs)

    def _ones(self, probs: Tensor) -> Tensor:
        # Sums of float32 that should be at most 1.
        return (probs @ self.codes).clamp(0, 1)

    def _numbers(self, bits: Tensor) -> Tensor:
        """(..., m) zeros and ones -> (...), as whole numbers."""
        shifts = torch.arange(self.bits - 1, -1, -1, device=bits.device)
        return (bits.long() << shifts).sum(-1)


class _Cost(torch.autograd.Function):
    """Cross entropy of tokens with the probabilities that it takes anyway.

    Apart they would be the exponentials of all tokens once more, and a third time for gradients:
    a third of an update's time for 4,096 tokens.
    """

    @staticmethod
    def forward(ctx: Any, answer: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(n, L, V) log-odds and (n, L) ids -> (n, L) nats, and (n, L, V) probabilities."""
        probs = answer.softmax(-1)
        own = probs.gather(-1, ids[..., None]).squeeze(-1)
        ctx.save_for_backward(probs, ids)
        ctx.mark_non_differentiable(probs)
        ctx.set_materialize_grads(False)
        # Beyond 87 nats only the gradient is exact.
        return -own.clamp_min(_TINY).log(), probs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, nats: Tensor, _: Tensor) -> tuple[Tensor, None]:
        """Probabilities, less 1 at the token that is there; in their place, so only once."""
        probs, ids = ctx.saved_tensors
        gradient = probs.mul_(nats[..., None])
        return gradient.scatter_add_(-1, ids[..., None], -nats[..., None]), None
