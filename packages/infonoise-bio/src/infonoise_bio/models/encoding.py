"""Bases as points in space: one-hot, two analog bits, tetrahedron, and their exact posteriors.

An encoding is a table of four points and the way complement acts on it. All arrays are laid out
(n, channels, L). Sources of the posteriors: InfoNoise (Raya et al. 2026) for one-hot, analog bits
(Chen, Zhang & Hinton 2022) with the matched filter (Batzolis et al. 2026) for two bits; both are
Bayes' rule for a point in Gaussian noise.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_bio.alphabet import MASKED
from infonoise_bio.models.options import ENCODING_NAMES, check_encoding
from infonoise_core.analytic.priors import independent_symbol_profile
from infonoise_core.processes.channel import Channel
from infonoise_core.profiles.profile import EntropyRateProfile


@dataclass(frozen=True, eq=False)
class Encoding:
    """Four points, one for each base.

    Attributes:
        name: As on the command line.
        scale: What all coordinates were multiplied with.
        codebook: (4, C) float64, the points of A C G T, all equally far from `origin`.
        origin: What lies in every channel of a base that is not known; the mean of the four
            points.
        common: What may be taken off every coordinate without a change to the posterior.
        order, sign: Complement takes x to sign[c] * x[order[c]] in channel c.
    """

    name: str
    scale: float
    codebook: Tensor
    origin: float
    common: float
    order: tuple[int, ...]
    sign: tuple[float, ...]

    @property
    def channels(self) -> int:
        """C: coordinates of a base."""
        return self.codebook.shape[1]

    @property
    def std(self) -> float:
        """Root mean square distance of a channel from the origin, for equally frequent bases."""
        return float((self.codebook - self.origin).square().mean().sqrt())

    def encode(self, codes: Tensor) -> Tensor:
        """Codes (n, L), 0..4 -> x0 (n, C, L) float32; masked bases lie at the origin."""
        unknown = torch.full((1, self.channels), self.origin, dtype=torch.float64)
        table = torch.cat([self.codebook, unknown]).to(codes.device, torch.float32)
        return table[codes.long()].transpose(1, 2).contiguous()

    def decode(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The nearest base of x (n, C, L), as codes (n, L) uint8.

        Args:
            mask: (n, L), False where the base is not known: it stays masked.
        """
        codes = self._matched(x).argmax(1).to(torch.uint8)
        return codes if mask is None else codes.masked_fill(~mask, MASKED)

    def logits(self, x: Tensor, sigma: Tensor, log_prior: Tensor | None = None) -> Tensor:
        """(n, 4, L) log of the posterior of independent bases, up to a term that they share.

        For points equally far from the origin, Bayes' rule is <x - origin, point> / sigma^2 plus
        the prior: a matched filter.

        Args:
            x: (n, C, L) = x0 + sigma eps.
            sigma: (n,).
            log_prior: (4,), (4, L) or (n, 4, L) natural logarithms of the base frequencies,
                equal ones by default.
        """
        logits = self._matched(x) / sigma.to(x)[:, None, None].square()
        if log_prior is None:
            return logits
        prior = log_prior.to(x)
        return logits + (prior[:, None] if prior.dim() == 1 else prior)

    def posterior(self, x: Tensor, sigma: Tensor, log_prior: Tensor | None = None) -> Tensor:
        """(n, 4, L) probabilities of A C G T; arguments as in `logits`."""
        return probabilities(self.logits(x, sigma, log_prior))

    def denoise(self, x: Tensor, sigma: Tensor, log_prior: Tensor | None = None) -> Tensor:
        """E[x0 | x] (n, C, L) of independent bases; arguments as in `logits`."""
        return self.mean(self.posterior(x, sigma, log_prior))

    def mean(self, probs: Tensor) -> Tensor:
        """The mean point (n, C, L) of probabilities (n, 4, L)."""
        a, c, g, t = (probs[:, i : i + 1] for i in range(4))
        points = self.codebook.to(probs)[:, None, :, None]
        return _paired(a * points[0], c * points[1], g * points[2], t * points[3])

    def reverse_complement(self, x: Tensor) -> Tensor:
        """The other strand of x (n, C, L), to the last bit."""
        sign = torch.tensor(self.sign, dtype=x.dtype, device=x.device)
        return (x[:, list(self.order)] * sign[:, None]).flip(2)

    def profile(
        self,
        channel: Channel,
        length: int = 1,
        frequencies: Tensor | None = None,
        bins: int = 64,
    ) -> EntropyRateProfile:
        """Profile of `length` independent bases: what noise destroys before anything is learned.

        Args:
            frequencies: (4,) of A C G T, or (length, 4); equal by default.
        """
        table = torch.full((4,), 0.25) if frequencies is None else frequencies
        if self.name == "bits" and _bits_are_independent(table):
            bits = _bit_frequencies(table, length)
            step = torch.tensor([[-self.scale], [self.scale]], dtype=torch.float64)
            return independent_symbol_profile(channel, bits, step, 2 * length, bins)
        return independent_symbol_profile(channel, table, self.codebook, length, bins)

    def _matched(self, x: Tensor) -> Tensor:
        """(n, 4, L) <x - origin, point>, up to a term that the four share.

        Added up channel by channel, in an order that complement does not change.
        """
        weight = (self.codebook - self.common).to(x)[None, :, :, None]
        total = x[:, :1] * weight[:, :, 0]
        for channel in range(1, self.channels):
            total = total + x[:, channel : channel + 1] * weight[:, :, channel]
        return total


def probabilities(logits: Tensor) -> Tensor:
    """Softmax over the bases (n, 4, L), bit for bit the same on both strands."""
    exp = (logits - logits.amax(1, keepdim=True)).exp()
    a, c, g, t = (exp[:, i : i + 1] for i in range(4))
    return exp / _paired(a, c, g, t)


def _paired(a: Tensor, c: Tensor, g: Tensor, t: Tensor) -> Tensor:
    # Each base with its complement first: a swap of strands only swaps two terms of a sum.
    return (a + t) + (c + g)


def one_hot(scale: float = 1.0) -> Encoding:
    """Four channels A C G T: `scale` in the base's own, -scale in the others."""
    points = scale * (2 * torch.eye(4, dtype=torch.float64) - 1)
    return Encoding("one-hot", scale, points, -0.5 * scale, -scale, (3, 2, 1, 0), (1.0,) * 4)


def one_hot_01(scale: float = 1.0) -> Encoding:
    """Four channels A C G T: `scale` in the base's own, 0 in the others."""
    points = scale * torch.eye(4, dtype=torch.float64)
    return Encoding("one-hot-01", scale, points, 0.25 * scale, 0.0, (3, 2, 1, 0), (1.0,) * 4)


def bits(scale: float = 1.0) -> Encoding:
    """Two channels: purine (+) or pyrimidine (-), strong (+) or weak (-).

    Complement negates the first.
    """
    points = torch.tensor([[1, -1], [-1, 1], [1, 1], [-1, -1]], dtype=torch.float64)
    return Encoding("bits", scale, scale * points, 0.0, 0.0, (0, 1), (-1.0, 1.0))


def tetrahedron(scale: float = 1.0) -> Encoding:
    """Three channels: corners of a regular tetrahedron at distance `scale` from its centre.

    Complement negates the first two.
    """
    points = torch.tensor(
        [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64
    ) / math.sqrt(3)
    return Encoding("tetrahedron", scale, scale * points, 0.0, 0.0, (0, 1, 2), (-1.0, -1.0, 1.0))


_ENCODINGS = dict(zip(ENCODING_NAMES, (one_hot, one_hot_01, bits, tetrahedron), strict=True))


def make_encoding(name: str, scale: float = 1.0) -> Encoding:
    """An encoding by name; InputError for unknown names and scales that are not positive."""
    check_encoding(name, scale)
    return _ENCODINGS[name](scale)


def _bits_are_independent(frequencies: Tensor) -> bool:
    a, c, g, t = frequencies.to(torch.float64).unbind(-1)
    return bool(((a * c - g * t).abs() < 1e-12).all())


def _bit_frequencies(frequencies: Tensor, length: int) -> Tensor:
    """(2 length, 2) frequencies of - and + of each bit, all positions' first bits first."""
    a, c, g, t = frequencies.to(torch.float64).expand(length, 4).unbind(-1)
    plus = torch.cat([a + g, c + g]) / torch.cat([a + c + g + t] * 2)
    return torch.stack([1 - plus, plus], 1)
