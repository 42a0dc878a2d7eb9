"""Files of DeepSpeed's own settings."""

import json
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.deepspeed_file import over, read_settings
from infonoise_core.training.engines.make import make_engine

from ..training_run import Job, finish, launch
from .test_torch import SETTINGS, assert_same_run, run


def written(path: Path, settings: Any) -> Path:
    path.write_text(json.dumps(settings))
    return path


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train_batch_size": 8}, "train_batch_size is not DeepSpeed's here; use --batch-size"),
        ({"gradient_accumulation_steps": 2}, "use --grad-accum"),
        ({"optimizer": {"type": "Adam"}}, "use --lr and --weight-decay"),
        ({"bf16": {"enabled": True}}, "use --precision"),
        ({"zero_optimization": {"stage": 1}}, "zero_optimization.stage is not .* use --zero"),
        ({"zero_optimization": {"offload_optimizer": {"device": "cpu"}}}, "use --offload"),
        ({"zero_optimization": {"offload_param": {"device": "cpu"}}}, "leave it out"),
        ([], "damaged"),
    ],
)
def test_what_is_ours_is_refused_by_name(tmp_path: Path, settings: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_settings(written(tmp_path / "d.json", settings))


def test_groups_are_merged() -> None:
    ours = {"zero_optimization": {"stage": 2, "reduce_bucket_size": 5}, "other": 1}
    given = {"zero_optimization": {"reduce_bucket_size": 7, "overlap_comm": True}}
    expected = {"stage": 2, "reduce_bucket_size": 7, "overlap_comm": True}
    assert over(ours, given) == {"zero_optimization": expected, "other": 1}


def test_goes_with_its_engine(tmp_path: Path) -> None:
    path = written(tmp_path / "d.json", {})
    with pytest.raises(InputError, match="goes with --engine deepspeed"):
        make_engine(EngineConfig(device="cpu", deepspeed=path))


@pytest.mark.deepspeed
@pytest.mark.slow
def test_a_run_with_settings_of_its_own_learns_the_same(tmp_path: Path) -> None:
    """Other buckets, two processes."""
    run(tmp_path / "single")
    path = written(tmp_path / "d.json", {"zero_optimization": {"reduce_bucket_size": 500}})
    engine = {"engine": "deepspeed", "zero": 2, "deepspeed": str(path)}
    finish(launch([Job(str(tmp_path / "pair"), SETTINGS, engine)], world=2))
    assert_same_run(tmp_path / "pair", tmp_path / "single")
