"""Where training ends that comes to know its examples by heart: validation says so on the way."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.training import checkpoint
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.progress import Reporter

_MEASURE = "bits_per_base"


def lengths(train: TrainConfig, patience: int) -> Sequence[int]:
    """After how many steps it is asked whether to go on; the last is all of them."""
    every = train.eval_every
    return [*range(every, train.steps, every), train.steps] if patience else [train.steps]


def is_over(evaluations: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Whether the last `patience` evaluations, if it is not 0, were all worse than one before."""
    bits = [at[_MEASURE] for at in evaluations]
    return 0 < patience < len(bits) and min(bits[-patience:]) > min(bits[:-patience])


def best_step(run: Path, evaluations: Sequence[Mapping[str, float]]) -> int:
    """The step with the fewest bits per base of those whose weights are kept, as the best are."""
    kept = {*checkpoint.steps(run / CHECKPOINTS)}
    there = [at for at in evaluations if at["step"] in kept]
    return int(min(there, key=lambda at: at[_MEASURE])["step"])


class Onward:
    """Hears of one training after the other, each of which begins by saying all that is done."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._said, self._begins = reporter, 0.0, True

    def again(self) -> "Onward":
        """Another one begins."""
        self._begins = True
        return self

    def advance(self, amount: float = 1, note: str = "") -> None:
        """As of every reporter."""
        amount -= self._said if self._begins else 0
        self._begins = False
        self._said += amount
        self._reporter.advance(amount, note)
