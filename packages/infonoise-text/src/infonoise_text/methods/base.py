"""What every method is: bits, bits with clusters, and the baselines on the same trunk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training.task import Task
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Split
from infonoise_text.data.spans import Given
from infonoise_text.evaluation.whole import TextCost
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.options import Objective
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated, Own

# Of each file in `Method.profile_files`, or None where there is none.
Profiles = Sequence[EntropyRateProfile | None]
# Told how many windows are done more, or what part of them, and of how many.
Progress = Callable[[float, int], None]
# Name and number of steps -> a schedule.
Schedules = Callable[[str, int], Schedule]


class Method(Protocol):
    """A way to learn windows of text and to make new ones, for one objective and one vocabulary.

    Networks are of any type here: each method makes its own and is given no other.
    """

    @property
    def name(self) -> str:
        """In tables."""

    @property
    def objective(self) -> Objective:
        """What is learned."""

    @property
    def assets(self) -> Assets:
        """The vocabulary."""

    @property
    def codes(self) -> Codes | None:
        """The bits that are denoised, of which some may be given; None where tokens stay whole."""

    @property
    def has_levels(self) -> bool:
        """Whether there are noise levels, so that a sampler's churn and grid mean something."""

    @property
    def takes_given(self) -> bool:
        """Whether `text_costs` take given tokens."""

    @property
    def only_ordered(self) -> bool:
        """Whether windows were learned in blocks from left to right, and never as a whole."""

    @property
    def profile_files(self) -> tuple[str, ...]:
        """Names of the profiles in a run's folder, that of the tokens last."""

    def network(self, seed: int) -> nn.Module:
        """Freshly initialised, the same for the same seed."""

    def task(self, split: Split, network: Any) -> Task:
        """The windows of a split to learn from."""

    def schedule_context(self, split: Split, steps: int) -> ScheduleContext:
        """What a schedule of one noise level for each example is made for."""

    def schedules(self, split: Split) -> Schedules:
        """How noise levels are drawn, if there are any."""

    def evaluation(self, split: Split, windows: int = 64) -> Evaluation:
        """On held-out windows, while training goes on."""

    def evaluations(
        self, split: Split, windows: int, sampler: TextSampler, profiles: Profiles
    ) -> Mapping[str, Evaluation]:
        """What distinguishes it -> each way in which a finished run is measured.

        Args:
            sampler: How text will be generated, where the measure depends on it.
        """

    def text_costs(self, network: Any) -> Mapping[str, TextCost]:
        """What distinguishes it -> what windows cost of which the first tokens may be given."""

    def check(self, sampler: TextSampler, profiles: Profiles) -> None:
        """Refuse a sampler that cannot be followed.

        Raises:
            InputError: Where it does not go with the method, or needs a profile that is not there.
        """

    def generate(
        self,
        network: Any,
        n: int,
        length: int,
        sampler: TextSampler,
        profiles: Profiles,
        given: Given | None = None,
        progress: Progress | None = None,
        own: Own | None = None,
    ) -> Generated:
        """n windows of `length` tokens; the sampler's steps are calls of the network.

        Args:
            given: Tokens that stand where they are, where there are `codes`.
            own: The generator of each window, in place of those of the sampler's seed.
        """


def refuse_lead(sampler: TextSampler) -> None:
    """InputError for a lead of clusters where there are none."""
    if sampler.lead:
        raise InputError(
            f"--lead {sampler.lead:g}: the run was trained without --clusters; leave it out"
        )


def refuse_overlap(known: int, what: str) -> None:
    """InputError for a method whose bound reads no given tokens."""
    if known:
        raise InputError(
            f"--stride: {what} reads no given tokens, so its windows cannot overlap; give the"
            " length of a window"
        )


def from_context(context: ScheduleContext) -> Schedules:
    """The schedules that are made for one context, whatever its steps."""
    return lambda name, steps: make_schedule(name, replace(context, steps=steps))
