"""The schedule that learns where noise destroys information, and puts the draws there."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.prediction import Prediction
from infonoise_core.processes.weighting import Weight
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.checks import (
    channel_state,
    check_channel,
    check_channel_state,
    check_numbers,
    check_version,
    check_warmup,
    checked_dim,
    checked_weight,
)
from infonoise_core.schedules.few import Warmup
from infonoise_core.schedules.fixed import FixedLaw, LogNormal, LogUniform, Schedule, uniforms
from infonoise_core.schedules.gates import (
    Gate,
    allocation,
    check_gate,
    open_gate,
    slope_gate,
    total_variation,
    training_density,
)
from infonoise_core.schedules.health import Health
from infonoise_core.schedules.knowledge import (
    RETURNS_INPUT,
    around_scale,
    completed,
    is_input,
    of_rate,
)
from infonoise_core.schedules.law import Law, law_of
from infonoise_core.schedules.reports import Observing, Reports
from infonoise_core.schedules.status import stage_of_life
from infonoise_core.schedules.tasks import TaskSchedule, left, of_tasks

__all__ = ["FixedLaw", "InfoNoise", "LogNormal", "LogUniform", "Schedule", "uniforms"]

VERSION = 1


class InfoNoise(Observing):
    """Draws noise levels by the entropy-rate profile that losses reveal (Raya et al. 2026).

    Starts under `warmup`, or under the density of `prior`. From the first refresh at or after
    `warmup_steps` at which the filled bins carry nearly all of the warm-up's draws, the density
    becomes (1 - floor) * (gate * rate)^power / weight^compensate + floor * warmup (or that of
    `law`), mixed in over `transition` steps. A refresh whose profile is not usable leaves a learned
    density as it is; before one, with `dim`, the draws are put around the data's scale. `status`
    says so.

    Args:
        warmup: The noise distribution before anything is known, and of the exploration floor.
        weight: The loss weight of the training objective, which the density divides out: a function
            of sigma; that of the plain squared error of `prediction` where one is given.
        gate: Keeps draws from the low-noise end, see `allocation`; `slope_gate()` by default.
        power: 1 draws in proportion to the rate, 1/2 to its root.
        refresh_every: Optimizer steps between refreshes; a refresh is a collective under
            torch.distributed.
        warmup_steps, transition: Optimizer steps.
        warmup_examples: The warm-up's length in examples instead, for runs of some hundred steps.
        bins: Cells of the log-sigma grid.
        horizon: Observations after which a bin's past weighs 1/e.
        min_count: Effective observations that make a bin count as filled.
        dim: Dimensions of one example; it bounds the rate where the estimate is noisy. Known from
            the reports where `prediction` is given.
        compensate: The value exponent, how far the weight is divided out: 0 leaves it in, True is
            `power`; at power 1/2 of real values 1/4 is near the best for bits, 1 for pictures.
        prior: A profile known before training (closed form, or from the data alone), which a
            bin's own observations outweigh as they pass `min_count`.
        ceiling: A profile that the truth cannot exceed, such as that of independent symbols:
            what a network's errors show above it is its own weakness, and draws no updates.
        groups: Names of the parts into which `observe` gets its errors split.
        law: All exponents, in place of `power` and `compensate`, such as `context_law()`; where its
            premises fail, the rate itself is drawn by, and `status` says why.
        prediction: What the network predicts, by our name or diffusers' (epsilon, v_prediction,
            flow_prediction, sample). `observe` then takes the output minus its target as it is.
        sigma_data: Of EDM's preconditioning, for the prediction F.
        tasks: Names of data sets, classes or resolutions that one network learns: this makes a
            `TaskSchedule`, whose `sample(n)` gives (task, u). `dim`, `weight`, `warmup`, `prior`
            and `ceiling` may then be mappings from these names.
    """

    def __new__(cls, *args: Any, tasks: Sequence[str] = (), **settings: Any) -> Any:
        """Of several tasks a `TaskSchedule`, with one of these for each."""
        if not tasks:
            return super().__new__(cls)
        return TaskSchedule(tasks, [cls(*args, **own) for own in of_tasks(tasks, settings)])

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
        compensate: float = True,
        prior: EntropyRateProfile | None = None,
        ceiling: EntropyRateProfile | None = None,
        groups: Sequence[str] = (),
        stratified: bool = True,
        law: Law | None = None,
        prediction: Prediction | str | None = None,
        sigma_data: float | None = None,
        tasks: Sequence[str] = (),
        warmup_examples: int | None = None,
    ) -> None:
        check_channel(channel)
        check_numbers(floor, refresh_every, bins)
        self.warmup = LogUniform(channel) if warmup is None else warmup
        check_warmup(self.warmup, channel, FixedLaw)
        super().__init__(channel, self.warmup, bins, stratified)
        self._reports = Reports(channel, prediction, sigma_data, checked_dim(dim), groups)
        self.weight = checked_weight(
            weight, channel, self._reports.prediction, sigma_data, self.edges
        )
        self.gate = slope_gate() if gate is None else gate
        check_gate(self.gate, self.edges, groups)
        self.law, self.floor = law_of(law, power, compensate), floor
        self.refresh_every = refresh_every
        self.warmup_steps, self.transition = warmup_steps, transition
        self.min_count = min_count
        self._sums = RateEstimator(self.edges, horizon, self._reports.dim, groups)
        self._health = Health(channel, len(self._width), self._reports.prediction is not None)
        self.prior: EntropyRateProfile | None = None
        self.ceiling = None if ceiling is None else self._on_our_grid(ceiling)
        self._steps = 0
        self._adapting_since: int | None = None
        self._held = self._plain = ""
        self._worth: Tensor | None = None
        self._warm = Warmup(warmup_steps, warmup_examples, min_count, self._density, self.edges)
        self._measured: Tensor | None = None
        if prior is not None:
            self._lead_by(self._on_our_grid(prior))

    def start_from(self, prior: EntropyRateProfile) -> None:
        """Take a profile measured before as the prior, below the ceiling; before the first step.

        Unlike one given at construction it stands in the state, so that a resume needs no file.
        """
        bounds = (self._on_our_grid(prior), self.ceiling)
        self._measured = torch.stack([p.rate for p in bounds if p is not None]).amin(0)
        self._lead_by(of_rate(self.edges, self._measured, prior.dim))

    def _lead_by(self, prior: EntropyRateProfile) -> None:
        self.prior = prior
        if (known := self._allocate(prior)) is None:
            raise InputError("the prior gives no usable density: check its gate and grid")
        self._set_density(self._explore(known))
        self._warm.lead_by(self._density)

    def step(self) -> None:
        """Count an optimizer step; refresh the density every `refresh_every` steps.

        A refresh happens on every rank together.
        """
        self._steps += 1
        if self._steps % self.refresh_every == 0:
            self._refresh()

    @property
    def observed(self) -> bool:
        """Whether `profile` has anything to say yet."""
        return self.estimator.observed

    def profile(self) -> EntropyRateProfile:
        """What the losses say of the data as of the last refresh; InputError before the first."""
        return self.estimator.profile()

    def believed(self, shown: EntropyRateProfile) -> Tensor:
        """(K,) what prior, ceiling and gate leave of a profile's rate: what draws follow.

        Args:
            shown: What losses showed, on the grid of `edges`.
        """
        known = completed(shown, shown.count, self.prior, self.ceiling, self.min_count)
        return (self.gate(known) * known.rate).clamp_min(0)

    def left_to_learn(self) -> float | None:
        """What a draw is worth over the density, by log sigma; None before anything is known."""
        return None if self._worth is None else left(self._worth, self._density, self._width)

    def status(self) -> str:
        """One line: warming up, adapting or held, and how far the density is from the warm-up's."""
        filled = int((self.estimator.effective_count >= self.min_count).sum())
        prior = "the warm-up distribution" if self.prior is None else "the prior profile"
        distance = total_variation(self._density, self._base, self._width)
        at = (self._steps, self.warmup_steps, self._adapting_since)
        words = stage_of_life(*at, prior, f"{filled} of {len(self._width)} bins filled", distance)
        notes = {"by the plain rate": self._plain, "held": self._held}
        words += "".join(f"; {name}: {note}" for name, note in notes.items() if note)
        return words + self._health.words() + self._warm.words(self._steps, self.estimator)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resume needs to go on bit for bit; copies."""
        return {
            "version": VERSION,
            "steps": self._steps,
            "adapting_since": self._adapting_since,
            "held": self._held,
            "pools": self._warm.pools,
            "plain": self._plain,
            "channel": channel_state(self.channel),
            "worth": None if self._worth is None else self._worth.clone(),
            "prior": None if self._measured is None else self._measured.clone(),
            "density": self._density.clone(),
            "estimator": self.estimator.state_dict(),
            "health": self._health.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError when it is of another channel, grid or version."""
        check_version(state, VERSION)
        check_channel_state(state.get("channel"), self.channel)
        self._reports.kept()
        if (prior := state.get("prior")) is not None:  # not in the first releases
            self.start_from(of_rate(self.edges, prior.to("cpu", torch.float64), None))
        self.estimator.load_state_dict(state["estimator"])
        self._health.load_state_dict(state.get("health"))
        self._reports.dim = self.estimator.dim
        self._steps = int(state["steps"])
        since = state["adapting_since"]
        self._adapting_since = None if since is None else int(since)
        self._held, self._plain = str(state["held"]), str(state.get("plain", ""))
        worth = state.get("worth")
        self._worth = None if worth is None else worth.to("cpu", torch.float64, copy=True)
        self._warm.pools = bool(state.get("pools"))  # not in the first releases
        self._set_density(state["density"].to("cpu", torch.float64))

    def _refresh(self) -> None:
        self._health.judge(self.estimator, self.estimator.merge(), self.prior, self.ceiling)
        if self._adapting_since is None and not self._warm.over(self._steps, self.estimator):
            return
        count = self.estimator.effective_count
        known = completed(self.profile(), count, self.prior, self.ceiling, self.min_count)
        if is_input(known, self.estimator.dim):
            self._held = RETURNS_INPUT
            return
        learned = self._allocate(known)
        if learned is None:
            self._hold(known)
            return
        self._held = ""
        if self._adapting_since is None:
            self._adapting_since = self._steps
        elapsed = self._steps - self._adapting_since + self.refresh_every
        share = 1.0 if self.transition <= 0 else min(1.0, elapsed / self.transition)
        density = share * self._explore(learned) + (1 - share) * self._warm.start
        self._set_density(self._warm.led(density, self.estimator))

    def _hold(self, known: EntropyRateProfile) -> None:
        """Nothing was learned of where information is lost; yet the error tells the data's scale.

        A first guess around it beats a wide warm-up distribution.
        """
        self._held = "the losses show no information anywhere that the gate lets through"
        dim = self.estimator.dim
        if dim is None or self.prior is not None or self._adapting_since is not None:
            return
        guess, scale = around_scale(known, dim)
        density = training_density(guess, self.weight, open_gate(), self.law.plain())
        if density is not None:
            self._held += f", so they lie around the data's scale, sigma {scale:.2g}"
            self._set_density(self._explore(density))

    def _allocate(self, profile: EntropyRateProfile) -> Tensor | None:
        density, worth, self._plain = allocation(profile, self.weight, self.gate, self.law)
        self._worth = self._worth if density is None else worth
        return density

    def _explore(self, density: Tensor) -> Tensor:
        return (1 - self.floor) * density + self.floor * self._base
