"""The baselines by the name they have on the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import nn

from infonoise_core.app.train import Evaluation
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.weighting import unit_weight
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.generate import SamplerConfig
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training.task import Task
from infonoise_text.data.corpus import Corpus
from infonoise_text.methods import autoregressive, masked
from infonoise_text.methods.bits import Objective
from infonoise_text.methods.embedding import (
    SIGMA_LAST,
    EmbeddingDenoiser,
    EmbeddingEvaluation,
    EmbeddingTask,
    sample,
)
from infonoise_text.methods.tokens import TokenEvaluation, TokenMeasure, TokenTask
from infonoise_text.models.transformer import TrunkConfig, preset
from infonoise_text.sampling.text import Generated

Method = Literal["bits", "autoregressive", "masked", "embedding"]


class Baseline(Protocol):
    """Another model of the windows of a corpus, on the trunk that an Objective names."""

    @property
    def levels(self) -> bool:
        """Whether it has noise levels, so that a sampler's churn and grid mean something."""

    def network(self, size: int, trunk: TrunkConfig, seed: int) -> nn.Module:
        """Freshly initialised, the same for the same seed."""

    def task(self, corpus: Corpus, objective: Objective, seed: int) -> Task:
        """The training windows, with a fresh network."""

    def schedule(self, name: str, objective: Objective, task: Task, updates: int) -> Schedule:
        """How noise levels are drawn, if there are any."""

    def evaluation(
        self, corpus: Corpus, split: str, objective: Objective, windows: int = 64
    ) -> Evaluation:
        """On windows of a split that was held out."""

    def generate(
        self,
        network: Any,
        n: int,
        length: int,
        sampler: SamplerConfig,
        sigma_max: float,
        profile: EntropyRateProfile | None,
    ) -> Generated:
        """n windows of text, with --steps calls where they can be chosen."""


@dataclass(frozen=True)
class TokenBaseline:
    """Without noise levels.

    Attributes:
        make: Vocabulary and sizes -> a network.
        measure: What its text costs.
        sampler: network, windows, tokens of each, calls, seed -> text.
    """

    make: Callable[[int, TrunkConfig], nn.Module]
    measure: TokenMeasure
    sampler: Callable[[Any, int, int, int, int], Generated]
    levels: bool = False

    def network(self, size: int, trunk: TrunkConfig, seed: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make(size, trunk)

    def task(self, corpus: Corpus, objective: Objective, seed: int) -> Task:
        trunk = preset(objective.network, objective.dropout)
        network = self.network(corpus.tokenizer.size, trunk, seed)
        return TokenTask(corpus.split("train"), network, objective.length, self.measure.training)

    def schedule(self, name: str, objective: Objective, task: Task, updates: int) -> Schedule:
        return LogUniform(VarianceExploding(objective.sigma_min, objective.sigma_max))

    def evaluation(
        self, corpus: Corpus, split: str, objective: Objective, windows: int = 64
    ) -> Evaluation:
        length = objective.length
        return TokenEvaluation(corpus.split(split), length, self.measure, windows=windows)

    def generate(
        self,
        network: Any,
        n: int,
        length: int,
        sampler: SamplerConfig,
        sigma_max: float,
        profile: EntropyRateProfile | None,
    ) -> Generated:
        return self.sampler(network, n, length, min(sampler.steps, length), sampler.seed)


@dataclass(frozen=True)
class EmbeddingBaseline:
    """With noise levels, on embeddings."""

    levels: bool = True

    def network(self, size: int, trunk: TrunkConfig, seed: int) -> EmbeddingDenoiser:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return EmbeddingDenoiser(size, trunk)

    def task(self, corpus: Corpus, objective: Objective, seed: int) -> Task:
        trunk = preset(objective.network, objective.dropout)
        network = self.network(corpus.tokenizer.size, trunk, seed)
        return EmbeddingTask(corpus.split("train"), network, objective.length)

    def schedule(self, name: str, objective: Objective, task: Task, updates: int) -> Schedule:
        channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
        return make_schedule(name, ScheduleContext(channel, unit_weight(), updates, task.dim))

    def evaluation(
        self, corpus: Corpus, split: str, objective: Objective, windows: int = 64
    ) -> Evaluation:
        return EmbeddingEvaluation(
            corpus.split(split), objective.length, objective.sigma_max, windows=windows
        )

    def generate(
        self,
        network: Any,
        n: int,
        length: int,
        sampler: SamplerConfig,
        sigma_max: float,
        profile: EntropyRateProfile | None,
    ) -> Generated:
        return sample(
            network, n, length, sampler.sigmas(SIGMA_LAST, sigma_max, profile),
            solver=sampler.solver, churn=sampler.churning(profile), s_noise=sampler.s_noise,
            seed=sampler.seed, chunk=sampler.chunk,
        )  # fmt: skip


def _left_to_right(network: Any, n: int, length: int, calls: int, seed: int) -> Generated:
    # Each token takes a call, whatever was asked for; what was made is in the result.
    return autoregressive.sample(network, n, length, seed=seed)


def _first_hitting(network: Any, n: int, length: int, calls: int, seed: int) -> Generated:
    return masked.sample(network, n, length, calls, seed=seed)


BASELINES: Mapping[str, Baseline] = {
    "autoregressive": TokenBaseline(
        autoregressive.Autoregressive, autoregressive.MEASURE, _left_to_right
    ),
    "masked": TokenBaseline(masked.Masked, masked.MEASURE, _first_hitting),
    "embedding": EmbeddingBaseline(),
}
