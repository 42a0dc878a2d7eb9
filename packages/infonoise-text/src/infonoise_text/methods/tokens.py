"""What methods of whole tokens without noise levels have in common."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.evaluation.discrete import costs_of
from infonoise_core.evaluation.likelihood import Bound, per_unit
from infonoise_core.evaluation.measures import Evaluation, Measure
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.weighting import unit_weight
from infonoise_core.sampling import discrete
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.task import Batch, Losses
from infonoise_text.data.corpus import Split
from infonoise_text.data.spans import Given
from infonoise_text.data.windows import Examples, held_out, windows_of
from infonoise_text.evaluation.bound import likelihood_measures, per_byte
from infonoise_text.evaluation.whole import TextCost
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.base import Profiles, Progress, Schedules, refuse_lead
from infonoise_text.methods.options import Objective
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.trunk import Trunk
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated, Own, own_of

# Windows that a network sees at a time; its logits are V numbers for every token.
_CHUNK = 32

# Network, windows (n, L) -> (n,) what each costs in nats.
Cost = Callable[[nn.Module, Examples], Tensor]
# Network, ids (n, L), how many of the first tokens are given -> (n,) nats of the others.
CostBehind = Callable[[nn.Module, Tensor, int], Tensor]

Network = TypeVar("Network", bound=nn.Module)


class TokenTransformer(nn.Module):
    """ids (n, L) -> logits (n, L, size), by the trunk of the bit-patch transformer.

    One symbol beyond the tokens, number `size`, may be given too: a start, or a mask. The output
    has the weights of the embedding (Press & Wolf 2017), and before training all tokens are
    about equally likely.
    """

    def __init__(self, size: int, trunk: TrunkConfig) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(size + 1, trunk.width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        # The trunk takes a noise level; here is none, so it gets one learned vector.
        self.level = nn.Parameter(torch.randn(trunk.width))
        self.trunk = Trunk(trunk)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, ids: Tensor) -> Tensor:
        """In float32."""
        x = self.embedding(ids)
        mixed = self.trunk(x, self.level.expand(len(x), -1))
        logits = functional.linear(mixed, self.embedding.weight[: self.size], self.bias)
        return logits.to(torch.float32)


class TokenTask:
    """Learn windows of text by a cost of whole tokens. Noise levels are given, and not used.

    Args:
        cost: Of windows in nats; what is random in it comes from torch's global generator.
    """

    unit = "tokens"

    def __init__(
        self, split: Split, denoiser: nn.Module, length: int, cost: Cost, stride: int | None = None
    ) -> None:
        self.windows = windows_of(split, length, stride)
        self.denoiser, self.dim, self.units, self._cost = denoiser, length, length, cost

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, index: np.ndarray) -> Batch:
        # The loop draws noise for x0, of which there is none.
        found = self.windows.examples(index)
        return Batch(torch.empty(len(index), 0), {"ids": found.ids.long(), **found.conditions})

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """Nats per token that is not given (n,)."""
        nats = self._cost(denoiser, Examples(**batch.condition))  # type: ignore[arg-type]
        return Losses(nats / self.windows.free, None)


@dataclass(frozen=True)
class TokenMeasure:
    """What text costs.

    Attributes:
        training: The cost that is minimised.
        held_out: The same with less chance in it.
        behind: What the tokens behind some that are given cost, with as little chance.
        exact: Whether it is the negative log-likelihood, or an upper bound on it.
    """

    training: Cost
    held_out: Cost
    behind: CostBehind
    exact: bool


class TokenEvaluation:
    """Bits per byte of averaged weights on fixed held-out windows.

    Each is read without what stands before it.
    """

    def __init__(
        self, split: Split, length: int, measure: TokenMeasure, *, windows: int = 64, seed: int = 0
    ) -> None:
        self.floors: Mapping[str, float] = {}
        self._windows, self._tokens_per_byte = held_out(split, length, windows)
        self._measure, self._seed = measure, seed
        self._lossless = split.lossless

    def bound(self, denoiser: nn.Module) -> Bound:
        """Per token."""

        def cost(rows: slice, device: torch.device) -> Tensor:
            return self._measure.held_out(denoiser, self._windows.take(rows, device))

        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            nats = costs_of(denoiser, cost, len(self._windows.ids), _CHUNK)
        return per_unit(nats, self._windows.units)

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Bits per byte and nats per token, with standard errors."""
        return per_byte(self.bound(denoiser), self._tokens_per_byte)

    def measures(self) -> list[Measure]:
        """What the numbers are, for tables and reports."""
        kind = "The" if self._measure.exact else "Upper bound on the"
        explanation = f"{kind} negative log-likelihood of held-out windows of text"
        return likelihood_measures(explanation, lossless=self._lossless)


def cross_entropy(logits: Tensor, ids: Tensor) -> Tensor:
    """logits (n, L, V), ids (n, L) -> (n, L) nats."""
    return functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").reshape(
        ids.shape
    )


def given_chunks(given: Given | None, n: int) -> Callable[[int], discrete.Given | None]:
    """What is given to the next rows of n windows, as often as it is called."""
    if given is None:
        return lambda _: None
    places = iter(range(n))
    ids, known = (part.expand(n, -1) for part in given)

    def chunk(rows: int) -> discrete.Given:
        taken = list(itertools.islice(places, rows))
        return discrete.Given(ids[taken], known[taken])

    return chunk


class TokenMethod(Generic[Network]):
    """A method by its network, its measure and its sampler; see `Method`.

    Args:
        make: Vocabulary and sizes -> a network.
        sampler: Network, windows, tokens of each, calls, generators, given tokens -> text.
    """

    codes = None
    has_levels = False
    only_ordered = False
    takes_given = True
    profile_files: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        make: Callable[[int, TrunkConfig], Network],
        measure: TokenMeasure,
        sampler: Callable[[Network, int, int, int, Own, Given | None], Generated],
        objective: Objective,
        assets: Assets,
    ) -> None:
        self.name, self.measure, self._make, self._sampler = name, measure, make, sampler
        self.objective, self.assets = objective, assets
        self._size = assets.tokenizer.size
        self._trunk = objective.sizes

    def network(self, seed: int) -> Network:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self._make(self._size, self._trunk)

    def task(self, split: Split, network: Network) -> TokenTask:
        return TokenTask(split, network, self.objective.length, self.measure.training)

    def schedule_context(self, split: Split, steps: int) -> ScheduleContext:
        channel = VarianceExploding(self.objective.sigma_min, self.objective.sigma_max)
        return ScheduleContext(channel, unit_weight(), steps, self.objective.length)

    def schedules(self, split: Split) -> Schedules:
        """One whatever the name: the loop draws levels from it, which are not used."""
        channel = VarianceExploding(self.objective.sigma_min, self.objective.sigma_max)
        return lambda name, steps: LogUniform(channel)

    def evaluation(self, split: Split, windows: int = 64) -> TokenEvaluation:
        return TokenEvaluation(split, self.objective.length, self.measure, windows=windows)

    def evaluations(
        self, split: Split, windows: int, sampler: TextSampler, profiles: Profiles
    ) -> Mapping[str, Evaluation]:
        return {self.name: self.evaluation(split, windows)}

    def text_costs(self, network: Network) -> Mapping[str, TextCost]:
        def cost(ids: Tensor, known: int) -> Tensor:
            def part(rows: slice, device: torch.device) -> Tensor:
                return self.measure.behind(network, ids[rows].to(device), known)

            with torch.random.fork_rng():
                torch.manual_seed(0)
                return costs_of(network, part, len(ids), _CHUNK)

        return {self.name: cost}

    def check(self, sampler: TextSampler, profiles: Profiles) -> None:
        refuse_lead(sampler)

    def generate(
        self,
        network: Network,
        n: int,
        length: int,
        sampler: TextSampler,
        profiles: Profiles,
        given: Given | None = None,
        progress: Progress | None = None,
        own: Own | None = None,
    ) -> Generated:
        refuse_lead(sampler)
        return self._sampler(
            network, n, length, min(sampler.steps, length), own or own_of(sampler.seed), given
        )
