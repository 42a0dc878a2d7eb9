"""DeepSpeed with two real processes: every ZeRO stage learns what one plain process does."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.deepspeed import DeepSpeedEngine
from infonoise_core.training.engines.make import make_engine

from ..training_run import Job, finish, launch
from .test_torch import SETTINGS, assert_same_run, losses, run, weights

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

STAGES = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("single") / "run"
    run(out)
    return out


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs of two processes, in one start of them for time's sake."""
    base = tmp_path_factory.mktemp("pair")
    run(base / "torch-to-3", term_at=30)

    def job(name: str, zero: int, train: Any = SETTINGS, **options: Any) -> Job:
        engine = {"engine": "deepspeed", "zero": zero, **options.pop("engine", {})}
        return Job(str(base / name), train, engine, **options)

    two, low = {"grad_accum": 2}, {"precision": "bf16"}
    jobs = [job(f"zero-{zero}", zero) for zero in STAGES]
    jobs += [job("accumulated", 2, engine=two)]
    host = {"offload": "optimizer"}
    jobs += [job(f"host-{zero}", zero, engine=host) for zero in STAGES[1:]]
    jobs += [job("host-accumulated", 2, engine=two | host)]
    jobs += [job("nan-host", 2, SETTINGS | {"steps": 22}, nan_at=(20,), engine=host)]
    jobs += [job("from-host", 2, term_at=29, engine=host), job("from-host", 1)]
    jobs += [job("to-host", 1, term_at=29), job("to-host", 2, engine=host)]
    forget = {"activation_checkpointing": True}
    jobs += [job(f"recomputed-{zero}", zero, engine=forget) for zero in (2, 3)]
    jobs += [job(f"nan-{zero}", zero, SETTINGS | {"steps": 22}, nan_at=(20,)) for zero in STAGES]
    for zero in STAGES:
        jobs += [job(f"cut-{zero}", zero, term_at=29), job(f"cut-{zero}", zero)]
    jobs += [job("1-to-2", 1, term_at=29), job("1-to-2", 2)]
    jobs += [job("3-to-0", 3, term_at=29), job("3-to-0", 0)]
    both = low | {"bf16_weights": True}
    for zero in STAGES[1:]:
        jobs += [job(f"low-{zero}", zero, engine=both)]
        jobs += [job(f"low-cut-{zero}", zero, term_at=29, engine=both)]
        jobs += [job(f"low-cut-{zero}", zero, engine=both)]
    jobs += [job("from-low", 2, term_at=29, engine=both), job("from-low", 1)]
    jobs += [job("3-to-torch", 3, term_at=29), job("torch-to-3", 3), job("bf16", 2, engine=low)]
    finish(launch(jobs, world=2))
    return base


@pytest.mark.parametrize(
    "name",
    [
        "zero-0",
        "zero-1",
        "zero-2",
        "zero-3",
        "accumulated",
        "recomputed-2",
        "recomputed-3",
        "host-1",
        "host-2",
        "host-3",
        "host-accumulated",
    ],
)
def test_every_stage_learns_what_one_plain_process_does(
    name: str, pair: Path, single: Path
) -> None:
    assert_same_run(pair / name, single)


@pytest.mark.parametrize("zero", STAGES)
def test_a_run_goes_on_to_the_same_bits(zero: int, pair: Path) -> None:
    for part in ("model", "ema", "state"):
        whole, again = weights(pair / f"zero-{zero}", part), weights(pair / f"cut-{zero}", part)
        assert whole.keys() == again.keys()
        assert all(torch.equal(whole[key], again[key]) for key in whole)


@pytest.mark.parametrize("change", ["1-to-2", "3-to-0", "torch-to-3", "from-host", "to-host"])
def test_a_run_goes_on_under_another_stage(change: str, pair: Path, single: Path) -> None:
    assert_same_run(pair / change, single)


def test_one_plain_process_goes_on_for_two_of_deepspeed(pair: Path, single: Path) -> None:
    run(pair / "3-to-torch")
    assert_same_run(pair / "3-to-torch", single)


def test_four_processes_then_one_of_torch_then_two_of_another_stage(
    single: Path, tmp_path: Path
) -> None:
    def job(zero: int, term_at: int | None = None) -> Job:
        engine = {"engine": "deepspeed", "zero": zero, "save_async": zero == 3}
        return Job(str(tmp_path), SETTINGS, engine, term_at=term_at)

    finish(launch([job(3, term_at=19)], world=4))
    run(tmp_path, term_at=16)
    finish(launch([job(1)], world=2))
    assert_same_run(tmp_path, single)


def test_one_process_without_a_launcher(tmp_path: Path, single: Path) -> None:
    engine = {"engine": "deepspeed", "zero": 3, "grad_accum": 2}
    finish(launch([Job(str(tmp_path / "run"), SETTINGS, engine)]))
    assert_same_run(tmp_path / "run", single)


@pytest.mark.parametrize("kind", [*STAGES, "host"])
def test_a_loss_that_is_not_finite_on_one_rank_is_skipped_by_all(kind: Any, pair: Path) -> None:
    lines = (pair / f"nan-{kind}" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["step"] for r in records if r.get("skipped")] == [20]
    assert all(r["loss"] < 100 for r in records if "loss" in r)


def test_lower_precision_stays_close(pair: Path, single: Path) -> None:
    # bf16 has 8 bits: each matrix product is off by up to 0.4 %, the loss of a step by some more.
    torch.testing.assert_close(losses(pair / "bf16"), losses(single), rtol=0.05, atol=0)


@pytest.mark.parametrize("zero", STAGES[1:])
def test_weights_in_bf16_stay_close_and_have_masters_in_fp32(
    zero: int, pair: Path, single: Path
) -> None:
    name = f"low-{zero}"
    torch.testing.assert_close(losses(pair / name), losses(single), rtol=0.05, atol=0)
    torch.testing.assert_close(losses(pair / "from-low"), losses(single), rtol=0.05, atol=0)
    for part in ("model", "ema"):
        for value in weights(pair / name, part).values():
            assert value.dtype == torch.float32
    # Masters hold what bf16 cannot.
    held = weights(pair / name, "model")
    assert any(not torch.equal(v, v.bfloat16().float()) for v in held.values())
    for part in ("model", "ema", "state"):
        whole, again = weights(pair / name, part), weights(pair / f"low-cut-{zero}", part)
        assert all(torch.equal(whole[key], again[key]) for key in whole)


def test_nothing_on_disk_is_a_pickle(pair: Path) -> None:
    files = {p.suffix for p in (pair / "zero-3").rglob("*") if p.is_file()}
    assert files == {".json", ".jsonl", ".safetensors"}


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(InputError, match="--bf16-weights: give --precision bf16"):
        DeepSpeedEngine("cpu", zero=2, bf16_weights=True)
    with pytest.raises(InputError, match="--bf16-weights: goes with --engine deepspeed"):
        make_engine(EngineConfig(device="cpu", precision="bf16", bf16_weights=True))
    with pytest.raises(InputError, match="--compile does not go with --zero 3"):
        DeepSpeedEngine("cpu", compile=True, zero=3)
    with pytest.raises(InputError, match="--offload optimizer: needs what ZeRO splits"):
        DeepSpeedEngine("cpu", zero=0, offload=True)
    with pytest.raises(InputError, match="--offload optimizer: goes with --engine deepspeed"):
        make_engine(EngineConfig(device="cpu", offload="optimizer"))
