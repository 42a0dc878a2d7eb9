"""The likelihood bound of tokens whose clusters are noised beside them."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.errors import InputError
from infonoise_core.evaluation.held_out import HeldOut
from infonoise_core.evaluation.likelihood import LikelihoodBound, Reference, prior_nats
from infonoise_core.rng import Stream, generator
from infonoise_text.codes.clusters import ClusterBook, per_bit, per_kind
from infonoise_text.data.corpus import Split
from infonoise_text.evaluation.bound import TextEvaluation
from infonoise_text.methods.clusters.path import check_path
from infonoise_text.models.denoiser import SIGMA_DATA, evidence

# Windows that the denoiser sees at a time.
_CHUNK = 128
# The fractional part of multiples of the golden ratio: the most even sequence on the unit circle.
_GOLDEN = (math.sqrt(5) - 1) / 2


class PathError:
    """What a denoiser pays along a path of two levels on fixed windows, levels and noises.

    Args:
        x0: (n, L, m) bits of clusters and tokens.
        widths: Bits of each kind.
        path: (k, 2) levels, between which it is straight in log sigma.
        levels: Places of the path for each window.
    """

    def __init__(
        self, x0: Tensor, widths: tuple[int, int], path: Tensor, levels: int, seed: int
    ) -> None:
        self._x0, self._widths, self._path = x0, widths, path
        self._levels, self._seed = levels, seed

    @torch.no_grad()
    def __call__(self, denoiser: nn.Module) -> HeldOut:
        """Run the denoiser, in evaluation mode; `levels` evaluations for each window."""
        denoiser.eval()
        device = next(denoiser.parameters()).device
        n, x0 = len(self._x0), self._x0
        shift = torch.from_numpy(np.modf(np.arange(n) * _GOLDEN)[0])
        nats = torch.zeros(n, dtype=torch.float64)
        for level in range(self._levels):
            sigma, speed = self._at((level + shift) / self._levels)
            eps = torch.randn(x0.shape, generator=generator(self._seed, Stream.EVALUATE, level))
            for start in range(0, n, _CHUNK):
                rows = slice(start, start + _CHUNK)
                s = sigma[rows].to(torch.float32)
                x = x0[rows] + per_bit(s, self._widths) * eps[rows]
                found = denoiser(x.to(device), s.to(device)).cpu()
                error = per_kind((found - x0[rows]).square(), self._widths)
                rate = error.to(torch.float64) / sigma[rows].square()
                nats[rows] += (rate * speed[rows]).sum(1)
        return HeldOut(nats / self._levels)

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Levels (n, 2) at places t (n,) of the path, in [0, 1), and how fast their logs fall."""
        log = self._path.log()
        pieces = len(log) - 1
        piece = (t * pieces).long().clamp_max(pieces - 1)
        inside = (t * pieces - piece)[:, None]
        start, end = log[piece], log[piece + 1]
        return torch.lerp(start, end, inside).exp(), (start - end) * pieces


class PathBound(LikelihoodBound):
    """Upper bound on the negative log-likelihood of windows of tokens, exact in continuous time.

    Clusters and tokens are two channels. With t along a path on which no level rises, information
    is lost at the rate sum over both of `error / sigma^2 |dlog sigma / dt|` (I-MMSE of parallel
    channels: Palomar & Verdu 2006), and a denoiser's error in its place gives the evidence bound of
    Kingma et al. 2021, whatever the path: the integral, a prior term where the path begins, and the
    cross entropy of the token's own bits where it ends. A cluster is a function of its token, so
    noisy clusters are one more latent variable of the token, it is the token's likelihood that is
    bounded, and an exact denoiser pays the token's entropy and nothing for the clusters.

    Levels and noises are fixed; what these noises happen to cost fair bits that know nothing of
    each other is taken out by regression over windows.

    Args:
        ids: (n, L).
        path: (k, 2) levels of clusters and tokens, between which the path is straight in log
            sigma; k >= 2.
        units: (n,) tokens that costs are counted per; by default all.
    """

    def __init__(
        self,
        ids: Tensor,
        book: ClusterBook,
        path: Tensor,
        *,
        levels: int = 32,
        seed: int = 0,
        units: Tensor | None = None,
    ) -> None:
        check_path(path)
        if len(ids) < 2:
            raise InputError("fewer than 2 held-out windows: an error bar needs two")
        n, length = ids.shape
        self._widths = book.widths
        self._x0 = book.encode(ids).to(torch.float32)
        self._path, self._levels, self._seed = path.to(torch.float64), levels, seed
        ends = list(zip(book.widths, self._path[[-1, 0]].T.tolist(), strict=True))
        variance = SIGMA_DATA**2
        super().__init__(
            PathError(self._x0, book.widths, self._path, levels, seed),
            torch.full((n,), length) if units is None else units,
            sum(length * width * prior_nats(variance, variance, high) for width, (_, high) in ends),
            last=self._last_nats,
            reference=Reference(
                _FairBits(book.widths),
                sum(length * width * _fair_nats(low, high) for width, (low, high) in ends),
                fitted=True,
            ),
        )

    @torch.no_grad()
    def _last_nats(self, denoiser: nn.Module) -> Tensor:
        """(n,) cross entropy of the token's own bits at the end of the path."""
        device = next(denoiser.parameters()).device
        noise = generator(self._seed, Stream.EVALUATE, self._levels)
        eps = torch.randn(self._x0.shape, generator=noise)
        parts = []
        for start in range(0, len(self._x0), _CHUNK):
            x0 = self._x0[start : start + _CHUNK]
            sigma = self._path[-1:].to(torch.float32).expand(len(x0), 2)
            x = x0 + per_bit(sigma, self._widths) * eps[start : start + _CHUNK]
            log_odds = denoiser(x.to(device), sigma.to(device), logits=True).cpu()
            nats = functional.binary_cross_entropy_with_logits(
                log_odds.to(torch.float64), x0.to(torch.float64), reduction="none"
            )
            parts.append(per_kind(nats, self._widths)[:, 1])
        return torch.cat(parts)


class _FairBits(nn.Module):
    """The posterior mean of fair bits that know nothing of each other, at two levels."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        self.widths = widths
        self.place = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Of x's shape."""
        return evidence(x, per_bit(sigma, self.widths)).sigmoid()


def _fair_nats(low: float, high: float) -> float:
    """What a fair bit alone costs between two levels."""
    if low == high:
        return 0.0
    return exact_profile(BinarySource(1, 0.0, 1.0), low, high, bins=256).entropy()


def cluster_evaluation(
    split: Split,
    book: ClusterBook,
    length: int,
    path: Tensor,
    *,
    windows: int = 64,
    passes: int = 1,
) -> TextEvaluation:
    """Bits per byte by the bound along a path (k, 2), on windows of `length` tokens.

    Args:
        split, windows, passes: See `TextEvaluation`.
    """
    return TextEvaluation(
        split, book, length, float(path[0].max()), windows=windows, passes=passes,
        make_bound=lambda found: PathBound(found.ids, book, path, units=found.units),
    )  # fmt: skip
