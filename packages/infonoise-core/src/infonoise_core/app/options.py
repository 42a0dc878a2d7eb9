"""The options of the verbs that every domain has, before a domain puts in its own.

Nothing here needs torch, so that `--help` answers at once. A class marked with a group `options`
holds what a domain adds; `interface` puts the domain's dataclass in its place.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from infonoise_core.config.quantities import parse_duration
from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig, TrainConfig


class LeftOut(int):
    """A whole number that was not given, where that says something else than giving the default."""


@dataclass(frozen=True)
class NoOptions:
    """What a domain adds where it adds nothing."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train a model; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics, profile and samples"""
    options: OmitArgPrefixes[Any]
    data: Positional[str] = ""
    start: Annotated[Path | None, arg(name="from")] = None
    """a run or a model of the same network: begin with its averaged weights, and its profile as
    what the schedule knows"""
    lora: int | None = None
    """train low-rank adapters of this rank beside the layers of --from, which stand still, and not
    all weights (extra lora)"""
    schedule: str = "infonoise"
    """how noise levels are drawn: edm, log-uniform, infonoise or another"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if self.lora is not None and self.lora < 1:
            raise InputError(f"--lora {self.lora}: give a rank of at least 1")
        if self.lora is not None and self.start is None:
            raise InputError(
                f"--lora {self.lora}: needs weights that are trained; name a run or a model with"
                " --from"
            )


@dataclass(frozen=True)
class CompareConfig:
    """Options of a comparison, the same in every domain."""

    out: Path = Path("infonoise-compare")
    """folder for report.html and results.json"""
    schedules: str = "edm,log-uniform,infonoise"
    """names, comma-separated"""
    budget: str = "3m"
    """time for everything, such as 90s, 3m or 1.5h; decides the number of steps"""
    steps: Annotated[int | None, formerly("updates")] = None
    """optimizer steps of each run, instead of --budget"""
    seeds: int = 1
    """runs of each schedule, from different seeds"""
    batch_size: Annotated[int, formerly("batch")] = 128
    """examples per optimizer step"""
    lr: float | None = None
    """learning rate; by default what suits what is learned"""
    seed: int = 0
    """the first seed"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace an earlier comparison in --out"""

    def training(self, steps: int) -> TrainConfig:
        """Settings of each run: twelve evaluations, four checkpoints."""
        return TrainConfig(
            steps=steps, batch_size=self.batch_size, lr=self.lr, lr_warmup=min(100, steps // 10),
            seed=self.seed, eval_every=max(1, steps // 12), save_every=max(1, steps // 4), keep=1,
        )  # fmt: skip

    def __post_init__(self) -> None:
        parse_duration(self.budget)
        if self.seeds < 1:
            raise InputError(f"--seeds {self.seeds}: give at least 1")
        self.training(60 if self.steps is None else self.steps)


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Train the same network under several schedules and report which needs how many steps."""

    options: OmitArgPrefixes[Any]
    data: Positional[str] = ""
    comparison: OmitArgPrefixes[CompareConfig] = field(default_factory=CompareConfig)


@dataclass(frozen=True, kw_only=True)
class WhichWeights:
    """Of a run that has several."""

    checkpoint: int | None = None
    """the optimizer step of a checkpoint that was kept, in place of the newest"""
    weights: Literal["averaged", "raw"] = "averaged"
    """averaged over training, or as the optimizer left them"""


@dataclass(frozen=True, kw_only=True)
class SampleOptions(WhichWeights):
    """Generate samples from a trained run."""

    run: Positional[Path]
    """the --out of a train command, or of a pull"""
    options: OmitArgPrefixes[Any]
    sampler: OmitArgPrefixes[Any]
    out: Path
    samples: Annotated[int, formerly("n")] = 64
    """how many"""
    overwrite: bool = False
    """replace what is at --out"""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"--samples {self.samples}: give at least 1")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(WhichWeights):
    """Measure a trained run on data it did not see; writes evaluation.json, prints a table."""

    run: Positional[Path]
    """the --out of a train command, or of a pull"""
    options: OmitArgPrefixes[Any]
    sampler: OmitArgPrefixes[Any]
    data: str | None = None
    """the data, if they have moved since training"""
    split: str = "test"
    """which held-out data"""
    samples: Annotated[int, formerly("n")] = 256
    """how many samples are generated and compared with as many real ones"""
    out: Path | None = None
    """JSON file to write, in place of evaluation.json in the run, which is replaced"""
    overwrite: bool = False
    """replace the file --out"""


@dataclass(frozen=True, kw_only=True)
class ProfileOptions:
    """Show where noise destroys the information of the data, as a run has measured it."""

    run: Positional[Path]
    """the --out of a train command, or a profile.json"""
    options: OmitArgPrefixes[Any]
    device: str = "auto"
    """of what is measured now: cpu, cuda or auto"""
    out: Path | None = None
    """write a picture here (.svg, .png or .pdf)"""
    overwrite: bool = False
    """replace the file --out"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Write one page about a run that opens offline: samples, measures, profile and curves."""

    run: Positional[Path]
    """the --out of a train command, or of a pull"""
    sampler: OmitArgPrefixes[Any]
    data: str | None = None
    """the data, if they have moved since training"""
    out: Path | None = None
    """HTML file to write, in place of report.html in the run, which is replaced"""
    overwrite: bool = False
    """replace the file --out"""
