"""Profiles that need no training: of independent symbols in closed form, or from the data alone."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from infonoise_core.analytic.categorical import (
    CategoricalSource,
    ScalarSource,
    distinct,
    symbol_table,
)
from infonoise_core.analytic.exact import BinarySource, Progress, profile_on
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.profiles.measured import Noisy, check_examples, noisy_examples
from infonoise_core.profiles.profile import EntropyRateProfile

# Entries of the largest matrix of weights that is held at once.
_BLOCK = 2**24


@dataclass(frozen=True)
class OneHot:
    """Symbols as vectors with `high` at the symbol and `low` elsewhere, one entry per symbol."""

    low: float = 0.0
    high: float = 1.0


def independent_symbol_profile(
    channel: Channel,
    probabilities: Tensor,
    embedding: Tensor | OneHot | None = None,
    positions: int | None = None,
    bins: int = 64,
    progress: Progress | None = None,
) -> EntropyRateProfile:
    """What noise destroys of symbols that know nothing of each other: nothing is learned for it.

    An upper bound on the rate of any data with these symbol frequencies, and nearly all of it where
    symbols are nearly independent (bases of DNA).

    Args:
        probabilities: (K,), or (positions, K) where they differ between positions.
        embedding: OneHot, the default, or the vectors of the symbols (K, width); for bits
            [[low], [high]]. The mmse is exact for one-hot vectors, numbers and all other codes
            whose symbols are equally far apart; for other codes it is sampled, and stderr says how
            well.
        positions: Symbols of one example.
        progress: Called with how many steps are done, and of how many: alphabets of thousands take
            seconds.
    """
    table = symbol_table(probabilities, positions)
    embedding = OneHot() if embedding is None else embedding
    edges = channel.edges(bins)
    if isinstance(embedding, OneHot):
        source = CategoricalSource(table, None, embedding.low, embedding.high)
        return profile_on(source, edges, progress)
    if embedding.dim() != 2 or len(embedding) != table.shape[1]:
        raise InputError(
            f"an embedding of shape {tuple(embedding.shape)} for {table.shape[1]} symbols:"
            " give one row per symbol"
        )
    if embedding.shape == (2, 1):
        low, high = embedding[:, 0].tolist()
        return profile_on(BinarySource(len(table), low, high, table[:, 1]), edges, progress)
    if embedding.shape[1] == 1:
        return profile_on(ScalarSource(embedding[:, 0], table), edges, progress)
    rate = torch.zeros(len(edges) - 1, dtype=torch.float64)
    variance = torch.zeros_like(rate)
    rows, _, counts = distinct(table)
    for number, (row, times) in enumerate(zip(rows, counts, strict=True)):
        own = None if progress is None else _nth(progress, number, len(rows))
        part = profile_on(MixtureSource(embedding, 0.0, row), edges, own)
        rate += times * part.rate
        variance += (times * part.stderr).square()
    dim = len(table) * embedding.shape[1]
    return EntropyRateProfile(edges, rate, variance.sqrt(), torch.zeros_like(rate), dim)


def _nth(progress: Progress, number: int, parts: int) -> Progress:
    """Progress of one of several parts."""
    return lambda done, total: progress(number * total + done, parts * total)


def linear_profile(channel: Channel, variances: Tensor, bins: int = 64) -> EntropyRateProfile:
    """What noise destroys of independent Gaussians: nothing is learned for it but their variances.

    An upper bound on the rate of any data whose coefficients in some orthonormal basis have these
    variances: the best linear denoiser of one coefficient at a time is a denoiser. It is close
    where the basis leaves coefficients little to tell of each other, such as the cosines of images.

    Args:
        variances: (dim,) of the coefficients, at least 0.  Each bin is averaged over log sigma
            exactly.
    """
    if variances.dim() != 1 or not bool((variances >= 0).all() & variances.isfinite().all()):
        raise InputError("variances of a linear profile: give one finite number >= 0 a coefficient")
    edges = channel.edges(bins).to("cpu", torch.float64)
    known = variances.detach().to("cpu", torch.float64)
    # The integral of v / (v + sigma^2) over log sigma is half of log(sigma^2 / (v + sigma^2)).
    heights = torch.stack([torch.log1p(known / edge**2).sum() for edge in edges])
    rate = -0.5 * heights.diff() / edges.log().diff()
    nothing = torch.zeros_like(rate)
    return EntropyRateProfile(edges, rate, nothing, nothing, len(known))


class EmpiricalBayesDenoiser:
    """E[x0 | x] if the data were exactly these examples.

    Their weights are `softmax(-|x - x_i|^2 / 2 sigma^2)`.

    Args:
        examples: (n, ...).  It is the denoiser of a network that has memorised its training
            set; as a guess about data *like* the examples, let every noisy example exclude its
            own source.
    """

    def __init__(self, examples: Tensor) -> None:
        flat = _flat(examples)
        # Distances are differences of large numbers unless the data lie around the origin.
        self._centre = flat.mean(0)
        self._examples = flat - self._centre
        self._square = self._examples.square().sum(1)

    def __call__(
        self, x: Tensor, sigma: Tensor, own: Tensor | None = None, **condition: Any
    ) -> Tensor:
        """x (n, ...), sigma (n,) -> x0.

        Args:
            own: (n,) index of the example that gets no weight.
        """
        return self.posterior(x, sigma, own)[0].reshape(x.shape).to(x.dtype)

    def posterior(
        self, x: Tensor, sigma: Tensor, own: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean (n, dim) and trace of the covariance (n,), float64 where the device has it."""
        flat = x.flatten(1).to(self._centre) - self._centre
        means, variances = [], []
        rows = max(1, _BLOCK // len(self._examples))
        for start in range(0, len(flat), rows):
            part = slice(start, start + rows)
            noise = sigma[part, None].to(flat).square()
            logits = (flat[part] @ self._examples.T - self._square / 2) / noise
            if own is not None:
                logits.scatter_(1, own[part, None], -math.inf)
            weight = torch.softmax(logits, 1)
            mean = weight @ self._examples
            means.append(mean + self._centre)
            variances.append((weight @ self._square - mean.square().sum(1)).clamp_min(0))
        return torch.cat(means), torch.cat(variances)


class LinearDenoiser:
    """The best linear estimate of x0, from mean and covariance of examples (n, ...) (Wiener)."""

    def __init__(self, examples: Tensor) -> None:
        flat = _flat(examples)
        self._centre = flat.mean(0)
        _, size, self._axes = torch.linalg.svd(flat - self._centre, full_matrices=False)
        self._variance = size.square() / (len(flat) - 1)

    def __call__(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        """x (n, ...), sigma (n,) -> x0."""
        return self.posterior(x, sigma)[0].reshape(x.shape).to(x.dtype)

    def posterior(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (n, dim) and trace of the covariance (n,) as if the data were Gaussian."""
        noise = sigma[:, None].to(self._centre).square()
        gain = self._variance / (self._variance + noise)
        along = (x.flatten(1).to(self._centre) - self._centre) @ self._axes.T
        return self._centre + (gain * along) @ self._axes, (gain * noise).sum(1)


@torch.no_grad()
def empirical_bayes_profile(
    x0: Tensor,
    channel: Channel,
    bins: int = 64,
    examples: int = 4096,
    draws: int = 256,
    generator: torch.Generator | None = None,
) -> EntropyRateProfile:
    """A profile from the data alone.

    Each bin holds the error of the best denoiser that needs no training.

    There are three: empirical Bayes, a linear one, and, as the ceiling `dim`, leaving x as it is.
    Their errors bound the mmse from above only if no noisy example meets itself again: with its own
    source among the examples, empirical Bayes finds it at low noise, the error vanishes, and the
    profile is that of a list of n items, whose entropy is ln n. So every source is left out of its
    own denoiser (the linear one is fitted to the other half of the examples). Repeats of an example
    stay in: they are the data's own.

    At low noise, where no other example is near, the bound is loose. `implied` tells where: it is
    the posterior variance that the best denoiser claims, and equals its error where that is right.
    `raw` is the rate before the ceiling.

    Args:
        x0: (n, ...), in random order.
        examples: How many of the first are used.
        draws: Noisy examples per bin, taken in turn from half of them.
    """
    x0 = x0[:examples]
    check_examples(x0, 4)
    half = len(x0) // 2
    nearest, linear = EmpiricalBayesDenoiser(x0), LinearDenoiser(x0[half:])
    edges, dim = channel.edges(bins), x0[0].numel()
    rows = []
    for noisy in noisy_examples(lambda which: (x0[which], {}), half, edges, draws, generator):
        outcomes = [
            _outcome(noisy, *nearest.posterior(noisy.x, noisy.sigma, noisy.which)),
            _outcome(noisy, *linear.posterior(noisy.x, noisy.sigma)),
        ]
        rows.append(min(outcomes))
    raw, stderr, implied = torch.tensor(rows, dtype=torch.float64).T
    count = torch.full_like(raw, float(draws))
    return EntropyRateProfile(edges, raw.clamp_max(dim), stderr, count, dim, raw, implied)


class _Outcome(NamedTuple):
    """Of one bin: mean of squared error / sigma^2, its standard error, mean implied rate."""

    rate: float
    stderr: float
    implied: float


def _outcome(noisy: Noisy, mean: Tensor, variance: Tensor) -> _Outcome:
    square = noisy.sigma.to(mean).square()
    rate = (mean - noisy.clean.flatten(1)).square().sum(1) / square
    stderr = rate.std() / math.sqrt(len(rate))
    return _Outcome(float(rate.mean()), float(stderr), float((variance / square).mean()))


def _flat(examples: Tensor) -> Tensor:
    check_examples(examples, 2)
    # MPS knows no float64.
    dtype = torch.float32 if examples.device.type == "mps" else torch.float64
    return examples.flatten(1).to(dtype)
