"""What a noise schedule is, and the fixed distributions noise levels are drawn from."""

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel


@runtime_checkable
class Schedule(Protocol):
    """What a training loop needs of a noise schedule."""

    channel: Channel

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
        ranks: tuple[int, int] | None = None,
    ) -> Tensor:
        """(n,) noise levels in the channel's coordinate.

        Args:
            ranks: This rank and how many share the strata, torch.distributed's by default; (0,
                1) draws a whole batch, of which every rank that draws alike may take its part.
        """

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Report (n,) squared x0-errors at levels u.

        They are summed over an example's dimensions, unweighted, detached.
        """

    def step(self) -> None:
        """Call once per optimizer step, on every rank."""

    def density(self, sigma: Tensor) -> Tensor:
        """Density per unit log sigma at sigma, any shape.

        It integrates to 1 over the channel's span.
        """

    def status(self) -> str:
        """One line on what the schedule is doing."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class FixedLaw(ABC):
    """A distribution of log sigma that does not change, cut to the channel's span.

    Args:
        stratified: Draw one level from each of n equally likely strata (interleaved over
            ranks), shuffled; otherwise independently.
    """

    def __init__(self, channel: Channel, stratified: bool = True) -> None:
        self.channel = channel
        self.stratified = stratified

    @abstractmethod
    def _cdf(self, log_sigma: Tensor) -> Tensor:
        """Share of the uncut distribution below log_sigma."""

    @abstractmethod
    def _quantile(self, p: Tensor) -> Tensor:
        """log sigma below which a share p of the uncut distribution lies."""

    @abstractmethod
    def _pdf(self, log_sigma: Tensor) -> Tensor:
        """Density of the uncut distribution per unit log sigma."""

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Shares of the uncut distribution below either end of the span."""
        span = torch.tensor([self.channel.sigma_min, self.channel.sigma_max], dtype=torch.float64)
        low, high = self._cdf(span.log()).tolist()
        return low, high

    def _require_mass(self, parameters: str) -> None:
        low, high = self._ends
        if not high - low > 1e-6:
            raise InputError(
                f"{parameters} put no mass between sigma {self.channel.sigma_min:g} and"
                f" {self.channel.sigma_max:g}: move the distribution or the channel's span"
            )

    def cdf(self, sigma: Tensor) -> Tensor:
        """Share of the draws at or below sigma; any shape, float64 where the device has it."""
        low, high = self._ends
        return ((self._cdf(_wide(sigma).log()) - low) / (high - low)).clamp(0, 1)

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
        ranks: tuple[int, int] | None = None,
    ) -> Tensor:
        low, high = self._ends
        p = uniforms(n, device, generator, self.stratified, ranks)
        return self.channel.levels(self._quantile(low + (high - low) * p).exp())

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Leave errors (n,) alone: a fixed distribution learns nothing."""

    def step(self) -> None:
        """A fixed distribution has no clock."""

    def density(self, sigma: Tensor) -> Tensor:
        low, high = self._ends
        inside = (sigma >= self.channel.sigma_min) & (sigma <= self.channel.sigma_max)
        pdf = self._pdf(_wide(sigma).log()) / (high - low)
        return torch.where(inside, pdf, 0)

    def status(self) -> str:
        return f"fixed distribution {type(self).__name__}"

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take over."""


class LogNormal(FixedLaw):
    """log sigma ~ N(mean, std^2); the defaults are EDM's (Karras et al. 2022)."""

    def __init__(
        self, channel: Channel, mean: float = -1.2, std: float = 1.2, stratified: bool = True
    ) -> None:
        super().__init__(channel, stratified)
        if not std > 0:
            raise InputError(f"std {std:g}: a log-normal distribution needs a positive one")
        self.mean, self.std = mean, std
        self._require_mass(f"mean {mean:g} and std {std:g} of log sigma")

    def _cdf(self, log_sigma: Tensor) -> Tensor:
        share: Tensor = torch.special.ndtr((log_sigma - self.mean) / self.std)
        return share

    def _quantile(self, p: Tensor) -> Tensor:
        log_sigma: Tensor = self.mean + self.std * torch.special.ndtri(p)
        return log_sigma

    def _pdf(self, log_sigma: Tensor) -> Tensor:
        z = (log_sigma - self.mean) / self.std
        return torch.exp(-z.square() / 2) / (self.std * math.sqrt(2 * math.pi))


class LogUniform(FixedLaw):
    """log sigma uniform over the channel's span."""

    def _cdf(self, log_sigma: Tensor) -> Tensor:
        return (log_sigma - math.log(self.channel.sigma_min)) / self._length()

    def _quantile(self, p: Tensor) -> Tensor:
        return math.log(self.channel.sigma_min) + self._length() * p

    def _pdf(self, log_sigma: Tensor) -> Tensor:
        return torch.full_like(log_sigma, 1 / self._length())

    def _length(self) -> float:
        return math.log(self.channel.sigma_max / self.channel.sigma_min)


class LogitNormal(LogNormal):
    """A flow's time t, noise at t = 1, as sigmoid(N(mean, std^2)) (Esser et al. 2024, SD3, eq. 19).

    Because logit t = log sigma, this is a log-normal distribution of sigma with SD3's defaults.
    SD3's shift of time by a factor alpha (its eq. 23) adds log alpha to the mean.
    """

    def __init__(
        self, channel: Channel, mean: float = 0.0, std: float = 1.0, stratified: bool = True
    ) -> None:
        super().__init__(channel, mean, std, stratified)


class Cosine(FixedLaw):
    """Uniform time on the cosine curve sigma = tan(pi t / 2) (Nichol & Dhariwal 2021).

    Without their offset: for that, UniformTime on a VariancePreserving channel. `unit` is what
    sigma is counted in, for data of another scale.
    """

    def __init__(self, channel: Channel, unit: float = 1.0, stratified: bool = True) -> None:
        super().__init__(channel, stratified)
        if not unit > 0:
            raise InputError(f"unit {unit:g}: a cosine distribution needs a positive one")
        self._shift = math.log(unit)
        self._require_mass(f"cosine times {unit:g}")

    def _cdf(self, log_sigma: Tensor) -> Tensor:
        return 2 / math.pi * torch.atan((log_sigma - self._shift).exp())

    def _quantile(self, p: Tensor) -> Tensor:
        return torch.tan(math.pi / 2 * p).log() + self._shift

    def _pdf(self, log_sigma: Tensor) -> Tensor:
        return 1 / (math.pi * torch.cosh(log_sigma - self._shift))


class Laplace(FixedLaw):
    """log-SNR ~ Laplace(mean, scale), log-SNR = -2 log sigma (Hang et al. 2024).

    "Improved noise schedule for diffusion training"; the defaults are theirs.
    """

    def __init__(
        self, channel: Channel, mean: float = 0.0, scale: float = 0.5, stratified: bool = True
    ) -> None:
        super().__init__(channel, stratified)
        if not scale > 0:
            raise InputError(f"scale {scale:g}: a Laplace distribution needs a positive one")
        self.mean, self.scale = mean, scale
        self._require_mass(f"mean {mean:g} and scale {scale:g} of log-SNR")

    def _cdf(self, log_sigma: Tensor) -> Tensor:
        z = (2 * log_sigma + self.mean) / self.scale
        return torch.where(z < 0, z.clamp_max(0).exp() / 2, 1 - (-z.clamp_min(0)).exp() / 2)

    def _quantile(self, p: Tensor) -> Tensor:
        z = torch.where(p < 0.5, (2 * p).log(), -(2 - 2 * p).log())
        return (self.scale * z - self.mean) / 2

    def _pdf(self, log_sigma: Tensor) -> Tensor:
        return (-(2 * log_sigma + self.mean).abs() / self.scale).exp() / self.scale


class UniformTime(FixedLaw):
    """Uniform in the channel's own coordinate.

    A flow's or a curve's time, DDPM's steps (each equally likely), sigma itself in a
    variance-exploding channel.
    """

    # Where the coordinate falls with sigma, all three change sign and the cut still sets them
    # right.
    def _cdf(self, log_sigma: Tensor) -> Tensor:
        return self.channel.time(log_sigma.exp())

    def _quantile(self, p: Tensor) -> Tensor:
        return self.channel.sigma_at(p).log()

    def _pdf(self, log_sigma: Tensor) -> Tensor:
        # The slope of the channel's map, exact by differentiation; also under inference_mode.
        with torch.inference_mode(False), torch.enable_grad():
            x = log_sigma.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(self._cdf(x).sum(), x)
        return slope


def uniforms(
    n: int,
    device: torch.device | str | None,
    generator: torch.Generator | None,
    stratified: bool,
    ranks: tuple[int, int] | None = None,
) -> Tensor:
    """(n,) float64 in (0, 1), drawn where the generator lives.

    Stratified: one in each of n * world strata of equal width; a rank takes every world-th stratum,
    so that each rank and the global batch cover the whole range, then shuffles. ranks: (rank,
    world), torch.distributed's by default.
    """
    if n < 1:
        raise InputError(f"a batch of {n} noise levels: give at least 1")
    target = torch.device("cpu" if device is None else device)
    at = target if generator is None else generator.device
    # MPS knows no float64.
    dtype = torch.float32 if "mps" in (at.type, target.type) else torch.float64
    p = torch.rand(n, device=at, dtype=dtype, generator=generator)
    if stratified:
        rank, world = _rank_and_world() if ranks is None else ranks
        strata = torch.randperm(n, device=at, generator=generator)
        p = ((strata if world == 1 else strata * world + rank) + p) / (n * world)
    # Open interval: the quantile of a distribution with tails is infinite at its ends.
    eps = torch.finfo(dtype).eps
    return p.clamp(eps, 1 - eps).to(device=device)


def _rank_and_world() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def _wide(sigma: Tensor) -> Tensor:
    return sigma if sigma.device.type == "mps" else sigma.to(torch.float64)
