"""Bits under Gaussian noise: the one place where evidence and network are added."""

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_text.models.blocks import Context
from infonoise_text.models.config import TrunkConfig, TupleConfig
from infonoise_text.models.groups import Groups
from infonoise_text.models.transformer import BitTransformer
from infonoise_text.models.tuples import TupleTransformer
from infonoise_text.models.vocabulary import Vocabulary

# x0 is 0 or 1; the network and the prior noise see it around this value.
CENTRE = 0.5
# Standard deviation of a fair bit.
SIGMA_DATA = 0.5
# Lowest level of sampling and of the bound: a bit alone is wrong once in 5e9 there, and lower ones
# would be idle.
SIGMA_LAST = 0.08
# Largest log-odds that a single bit's evidence is given: an error rate of 1e-13.
CLIP = 30.0
# Log of the noise level that stands for none: what the network hears with clean tokens.
_CLEAN = -4.0
# Log-odds of tokens that are held at a time where no gradient is wanted.
_NUMBERS = 1 << 25
# Log-odds of bits that are given: their probability is 1 to every digit of float32.
CERTAIN = 100.0


def evidence(x: Tensor, sigma: Tensor) -> Tensor:
    """Log-odds of each bit from its own noisy value, (x - 1/2) / sigma^2 clipped, in float32.

    Args:
        x: (n, ...).
        sigma: (n,), or of as many dimensions as x.
    """
    square = sigma.to(torch.float32).square()
    if square.dim() == 1:
        square = square.reshape(-1, *(1,) * (x.dim() - 1))
    return ((x.to(torch.float32) - CENTRE) / square).clamp(-CLIP, CLIP)


class BitDenoiser(nn.Module):
    """D(x, sigma) = sigmoid(network + evidence), the probability that each bit is 1.

    For x = x0 + sigma eps and a fair bit that knows nothing of the others the log-odds are exactly
    (x - 1/2) / sigma^2 (a matched filter; CoBit, Batzolis et al. 2026); the network adds what the
    other bits tell. Before training it adds nothing. A network with groups of bits says what their
    codes have beyond the evidence of single bits, and D are the shares of ones in that.

    Conditions, each (n, ...) or left out:
    previous: (n, L, m) what an earlier pass believed (self-conditioning, Chen et al. 2022); left
    out, it is 1/2 everywhere.
    known, clean: (n, L) bool and (n, L, m) bits of the tokens that are given; the rest of `clean`
    is not read. Whatever x and `previous` hold there, the network sees the clean bits, and D is
    they. Tokens that are not `known` are unknown, so `known` all False is no condition at all.
    before: (n, L, m) bits of the window without noise, of which each block sees those before it
    (`models.blocks`), and no noisy ones beyond itself. Left out, the window is seen as a whole.
    """

    # What stands for no belief where some of a batch have one.
    no_belief = CENTRE

    def __init__(self, network: BitTransformer | TupleTransformer) -> None:
        super().__init__()
        self.network = network
        self.bits = network.bits

    @property
    def groups(self) -> Groups | Vocabulary | None:
        """The groups of bits, or the tokens, of which `joint` tells, of a network that has some."""
        return self.network.groups

    @property
    def tells_tokens(self) -> bool:
        """Whether blocks are single tokens, and answers their distributions."""
        return self.block == 1 and isinstance(self.groups, Vocabulary)

    def codes_of(self, ids: Tensor) -> Tensor:
        """Bits (..., m) of tokens (...), where the network tells tokens."""
        groups = self.groups
        if not isinstance(groups, Vocabulary):
            raise InputError("this network tells groups of bits, and no tokens")
        return groups.codes[ids]

    @property
    def blind(self) -> bool:
        """Whether tokens behind clean ones are told by these alone, at any noise level.

        What their own noisy bits tell is added exactly.
        """
        return isinstance(self.network, TupleTransformer) and self.network.blind

    @property
    def block(self) -> int:
        """Tokens of a block, 0 of a network without blocks."""
        return self.network.trunk.block

    def forward(
        self,
        x: Tensor,
        sigma: Tensor,
        previous: Tensor | None = None,
        known: Tensor | None = None,
        clean: Tensor | None = None,
        logits: bool = False,
        joint: bool = False,
        before: Tensor | None = None,
    ) -> Tensor:
        """x (n, L, m), sigma (n,) -> D (n, L, m) in float32.

        Args:
            logits: Log-odds (n, L, m) in its place.
            joint: The answer of `groups` in its place, log-probabilities (n, L, groups, 2^k) of
                codes or log-odds (n, L, V) of tokens; those of given tokens mean nothing.
        """
        self._check(x, sigma)
        if not torch.is_grad_enabled() and self.at_once(x) < len(x):
            conditions = (previous, known, clean, before)
            return self._in_parts(x, sigma, conditions, logits=logits, joint=joint)
        given, sign = _given(x, known, clean)
        level = self._per_bit(sigma.to(torch.float32))
        spread = (level.square() + SIGMA_DATA**2).sqrt()
        signal = (x.to(torch.float32) - CENTRE) / spread
        if previous is None or self._alone(before):
            belief = torch.zeros_like(signal)
        else:
            belief = 2 * previous.float() - 1
        # A given bit looks like one without noise, which all channels show.
        signal, belief = torch.where(given, sign, signal), torch.where(given, sign, belief)
        own, log_sigma = evidence(x, level), sigma.to(torch.float32).log()
        network = self.network
        if isinstance(network, BitTransformer):
            if before is not None:
                raise InputError("this network has no blocks: leave `before` out")
            said = network(signal, belief, given[..., 0], log_sigma)
            log_odds = said.to(torch.float32) + own
            denoised = log_odds if logits else log_odds.sigmoid()
        else:
            seen = torch.where(given, CLIP * sign, own)
            said = self._said(network, (signal, belief, seen, given[..., 0], log_sigma), before)
            groups = network.groups
            found = groups.answer(said, own)
            if joint:
                return found
            denoised = groups.log_odds(found) if logits else groups.probs(found)
        if logits:
            return torch.where(given, CERTAIN * sign, denoised)
        return torch.where(given, (sign + 1) / 2, denoised)

    def at_once(self, x: Tensor) -> int:
        """Examples that are answered together: their tokens' log-odds are to fit into memory."""
        groups = self.groups
        if not isinstance(groups, Vocabulary):
            return len(x)
        return max(1, _NUMBERS // (x.shape[1] * len(groups.codes)))

    def _in_parts(
        self,
        x: Tensor,
        sigma: Tensor,
        conditions: tuple[Tensor | None, ...],
        *,
        logits: bool,
        joint: bool,
    ) -> Tensor:
        names, found = ("previous", "known", "clean", "before"), []
        for start in range(0, len(x), self.at_once(x)):
            rows = slice(start, start + self.at_once(x))
            some = {n: v[rows] for n, v in zip(names, conditions, strict=True) if v is not None}
            found.append(self(x[rows], sigma[rows], logits=logits, joint=joint, **some))
        return torch.cat(found)

    def _alone(self, before: Tensor | None) -> bool:
        """Whether each token is denoised for itself: x tells all that an earlier pass believed."""
        return before is not None and self.block == 1

    def _said(
        self, network: TupleTransformer, inputs: tuple[Tensor, ...], before: Tensor | None
    ) -> Tensor:
        """What the network adds to the evidence."""
        context = None if before is None else read(network, before)
        said: Tensor = network(*inputs, context)
        return said

    def logits(self, x: Tensor, sigma: Tensor, **condition: Tensor) -> Tensor:
        """(n, L, m) log-odds of the bits; what is given has ±100."""
        log_odds: Tensor = self(x, sigma, logits=True, **condition)
        return log_odds

    def _per_bit(self, sigma: Tensor) -> Tensor:
        """The levels as they meet x."""
        return sigma[:, None, None]

    def _check(self, x: Tensor, sigma: Tensor) -> None:
        if x.dim() != 3 or x.shape[2] != self.bits:
            raise InputError(
                f"x of shape {tuple(x.shape)}: give (examples, tokens, {self.bits}), the bits of"
                " one token in the last dimension"
            )
        self._check_levels(x, sigma)

    def _check_levels(self, x: Tensor, sigma: Tensor) -> None:
        if sigma.shape != x.shape[:1]:
            raise InputError(
                f"sigma of shape {tuple(sigma.shape)} for x of shape {tuple(x.shape)}:"
                " give one noise level per example"
            )


def read(
    network: TupleTransformer, clean: Tensor, context: Context | None = None, start: int = 0
) -> Context:
    """What a network keeps of clean tokens (n, P, m) that stand behind `context`."""
    sign = 2 * clean.to(torch.float32) - 1
    return network.read(sign, CLIP * sign, sign.new_full((len(sign),), _CLEAN), context, start)


def _given(x: Tensor, known: Tensor | None, clean: Tensor | None) -> tuple[Tensor, Tensor]:
    """Where bits are given, (n, L, 1), and -1 or 1 for them, of x's shape or one for all."""
    if known is None:
        return x.new_zeros((*x.shape[:2], 1), dtype=torch.bool), x.new_zeros((), dtype=torch.float)
    if known.shape != x.shape[:2] or clean is None or clean.shape != x.shape:
        raise InputError(
            f"known {tuple(known.shape)} for x of shape {tuple(x.shape)}: give one flag per token,"
            " and with it `clean`, bits of the shape of x"
        )
    return known[..., None], 2 * clean.to(torch.float32) - 1


def make_network(
    bits: int,
    trunk: TrunkConfig,
    tuples: TupleConfig | None = None,
    levels: int = 1,
    codes: Tensor | None = None,
) -> BitTransformer | TupleTransformer:
    """The network of that form, from torch's global generator.

    Args:
        codes: (V, m) of the tokens, for one of tuples that answers these and not groups of bits.
    """
    if trunk.tuples:
        return TupleTransformer(bits, trunk, tuples, levels, codes)
    return BitTransformer(bits, trunk, levels)


def make_denoiser(
    bits: int,
    trunk: TrunkConfig,
    seed: int,
    tuples: TupleConfig | None = None,
    codes: Tensor | None = None,
) -> BitDenoiser:
    """A freshly initialised denoiser of tokens of `bits` bits, the same for the same seed.

    Args:
        codes: As of `make_network`, (V, m).
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BitDenoiser(make_network(bits, trunk, tuples, codes=codes))
