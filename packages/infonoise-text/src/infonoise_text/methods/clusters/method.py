"""Diffusion of the bits of tokens with those of their clusters beside them."""

from collections.abc import Mapping

from torch import Tensor

from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_text.data.corpus import Split
from infonoise_text.data.spans import Given
from infonoise_text.evaluation.bound import SecondPass, TextEvaluation
from infonoise_text.evaluation.whole import TextCost
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.base import Profiles, Progress, Schedules, refuse_overlap
from infonoise_text.methods.bits import PASSES
from infonoise_text.methods.clusters.bound import PathBound, cluster_evaluation
from infonoise_text.methods.clusters.model import ClusterDenoiser, make_cluster_denoiser
from infonoise_text.methods.clusters.path import (
    check_solver,
    equal_path,
    generate_along,
    joint_churn,
    joint_path,
    tokens_path,
)
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE
from infonoise_text.methods.clusters.task import ClusterTask, make_schedules
from infonoise_text.methods.options import Objective
from infonoise_text.methods.prior import bit_profile
from infonoise_text.methods.task import weighting
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated, Own


class Clusters:
    """See `Method`; every token has two noise levels, of its cluster and of itself."""

    name = "bits"
    has_levels = True
    only_ordered = False
    takes_given = False
    profile_files: tuple[str, ...] = (CLUSTERS_PROFILE, PROFILE_FILE)

    def __init__(self, objective: Objective, assets: Assets) -> None:
        if assets.clusters is None:
            raise ValueError("assets without clusters")
        self.objective, self.assets = objective, assets
        self.codes = assets.clusters
        self._trunk = objective.sizes

    def network(self, seed: int) -> ClusterDenoiser:
        return make_cluster_denoiser(self.codes.widths, self._trunk, seed, self.objective.reading)

    def task(self, split: Split, network: ClusterDenoiser) -> ClusterTask:
        return ClusterTask(split, self.codes, network, self.objective)

    def schedule_context(self, split: Split, steps: int) -> ScheduleContext:
        """Of both kinds of bits together, at the same level."""
        objective = self.objective
        channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
        symbols = bit_profile(split, self.codes, objective.length, channel)
        dim = objective.length * self.codes.bits
        return ScheduleContext(channel, weighting(objective), steps, dim, symbols)

    def schedules(self, split: Split) -> Schedules:
        """Two of each name, one for each kind of bits."""
        return lambda name, steps: make_schedules(name, self.objective, split, self.codes, steps)

    def evaluation(self, split: Split, windows: int = 64) -> TextEvaluation:
        return self._along(equal_path(self.objective.sigma_max), split, windows, 1)

    def evaluations(
        self, split: Split, windows: int, sampler: TextSampler, profiles: Profiles
    ) -> Mapping[str, Evaluation]:
        """Along several paths of the two levels.

        One pass and two with both kinds at the same level; then, of two passes, along the path that
        the sampler takes, and with clusters that are never given.
        """
        equal = equal_path(self.objective.sigma_max)
        found = {name: self._along(equal, split, windows, p) for p, name in PASSES.items()}
        if sampler.steps > 1 and (profiles[0] is not None or not sampler.needs_profile):
            path = joint_path(sampler, self.objective.sigma_max, profiles)
            found[f"{PASSES[2]}, as sampled"] = self._along(path, split, windows, 2)
        alone = tokens_path(self.objective.sigma_max)
        found[f"{PASSES[2]}, clusters not given"] = self._along(alone, split, windows, 2)
        return found

    def _along(self, path: Tensor, split: Split, windows: int, passes: int) -> TextEvaluation:
        return cluster_evaluation(
            split, self.codes, self.objective.length, path, windows=windows, passes=passes
        )

    def text_costs(self, network: ClusterDenoiser) -> Mapping[str, TextCost]:
        """Of two passes with clusters that are never given."""

        def cost(ids: Tensor, known: int) -> Tensor:
            refuse_overlap(known, "a run with clusters")
            rows = ids if len(ids) > 1 else ids.expand(2, -1)
            path = tokens_path(self.objective.sigma_max)
            nats = PathBound(rows, self.codes, path).nats(SecondPass(network))
            return nats if len(ids) > 1 else nats.mean(0, keepdim=True)

        return {f"{PASSES[2]}, clusters not given": cost}

    def check(self, sampler: TextSampler, profiles: Profiles) -> None:
        check_solver(sampler)
        path = joint_path(sampler, self.objective.sigma_max, profiles)
        joint_churn(sampler, path, profiles)

    def generate(
        self,
        network: ClusterDenoiser,
        n: int,
        length: int,
        sampler: TextSampler,
        profiles: Profiles,
        given: Given | None = None,
        progress: Progress | None = None,
        own: Own | None = None,
    ) -> Generated:
        check_solver(sampler)
        path = joint_path(sampler, self.objective.sigma_max, profiles)
        gammas = joint_churn(sampler, path, profiles)
        return generate_along(
            network,
            self.codes,
            n,
            length,
            path,
            gammas,
            sampler,
            given=given,
            progress=progress,
            own=own,
        )
