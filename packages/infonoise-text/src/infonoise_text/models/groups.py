"""Bits of a token that are answered together, as one distribution over their codes."""

import torch
from torch import Tensor, nn

# Log-odds against codes that use bits which the last group does not have; e to it is 0.
_NEVER = -1e4
# Bits of a group by default at most: 2^5 logits cost less than the trunk.
_WIDEST = 5


def group_bits(bits: int, wanted: int | None = None) -> int:
    """Bits of a group: as wanted, or such that few groups of at most 5 are about even."""
    if wanted is not None:
        return min(wanted, bits)
    count = -(-bits // _WIDEST)
    return -(-bits // count)


class Groups(nn.Module):
    """m bits in groups of k, the last of which may be shorter.

    The log-odds of a code c of a group are u_c + sum_j c_j e_j, with what the network says, u, and
    the evidence e of its bits: for u = 0 the bits are independent, each with the log-odds e_j.

    Args:
        bits: m.
        width: k.

    Attributes:
        codes: (size, k) zeros and ones of all codes of a group.
        never: (groups, size) log-odds against codes that a short group does not have.
    """

    codes: Tensor
    never: Tensor

    def __init__(self, bits: int, width: int) -> None:
        super().__init__()
        self.bits, self.width = bits, width
        self.count = -(-bits // width)
        self.size = 1 << width
        shifts = torch.arange(width - 1, -1, -1)
        codes = (torch.arange(self.size)[:, None] >> shifts & 1).to(torch.float32)
        absent = torch.arange(self.count * width).reshape(self.count, width) >= bits
        never = ((codes[None] > 0) & absent[:, None]).any(-1)
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("never", _NEVER * never.to(torch.float32), persistent=False)

    def log_probs(self, said: Tensor, evidence: Tensor) -> Tensor:
        """(n, L, groups, 2^k) log-probabilities of codes.

        Args:
            said: (n, L, groups * 2^k), u, by the network.
            evidence: (n, L, m) log-odds of single bits.
        """
        apart = self._split(evidence.to(torch.float32))
        # Half of the evidence for a one and half against a zero: the same odds, smaller numbers.
        found = said.to(torch.float32).reshape(*said.shape[:-1], self.count, self.size)
        log_odds: Tensor = found + apart @ (self.codes - 0.5).T + self.never
        return log_odds.log_softmax(-1)

    def probs(self, log_probs: Tensor) -> Tensor:
        """(n, L, groups, 2^k) log-probabilities -> (n, L, m), how likely each bit is 1."""
        marginal = log_probs.exp() @ self.codes
        # Sums of float32 that should be at most 1.
        return marginal.flatten(-2)[..., : self.bits].clamp(0, 1)

    def log_odds(self, log_probs: Tensor) -> Tensor:
        """(n, L, groups, 2^k) log-probabilities -> (n, L, m) log-odds of each bit."""
        odds = []
        for j in range(self.width):
            halves = log_probs.reshape(*log_probs.shape[:-1], 1 << j, 2, -1).logsumexp((-3, -1))
            odds.append(halves[..., 1] - halves[..., 0])
        return torch.stack(odds, dim=-1).flatten(-2)[..., : self.bits]

    def answer(self, said: Tensor, evidence: Tensor) -> Tensor:
        """What the network's word comes to, `log_probs`: what all below reads."""
        return self.log_probs(said, evidence)

    def cost(self, answer: Tensor, x0: Tensor) -> tuple[Tensor, Tensor]:
        """What the bits x0 (n, L, m) of a token cost, (n, L) nats, and `probs`, detached."""
        return self.nats(answer, x0), self.probs(answer.detach())

    def nats(self, log_probs: Tensor, x0: Tensor) -> Tensor:
        """(n, L) what the bits x0 (n, L, m) of a token cost."""
        code = self.indices(x0)[..., None]
        return -log_probs.gather(-1, code).squeeze(-1).sum(-1)

    def indices(self, bits: Tensor) -> Tensor:
        """(..., m) zeros and ones -> (..., groups), which code each group has."""
        shifts = torch.arange(self.width - 1, -1, -1, device=bits.device)
        return (self._split(bits).long() << shifts).sum(-1)

    def _split(self, bits: Tensor) -> Tensor:
        """(n, L, m) -> (n, L, groups, k), with zeros for bits that are not there."""
        missing = self.count * self.width - self.bits
        full = nn.functional.pad(bits, (0, missing))
        return full.reshape(*bits.shape[:-1], self.count, self.width)
