"""Runs that visit shards: what the loop reads is the order's, on any number of processes."""

import json
from pathlib import Path

import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.data.by_shard import ShardOrder, stretches
from infonoise_core.training.loop import train

from .engines.test_torch import losses
from .training_run import Corners, Job, finish, launch, schedule

SETTINGS = {"steps": 24, "batch_size": 16, "log_every": 1, "save_every": 8, "order": "shards"}


def read(out: Path) -> list[list[int]]:
    """The micro-batches of all processes, in the order that they were read in."""
    lines = out.with_suffix(".seen").read_text().splitlines()
    return [json.loads(line) for line in lines if not line.startswith("start")]


def test_the_loop_reads_what_the_order_says(tmp_path: Path) -> None:
    Job(str(tmp_path / "run"), SETTINGS, {"grad_accum": 2}, log=True).run()
    expected = ShardOrder(stretches(50), 16, 0).indices(0, 24 * 16)
    assert [i for batch in read(tmp_path / "run") for i in batch] == expected.tolist()


def test_a_task_says_what_its_shards_are(tmp_path: Path) -> None:
    class Sharded(Corners):
        shards = (20, 1, 29)

    task = Sharded(seen=tmp_path / "seen")
    config = TrainConfig(steps=5, batch_size=10, eval_every=0, order="shards")
    train(task, schedule(), config, tmp_path / "run")
    found = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert found == ShardOrder((20, 1, 29), 10, 0).indices(0, 50).reshape(5, 10).tolist()
    assert sorted(i for batch in found for i in batch) == list(range(50))


@pytest.mark.slow
def test_two_processes_go_on_from_one_and_read_the_same(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    Job(str(whole), SETTINGS, log=True).run()
    with pytest.raises(SystemExit):
        Job(str(cut), SETTINGS, log=True, term_at=9).run()
    finish(launch([Job(str(cut), SETTINGS, log=True)], world=2))
    batches = read(cut)
    alone, shared = batches[:9], batches[9:]
    assert [len(b) for b in alone] == [16] * 9
    expected = read(whole)
    assert alone == expected[:9]
    # Of two processes, in whatever order they wrote.
    halves = sorted(half for batch in expected[9:] for half in (batch[:8], batch[8:]))
    assert sorted(shared) == halves
    torch.testing.assert_close(losses(cut), losses(whole), rtol=1e-5, atol=0)


def test_the_order_is_one_of_two() -> None:
    with pytest.raises(InputError, match="--order none: give examples or shards"):
        TrainConfig(order="none")  # type: ignore[arg-type]
