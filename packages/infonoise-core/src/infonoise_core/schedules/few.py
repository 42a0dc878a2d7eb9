"""When a warm-up is over, and how far what it showed is believed where it saw few examples.

Bins of a fine grid fill slowly at a batch of one. Until they do, neighbours count together, and the
warm-up's distribution stays in the density as far as they are few: the trainer's own, where it is
given as the warm-up.
"""

import math

import torch
from torch import Tensor

from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.schedules.knowledge import FILLED, filled_enough

# Half-width in log sigma of the neighbourhood that counts together: the widest over which rates are
# smoothed where they are few.
_POOL = 0.9


class Warmup:
    """The stretch of a run before its profile is used.

    Args:
        steps, examples: Its length in optimizer steps, or in examples where those are given.
        min_count: Effective observations that make a bin count as filled.
        start: (K,) density that it draws by, until it is led by another.
        edges: (K+1,) of the bins.
    """

    def __init__(
        self,
        steps: int,
        examples: int | None,
        min_count: float,
        start: Tensor,
        edges: Tensor,
    ) -> None:
        self.steps, self.examples, self.min_count = steps, examples, min_count
        # Whether neighbouring bins count together until they are filled.
        self.pools = True
        self.start, self._width = start.clone(), edges.log().diff()
        log_sigma = (edges[:-1] * edges[1:]).log() / 2
        near = (log_sigma[:, None] - log_sigma[None, :]).abs() <= _POOL
        self._near = near.to(torch.float64)

    def lead_by(self, density: Tensor) -> None:
        """Let a prior's density (K,) be what it draws by; each bin fills by itself then."""
        self.start, self.pools = density.clone(), False

    def over(self, steps: int, seen: RateEstimator) -> bool:
        """Whether it was long enough, and filled the bins that carry nearly all of its draws."""
        by_steps = self.examples is None and steps >= self.steps
        by_examples = self.examples is not None and seen.examples >= self.examples
        return (by_steps or by_examples) and (self._filled(seen) or self._few(seen))

    def led(self, learned: Tensor, seen: RateEstimator) -> Tensor:
        """(K,) the density `learned`; where bins are few, the warm-up's as far as they are."""
        if not self._few(seen):
            return learned
        count = self._near @ seen.effective_count
        density = torch.lerp(self.start, learned, count / (count + self.min_count))
        return density / (density * self._width).sum()

    def words(self, steps: int, seen: RateEstimator) -> str:
        """What a run of so few examples is to expect; empty where they fill the bins in time."""
        ahead = max(self.steps - steps, 0) * seen.examples / max(steps, 1)
        needed = self._needed()
        short = self.pools and seen.examples and seen.examples + ahead < needed
        if not short or self._filled(seen):
            return ""
        return (
            f"; {seen.examples} examples are few, about {max(needed - seen.examples, 1)} are"
            " missing: until then neighbouring bins count together and the warm-up leads; in a"
            " short run give the trainer's own, such as warmup=LogitNormal(channel), and"
            " warmup_examples"
        )

    def _filled(self, seen: RateEstimator) -> bool:
        return self._carried(seen.effective_count)

    def _few(self, seen: RateEstimator) -> bool:
        """Whether bins are filled together with their neighbours, but not by themselves."""
        together = self._near @ seen.effective_count
        return self.pools and self._carried(together) and not self._filled(seen)

    def _carried(self, count: Tensor) -> bool:
        return filled_enough(count, self.start * self._width, self.min_count)

    def _needed(self) -> int:
        """How many draws fill the bins that carry nearly all of them."""
        shares = (self.start * self._width).sort(descending=True).values
        last = int((shares.cumsum(0) < FILLED * shares.sum()).sum())
        least = max(float(shares[min(last, len(shares) - 1)]), 1e-12)
        return math.ceil(self.min_count / least - 1e-6)
