"""Settings of the training loop and of the engine that carries out its steps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError

# Width of the second average that snapshots hold, over --ema.
NARROW = 0.5
# Where the lines of metrics.jsonl may go beside their file.
LOGGERS = ("tensorboard", "wandb")

# The learning rate where nothing tells of another.
RATE = 2e-3


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop, the same in every domain."""

    steps: Annotated[int, formerly("updates")] = 10_000
    """optimizer steps"""
    batch_size: Annotated[int, formerly("batch")] = 128
    """examples per optimizer step, all processes together"""
    lr: float | None = None
    """learning rate after its warm-up; by default the run's own, or what suits what is learned"""
    lr_warmup: int = 100
    """optimizer steps of linear warm-up"""
    lr_schedule: Literal["constant", "cosine"] = "constant"
    """after the warm-up: constant, or a cosine down to 0 at the last update"""
    weight_decay: float = 0.0
    """AdamW's decay of the weights"""
    grad_clip: Annotated[float, formerly("clip")] = 1.0
    """largest gradient norm"""
    ema: float = 0.1
    """width of the weight average, relative to the run so far"""
    ema_half_life: float = 0.0
    """optimizer steps after which a weight counts half, for a plain average in place of --ema"""
    ema_decay: float = 0.0
    """the same, given as the share of the average that is kept at each optimizer step"""
    seed: int = 0
    """of everything random"""
    order: Literal["examples", "shards"] = "examples"
    """in which examples come: examples, any at any time; shards, those that lie together one after
    the other, so that each process reads shards of its own"""
    log_every: int = 50
    """optimizer steps between lines of metrics.jsonl"""
    eval_every: int = 500
    """optimizer steps between evaluations, 0 for one at the end"""
    save_every: int = 500
    """optimizer steps between checkpoints"""
    keep: int = 2
    """newest checkpoints kept, beside the best"""
    schedule_steps: int = 0
    """optimizer steps of the run that a learning schedule's warm-up and refreshes are paced for; 0
    for --steps, or what a run was begun with"""
    snapshot_every: int = 0
    """optimizer steps between checkpoints that stay for good, with a second average of half the
    width: infonoise ema makes averages of any width of them; 0 for none"""
    target: str = ""
    """MEASURE=VALUE: stop at the first evaluation whose measure is as low"""
    skip_limit: int = 10
    """optimizer steps in a row with a loss or gradient that is not finite, before giving up"""

    @property
    def rate(self) -> float:
        """The learning rate after its warm-up."""
        return RATE if self.lr is None else self.lr

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "save_every", "keep", "skip_limit"):
            if getattr(self, name) < 1:
                raise InputError(f"{self._shown(name)}: give at least 1")
        for name in ("lr_warmup", "eval_every", "seed", "schedule_steps", "snapshot_every"):
            if getattr(self, name) < 0:
                raise InputError(f"{self._shown(name)}: give 0 or more")
        if self.order not in ("examples", "shards"):
            raise InputError(f"--order {self.order}: give examples or shards")
        if not 0 < self.rate < 1:
            raise InputError(f"--lr {self.lr:g}: give a learning rate between 0 and 1")
        if not self.grad_clip > 0:
            raise InputError(f"--grad-clip {self.grad_clip:g}: give a gradient norm above 0")
        self._check_average()
        parse_target(self.target)

    @property
    def pace(self) -> int:
        """Length of the run that a schedule is made for."""
        return self.schedule_steps or self.steps

    def _shown(self, name: str) -> str:
        return f"--{name.replace('_', '-')} {getattr(self, name)}"

    def _check_average(self) -> None:
        if not 0 < self.ema < 0.28:
            raise InputError(f"--ema {self.ema:g}: the relative width lies between 0 and 0.28")
        if not self.ema_half_life >= 0:
            raise InputError(f"--ema-half-life {self.ema_half_life:g}: give 0 or more steps")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"--ema-decay {self.ema_decay:g}: give a share below 1, like 0.999")
        if self.ema_half_life and self.ema_decay:
            raise InputError("--ema-half-life and --ema-decay say the same: give one of them")
        if self.snapshot_every and (self.ema_half_life or self.ema_decay):
            raise InputError("--snapshot-every goes with --ema: leave out the other averages")
        if self.snapshot_every % self.save_every:
            raise InputError(
                f"--snapshot-every {self.snapshot_every}: give a multiple of --save-every"
                f" {self.save_every}"
            )


@dataclass(frozen=True)
class EngineConfig:
    """How a run is carried out.

    What is learned depends on it by rounding only, so a run may go on under another one.
    """

    engine: Literal["torch", "deepspeed"] = "torch"
    """torch (one process, or several under torchrun) or deepspeed"""
    device: str = "auto"
    """cpu, cuda or auto"""
    grad_accum: Annotated[int, formerly("accumulate")] = 1
    """micro-batches per optimizer step and process: more of them need less memory"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the network's arithmetic; weights and averages stay in fp32"""
    bf16_weights: bool = False
    """with --precision bf16 and --zero 1, 2 or 3: the weights that compute are in bf16, too, beside
    those in fp32 that are updated, and gradients are exchanged in bf16"""
    activation_checkpointing: bool = False
    """keep a block's input only and compute its inside again for gradients: less memory, a third
    more work"""
    compile: bool = False
    """compile the network with torch.compile"""
    zero: Literal[0, 1, 2, 3] = 2
    """DeepSpeed's ZeRO stage: what is split over the processes"""
    offload: Literal["none", "optimizer"] = "none"
    """optimizer: keep what ZeRO updates, the optimizer's state and the averages in the host's
    memory, and update them there"""
    deepspeed: Path | None = None
    """JSON file of DeepSpeed's own settings, such as buckets and overlap; those that options of
    ours decide are refused"""
    tf32: bool = True
    """let GPUs multiply fp32 numbers with 10 bits of fraction, several times as fast"""
    workers: int = 0
    """threads that prepare the next micro-batches; 0 prepares each when it is needed"""
    log_to: tuple[str, ...] = ()
    """where else the lines of metrics.jsonl go: tensorboard, wandb"""

    save_async: bool = False
    """write checkpoints while training goes on, from a copy in the host's memory"""

    def __post_init__(self) -> None:
        if self.grad_accum < 1:
            raise InputError(f"--grad-accum {self.grad_accum}: give at least 1")
        if self.workers < 0:
            raise InputError(f"--workers {self.workers}: give 0 or more")
        check_loggers(self.log_to)


def check_loggers(names: tuple[str, ...]) -> None:
    """InputError for a name that is none."""
    for name in names:
        if name not in LOGGERS:
            raise InputError(f"--log-to {name}: no such place; give {' or '.join(LOGGERS)}")


def parse_target(text: str) -> tuple[str, float] | None:
    """(measure, value) of "MEASURE=VALUE"; None for an empty text."""
    if not text:
        return None
    name, _, value = text.partition("=")
    try:
        target = float(value)
    except ValueError:
        target = math.nan
    if not name.strip() or not math.isfinite(target):
        raise InputError(f"--target {text}: give a measure and a number, such as nats=12.5")
    return name.strip(), target
