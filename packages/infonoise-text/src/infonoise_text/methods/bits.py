"""Diffusion of the bits of tokens."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.generate import sampler_churn, sampler_levels
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_text.codes.book import Codes
from infonoise_text.data.corpus import Split
from infonoise_text.data.spans import Given
from infonoise_text.data.windows import windows_of
from infonoise_text.evaluation.bound import LikelihoodBound, SecondPass, TextEvaluation
from infonoise_text.evaluation.control import token_counts
from infonoise_text.evaluation.in_order import BothWays, InOrder, told_costs
from infonoise_text.evaluation.whole import TextCost
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.base import Profiles, Progress, Schedules, from_context, refuse_lead
from infonoise_text.methods.options import Objective
from infonoise_text.methods.prior import bit_profile, group_profile
from infonoise_text.methods.task import TextTask, weighting
from infonoise_text.models.behind import Behind
from infonoise_text.models.denoiser import SIGMA_LAST, BitDenoiser, make_denoiser
from infonoise_text.models.groups import group_bits
from infonoise_text.models.sdt import make_sdt
from infonoise_text.models.tuples import TupleTransformer
from infonoise_text.sampling.blocks import BlockSolver, generate_blocks
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated, Own, generate_ids, own_of

# Tokens of a vocabulary that are predicted one by one by default.
_AFFORDABLE = 1 << 14
# Passes of the network -> their name: the second one sees what the first one believed.
PASSES = {1: "bits, one pass", 2: "bits, two passes"}


class Way(NamedTuple):
    """How a run is measured: in so many passes, of whole windows or of blocks behind clean text."""

    passes: int
    ordered: bool


class Bits:
    """See `Method`."""

    name = "bits"
    takes_given = True

    def __init__(self, objective: Objective, assets: Assets) -> None:
        self.objective, self.assets = objective, assets
        self.codes: Codes = assets.book
        self._trunk = objective.in_blocks
        if self._predicts_tokens and objective.blind:
            self._trunk = replace(self._trunk, blind=True)

    @property
    def has_levels(self) -> bool:
        return not (self.only_ordered and self._trunk.blind)

    @property
    def profile_files(self) -> tuple[str, ...]:
        return (PROFILE_FILE,) if self.has_levels else ()

    @property
    def only_ordered(self) -> bool:
        return self._trunk.block > 0 and not self._trunk.whole

    def network(self, seed: int) -> BitDenoiser:
        if self._trunk.sdt is not None:
            return make_sdt(self.codes.bits, self._trunk, seed)
        codes = self.codes.encode(torch.arange(self.codes.size)) if self._predicts_tokens else None
        return make_denoiser(self.codes.bits, self._trunk, seed, self.objective.reading, codes)

    @property
    def _predicts_tokens(self) -> bool:
        """Whether tokens are predicted and not groups of bits.

        By default where that is affordable and there are blocks: of whole windows alone, where
        neighbours are as noisy, one that begins at the frequencies does not leave them for long.
        """
        predict = self.objective.predict
        if predict is None:
            return self._trunk.block > 0 and self.codes.size <= _AFFORDABLE
        return predict == "tokens"

    def task(self, split: Split, network: BitDenoiser) -> TextTask:
        if isinstance(network.network, TupleTransformer):
            length = self.objective.length
            network.network.expect(windows_of(split, length).counts(self.codes.size))
        return TextTask(split, self.codes, network, self.objective)

    def schedule_context(self, split: Split, steps: int) -> ScheduleContext:
        objective = self.objective
        channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
        at = (split, self.codes, objective.length, channel)
        # What is answered together knows more of itself than single bits do.
        width = group_bits(self.codes.bits, objective.group_bits)
        symbols = group_profile(*at, width) if self._trunk.tuples else bit_profile(*at)
        dim = objective.length * self.codes.bits
        return ScheduleContext(channel, weighting(objective), steps, dim, symbols)

    def schedules(self, split: Split) -> Schedules:
        context = self.schedule_context(split, 1000)
        if not self.has_levels:  # the loop draws levels all the same
            return lambda name, steps: LogUniform(context.channel)
        return from_context(context)

    def evaluation(self, split: Split, windows: int = 64) -> Evaluation:
        if self._trunk.blind:
            ordered = InOrder(split, self.codes, self.objective.length, windows)
            if self.only_ordered:
                return ordered
            return BothWays(self._evaluation(split, windows, Way(1, ordered=False)), ordered)
        # Earlier runs go on measuring as they began; the first were all of linear patches.
        way = Way(1, ordered=self._trunk.block > 0)
        return self._evaluation(split, windows, way, controlled=self._trunk.tuples)

    def evaluations(
        self, split: Split, windows: int, sampler: TextSampler, profiles: Profiles
    ) -> Mapping[str, Evaluation]:
        found: dict[str, Evaluation] = {}
        first: TextEvaluation | None = None
        for name, way in self._ways().items():
            if way.ordered and self._trunk.blind:
                found[name] = InOrder(split, self.codes, self.objective.length, windows)
                continue
            bound = self._evaluation(split, windows, way)
            if first is not None:
                bound.share_control(first)
            first, found[name] = first or bound, bound
        return found

    def _ways(self) -> dict[str, Way]:
        """By name, those that were learned and that differ."""
        block = self._trunk.block
        found = {} if self.only_ordered else {n: Way(p, ordered=False) for p, n in PASSES.items()}
        if block:
            found[f"bits, blocks of {block}"] = Way(1, ordered=True)
        if block > 1:  # a token alone in its block learns nothing from what it believed
            found[f"bits, blocks of {block}, two passes"] = Way(2, ordered=True)
        return found

    def _evaluation(
        self, split: Split, windows: int, way: Way, *, controlled: bool = True
    ) -> TextEvaluation:
        return TextEvaluation(
            split, self.codes, self.objective.length, self.objective.sigma_max,
            windows=windows, passes=way.passes, ordered=way.ordered, controlled=controlled,
        )  # fmt: skip

    def text_costs(self, network: BitDenoiser) -> Mapping[str, TextCost]:
        def cost(ids: Tensor, known: int, way: Way) -> Tensor:
            if way.ordered and self._trunk.blind:
                unknown = (torch.arange(ids.shape[1]) >= known).expand(ids.shape)
                return told_costs(network, self.codes, ids, unknown)
            # A bound is of two windows at least; the same one twice has other levels.
            rows = ids if len(ids) > 1 else ids.expand(2, -1)
            bound = LikelihoodBound(
                rows, self.codes, self.objective.sigma_max,
                known=torch.arange(ids.shape[1]) < known, ordered=way.ordered,
                counts=token_counts(ids.flatten().numpy(), self.codes.size),
            )  # fmt: skip
            nats = bound.nats(SecondPass(network) if way.passes == 2 else network)
            return nats if len(ids) > 1 else nats.mean(0, keepdim=True)

        return {name: partial(cost, way=way) for name, way in self._ways().items()}

    def check(self, sampler: TextSampler, profiles: Profiles) -> None:
        self._levels(sampler, profiles)

    def generate(
        self,
        network: BitDenoiser,
        n: int,
        length: int,
        sampler: TextSampler,
        profiles: Profiles,
        given: Given | None = None,
        progress: Progress | None = None,
        own: Own | None = None,
    ) -> Generated:
        sigmas, churn = self._levels(sampler, profiles)
        if self._writes_blocks(sampler, given):
            network.eval()
            how = BlockSolver(
                sigmas, sampler.solver, churn, sampler.s_noise,
                draws=self.draws(sampler, given),
            )  # fmt: skip
            return generate_blocks(
                partial(Behind.first, network), self.codes, n, length, how,
                own or own_of(sampler.seed),
                chunk=sampler.chunk, given=given, progress=progress,
            )  # fmt: skip
        return generate_ids(
            network, self.codes, n, length, sigmas, solver=sampler.solver,
            churn=churn, s_noise=sampler.s_noise, seed=sampler.seed,
            chunk=sampler.chunk, given=given, guidance=sampler.guidance, progress=progress,
            own=own, nearest=True,
        )  # fmt: skip

    def _levels(self, sampler: TextSampler, profiles: Profiles) -> tuple[Tensor, Churn | None]:
        """The levels that text is taken down by, and the churn between them."""
        refuse_lead(sampler)
        if not self.has_levels:
            if sampler.steps != 1:
                raise InputError(
                    "the run was trained with --ordered 1 and without --block-noise, and draws each"
                    " token in one call; leave --steps and --churn out"
                )
            return torch.tensor([self.objective.sigma_max]), None
        (profile,) = profiles
        levels = sampler_levels(sampler, SIGMA_LAST, self.objective.sigma_max, profile)
        return levels, sampler_churn(sampler, profile)

    def alone(self, sampler: TextSampler, given: Given | None) -> bool:
        """Whether tokens are written one by one, each of which the network could say at once."""
        return (
            self._trunk.block == 1 and self._predicts_tokens and self._writes_blocks(sampler, given)
        )

    def draws(self, sampler: TextSampler, given: Given | None) -> bool:
        """Whether they are drawn so: in one call."""
        return sampler.steps == 1 and self.alone(sampler, given)

    def _writes_blocks(self, sampler: TextSampler, given: Given | None) -> bool:
        """Whether text is written from left to right, which neither gaps nor guidance allow."""
        found = {
            "a gap": given is not None
            and bool((given.known[..., 1:] > given.known[..., :-1]).any()),
            f"--guidance {sampler.guidance:g}": sampler.guidance != 1,
            "--whole": sampler.whole,
        }
        against = [what for what, there in found.items() if there]
        if against and self.only_ordered:
            raise InputError(
                f"{against[0]}: the run was trained with --ordered 1, to write from left to right"
                " and nothing else; leave it out"
            )
        return self._trunk.block > 0 and not against
