"""Options of measuring while a network is trained; imports neither torch nor numpy."""

from dataclasses import dataclass
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SOLVERS

# A quick sampler that is the same for every run.
SOLVER, LEVELS = "dpmpp-2m", 12


@dataclass(frozen=True)
class Watching:
    """What is measured while training goes on; the same in train and compare."""

    eval_solver: str = SOLVER
    """solver of the images that are measured while training, as for sample"""
    eval_levels: int = LEVELS
    """noise levels of that solver"""
    fid_every: int = 0
    """measure a Fréchet distance, precision and recall at the first evaluation after so many
    optimizer steps each time, and at the end; 0 for never"""
    fid_samples: int = 1000
    """--fid-every: generated images, compared with as many held-out ones"""
    inception_weights: Path | None = None
    """--fid-every: the file with the weights of FID's Inception network; left out, features are
    those of a classifier of the training images"""

    def __post_init__(self) -> None:
        if self.eval_solver not in SOLVERS:
            raise InputError(
                f"--eval-solver {self.eval_solver}: no such solver; give one of"
                f" {', '.join(SOLVERS)}"
            )
        for name, least in (("eval_levels", 1), ("fid_every", 0), ("fid_samples", 2)):
            if getattr(self, name) < least:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} {getattr(self, name)}: give at least {least}")
        if self.inception_weights is not None and not self.fid_every:
            raise InputError(
                f"--inception-weights {self.inception_weights}: says whose features --fid-every"
                " compares; give that as well"
            )
