"""The profile of any denoiser's errors on given examples, whole or split into groups."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.multivariate import counted_error, shaped_noise
from infonoise_core.profiles.profile import EntropyRateProfile

# Rows of the examples (n,) -> these examples (n, ...) and the denoiser's keyword arguments.
Take = Callable[[Tensor], tuple[Tensor, Mapping[str, Tensor]]]
# One generator for all bins, one made for each, or torch's own.
Randomness = torch.Generator | Callable[[int], torch.Generator] | None


class Groups(Protocol):
    """A split of the squared error into parts that add up to it."""

    @property
    def names(self) -> Sequence[str]:
        """Of the parts."""

    def __call__(self, error: Tensor, which: Tensor) -> Tensor:
        """Errors (n, ...) of the examples at rows `which` (n,) -> (n, G) squares, float64."""


class Coefficients:
    """Groups of coefficients in an orthonormal basis, such as bands of frequencies.

    Args:
        split: Errors (n, ...) -> name of a group -> its coefficients (n, ...).
        example: One error (1, ...), to know the names.
    """

    def __init__(self, split: Callable[[Tensor], Mapping[str, Tensor]], example: Tensor) -> None:
        self._split = split
        self.names = tuple(split(example))

    def __call__(self, error: Tensor, which: Tensor) -> Tensor:
        parts = self._split(error.to("cpu", torch.float64))
        return torch.stack([parts[name].flatten(1).square().sum(1) for name in self.names], 1)


class Places:
    """Groups of coordinates.

    Args:
        names: Of the groups.
        index: (1, ...) or (examples, ...), the group of each coordinate; broadcast over an error.
    """

    def __init__(self, names: Sequence[str], index: Tensor) -> None:
        self.names, self._index = tuple(names), index

    def __call__(self, error: Tensor, which: Tensor) -> Tensor:
        square = error.to("cpu", torch.float64).square()
        index = self._index if len(self._index) == 1 else self._index[which.cpu()]
        table = torch.zeros(len(square), len(self.names), dtype=torch.float64)
        return table.scatter_add_(1, index.expand_as(square).flatten(1), square.flatten(1))


class _Whole:
    """The error in one part."""

    names = ("all",)

    def __call__(self, error: Tensor, which: Tensor) -> Tensor:
        return error.flatten(1).cpu().to(torch.float64).square().sum(1, keepdim=True)


@torch.no_grad()
def measure_profile(
    denoiser: Denoiser,
    x0: Tensor,
    channel: Channel,
    bins: int = 64,
    draws: int = 256,
    condition: Mapping[str, Tensor] | None = None,
    generator: Randomness = None,
    progress: Callable[[int], None] | None = None,
    *,
    groups: Groups | None = None,
    chunk: int | None = None,
    device: torch.device | None = None,
) -> EntropyRateProfile:
    """The profile of a denoiser's errors on given examples, with standard errors.

    On held-out examples it is an upper bound on the true rate; on training examples it may lie
    below, and the gap between the two is memorisation.

    Args:
        x0: (n, ...).
        draws: Noisy examples per bin, taken from x0 in turn, at noise levels spread evenly over
            the bin in log sigma.
        condition: The denoiser's keyword arguments, (n, ...) each.
        progress: Called with 1 after each bin.
        groups: What the errors are split into; without, the profile has no groups.
        chunk: Noisy examples that the denoiser sees at a time; all of a bin by default.
        device: Where the denoiser is, x0's by default.
    """
    check_examples(x0, 1)
    given = condition or {}

    def take(which: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        return x0[which], {name: value[which] for name, value in given.items()}

    rates = group_rates(
        denoiser, take, len(x0), channel.edges(bins), groups or _Whole(), draws=draws,
        generator=generator, chunk=chunk, device=device,
    )  # fmt: skip
    names = () if groups is None else groups.names
    return profile_of_rates(rates, channel.edges(bins), x0[0].numel(), names, progress)


@torch.no_grad()
def group_rates(
    denoiser: Denoiser,
    take: Take,
    examples: int,
    edges: Tensor,
    groups: Groups,
    *,
    draws: int = 256,
    generator: Randomness = None,
    chunk: int | None = None,
    device: torch.device | None = None,
) -> Iterator[Tensor]:
    """Squared errors / sigma^2 of noisy examples, bin by bin.

    Where parts have levels of their own, as they count for the rate (`processes.multivariate`).

    Two denoisers meet the same noises where their generators are seeded alike.

    Args:
        take: The examples, of which there are `examples`; they are taken in turn.
        edges: (K+1,) of the bins, in sigma.

    Yields:
        (draws, G) float64 on the CPU, of each bin.
    """
    for noisy in noisy_examples(take, examples, edges, draws, generator):
        squares = []
        for start in range(0, draws, chunk or draws):
            rows = slice(start, start + (chunk or draws))
            at = device or noisy.clean.device
            given = {name: value[rows].to(at) for name, value in noisy.condition.items()}
            clean, sigma = noisy.clean[rows].to(at), noisy.sigma[rows].to(at)
            noise = shaped_noise(denoiser, noisy.noise[rows].to(at), sigma)
            error = denoiser(_noised(clean, sigma, noise), sigma, **given) - clean
            error = counted_error(denoiser, error, sigma).to(noisy.clean.device)
            squares.append(groups(error, noisy.which[rows]))
        yield torch.cat(squares) / noisy.sigma.cpu().to(torch.float64).square()[:, None]


def profile_of_rates(
    rates: Iterator[Tensor],
    edges: Tensor,
    dim: int,
    names: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> EntropyRateProfile:
    """The profile of what `group_rates` yields, on edges (K+1,) sigma.

    Args:
        rates: (draws, groups) of each bin.
        edges: Of the bins.
        dim: Dimensions of an example.
        names: Of the groups, if the profile shall have them.
        progress: Called with 1 after each bin.
    """
    means, errors, counts = [], [], []
    for table in rates:
        total = table.sum(1)
        means.append(table.mean(0))
        errors.append(float(total.std()) / math.sqrt(len(total)))
        counts.append(float(len(total)))
        if progress is not None:
            progress(1)
    parts = torch.stack(means)
    stderr, count = (torch.tensor(column, dtype=torch.float64) for column in (errors, counts))
    split = dict(zip(names, parts.T.contiguous(), strict=True)) if names else {}
    return EntropyRateProfile(edges, parts.sum(1), stderr, count, dim, groups=split)


class Noisy(NamedTuple):
    """Noisy examples of one bin.

    Attributes:
        which: (n,) row of the example.
        clean: (n, ...).
        noise: (n, ...) of unit size.
        sigma: (n,).
        condition: The denoiser's keyword arguments, (n, ...) each.
    """

    which: Tensor
    clean: Tensor
    noise: Tensor
    sigma: Tensor
    condition: Mapping[str, Tensor]

    @property
    def x(self) -> Tensor:
        """(n, ...) with one level for all of an example."""
        return _noised(self.clean, self.sigma, self.noise)


def noisy_examples(
    take: Take, examples: int, edges: Tensor, draws: int, generator: Randomness
) -> Iterator[Noisy]:
    """`draws` noisy examples for each bin between edges (K+1,) sigma.

    The random numbers are drawn where the generator is.
    """
    if draws < 2:
        raise InputError(f"--draws {draws}: give at least 2, to know the error")
    for i, (low, high) in enumerate(edges.log().unfold(0, 2, 1).tolist()):
        rng = generator(i) if callable(generator) else generator
        which = (i * draws + torch.arange(draws)) % examples
        clean, condition = take(which)
        clean = clean.to(torch.promote_types(clean.dtype, torch.float32))
        at = clean.device if rng is None else rng.device
        strata = torch.randperm(draws, generator=rng, device=at)
        share = (strata + torch.rand(draws, generator=rng, device=at)) / draws
        sigma = torch.exp(low + (high - low) * share).to(clean)
        noise = torch.randn(clean.shape, generator=rng, device=at, dtype=clean.dtype)
        yield Noisy(which.to(clean.device), clean, noise.to(clean), sigma, condition)


def _noised(clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    return clean + sigma.reshape(-1, *(1,) * (clean.dim() - 1)) * noise


def check_examples(x0: Tensor, least: int) -> None:
    """InputError for fewer than `least` examples (n, ...)."""
    if x0.dim() < 2 or len(x0) < least:
        raise InputError(f"examples of shape {tuple(x0.shape)}: give (n, ...) with n >= {least}")
