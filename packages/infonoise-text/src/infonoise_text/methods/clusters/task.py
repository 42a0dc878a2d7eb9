"""Windows of a corpus as clusters and tokens to be denoised together."""

from torch import Tensor, nn

from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training.task import Batch, Losses
from infonoise_text.codes.clusters import ClusterBook, per_bit, per_kind
from infonoise_text.data.corpus import Split
from infonoise_text.methods.clusters.schedule import BothSchedules
from infonoise_text.methods.options import Objective
from infonoise_text.methods.prior import bit_profile
from infonoise_text.methods.task import TextTask, weighting


class ClusterTask(TextTask):
    """A TextTask at levels sigma (n, 2); given tokens come with their clusters."""

    def __init__(
        self, split: Split, book: ClusterBook, denoiser: nn.Module, objective: Objective
    ) -> None:
        super().__init__(split, book, denoiser, objective)
        self.widths = book.widths

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """The mean loss over all bits of an example, and the plain sums of squared errors (n, 2).

        Each kind's error is weighted for its own level.
        """
        x0 = batch.x0
        x = x0 + per_bit(sigma, self.widths) * eps
        denoised, nats, unknown = self._answer(denoiser, batch, x, sigma)
        error = per_kind((denoised - x0).square() * unknown, self.widths)
        if nats is None:
            return Losses((self._weight(sigma) * error).sum(1) / self.free, error.detach())
        return Losses(nats / self.free, error.detach())


def make_schedules(
    name: str, objective: Objective, split: Split, book: ClusterBook, steps: int
) -> BothSchedules:
    """The schedule of that name for clusters, and another for tokens.

    Args:
        steps: Of the run that they are made for.
    """
    channel = VarianceExploding(objective.sigma_min, objective.sigma_max)
    first, second = book.widths
    dims = (objective.length * first, objective.length * second)
    parts = (slice(0, first), slice(first, first + second))
    clusters, tokens = (
        make_schedule(
            name,
            ScheduleContext(
                channel, weighting(objective), steps, dim,
                bit_profile(split, book, objective.length, channel, part),
            ),
        )
        for dim, part in zip(dims, parts, strict=True)
    )  # fmt: skip
    return BothSchedules(clusters, tokens, dims)
