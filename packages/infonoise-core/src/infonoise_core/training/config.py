"""Settings of the training loop, and the folder a run lives in."""

import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from infonoise_core.config.renamed import formerly, upgraded
from infonoise_core.errors import InputError
from infonoise_core.files import is_temporary, read_json, write_json

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop, the same in every domain."""

    steps: Annotated[int, formerly("updates")] = 10_000
    """optimizer steps"""
    batch_size: Annotated[int, formerly("batch")] = 128
    """examples per optimizer step, all processes together"""
    lr: float = 2e-3
    """learning rate after its warm-up"""
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
    log_every: int = 50
    """optimizer steps between lines of metrics.jsonl"""
    eval_every: int = 500
    """optimizer steps between evaluations, 0 for one at the end"""
    save_every: int = 500
    """optimizer steps between checkpoints"""
    keep: int = 2
    """newest checkpoints kept, beside the best"""
    target: str = ""
    """MEASURE=VALUE: stop at the first evaluation whose measure is as low"""
    skip_limit: int = 10
    """optimizer steps in a row with a loss or gradient that is not finite, before giving up"""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "save_every", "keep", "skip_limit"):
            if getattr(self, name) < 1:
                raise InputError(f"--{_option(name)} {getattr(self, name)}: give at least 1")
        for name in ("lr_warmup", "eval_every", "seed"):
            if getattr(self, name) < 0:
                raise InputError(f"--{_option(name)} {getattr(self, name)}: give 0 or more")
        if not 0 < self.lr < 1:
            raise InputError(f"--lr {self.lr:g}: give a learning rate between 0 and 1")
        if not self.grad_clip > 0:
            raise InputError(f"--grad-clip {self.grad_clip:g}: give a gradient norm above 0")
        self._check_average()
        parse_target(self.target)

    def _check_average(self) -> None:
        if not 0 < self.ema < 0.28:
            raise InputError(f"--ema {self.ema:g}: the relative width lies between 0 and 0.28")
        if not self.ema_half_life >= 0:
            raise InputError(f"--ema-half-life {self.ema_half_life:g}: give 0 or more steps")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"--ema-decay {self.ema_decay:g}: give a share below 1, like 0.999")
        if self.ema_half_life and self.ema_decay:
            raise InputError("--ema-half-life and --ema-decay say the same: give one of them")


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


def parse_duration(text: str) -> float:
    """Seconds from "90s", "3m", "1.5h" or a plain number of seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if match is None or float(match[1]) <= 0:
        raise InputError(f"--budget {text}: give a time such as 90s, 3m or 1.5h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def check_run(
    out: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    finished: str,
    kind: type | None = None,
) -> bool:
    """Whether `out` holds a run to go on with; InputError if `open_run` would refuse the folder.

    Touches nothing, so that a mistake found after it costs no earlier run. Arguments as in
    `open_run`.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder as --out")
    if not out.is_dir() or _is_empty(out):
        return False
    if not (out / CONFIG_FILE).is_file():
        # Only a folder that one of our runs made is ever deleted, so --overwrite is no way out.
        raise InputError(f"{out} is not empty and holds no run: empty it or give another --out")
    if overwrite:
        return False
    if (out / finished).exists():
        raise InputError(f"{out} holds a finished run: give another --out or --overwrite")
    known = read_run(out) if kind is None else upgraded(read_run(out), kind)
    difference = _difference(known, settings)
    if difference:
        raise InputError(
            f"{out} holds a run with other settings ({difference}): give another --out or"
            " --overwrite"
        )
    return True


def open_run(
    out: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    finished: str,
    kind: type | None = None,
) -> bool:
    """Make `out` the folder of a run with these settings; True if there is one to go on with.

    A run that was cut short goes on when the settings are the same. Anything else that is already
    there stays untouched unless `overwrite` is set.

    Args:
        out: The folder.
        settings: What must be the same.
        overwrite: Whether a run that is there may be replaced.
        finished: The file whose presence means a complete run.
        kind: Dataclass of the settings: those that an older version wrote are read under the
            names that its fields have now.
    """
    going_on = check_run(out, settings, overwrite=overwrite, finished=finished, kind=kind)
    if not going_on:
        if out.is_dir():
            shutil.rmtree(out)
        write_json(out / CONFIG_FILE, settings)
    return going_on


def read_run(run: Path) -> dict[str, Any]:
    """The settings of a run; InputError when the folder holds none."""
    config = run / CONFIG_FILE
    if not config.is_file():
        raise InputError(
            f"{run}: no run here ({CONFIG_FILE} is missing); give the --out of a train command"
        )
    settings = read_json(config, "train again with --overwrite")
    if isinstance(settings.get("train"), dict):
        settings["train"] = upgraded(settings["train"], TrainConfig)
    return settings


def _is_empty(out: Path) -> bool:
    """Whether there is nothing in it but what a killed process was just beginning to write."""
    return all(is_temporary(path) for path in out.iterdir())


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    keys = [k for k in {**old, **new} if old.get(k) != new.get(k)]
    for key in keys:
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            return _difference(old[key], new[key])
        return f"{_option(key)} was {old.get(key)} and is {new.get(key)}"
    return ""


def _option(name: str) -> str:
    return name.replace("_", "-")
