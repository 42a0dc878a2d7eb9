"""Training in stages: which stage a draw falls into, and what a network of several sides learns."""

import math
from typing import Any

import torch
from torch import Tensor

from infonoise_core.processes.channel import Channel
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import Schedule, uniforms
from infonoise_core.schedules.infonoise import InfoNoise
from infonoise_core.schedules.knowledge import Believing, believed_by
from infonoise_core.training.meter import Measuring
from infonoise_core.training.task import Batch, Losses
from infonoise_vision.data.images import ImageSet
from infonoise_vision.methods.diffusion import ImageTask, make_task, one_level_until
from infonoise_vision.methods.options import Objective
from infonoise_vision.methods.stages import births_of
from infonoise_vision.models.haar import coarse
from infonoise_vision.models.staged import Birth, StagedDenoiser

# Cells of log sigma by which a stage's levels are drawn.
_CELLS = 1024


class StagedTask(ImageTask):
    """Each draw denoised in its stage, at the side that belongs to it.

    The loss is the mean over that side's pixels of the squared error of the network's output; what
    is observed is the squared error of the coarse image as it counts for the rate, so that rates
    are right in every stage.
    """

    denoiser: StagedDenoiser

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        batch = self.vary(batch)
        loss, squared = torch.zeros_like(sigma), torch.zeros_like(sigma)
        stage = self.denoiser.stage_of(sigma)
        for k in sorted(set(stage.tolist())):
            rows = torch.nonzero(stage == k)[:, 0]
            x0, noise = coarse(batch.x0[rows], k), coarse(eps[rows], k)
            given = {name: value[rows] for name, value in batch.condition.items()}
            level = sigma[rows]
            noise = self.denoiser.shaped(noise, level)
            error = denoiser(x0 + level.reshape(-1, 1, 1, 1) * noise, level, **given) - x0
            unit = self.denoiser.unit_error(error, level)
            loss = loss.index_put((rows,), unit.square().mean((1, 2, 3)))
            counted = self.denoiser.counted(error.detach(), level)
            squared = squared.index_put((rows,), counted.square().sum((1, 2, 3)))
        return Losses(loss, squared)


def make_staged_task(objective: Objective, images: ImageSet, seed: int) -> StagedTask:
    """The images, with a fresh network and their births."""
    plain = make_task(objective, images, seed)
    denoiser = plain.denoiser
    assert isinstance(denoiser, StagedDenoiser)
    denoiser.set_births(_births(objective, images))
    return StagedTask(
        images, denoiser, plain.weight, conditional=plain.conditional,
        label_dropout=plain.label_dropout, augment=plain.augment,
        condition=plain.condition, condition_dropout=plain.condition_dropout,
    )  # fmt: skip


def in_stages(base: Schedule, objective: Objective, images: ImageSet) -> Schedule:
    """A schedule for training in stages."""
    levels = torch.tensor([birth.level for birth in _births(objective, images)])
    kind = MeasuringStagedSchedule if isinstance(base, Measuring) else StagedSchedule
    return kind(base, levels)


def _births(objective: Objective, images: ImageSet) -> list[Birth]:
    span = one_level_until(objective, images.levels), objective.span[1]
    return births_of(images, objective.stages, objective.birth_nats, span, objective.lead)


class StagedSchedule:
    """A schedule whose draws have fixed shares of stages; within a stage they are its own.

    A draw of half the side costs a quarter, so coarse stages get more of them.

    Args:
        base: The schedule within stages, which is told of all errors.
        births: (k,) ascending levels between stages.
    """

    def __init__(self, base: Schedule, births: Tensor) -> None:
        self.base, self.channel = base, base.channel
        self._births = births.to("cpu", torch.float64)
        shares = 2.0 ** torch.arange(len(births) + 1, dtype=torch.float64)
        self.shares = shares / shares.sum()
        self._edges = _edges(self.channel, self._births)
        self._log = self._edges.log()
        centres = (self._edges[:-1] * self._edges[1:]).sqrt()
        self._centres, self._width = centres, self._log.diff()
        self._stage = (centres[:, None] > self._births).sum(1)
        self._refresh()

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
        ranks: tuple[int, int] | None = None,
    ) -> Tensor:
        """(n,) levels, stratified over all stages."""
        p = uniforms(n, device, generator, True, ranks)
        at = p.to("cpu", torch.float64)
        cell = torch.searchsorted(self._cdf[1:-1].contiguous(), at, right=True)
        low, high = self._cdf[cell], self._cdf[cell + 1]
        log_sigma = self._log[cell] + (at - low) / (high - low) * self._width[cell]
        # Rounding must not carry a draw over a birth.
        sigma = log_sigma.exp().clamp(self.channel.sigma_min, self.channel.sigma_max)
        return self.channel.levels(sigma.to(p.device))

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Pass errors (n,) on."""
        self.base.observe(u, squared_error)

    def step(self) -> None:
        """Pass the step on, and take over what it changed."""
        self.base.step()
        self._refresh()

    def density(self, sigma: Tensor) -> Tensor:
        """Density per unit log sigma from which `sample` draws; any shape."""
        inside = (sigma >= self.channel.sigma_min) & (sigma <= self.channel.sigma_max)
        cell = torch.bucketize(sigma.to("cpu", torch.float64), self._edges[1:-1], right=True)
        density = self._cdf.diff()[cell] / self._width[cell]
        return torch.where(inside.to("cpu"), density, 0)

    def status(self) -> str:
        """What the base is doing, and where stages end."""
        births = ", ".join(f"{level:.3g}" for level in self._births.tolist())
        return f"{self.base.status()}; stages born at {births}"

    def state_dict(self) -> dict[str, Any]:
        """Of the base."""
        return self.base.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Of the base."""
        self.base.load_state_dict(state)
        self._refresh()

    def start_from(self, prior: EntropyRateProfile) -> None:
        """Let a base that learns know a profile before it has measured any."""
        if isinstance(self.base, InfoNoise):
            self.base.start_from(prior)
            self._refresh()

    def _refresh(self) -> None:
        mass = self.base.density(self._centres).to("cpu", torch.float64) * self._width
        # Where a schedule has nothing in a stage, its levels are drawn evenly.
        mass = mass.clamp_min(1e-9 * self._width)
        whole = torch.zeros_like(self.shares).index_add(0, self._stage, mass)
        drawn = mass * (self.shares / whole)[self._stage]
        cdf = torch.cat([drawn.new_zeros(1), drawn.cumsum(0)])
        self._cdf = cdf / cdf[-1]


class MeasuringStagedSchedule(StagedSchedule):
    """The same of a schedule that measures the profile itself."""

    @property
    def observed(self) -> bool:
        """Whether `profile` has anything to say yet."""
        return isinstance(self.base, Measuring) and self.base.observed

    def profile(self) -> EntropyRateProfile:
        """What the losses showed."""
        assert isinstance(self.base, Measuring)
        return self.base.profile()

    @property
    def edges(self) -> Tensor:
        """(K+1,) sigma of the profile."""
        return self.base.edges if isinstance(self.base, Believing) else self._edges

    def believed(self, shown: EntropyRateProfile) -> Tensor:
        """(K,) the part of a profile's rate that draws follow within stages."""
        return believed_by(self.base, shown)


def _edges(channel: Channel, births: Tensor) -> Tensor:
    """(k,) sigma: even cells of log sigma, with the births among their edges."""
    low, high = math.log(channel.sigma_min), math.log(channel.sigma_max)
    even = torch.linspace(low, high, _CELLS + 1, dtype=torch.float64).exp()
    even[0], even[-1] = channel.sigma_min, channel.sigma_max
    inside = births[(births > channel.sigma_min) & (births < channel.sigma_max)]
    edges: Tensor = torch.cat([even, inside]).sort().values
    return edges[torch.cat([edges.diff() > 0, torch.ones(1, dtype=torch.bool)])]
