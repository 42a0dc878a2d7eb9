"""Adaptive baselines: noise distributions of other papers, behind the `Schedule` protocol.

All draw from a table over log-sigma bins, so that they differ from InfoNoise in the distribution
they aim at and in nothing else. Each class says what of its paper was simplified.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.weighting import Weight, check_weight, unit_weight
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.schedules.fixed import FixedLaw, LogUniform
from infonoise_core.schedules.gates import total_variation
from infonoise_core.schedules.loss_history import LossHistory
from infonoise_core.schedules.table import VERSION, TableLaw, check_state


class _Adaptive(TableLaw):
    """A table that is replaced every `refresh_every` optimizer steps.

    Its density is (1 - floor) * target + floor * base. A refresh is a collective under
    torch.distributed.
    """

    memory: RateEstimator | LossHistory

    def __init__(
        self,
        channel: Channel,
        base: FixedLaw | None,
        floor: float,
        refresh_every: int,
        bins: int,
        stratified: bool,
    ) -> None:
        if not 0 <= floor <= 1:
            raise InputError(f"floor {floor:g}: the share of base draws lies between 0 and 1")
        if refresh_every < 1:
            raise InputError(f"refresh_every {refresh_every}: give at least 1 step")
        super().__init__(channel, LogUniform(channel) if base is None else base, bins, stratified)
        self.floor, self.refresh_every = floor, refresh_every
        self._steps = 0
        self._learning_since: int | None = None

    @abstractmethod
    def _target(self) -> Tensor | None:
        """(K,) density per unit log sigma to aim at, of any scale; None while it is not known."""

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Report (n,) squared x0-errors at levels u.

        They are summed over an example's dimensions, unweighted, detached. Non-finite ones are left
        out.
        """
        self.memory.observe(self.channel.sigma(u), squared_error)

    def step(self) -> None:
        """Count an optimizer step; every `refresh_every` steps learn, on every rank together."""
        self._steps += 1
        if self._steps % self.refresh_every:
            return
        self.memory.merge()
        target = self._target()
        if target is None:
            return
        mass = (target * self._width).sum()
        if not (mass > 0 and mass.isfinite()):
            return
        if self._learning_since is None:
            self._learning_since = self._steps
        self._set_density((1 - self.floor) * target / mass + self.floor * self._base)

    def status(self) -> str:
        """One line: since when it learns, and how far its density is from the base."""
        name = type(self).__name__
        if self._learning_since is None:
            return f"{name}: draws from the base distribution, step {self._steps}"
        distance = total_variation(self._density, self._base, self._width)
        return (
            f"{name}: learning since step {self._learning_since},"
            f" total variation {distance:.2f} from the base distribution"
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything a resume needs to go on bit for bit; copies."""
        return {
            "law": type(self).__name__,
            "version": VERSION,
            "steps": self._steps,
            "learning_since": self._learning_since,
            "density": self._density.clone(),
            "memory": self.memory.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError when it belongs to another schedule, grid or version."""
        check_state(state, type(self).__name__)
        self.memory.load_state_dict(state["memory"])
        self._steps = int(state["steps"])
        since = state["learning_since"]
        self._learning_since = None if since is None else int(since)
        self._set_density(state["density"].to("cpu", torch.float64))


class LossSecondMoment(_Adaptive):
    """Draws in proportion to the root of the loss's second moment (Nichol & Dhariwal 2021).

    The density is proportional to base * sqrt(E[L^2]), L = weight * squared x0-error, over the last
    `history` losses of each bin; the base distribution until every bin holds that many. Theirs is
    uniform over DDPM's steps.

    That is the importance distribution of least variance for the base's objective: multiply the
    losses by `importance_weight(u)`, as the paper does, to keep that objective.
    Simplified: log-sigma bins stand for single steps; the density is recomputed every
    `refresh_every` steps, not at each. On DDPM steps give base=UniformTime(channel) to have the
    paper's.
    """

    def __init__(
        self,
        channel: Channel,
        weight: Weight | None = None,
        base: FixedLaw | None = None,
        history: int = 10,
        floor: float = 0.001,
        refresh_every: int = 100,
        bins: int = 64,
        stratified: bool = True,
    ) -> None:
        super().__init__(channel, base, floor, refresh_every, bins, stratified)
        self.weight = unit_weight() if weight is None else weight
        check_weight(self.weight, self.edges)
        self.memory: LossHistory = LossHistory(self.edges, history)

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        sigma = self.channel.sigma(u)
        if sigma.shape == squared_error.shape:  # otherwise the history says what is wrong
            squared_error = self.weight(sigma) * squared_error
        self.memory.observe(sigma, squared_error)

    def _target(self) -> Tensor | None:
        if bool((self.memory.count < self.memory.depth).any()):
            return None
        return self._base * self.memory.second_moment.sqrt()


class AdaptiveLoss(_Adaptive):
    """Spreads the weighted loss evenly over the draws (Kingma & Gao 2023, adaptive noise schedule).

    The density per unit log sigma is proportional to weight * E[squared x0-error], an exponential
    mean per bin; even once the draws are importance-weighted.

    Their w(lambda) weighs the epsilon-error; as a weight of the x0-error it is w * snr. With
    w = 1, their ELBO, the density is the entropy rate: InfoNoise's at unit weight but for gate and
    estimator. Bins without a loss yet keep the base's mass.
    Simplified: the mean forgets over `horizon` observations of a bin, folded in every
    `refresh_every` steps.
    """

    def __init__(
        self,
        channel: Channel,
        weight: Weight | None = None,
        base: FixedLaw | None = None,
        horizon: float = 1024.0,
        floor: float = 0.001,
        refresh_every: int = 100,
        bins: int = 64,
        stratified: bool = True,
    ) -> None:
        super().__init__(channel, base, floor, refresh_every, bins, stratified)
        self.weight = unit_weight() if weight is None else weight
        check_weight(self.weight, self.edges)
        self.memory: RateEstimator = RateEstimator(self.edges, horizon)

    def _target(self) -> Tensor | None:
        square = self.edges[:-1] * self.edges[1:]
        loss = self.memory.rate * square * self.weight(square.sqrt())
        seen = loss.isfinite()
        loss = torch.where(seen, loss, 0)
        total = (loss * self._width).sum()
        if not total > 0:
            return None
        share = (self._base * self._width)[seen].sum()
        return torch.where(seen, share * loss / total, self._base)


class TimeWarp(_Adaptive):
    """Draws so that the expected loss grows linearly along the draws (CDCD, Dieleman et al. 2022).

    The density is proportional to the slope, in log sigma, of the expected loss as a function of
    the noise level.

    Simplified: the loss is the squared x0-error, where the paper takes the cross-entropy of tokens;
    the unnormalised cdf is linear between fixed log-sigma bins and fitted to exponential means of
    the losses, smoothed and made monotone by our estimator, where the paper learns knots and
    heights by gradient descent; it is not forced to 0 at sigma_min, so the loss that is left there
    draws nothing.
    """

    def __init__(
        self,
        channel: Channel,
        base: FixedLaw | None = None,
        horizon: float = 1024.0,
        floor: float = 0.001,
        refresh_every: int = 100,
        bins: int = 64,
        stratified: bool = True,
    ) -> None:
        super().__init__(channel, base, floor, refresh_every, bins, stratified)
        if len(self._width) < 2:
            raise InputError("time warping reads slopes: give at least 2 bins")
        self.memory: RateEstimator = RateEstimator(self.edges, horizon)

    def _target(self) -> Tensor | None:
        if not self.memory.observed:
            return None
        profile = self.memory.profile()
        centre, edge = profile.sigma.log(), self.edges.log()
        slope = profile.mmse.diff() / centre.diff()
        inner = profile.mmse[:-1] + slope * (edge[1:-1] - centre[:-1])
        first = profile.mmse[:1] + slope[:1] * (edge[:1] - centre[:1])
        last = profile.mmse[-1:] + slope[-1:] * (edge[-1:] - centre[-1:])
        return torch.cat([first, inner, last]).diff().clamp_min(0) / self._width
