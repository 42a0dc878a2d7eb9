"""A run as every domain's `train` starts it: what it leaves, and when it leaves nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import nn

from infonoise_core.app.train import Run, run_training
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Measure
from infonoise_core.training.config import EngineConfig, TrainConfig

from ..two_points import CONFIG, TwoPoints, schedule


@dataclass(frozen=True)
class TrainOptions:
    """What every domain's `train` has."""

    out: Path
    overwrite: bool = False
    train: TrainConfig = CONFIG
    engine: EngineConfig = field(default_factory=partial(EngineConfig, device="cpu"))


class HeldOut:
    """An evaluation of one number, which no denoiser changes."""

    floors: Mapping[str, float] = {"one": 0.5}

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        return {"one": 1.0, "one_stderr": 0.25}

    def measures(self) -> list[Measure]:
        return [Measure("one", "the one", "One.")]


def start(out: Path, samples: Callable[[nn.Module], str | bytes], **changes: Any) -> None:
    config = replace(CONFIG, steps=20, eval_every=10, **changes)
    settings = {"command": "test", "batch_size": config.batch_size}
    run = Run(TwoPoints(), schedule(), HeldOut(), settings, "two points", samples=samples)
    run_training(run, TrainOptions(out, train=config))


def test_a_run_leaves_its_settings_samples_and_last_measures(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    start(out, lambda denoiser: f"training: {denoiser.training}")
    assert capsys.readouterr().out.endswith("the one: 1.0000 ± 0.2500 (real to real 0.5000)\n")
    shown = sorted((out / "samples").iterdir())
    assert [path.name for path in shown] == ["step-00000010.txt", "step-00000020.txt"]
    # Of the average, which is in evaluation mode.
    assert {path.read_text() for path in shown} == {"training: False"}
    assert json.loads((out / "done.json").read_text())["one"] == 1.0
    assert yaml.safe_load((out / "config.yaml").read_text())["train"]["steps"] == 20
    with pytest.raises(InputError, match="finished run"):
        start(out, lambda denoiser: b"")


def test_a_batch_that_does_not_divide_makes_no_folder(tmp_path: Path) -> None:
    run = Run(TwoPoints(), schedule(), HeldOut(), {}, "two points")
    options = TrainOptions(tmp_path / "run", engine=EngineConfig(device="cpu", grad_accum=5))
    with pytest.raises(InputError, match="does not divide"):
        run_training(run, options)
    assert not (tmp_path / "run").exists()
