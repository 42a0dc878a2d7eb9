"""Several processes learn what one learns, and a run may change their number."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.fixed import LogUniform
from infonoise_core.training import checkpoint
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.engines.base import recompute_blocks
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.engines.ranks import pooled
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.interrupt import Stopped
from infonoise_core.training.loop import train
from infonoise_core.training.saving.tensors import Tensors

from ..training_run import Corners, Job, finish, launch, schedule, told

# 25 is no multiple of the schedule's refresh of 7 steps: increments are pending when it saves.
SETTINGS: dict[str, Any] = {
    "steps": 50, "batch_size": 32, "log_every": 1, "save_every": 25, "lr_warmup": 5,
}  # fmt: skip


def run(out: Path, term_at: int | None = None, **engine: Any) -> None:
    """A run in this process; where term_at is set it stops and saves there."""
    task = Corners(term_at=term_at)
    made = make_engine(EngineConfig(device="cpu", **engine))
    with contextlib.suppress(Stopped):
        train(task, schedule(), TrainConfig(**SETTINGS), out, engine=made)


def losses(out: Path) -> torch.Tensor:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return torch.tensor([line["loss"] for line in lines], dtype=torch.float64)


def rate(out: Path) -> torch.Tensor:
    return torch.tensor(json.loads((out / "profile.json").read_text())["rate"])


def weights(out: Path, part: str = "ema", step: int = 50) -> dict[str, torch.Tensor]:
    folder = checkpoint.path_of(out / CHECKPOINTS, step)
    checkpoint.check(folder)
    return dict(Tensors(checkpoint.part_files(folder, part)))


def assert_same_run(out: Path, other: Path) -> None:
    """Equal but for rounding: the losses, the profile, the average."""
    torch.testing.assert_close(losses(out), losses(other), rtol=1e-5, atol=0)
    torch.testing.assert_close(rate(out), rate(other), rtol=1e-5, atol=0)
    # fp32 sums in another order, through 50 steps of Adam at a rate of 2e-3.
    torch.testing.assert_close(weights(out), weights(other), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("single") / "run"
    run(out)
    return out


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two processes, in one start of them for time's sake."""
    base = tmp_path_factory.mktemp("pair")
    run(base / "1-to-2", term_at=31)

    def job(name: str, **options: Any) -> Job:
        return Job(str(base / name), SETTINGS, **options)

    two = {"grad_accum": 2}
    jobs = [
        job("whole"),
        job("apart", engine={"save_async": True}),
        job("accumulated", engine=two),
        job("recomputed", engine={"activation_checkpointing": True}),
        job("cut", term_at=29),
        job("cut"),
        job("1-to-2"),
        job("2-to-1", term_at=29),
        job("fixed-cut", term_at=29, fixed=True),
        job("fixed-cut", fixed=True),
        job("fixed", fixed=True),
        job("nan", nan_at=(20,)),
    ]
    errors = finish(launch(jobs, world=2))
    assert "stopped by SIGTERM: saved step 30 of 50" in errors[0]
    assert "going on from step 31, saved by engine torch, world 1" in errors[0]
    assert errors[1] == ""
    return base


def test_accumulation_changes_only_rounding(single: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", grad_accum=4)
    assert_same_run(tmp_path / "run", single)


@pytest.mark.parametrize("name", ["whole", "accumulated", "recomputed", "1-to-2"])
def test_two_processes_learn_what_one_does(name: str, pair: Path, single: Path) -> None:
    assert_same_run(pair / name, single)


def test_under_a_fixed_schedule_they_also_measure_what_one_does(pair: Path, tmp_path: Path) -> None:
    Job(str(tmp_path / "run"), SETTINGS, fixed=True).run()
    assert_same_run(pair / "fixed", tmp_path / "run")


@pytest.mark.parametrize(
    ("cut", "whole"), [("cut", "whole"), ("fixed-cut", "fixed"), ("apart", "whole")]
)
def test_a_run_of_two_processes_goes_on_to_the_same_bits(cut: str, whole: str, pair: Path) -> None:
    for part in ("model", "ema", "state"):
        expected, again = weights(pair / whole, part), weights(pair / cut, part)
        assert expected.keys() == again.keys()
        assert all(torch.equal(expected[key], again[key]) for key in expected)
    assert told(pair / cut) == told(pair / whole)
    profiles = [(pair / name / "profile.json").read_bytes() for name in (cut, whole)]
    assert profiles[0] == profiles[1]


def test_one_process_goes_on_for_two(
    pair: Path, single: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(pair / "2-to-1", grad_accum=2)
    assert "going on from step 30, saved by engine torch, world 2" in capsys.readouterr().err
    assert_same_run(pair / "2-to-1", single)


def test_each_process_writes_whole_tensors_where_the_hub_looks_for_them(pair: Path) -> None:
    folder = checkpoint.path_of(pair / "whole" / CHECKPOINTS, 50)
    shapes = {name: p.shape for name, p in Corners().denoiser.state_dict().items()}
    for part in ("model", "ema"):
        index = json.loads((folder / f"{part}.safetensors.index.json").read_text())
        where = index["weight_map"]
        assert where.keys() == shapes.keys()
        assert sorted(set(where.values())) == [
            f"{part}-0000{i}-of-00002.safetensors" for i in (1, 2)
        ]
        for name, file in where.items():
            assert load_file(folder / file)[name].shape == shapes[name]
        assert index["metadata"]["total_size"] == 4 * sum(s.numel() for s in shapes.values())


@pytest.mark.slow
def test_four_processes_then_one_then_two(single: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    finish(launch([Job(str(out), SETTINGS, term_at=19)], world=4))
    run(out, term_at=16)
    finish(launch([Job(str(out), SETTINGS)], world=2))
    assert_same_run(out, single)


def test_a_loss_that_is_not_finite_on_one_rank_is_skipped_by_all(pair: Path) -> None:
    lines = (pair / "nan" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["step"] for r in records if r.get("skipped")] == [20]
    assert all(r["loss"] < 100 for r in records if "loss" in r)


def test_the_manifest_says_what_wrote_it(pair: Path) -> None:
    manifest = checkpoint.check(checkpoint.path_of(pair / "whole" / CHECKPOINTS, 50))
    assert manifest["layout"] == {
        "engine": "torch", "world": 2, "accumulate": 1, "precision": "fp32",
    }  # fmt: skip
    assert manifest["streams"] == 2
    assert manifest["position"] == 50 * 32
    assert manifest["config"]["batch_size"] == 32
    assert set(manifest["versions"]) == {"infonoise-core", "torch"}
    assert "revision" in manifest


def test_lower_precision_stays_close(single: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", precision="bf16")
    # bf16 has 8 bits: each matrix product is off by up to 0.4 %, the loss of a step by some more.
    torch.testing.assert_close(losses(tmp_path / "run"), losses(single), rtol=0.05, atol=0)
    assert not torch.equal(losses(tmp_path / "run"), losses(single))
    assert {w.dtype for w in weights(tmp_path / "run", "model").values()} == {torch.float32}


class Deep(nn.Module):
    """Blocks with dropout, some of them holding blocks of their own."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.2), nn.GELU(), nn.Linear(64, 8))
                  for _ in range(6)]  # fmt: skip
        self.stages = nn.ModuleList([nn.ModuleList(blocks[:3]), nn.ModuleList(blocks[3:])])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                x = x + block(x)
        return x


def test_activation_checkpointing_keeps_less_and_changes_no_bit() -> None:
    kept = []
    results = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = Deep()
        if recompute:
            recompute_blocks(model)
        sizes: list[int] = []

        def pack(value: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(value.numel())
            return value

        x = torch.randn(32, 8)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            loss = model(x).square().sum()
        loss.backward()
        kept.append(sum(sizes))
        results.append([loss.detach(), *(p.grad for p in model.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    # A block of widths 8, 64, 8 keeps its input of 8 instead of at least 8 + 64 + 64.
    assert kept[1] < kept[0] / 4


def test_activation_checkpointing_needs_blocks() -> None:
    with pytest.raises(InputError, match="no list of blocks"):
        recompute_blocks(nn.Linear(2, 2))


def test_batches_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--batch-size 32 does not divide into 1 processes of 5"):
        run(tmp_path, grad_accum=5)
    with pytest.raises(InputError, match="--grad-accum 0"):
        EngineConfig(grad_accum=0)


def test_strata_of_a_whole_batch_are_drawn_alike_on_every_rank() -> None:
    law = LogUniform(VarianceExploding())
    draws = [
        law.sample(8, generator=torch.Generator().manual_seed(3), ranks=(0, 1)),
        law.sample(8, generator=torch.Generator().manual_seed(3)),
    ]
    assert torch.equal(*draws)
    shared = law.sample(8, generator=torch.Generator().manual_seed(3), ranks=(1, 2))
    assert not torch.equal(draws[0], shared)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_sums_survive_a_change_of_world(world: int) -> None:
    """The increments of all ranks add up to what they added up to before."""
    states = [
        {"steps": 5, "estimator": {"increment": torch.tensor([r, 1.0]), "own": r}} for r in (0, 1)
    ]
    parts = [pooled(states, rank, world) for rank in range(world)]
    total = sum(part["estimator"]["increment"] for part in parts)
    assert torch.equal(total, torch.tensor([1.0, 2.0]))
    assert all(part["steps"] == 5 for part in parts)
    if world == 2:
        assert parts == states


def test_alone_every_collective_is_the_identity() -> None:
    engine = TorchEngine("cpu")
    assert engine.gather(3) == [3]
    assert engine.share(lambda: 3) == 3
    assert engine.any(True)
    assert not engine.any(False)
    assert torch.equal(engine.mean(torch.ones(2)), torch.ones(2))
