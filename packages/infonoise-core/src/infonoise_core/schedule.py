"""Training schedules: laws from which noise levels are drawn, fixed or learned while training."""

import math
from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from infonoise_core.allocation import Gate, floor_gate, total_variation, training_density
from infonoise_core.channel import Channel
from infonoise_core.errors import InputError
from infonoise_core.estimator import RateEstimator
from infonoise_core.profile import EntropyRateProfile, invert_cdf, log_edges
from infonoise_core.weighting import Weight, unit_weight

VERSION = 1


@runtime_checkable
class Schedule(Protocol):
    """What a training loop needs of a noise schedule."""

    channel: Channel

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """(n,) noise levels in the channel's coordinate, float32."""

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Report (n,) squared x0-errors at levels u: summed over an example's dimensions,
        unweighted, detached.
        """

    def step(self) -> None:
        """Call once per optimizer step, on every rank."""

    def density(self, sigma: Tensor) -> Tensor:
        """Density per unit log sigma at sigma, any shape; it integrates to 1 over the channel's
        span.
        """

    def status(self) -> str:
        """One line on what the schedule is doing."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class FixedLaw(ABC):
    """A law of log sigma that does not change, cut to the channel's span.

    stratified: draw one level from each of n equally likely strata (interleaved over ranks),
    shuffled; otherwise independently.
    """

    def __init__(self, channel: Channel, stratified: bool = True) -> None:
        self.channel = channel
        self.stratified = stratified

    @abstractmethod
    def _cdf(self, log_sigma: Tensor) -> Tensor:
        """Share of the uncut law below log_sigma."""

    @abstractmethod
    def _quantile(self, p: Tensor) -> Tensor:
        """log sigma below which a share p of the uncut law lies."""

    @abstractmethod
    def _pdf(self, log_sigma: Tensor) -> Tensor:
        """Density of the uncut law per unit log sigma."""

    def _ends(self) -> tuple[float, float]:
        span = torch.tensor([self.channel.sigma_min, self.channel.sigma_max], dtype=torch.float64)
        low, high = self._cdf(span.log()).tolist()
        return low, high

    def cdf(self, sigma: Tensor) -> Tensor:
        """Share of the draws at or below sigma; any shape, float64."""
        low, high = self._ends()
        return ((self._cdf(sigma.to(torch.float64).log()) - low) / (high - low)).clamp(0, 1)

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        low, high = self._ends()
        p = uniforms(n, device, generator, self.stratified)
        sigma = self._quantile(low + (high - low) * p).exp()
        sigma = sigma.clamp(self.channel.sigma_min, self.channel.sigma_max)
        return self.channel.coordinate(sigma).to(torch.float32)

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """A fixed law learns nothing."""

    def step(self) -> None:
        """A fixed law has no clock."""

    def density(self, sigma: Tensor) -> Tensor:
        low, high = self._ends()
        inside = (sigma >= self.channel.sigma_min) & (sigma <= self.channel.sigma_max)
        pdf = self._pdf(sigma.to(torch.float64).log()) / (high - low)
        return torch.where(inside, pdf, 0)

    def status(self) -> str:
        return f"fixed law {type(self).__name__}"

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
            raise InputError(f"std {std:g}: a log-normal law needs a positive one")
        self.mean, self.std = mean, std
        low, high = self._ends()
        if not high - low > 1e-6:
            raise InputError(
                f"mean {mean:g} and std {std:g} put no mass between sigma {channel.sigma_min:g} and"
                f" {channel.sigma_max:g}: mean and std are of log sigma"
            )

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


class InfoNoise:
    """Draws noise levels by the entropy-rate profile that the training losses reveal (Raya et al.
    2026).

    Starts under `warmup`; from the first refresh at or after `warmup_steps` at which the filled
    bins carry nearly all of the warm-up law's draws, the density becomes
    (1 - floor) * (gate * rate)^power / weight  +  floor * warmup, mixed in over `transition` steps.

    weight: the loss weight of the training objective, which the density divides out.
    refresh_every: optimizer steps between refreshes; a refresh is a collective under
    torch.distributed.
    bins: cells of the log-sigma grid.  horizon: observations after which a bin's past weighs 1/e.
    min_count: effective observations that make a bin count as filled.  dim: dimensions of one
    example; it bounds the rate where the estimate is noisy.
    """

    def __init__(
        self,
        channel: Channel,
        warmup: FixedLaw | None = None,
        weight: Weight | None = None,
        gate: Gate | None = None,
        power: float = 1.0,
        floor: float = 0.05,
        refresh_every: int = 100,
        warmup_steps: int = 500,
        transition: int = 0,
        bins: int = 64,
        horizon: float = 1024.0,
        min_count: float = 32.0,
        dim: int | None = None,
        stratified: bool = True,
    ) -> None:
        if not 0 <= floor <= 1:
            raise InputError(f"floor {floor:g}: the share of warm-up draws lies between 0 and 1")
        if not power > 0:
            raise InputError(f"power {power:g}: give a positive one, 1 or 0.5 as a rule")
        if refresh_every < 1 or bins < 2:
            raise InputError(
                f"refresh_every {refresh_every} and bins {bins}: give at least 1 and 2"
            )
        self.channel = channel
        self.warmup = LogUniform(channel) if warmup is None else warmup
        self.weight = unit_weight() if weight is None else weight
        self.gate = floor_gate() if gate is None else gate
        self.power, self.floor = power, floor
        self.refresh_every, self.warmup_steps, self.transition = (
            refresh_every,
            warmup_steps,
            transition,
        )
        self.min_count, self.stratified = min_count, stratified
        self.edges = log_edges(channel.sigma_min, channel.sigma_max, bins)
        self.estimator = RateEstimator(self.edges, horizon, dim)
        self._width = self.edges.log().diff()
        self._base = self.warmup.cdf(self.edges).diff() / self._width
        self._density = self._base.clone()
        self._steps = 0
        self._adapting_since: int | None = None
        self._held = ""
        # Where draws happen; updated in place at a refresh, so that a captured graph sees the new
        # table.
        self._cdf = self._cumulative(self._density)
        self._log_edges = self.edges.log()

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """(n,) noise levels in the channel's coordinate: inverse cdf, log-uniform inside a bin."""
        p = uniforms(n, device, generator, self.stratified)
        if p.device != self._cdf.device:
            self._cdf, self._log_edges = self._cdf.to(p.device), self._log_edges.to(p.device)
        sigma = invert_cdf(self._cdf, self._log_edges, p.to(self._cdf.dtype)).exp()
        sigma = sigma.clamp(self.channel.sigma_min, self.channel.sigma_max)
        return self.channel.coordinate(sigma).to(torch.float32)

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Report (n,) squared x0-errors at levels u: summed over an example's dimensions,
        unweighted, detached.

        Other predictions than x0 are converted by `channel.x0_squared_error`. Training losses only:
        held-out losses belong to a profile of their own.
        """
        self.estimator.observe(self.channel.sigma(u), squared_error)

    def step(self) -> None:
        """Count an optimizer step; every `refresh_every` steps refresh the density, on every rank
        together.
        """
        self._steps += 1
        if self._steps % self.refresh_every == 0:
            self._refresh()

    @property
    def observed(self) -> bool:
        """Whether `profile` has anything to say yet."""
        return self.estimator.observed

    def profile(self) -> EntropyRateProfile:
        """What is known of the data as of the last refresh; InputError before the first."""
        return self.estimator.profile()

    def density(self, sigma: Tensor) -> Tensor:
        """Density per unit log sigma from which `sample` draws; any shape, 0 outside the channel's
        span.
        """
        log_sigma = sigma.detach().to("cpu", torch.float64).log()
        inside = (log_sigma >= self.edges[0].log()) & (log_sigma <= self.edges[-1].log())
        bins = torch.bucketize(log_sigma, self.edges[1:-1].log(), right=True)
        return torch.where(inside, self._density[bins], 0)

    def status(self) -> str:
        """One line: warming up, adapting, or held, and how far the learned density is from the
        warm-up law.
        """
        filled = int((self.estimator.effective_count >= self.min_count).sum())
        bins = f"{filled} of {len(self._width)} bins filled"
        held = f"; held: {self._held}" if self._held else ""
        if self._adapting_since is None:
            return f"warming up: step {self._steps} of {self.warmup_steps}, {bins}{held}"
        distance = total_variation(self._density, self._base, self._width)
        return (
            f"adapting since step {self._adapting_since}: {bins},"
            f" total variation {distance:.2f} from the warm-up law{held}"
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything a resume needs to go on bit for bit; copies."""
        return {
            "version": VERSION,
            "steps": self._steps,
            "adapting_since": self._adapting_since,
            "held": self._held,
            "density": self._density.clone(),
            "estimator": self.estimator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError with the reason when it belongs to another grid or
        version.
        """
        if state.get("version") != VERSION:
            raise InputError(
                f"the schedule's state has version {state.get('version')}, this program reads"
                f" {VERSION}:"
                " resume with the same kind of schedule and release"
            )
        self.estimator.load_state_dict(state["estimator"])
        self._steps = int(state["steps"])
        since = state["adapting_since"]
        self._adapting_since = None if since is None else int(since)
        self._held = str(state["held"])
        self._set_density(state["density"].to("cpu", torch.float64))

    def _refresh(self) -> None:
        self.estimator.merge()
        if self._adapting_since is None and not self._ready():
            return
        learned = training_density(self.profile(), self.weight, self.gate, self.power)
        if learned is None:
            self._held = "the profile gives no usable density"
            return
        self._held = ""
        if self._adapting_since is None:
            self._adapting_since = self._steps
        elapsed = self._steps - self._adapting_since + self.refresh_every
        share = 1.0 if self.transition <= 0 else min(1.0, elapsed / self.transition)
        share *= 1 - self.floor
        self._set_density(share * learned + (1 - share) * self._base)

    def _ready(self) -> bool:
        # A bin that the warm-up law hardly ever draws must not block adapting for good.
        if self._steps < self.warmup_steps:
            return False
        filled = self.estimator.effective_count >= self.min_count
        return float((self._base * self._width)[filled].sum()) >= 0.95

    def _set_density(self, density: Tensor) -> None:
        self._density = density.clone()
        self._cdf.copy_(self._cumulative(density))

    def _cumulative(self, density: Tensor) -> Tensor:
        cdf = torch.cat([density.new_zeros(1), (density * self._width).cumsum(0)])
        return cdf / cdf[-1]


def uniforms(
    n: int, device: torch.device | str | None, generator: torch.Generator | None, stratified: bool
) -> Tensor:
    """(n,) float64 in (0, 1), drawn where the generator lives.

    Stratified: one in each of n * world strata of equal width; a rank takes every world-th stratum,
    so that each rank and the global batch cover the whole range, then shuffles.
    """
    if n < 1:
        raise InputError(f"a batch of {n} noise levels: give at least 1")
    at = device if generator is None else generator.device
    at = torch.device("cpu" if at is None else at)
    # MPS knows no float64.
    dtype = torch.float32 if at.type == "mps" else torch.float64
    p = torch.rand(n, device=at, dtype=dtype, generator=generator)
    if stratified:
        rank, world = _rank_and_world()
        strata = torch.randperm(n, device=at, generator=generator) * world + rank
        p = (strata + p) / (n * world)
    # Open interval: the quantile of a law with tails is infinite at its ends.
    eps = torch.finfo(dtype).eps
    return p.clamp(eps, 1 - eps).to(device=device)


def _rank_and_world() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
