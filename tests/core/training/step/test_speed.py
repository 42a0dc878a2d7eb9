"""How fast a run is, by clocks that the tests hold in their hands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from infonoise_core import LogUniform, VarianceExploding
from infonoise_core.training import loop
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.metrics import Metrics
from infonoise_core.training.step.speed import (
    Speed,
    flops_of_example,
    high_water,
    in_words,
    peak_of,
)
from infonoise_core.training.task import Batch

from ...two_points import Net, TwoPoints
from ..training_run import told

CPU = torch.device("cpu")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Tokens(TwoPoints):
    unit, units = "tokens", 16


def test_rates_count_training_alone() -> None:
    clock = Clock()
    speed = Speed(Tokens(), 32, 10, CPU, clock=clock)

    def batches() -> Iterator[int]:
        while True:
            clock.now += 0.5
            yield 1

    source = batches()
    for _ in range(4):
        assert speed.next(source) == 1
        clock.now += 1.5
    with speed.aside():
        clock.now += 100.0
    found = speed.lap(14)
    assert found.pop("memory_gib") > 0
    assert found == {"examples_per_s": 16.0, "tokens_per_s": 256.0, "data_wait": 0.25}
    assert in_words(found) == "16 examples/s, 256 tokens/s, 25% waiting for data"
    clock.now += 1.0
    assert speed.lap(15)["examples_per_s"] == 32.0


def test_the_share_of_a_device_whose_peak_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "infonoise_core.training.step.speed.peak_of"
    monkeypatch.setattr(name, lambda device: 1000.0)
    clock = Clock()
    speed = Speed(TwoPoints(), 8, 0, CPU, flops=50.0, world=2, clock=clock)
    clock.now += 1.0
    # 8 examples of 50 operations, of 2000 that two processes could do.
    found = speed.lap(1)
    assert found["mfu"] == 0.2
    assert "20% of the device's peak" in in_words(found)


def test_peaks_by_the_names_that_gpus_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak_of(CPU) == 0
    names = {"NVIDIA H200": 989e12, "NVIDIA A100-SXM4-80GB": 312e12, "NVIDIA L40S": 362e12,
             "NVIDIA L4": 121e12, "Quadro T1000": 0.0}  # fmt: skip
    for words, peak in names.items():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, words=words: words)
        assert peak_of(torch.device("cuda")) == peak


def test_operations_are_those_of_the_matrix_products() -> None:
    task = TwoPoints()
    task.denoiser = Plain()
    batch = Batch(torch.zeros(4, 2))
    # 3 to 32 and 32 to 2, a product and a sum each, three passes.
    assert flops_of_example(task, batch) == 3 * 2 * (3 * 32 + 32 * 2)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x, sigma)
        return out


def test_memory_is_counted_in_bytes() -> None:
    """A process with torch in it holds more than 50 MiB, and less than this machine has."""
    assert 50 * 2**20 < high_water(CPU) < 2**40


def test_nothing_of_a_step_grows_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluations are looked at when there is a new one or a checkpoint, not at every step."""
    looks: list[int] = []
    plain = Metrics.evaluations.fget
    assert plain is not None

    def counted(metrics: Metrics) -> Any:
        looks.append(1)
        return plain(metrics)

    monkeypatch.setattr(Metrics, "evaluations", property(counted))
    config = TrainConfig(steps=60, batch_size=8, eval_every=20, save_every=30, target="nats=0")
    law = LogUniform(VarianceExploding())
    loop.train(TwoPoints(), law, config, tmp_path, evaluate=lambda _: {"nats": 1.0})
    # At the beginning and the end, twice or three times an evaluation, once a checkpoint.
    assert len(looks) <= 2 + 3 * 3 + 2
    lines = told(tmp_path)
    assert [line["step"] for line in lines if "evaluate" in line] == [20, 40, 60]
