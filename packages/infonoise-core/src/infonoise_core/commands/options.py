"""The options of the verbs of `infonoise`; nothing here needs torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional

from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError


@dataclass(frozen=True)
class Profile:
    """Entropy, quantiles and dimension of measured profiles, as a table.

    "sigma at 25%": a quarter of the nats is lost below it. An entropy is "not settled" if the rate
    does not close in on its limit at the ends of the grid.
    """

    files: Positional[tuple[Path, ...]]
    """profiles that were saved, or folders of runs"""


@dataclass(frozen=True)
class Dimension:
    """Intrinsic dimension by the low-noise plateau of a profile.

    The SVD gap and the Jacobian trace, which check it, need the denoiser and points of the data:
    infonoise_core.intrinsic_dimension in Python.
    """

    file: Positional[Path]
    """a profile that was saved, or the folder of a run"""


@dataclass(frozen=True)
class Plot:
    """Draw profiles into one picture."""

    files: Positional[tuple[Path, ...]]
    """profiles that were saved, or folders of runs"""
    out: Path
    """where to write the picture (.svg, .png or .pdf)"""
    over_time: bool = False
    """draw how a run's training density changed, instead of its profile"""
    overwrite: bool = False
    """replace the file --out"""


@dataclass(frozen=True)
class Compare:
    """How much more noise destroys by one profile than by another, in nats.

    If the second was measured with a condition known, this is the information between data and
    condition; if the first was measured on held-out and the second on training examples, it is
    memorisation.
    """

    first: Positional[Path]
    """a profile that was saved, or the folder of a run"""
    second: Positional[Path]
    """the same"""
    bound: float | None = None
    """nats that the answer cannot exceed, such as the condition's entropy"""


@dataclass(frozen=True)
class EstimateMemory:
    """What each process of a training run needs, by engine and ZeRO stage.

    Gradients come with buckets and what DeepSpeed gathers, activations with bf16 copies of the
    weights. docs/training-at-scale.md says what is counted and how close it came.
    """

    parameters: Positional[str]
    """how many, such as 133.5M, or the folder of a run"""
    processes: int = 1
    """of the run, all machines together"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the network's arithmetic"""
    grad_accum: Annotated[int, formerly("accumulate")] = 1
    """micro-batches per optimizer step and process"""
    activations: str = ""
    """of one micro-batch, such as 1.5GiB: what its forward pass leaves for the gradients"""
    gpu: str = ""
    """memory of one GPU, such as 24GiB: does it fit?"""
    offload: Literal["none", "optimizer"] = "none"
    """as train has it: stages 1 to 3 keep what they update in the host's memory"""


@dataclass(frozen=True)
class Ema:
    """A model with averaged weights of another width, of a run that kept its averages.

    The run has to be trained with --snapshot-every and the default kind of average.
    """

    run: Positional[Path]
    """the --out of a train command"""
    width: float
    """relative to the steps so far, as --ema is"""
    out: Path
    """folder of the model, which every verb takes in place of a run"""
    step: int | None = None
    """after which optimizer step; by default the last that was kept"""
    overwrite: bool = False
    """replace a model in --out"""

    def __post_init__(self) -> None:
        if not 0 < self.width < 0.28:
            raise InputError(f"--width {self.width:g}: the relative width lies between 0 and 0.28")


@dataclass(frozen=True)
class Plan:
    """Which engine, stage, micro-batch and accumulation fit on so many GPUs, and what each costs.

    From the formulas of estimate-memory; in the order of cost: a second forward pass, bytes that
    a process sends per step, micro-batches. A tenth of each GPU is left to what is not counted.
    """

    model: Positional[str]
    """parameters, such as 133.5M, or the folder of a run"""
    gpus: int = 1
    """all machines together; a process each"""
    memory: str = "80GiB"
    """of one GPU"""
    batch_size: int = 128
    """examples per optimizer step, all processes together"""
    precision: Literal["fp32", "bf16"] = "bf16"
    """of the network's arithmetic"""
    activations: str = ""
    """of one example, such as 74MiB: what its forward pass leaves for the gradients"""
    checkpointed: str = ""
    """the same with --activation-checkpointing"""
    offload: Literal["none", "optimizer"] = "none"
    """optimizer: also ways that keep what ZeRO updates in the host's memory, after the others"""

    def __post_init__(self) -> None:
        for name in ("gpus", "batch_size"):
            if getattr(self, name) < 1:
                shown = name.replace("_", "-")
                raise InputError(f"--{shown} {getattr(self, name)}: give at least 1")
