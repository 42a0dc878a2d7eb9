"""The transformer that reads a token by tuples of its bits and answers them in groups.

A token's identity is in all of its bits at once, and a linear patch of single bits has to build
it. Here each of M overlapping tuples of k bits is looked up softly: its 2^k codes have the
probabilities that the bits' own evidence gives them, and what is read is the mean of their vectors.
The cost grows with M 2^k, whatever the size of the vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_text.models.blocks import Context
from infonoise_text.models.config import TrunkConfig, TupleConfig
from infonoise_text.models.groups import Groups, group_bits
from infonoise_text.models.trunk import NoiseEmbedding, Trunk
from infonoise_text.models.vocabulary import Vocabulary, Words

# Standard deviation of the vectors of codes, and of those that tokens are answered by.
_SPREAD, _SMALL = 0.25, 0.02
# Log of the noise level that stands for one at which nothing is left of a token.
_HIDDEN = 4.0
# Of what says which way is read: with 1 a small corpus was learned more slowly (docs/decisions.md).
_WAY = 0.1


class TupleTransformer(nn.Module):
    """What the evidence of single bits lacks: logits for groups of bits, or for all tokens.

    Reads, for each bit, the scaled noisy value, the belief of an earlier pass and the evidence; for
    each tuple of bits, how likely its codes are by the evidence and by the belief; and for each
    token whether it is known. Before training the answer, (n, L, groups * 2^k) or (n, L, V), is
    exactly zero, of tokens after the evidence, or the log-frequencies that `expect` was given.

    Args:
        bits: m, of one token.
        levels: How many noise levels an example has.
        codes: (V, m) of all tokens, where these are what is answered.

    Attributes:
        tuples: (M, k) which bits each tuple has; it is saved with the weights.
        groups: Bits that are answered together.
        blind: Whether nothing is heard of tokens that stand behind clean ones.
    """

    tuples: Tensor

    def __init__(
        self,
        bits: int,
        trunk: TrunkConfig,
        config: TupleConfig | None = None,
        levels: int = 1,
        codes: Tensor | None = None,
    ) -> None:
        super().__init__()
        if bits < 1:
            raise InputError(f"{bits} bits per token: give at least 1")
        config = TupleConfig() if config is None else config
        width, size = trunk.width, 1 << min(config.tuple_bits, bits)
        self.bits = bits
        self.register_buffer("tuples", _tuples(bits, config.tuples, min(config.tuple_bits, bits)))
        self.patch = nn.Linear(3 * bits, width)
        self.seen = nn.Parameter(_SPREAD * torch.randn(config.tuples * size, width))
        self.believed = nn.Parameter(_SPREAD * torch.randn(config.tuples * size, width))
        self.known = nn.Parameter(torch.zeros(width))
        self.noise = NoiseEmbedding(width, levels)
        # Which of two ways a window is read: what helps in one of them need not in the other.
        mixed = trunk.block > 0 and trunk.whole
        self.ordered = nn.Parameter(_WAY * torch.randn(width)) if mixed else None
        self.blind = trunk.blind
        self.trunk = Trunk(trunk)
        # Reads the token beside the trunk, because the trunk's norm forgets its size.
        self.head = nn.Linear(2 * width, 2 * width)
        self.groups: Groups | Vocabulary
        self.words: Words | None = None
        if codes is None:
            self.groups = Groups(bits, group_bits(bits, config.group_bits))
            self.out = nn.Linear(2 * width, self.groups.count * self.groups.size)
        else:
            self.groups = Vocabulary(codes)
            self.out = nn.Linear(2 * width, width)
            self.words = Words(width, codes, _SMALL)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self,
        signal: Tensor,
        belief: Tensor,
        evidence: Tensor,
        known: Tensor,
        log_sigma: Tensor,
        context: Context | None = None,
        start: int = 0,
    ) -> Tensor:
        """What is to be added to the evidence, (n, L, groups * 2^k), or of tokens (n, L, V) both.

        Args:
            signal, belief: (n, L, m), from -1 to 1 for what is certain.
            evidence: (n, L, m) log-odds.
            known: (n, L) zeros and ones.
            log_sigma: (n,) or (n, levels).
            context: In blocks, what `read` gave of the clean tokens.
            start: Place of the first token, where a block begins.
        """
        if context is not None and self.blind:
            token, log_sigma = self._unheard(signal), torch.full_like(log_sigma, _HIDDEN)
        else:
            token = self._token(signal, belief, evidence, known)
        told = self._told(log_sigma, ordered=context is not None)
        mixed = self.trunk(token, told, context, start)
        out: Tensor = self.out(functional.silu(self.head(torch.cat([mixed, token], dim=-1))))
        return out if self.words is None else self.words(out, evidence)

    @torch.no_grad()
    def expect(self, counts: Tensor) -> None:
        """Begin with the frequencies of tokens (V,), where tokens are answered."""
        if self.words is not None:
            share = (counts + 0.5) / (counts + 0.5).sum()
            self.words.bias.copy_(share.log())

    def read(
        self,
        sign: Tensor,
        evidence: Tensor,
        log_sigma: Tensor,
        context: Context | None = None,
        start: int = 0,
    ) -> Context:
        """What is kept of clean tokens for the blocks behind them.

        Args:
            sign: (n, P, m) of their bits, -1 or 1.
            evidence: (n, P, m) log-odds.
            log_sigma: (n,), the level that stands for no noise.
            context: Of clean tokens before them.
            start: Place of the first token.
        """
        token = self._token(sign, sign, evidence, torch.ones_like(sign[..., 0]))
        return self.trunk.read(token, self._told(log_sigma, ordered=True), context, start)

    def _told(self, log_sigma: Tensor, *, ordered: bool) -> Tensor:
        """(n, width), what layers are modulated by: the noise level, and which way is read."""
        noise: Tensor = self.noise(log_sigma)
        return noise if self.ordered is None or not ordered else noise + self.ordered

    def _token(self, signal: Tensor, belief: Tensor, evidence: Tensor, known: Tensor) -> Tensor:
        """(n, L, width), what the trunk reads."""
        dtype = self.patch.weight.dtype
        single = torch.cat([signal, belief, (evidence / 2).tanh()], dim=-1)
        codes = torch.cat([self._codes(evidence.sigmoid()), self._codes((belief + 1) / 2)], dim=-1)
        token: Tensor = self.patch(single.to(dtype)) + codes.to(dtype) @ torch.cat(
            [self.seen, self.believed]
        )
        return token + known[..., None].to(dtype) * self.known

    def _unheard(self, signal: Tensor) -> Tensor:
        """(n, L, width), tokens of which nothing is heard: all are read alike."""
        nothing = signal.new_zeros(1, 1, self.bits)
        return self._token(nothing, nothing, nothing, nothing[..., 0]).expand(*signal.shape[:2], -1)

    def _codes(self, ones: Tensor) -> Tensor:
        """(n, L, m) how likely each bit is 1 -> (n, L, M * 2^k), how likely each tuple's codes are.

        As if the bits knew nothing of each other.
        """
        p = ones[..., self.tuples]  # (n, L, M, k)
        codes = torch.ones_like(p[..., :1])
        for one in p.unbind(-1):
            codes = (codes[..., None] * torch.stack([1 - one, one], -1)[..., None, :]).flatten(-2)
        return codes.flatten(-2)


def _tuples(bits: int, count: int, width: int) -> Tensor:
    """(count, width) places of bits, from one shuffled order of them after the other.

    Each order gives tuples until all of its bits are in one, so that none is left out for long.
    Drawn from torch's global generator.
    """
    found: list[Tensor] = []
    while len(found) < count:
        order = torch.randperm(bits)
        starts = [*range(0, bits - width, width), bits - width]
        found += [order[start : start + width].sort().values for start in starts]
    return torch.stack(found[:count])
