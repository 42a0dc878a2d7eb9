"""A generator of regulatory DNA with planted motifs, whose probabilities are known exactly.

A sequence is background, each base independent, but for some windows that may each hold a motif: on
a place of its own or drawn within the window, on either strand. Given where the motifs are, all
bases are independent; so the probability of a sequence, the exact denoiser and, window by window,
the entropy can all be computed.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_bio.alphabet import BASES, Codes
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.models.encoding import Encoding
from infonoise_core.errors import InputError

# The entropy of a window takes its probability of every content: 4^10 of them are 8 MB.
_WIDEST = 10


@dataclass(frozen=True)
class Planted:
    """A window that may hold a motif.

    Attributes:
        consensus: The motif, A C G T.
        purity: Probability of the consensus base, the others share the rest.
        start: First base of the window.
        jitter: Places the motif may stand at are start .. start + jitter, all alike.
        prob: Probability that it is there at all.
        both_strands: Half of the time its reverse complement.
    """

    consensus: str
    start: int
    purity: float = 0.9
    jitter: int = 0
    prob: float = 0.8
    both_strands: bool = False

    def __post_init__(self) -> None:
        if not self.consensus or set(self.consensus) - set(BASES):
            raise InputError(f"motif '{self.consensus}': give letters A C G T")
        if not 0.25 <= self.purity <= 1 or not 0 <= self.prob <= 1:
            raise InputError(f"motif '{self.consensus}': purity is 0.25 to 1, prob 0 to 1")
        if self.jitter < 0 or self.width > _WIDEST:
            raise InputError(
                f"motif '{self.consensus}' with jitter {self.jitter}: its window has at most"
                f" {_WIDEST} bases"
            )

    @property
    def width(self) -> int:
        """Bases of the window."""
        return len(self.consensus) + self.jitter

    def cases(self, background: Tensor) -> tuple[Tensor, Tensor]:
        """Where the motif may be; the last case is that there is none.

        Args:
            background: (4,) frequencies of the other bases.

        Returns:
            Probabilities (z,) of the cases, and the base frequencies (z, width, 4) of the window.
        """
        core = torch.full((len(self.consensus), 4), (1 - self.purity) / 3, dtype=torch.float64)
        places = torch.tensor([BASES.index(base) for base in self.consensus])
        core[torch.arange(len(places)), places] = self.purity
        strands = [core, core.flip(0, 1)] if self.both_strands else [core]
        tables = []
        for matrix in strands:
            for offset in range(self.jitter + 1):
                table = background.expand(self.width, 4).clone()
                table[offset : offset + len(core)] = matrix
                tables.append(table)
        there = torch.full((len(tables),), self.prob / len(tables), dtype=torch.float64)
        absent = torch.tensor([1 - self.prob], dtype=torch.float64)
        tables.append(background.expand(self.width, 4).clone())
        return torch.cat([there, absent]), torch.stack(tables)


@dataclass(frozen=True)
class PlantedDna:
    """One class of sequences: length, background frequencies of A C G T, and disjoint windows."""

    length: int
    planted: tuple[Planted, ...]
    background: tuple[float, ...] = (0.3, 0.2, 0.2, 0.3)

    def __post_init__(self) -> None:
        for window in self.planted:
            if window.start < 0 or window.start + window.width > self.length:
                raise InputError(f"motif '{window.consensus}' leaves the {self.length} bases")
        if self._windows().max(initial=0) > 1:
            raise InputError("two windows overlap: give each motif room of its own")
        if abs(sum(self.background) - 1) > 1e-9 or min(self.background) <= 0:
            raise InputError(f"background {self.background}: give four shares that sum to 1")

    def sample(self, n: int, rng: np.random.Generator) -> Codes:
        """(n, L) codes."""
        codes = rng.choice(4, size=(n, self.length), p=self.background).astype(np.uint8)
        for window in self.planted:
            probs, tables = (t.numpy() for t in window.cases(self._base()))
            last = tables[rng.choice(len(probs), size=n, p=probs)].cumsum(-1)[..., :3]
            drawn = (rng.random((n, window.width, 1)) >= last).sum(-1)
            codes[:, window.start : window.start + window.width] = drawn
        return codes

    def entropy(self) -> float:
        """Nats per sequence, exact: independent windows, each summed over all its contents."""
        base = self._base()
        free = int((self._windows() == 0).sum())
        total = -free * float(torch.xlogy(base, base).sum())
        for window in self.planted:
            p = self.contents(window)
            total -= float(torch.xlogy(p, p).sum())
        return total

    def contents(self, window: Planted) -> Tensor:
        """(k,) probabilities of a window's k = 4^width contents, the last base running fastest."""
        probs, tables = window.cases(self._base())
        total = torch.zeros(4**window.width, dtype=torch.float64)
        for prob, table in zip(probs, tables, strict=True):
            joint = functools.reduce(lambda p, row: torch.outer(p, row).flatten(), table)
            total += prob * joint
        return total

    def rate(self, window: Planted) -> float:
        """Probability that a window holds its consensus, on a strand it is planted on, exact."""
        p = self.contents(window)
        words = torch.cartesian_prod(*[torch.arange(4)] * window.width).reshape(len(p), -1)
        return float(p[holds(words, window)].sum())

    def log_prob(self, codes: Tensor) -> Tensor:
        """(n,) natural logarithm of the probability of codes (n, L), 0..3."""
        base, index = self._base().log(), codes.long()
        free = torch.from_numpy(self._windows() == 0)
        total = base[index][:, free].sum(1)
        for window in self.planted:
            probs, tables = window.cases(self._base())
            part = index[:, window.start : window.start + window.width]
            each = tables.log()[None].expand(len(part), -1, -1, -1)
            found = each.gather(3, part[:, None, :, None].expand(-1, len(probs), -1, 1))
            total = total + torch.logsumexp(found[..., 0].sum(2) + probs.log(), 1)
        return total

    def posterior(self, encoding: Encoding, x: Tensor, sigma: Tensor) -> Tensor:
        """(n, 4, L) exact probabilities of bases given x (n, C, L) = x0 + sigma eps, float64.

        In each window a mixture over where the motif is of posteriors of independent bases.
        """
        x, base = x.to(torch.float64), self._base()
        logits = encoding.logits(x, sigma).transpose(1, 2)  # (n, L, 4)
        # A copy, so that gradients can be had: softmax needs its own result for them.
        out = torch.softmax(logits + base.log(), -1).clone()
        for window in self.planted:
            probs, tables = window.cases(base)
            rows = slice(window.start, window.start + window.width)
            joint = logits[:, None, rows] + tables.log()  # (n, z, width, 4)
            where = torch.softmax(torch.logsumexp(joint, -1).sum(-1) + probs.log(), 1)
            out[:, rows] = (where[..., None, None] * torch.softmax(joint, -1)).sum(1)
        return out.transpose(1, 2)

    def _windows(self) -> NDArray[np.int64]:
        """(L,) in how many windows a base lies."""
        taken = np.zeros(self.length, np.int64)
        for window in self.planted:
            taken[window.start : window.start + window.width] += 1
        return taken

    def _base(self) -> Tensor:
        return torch.tensor(self.background, dtype=torch.float64)


def holds(codes: Tensor, window: Planted) -> Tensor:
    """(n,) whether codes (n, width) of a window hold its consensus on a strand it is planted on."""
    word = torch.tensor([BASES.index(base) for base in window.consensus])
    words = [word, (3 - word).flip(0)] if window.both_strands else [word]
    found = torch.zeros(len(codes), dtype=torch.bool)
    for offset in range(window.jitter + 1):
        part = codes[:, offset : offset + len(word)]
        for each in words:
            found |= (part == each).all(1)
    return found


# Two classes of made-up promoters: boxes at their usual places, and a site on either strand.
DEMO = {
    "housekeeping": PlantedDna(
        60, (Planted("TTGACA", 8, jitter=1, prob=0.9), Planted("TATAAT", 32, jitter=2))
    ),
    "induced": PlantedDna(
        60,
        (
            Planted("TGTGA", 10, jitter=4, both_strands=True),
            Planted("TATAAT", 32, jitter=2, prob=0.9),
        ),
    ),
}


def demo_sequences(n: int = 4000, seed: int = 0) -> SequenceSet:
    """n sequences of each class of DEMO, independent of each other: 80 % train, 10 % val, test."""
    rng = np.random.default_rng(seed)
    codes = np.concatenate([source.sample(n, rng) for source in DEMO.values()])
    order = np.arange(len(codes))
    split = np.select([order % 10 == 8, order % 10 == 9], [1, 2], 0).astype(np.uint8)
    labels = np.repeat(np.arange(len(DEMO)), n).astype(np.int64)
    ids = np.array([f"planted_{i:06d}" for i in order])
    note = "motifs planted in random bases; independent sequences, split at random"
    return SequenceSet("planted", codes, ids, split, labels, tuple(DEMO), notes=(note,))
