"""Short paired runs on images: arms that differ in head or law, from the same seeds.

What `compare` cannot do, which has one head for all schedules. Each run lies in infonoise-bench and
goes on where it was; a finished one is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from infonoise_core.app.results import first_reached
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_vision.data.images import ImageSet, load_split
from infonoise_vision.evaluation.bound import LikelihoodBound, fixed_part
from infonoise_vision.methods.diffusion import make_task, schedule_context
from infonoise_vision.methods.options import Objective
from infonoise_vision.methods.settled import settled
from of_images import vision_runs
from suite import WORK, Tick

MEASURE = "bits_per_dim"


@dataclass(frozen=True)
class Arm:
    """What is trained.

    Attributes:
        name: In tables.
        objective: Its data options are not used.
        schedule: By its name on the command line, and what the picture of results knows it by.
    """

    name: str
    objective: Objective
    schedule: str

    @property
    def folder(self) -> str:
        """A name for files."""
        return "".join(c if c.isalnum() or c in ".-" else "-" for c in self.name)


@dataclass(frozen=True)
class Trial:
    """Data, and how long each arm is trained on them.

    Attributes:
        name: Of its folder.
        looks: Evaluations of each run.
        bound: Held-out images of the bound.
    """

    name: str
    images: ImageSet
    held_out: ImageSet
    steps: int
    looks: int = 12
    bound: int = 256
    quick: bool = False

    def scaled(self, scale: float) -> "Trial":
        """The same data times `scale`."""
        parts = (replace(part, scale=scale) for part in (self.images, self.held_out))
        return replace(self, images=next(parts), held_out=next(parts))


@dataclass(frozen=True)
class Ran:
    """A finished run.

    Attributes:
        looks: Entries with `step` and the bits per dim there.
        denoiser: With averaged weights.
        objective: With what its images decided.
    """

    looks: Sequence[dict[str, float]]
    denoiser: nn.Module
    objective: Objective

    @property
    def bits(self) -> float:
        """At the end."""
        return float(self.looks[-1][MEASURE])

    def reached(self, bits: float) -> float | None:
        """The step at which its bits per dim are as low; None for never."""
        return first_reached(self.looks, MEASURE, bits)


def run(trial: Trial, arm: Arm, seed: int, tick: Tick) -> Ran:
    """Train the arm from a seed, with compare's settings."""
    objective = settled(replace(arm.objective, scale=trial.images.scale), trial.images)
    task = make_task(objective, trial.images, seed)
    context = schedule_context(objective, trial.steps, trial.images)
    part = fixed_part(trial.held_out, trial.bound)
    bound = LikelihoodBound(part, trial.images, *objective.span)

    def evaluate(denoiser: nn.Module) -> dict[str, float]:
        tick(f"{trial.name}: {arm.name}, seed {seed}")
        return {MEASURE: bound(denoiser).value}

    steps = trial.steps
    config = TrainConfig(
        steps=steps, batch_size=32 if trial.quick else 128, lr_warmup=min(100, steps // 10),
        seed=seed, eval_every=max(1, steps // trial.looks), save_every=max(1, steps // 4), keep=1,
    )  # fmt: skip
    end = "-quick" if trial.quick else ""
    out = WORK / f"vision-{trial.name}{end}" / f"{arm.folder}-seed{seed}"
    tick(f"{trial.name}: {arm.name}, seed {seed}")
    schedule = make_schedule(arm.schedule, context)
    found = train(task, schedule, config, out, engine=TorchEngine("cpu"), evaluate=evaluate)
    return Ran(found.evaluations, found.denoiser, objective)


def drawn(ran: Ran, trial: Trial, samples: int, seed: int, levels: int) -> Tensor:
    """Images of a run (samples, c, h, w) between -1 and 1, by Heun on Karras' grid."""
    sigmas = karras_grid(levels, *ran.objective.span)
    sample = generate(
        ran.denoiser, trial.images.shape, samples, sigmas, solver="heun", seed=seed,
        chunk=vision_runs.CHUNK,
    )  # fmt: skip
    return (sample.x / trial.images.scale).clamp(-1, 1)


def fashion(quick: bool, binarize: float | None = None) -> tuple[ImageSet, ImageSet]:
    """Training and held-out images of Fashion-MNIST at 14x14; of each a few where it is quick."""
    return load_split(
        vision_runs.there(), size=vision_runs.SIZE, binarize=binarize, limit=500 if quick else None
    )
