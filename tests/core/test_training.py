"""The loop on a tiny task: exact resume, order of examples, averages, commands' edge."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from tyro.conf import Positional

from infonoise_core import (
    Denoiser,
    EDMDenoiser,
    InfoNoise,
    InputError,
    LogUniform,
    VarianceExploding,
    edm_weight,
)
from infonoise_core.errors import ToldError
from infonoise_core.training import checkpoint, command
from infonoise_core.training.config import (
    TrainConfig,
    open_run,
    parse_duration,
    read_run,
    settings_of,
)
from infonoise_core.training.data import Order
from infonoise_core.training.ema import WeightAverage, power_keep
from infonoise_core.training.engine import EngineConfig, TorchEngine
from infonoise_core.training.evaluation import HeldOutError
from infonoise_core.training.loop import _keep, _learning_rate, load_denoiser, train
from infonoise_core.training.results import Measure
from infonoise_core.training.run import Run, run_training
from infonoise_core.training.task import Batch, Losses, denoising_losses

CONFIG = TrainConfig(updates=60, batch=32, log_every=10, eval_every=20, save_every=25, keep=3)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Dropout(0.1), nn.Linear(32, 2))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([x, c_noise[:, None]], 1))
        return out


class TwoPoints:
    """Two points in the plane, chosen by a fair coin."""

    dim = 2

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.denoiser: nn.Module = EDMDenoiser(Net(), sigma_data=1.0)
        self.seen: list[int] = []

    def __len__(self) -> int:
        return 50

    def batch(self, index: np.ndarray) -> Batch:
        self.seen += index.tolist()
        return Batch(
            torch.from_numpy(np.where(index % 2, 1.0, -1.0))[:, None].float().expand(-1, 2)
        )

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))


def schedule() -> InfoNoise:
    return InfoNoise(
        VarianceExploding(0.02, 20.0), weight=edm_weight(1.0), refresh_every=7, warmup_steps=14,
        min_count=1, bins=16,
    )  # fmt: skip


def evaluate(denoiser: nn.Module) -> dict[str, float]:
    held_out = Batch(torch.tensor([[1.0, 1.0], [-1.0, -1.0]] * 4))
    return {"nats": HeldOutError(held_out, 0.05, 20.0, levels=4)(denoiser).nats}


def test_a_run_cut_anywhere_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Resumed at a checkpoint, at a step after one, and before the first."""
    whole_task = TwoPoints()
    whole = train(whole_task, schedule(), CONFIG, tmp_path / "whole", evaluate=evaluate)
    for cut in (10, 25, 40, 59):
        task = TwoPoints()

        class Killed(Exception):
            pass

        def stop(index: np.ndarray, limit: int = cut, inner: TwoPoints = task) -> Batch:
            if len(inner.seen) >= 32 * limit:
                raise Killed
            return TwoPoints.batch(inner, index)

        task.batch = stop  # type: ignore[method-assign]
        out = tmp_path / str(cut)
        with pytest.raises(Killed):
            train(task, schedule(), CONFIG, out, evaluate=evaluate)
        again_task = TwoPoints()
        again = train(again_task, schedule(), CONFIG, out, evaluate=evaluate)
        for a, b in zip(
            whole.denoiser.state_dict().values(), again.denoiser.state_dict().values(), strict=True
        ):
            assert torch.equal(a, b)
        assert (out / "profile.json").read_bytes() == (tmp_path / "whole/profile.json").read_bytes()
        assert (out / "metrics.jsonl").read_text() == (tmp_path / "whole/metrics.jsonl").read_text()
        assert again.evaluations == whole.evaluations
        # No example is seen twice or skipped: the two halves are the whole order.
        resumed_at = cut // 25 * 25
        assert task.seen[: 32 * resumed_at] + again_task.seen == whole_task.seen


def test_training_lowers_the_held_out_error(tmp_path: Path) -> None:
    trained = train(
        TwoPoints(),
        schedule(),
        replace(CONFIG, updates=400, lr=1e-2, eval_every=100),
        tmp_path,
        evaluate=evaluate,
    )
    nats = [e["nats"] for e in trained.evaluations]
    assert nats[-1] < 0.9 * nats[0]
    # One fair coin: the bound may not fall below ln 2, but for sampling error of 32 draws.
    assert nats[-1] > 0.5 * math.log(2)
    other = EDMDenoiser(Net(), 1.0)
    assert load_denoiser(tmp_path, other) == 400
    for a, b in zip(
        other.state_dict().values(), trained.denoiser.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)


def test_a_loss_that_is_not_finite_stops_with_a_reason(tmp_path: Path) -> None:
    task = TwoPoints()
    with torch.no_grad():
        next(task.denoiser.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="lower --lr"):
        train(task, schedule(), CONFIG, tmp_path)


def test_a_target_ends_the_run_at_the_evaluation_that_meets_it(tmp_path: Path) -> None:
    measured = iter([3.0, 2.0, 1.5, 1.0])
    calls: list[float] = []

    def falling(denoiser: nn.Module) -> dict[str, float]:
        calls.append(next(measured))
        return {"other": 0.0, "nats": calls[-1]}

    config = replace(CONFIG, updates=80, target="nats=1.5")
    trained = train(TwoPoints(), schedule(), config, tmp_path, evaluate=falling)
    assert [(e["step"], e["nats"]) for e in trained.evaluations] == [(20, 3), (40, 2), (60, 1.5)]
    assert load_denoiser(tmp_path, EDMDenoiser(Net(), 1.0)) == 60
    # The same command again has nothing to do.
    task = TwoPoints()
    again = train(task, schedule(), config, tmp_path, evaluate=falling)
    assert (task.seen, len(calls)) == ([], 3)
    assert again.evaluations == trained.evaluations
    wrong = replace(config, target="nuts=1")
    with pytest.raises(InputError, match="--target nuts=1: no such measure; there are other, nats"):
        train(TwoPoints(), schedule(), wrong, tmp_path, evaluate=falling)


def test_the_best_checkpoint_is_kept_beside_the_newest(tmp_path: Path) -> None:
    measured = iter([3.0, 1.0, 2.0, 2.5, 2.2])
    config = replace(CONFIG, updates=100, eval_every=20, save_every=20, keep=1)
    train(TwoPoints(), schedule(), config, tmp_path, evaluate=lambda _: {"nats": next(measured)})
    assert checkpoint.steps(tmp_path / "checkpoints") == [100, 40]


def test_learning_rate_warms_up_and_decays() -> None:
    config = replace(CONFIG, updates=110, lr=0.5, lr_warmup=10)
    assert [_learning_rate(s, config) for s in (0, 4, 9, 10, 109)] == [0.05, 0.25, 0.5, 0.5, 0.5]
    cosine = replace(config, lr_schedule="cosine")
    assert [_learning_rate(s, cosine) for s in (0, 4, 9, 10)] == [0.05, 0.25, 0.5, 0.5]
    assert _learning_rate(60, cosine) == pytest.approx(0.25)
    assert 0 < _learning_rate(109, cosine) < 2e-4
    rates = [_learning_rate(s, cosine) for s in range(10, 110)]
    assert rates == sorted(rates, reverse=True)


def test_plain_average_forgets_by_its_half_life() -> None:
    keep = _keep(replace(CONFIG, ema_half_life=100.0))
    assert math.prod(keep(step) for step in range(20_000, 20_100)) == pytest.approx(0.5)
    assert _keep(replace(CONFIG, ema_decay=0.99))(5000) == 0.99
    probe = nn.Linear(1, 1, bias=False)
    average = WeightAverage(probe, keep)
    with torch.no_grad():
        probe.weight.fill_(7.0)
    average.update(1)
    assert average.module.get_parameter("weight").item() == 7


@pytest.mark.slow
# torch's own compiler uses what torch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_network_learns_the_same(tmp_path: Path) -> None:
    plain, compiled = TwoPoints(), TwoPoints()
    config = replace(CONFIG, updates=10)
    for task in (plain, compiled):
        for module in task.denoiser.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    a = train(plain, schedule(), config, tmp_path / "plain")
    engine = TorchEngine(compile=True)
    try:
        b = train(compiled, schedule(), config, tmp_path / "compiled", engine=engine)
    except torch._inductor.exc.InductorError as error:
        pytest.skip(f"nothing to compile with: {error}")
    # Fused kernels round in another order; Adam's first steps magnify it.
    torch.testing.assert_close(a.denoiser.state_dict(), b.denoiser.state_dict(), rtol=0, atol=1e-5)


@given(st.integers(1, 40), st.integers(0, 2**31), st.integers(0, 200), st.integers(1, 100))
@settings(max_examples=50, deadline=None)
def test_order_is_a_function_of_the_position(n: int, seed: int, start: int, count: int) -> None:
    whole = Order(n, seed).indices(0, start + count)
    assert np.array_equal(Order(n, seed).indices(start, count), whole[start:])
    for first in range(0, len(whole) - n + 1, n):
        assert sorted(whole[first : first + n]) == list(range(n))


def test_passes_differ() -> None:
    order = Order(100, 0)
    assert not np.array_equal(order.indices(0, 100), order.indices(100, 100))


def test_power_average_has_the_stated_width() -> None:
    """Fed with the step number, the average of a linear ramp sits at 1 - its mean age, and the
    spread of the weights relative to the time is `std`."""
    std, steps = 0.1, 4000
    probe = nn.Linear(1, 1, bias=False)
    square = nn.Linear(1, 1, bias=False)
    mean, second = WeightAverage(probe, power_keep(std)), WeightAverage(square, power_keep(std))
    for step in range(1, steps + 1):
        with torch.no_grad():
            probe.weight.fill_(step / steps)
            square.weight.fill_((step / steps) ** 2)
        mean.update(step)
        second.update(step)
    m = float(mean.module.get_parameter("weight").item())
    variance = float(second.module.get_parameter("weight").item()) - m**2
    assert math.sqrt(variance) == pytest.approx(std, rel=0.01)


def test_held_out_error_integrates_a_known_denoiser() -> None:
    """D = 0 has error |x0|^2, so the integral over log sigma is |x0|^2/2 (1/s0^2 - 1/s1^2).

    32 strata over three decades: the integrand varies by exp(0.43) within one, and the shifted
    midpoints of 64 examples leave an error of the second order, below 1 %.
    """

    class Zero(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            return 0 * x

    x0 = torch.ones(64, 3)
    found = HeldOutError(Batch(x0), 0.1, 100.0, levels=32)(Zero())
    assert found.nats == pytest.approx(1.5 * (1 / 0.01 - 1e-4), rel=0.01)


def test_held_out_error_is_the_same_every_time_and_in_any_chunk() -> None:
    torch.manual_seed(1)
    denoiser = EDMDenoiser(Net(), 1.0)
    x0 = torch.randn(20, 2)
    one = HeldOutError(Batch(x0), 0.1, 10.0, chunk=20)(denoiser)
    other = HeldOutError(Batch(x0), 0.1, 10.0, chunk=7)(denoiser)
    torch.testing.assert_close(one.rate_integral, other.rate_integral, rtol=1e-5, atol=0)
    assert one.stderr > 0


@dataclass(frozen=True)
class Options:
    """A command."""

    source: Positional[str]
    """where from"""
    n: int = 3
    """how many"""


def run(argv: list[str], function: object = None) -> int:
    def refuse(options: Options) -> None:
        if options.n < 0:
            raise InputError(f"--n {options.n}:\n give 0 or more")

    return command.run("prog", "1.2.3", {"go": (Options, refuse), "stop": (Config, print)}, argv)


@dataclass(frozen=True)
class Config:
    """Another."""

    m: Annotated[int, "m"] = 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["go", "x", "--n", "-1"], "--n -1: give 0 or more"),
        (["go", "x", "--n", "three"], "--n"),
        (["go", "x", "--m", "3"], "--m"),
        (["go"], "where from (required)"),
        (["gone"], "gone"),
        ([], "go, stop"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert message in captured.err


def test_good_commands_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["go", "x"]) == 0
    assert run(["--version"]) == 0
    assert "prog 1.2.3" in capsys.readouterr().out
    assert run(["go", "--help"]) == 0
    assert "how many" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("3m", 180), ("1.5h", 5400), ("7", 7), (" 2 m ", 120)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "3d", "-1m", "0s", "fast"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="give a time"):
        parse_duration(text)


def test_output_folders_are_never_lost(tmp_path: Path) -> None:
    out, settings_ = tmp_path / "run", settings_of(CONFIG)
    assert not open_run(out, settings_, overwrite=False, finished="done")
    assert read_run(out) == settings_
    assert open_run(out, settings_, overwrite=False, finished="done")
    with pytest.raises(InputError, match="updates was 60 and is 61"):
        open_run(out, {**settings_, "updates": 61}, overwrite=False, finished="done")
    (out / "done").touch()
    with pytest.raises(InputError, match="finished run"):
        open_run(out, settings_, overwrite=False, finished="done")
    assert not open_run(out, settings_, overwrite=True, finished="done")
    assert not (out / "done").exists()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="stranger"):
            open_run(stranger, settings_, overwrite=overwrite, finished="done")
    assert (stranger / "thesis.tex").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        open_run(tmp_path / "file", settings_, overwrite=True, finished="done")


@pytest.mark.parametrize(
    "change",
    [
        {"updates": 0},
        {"batch": 0},
        {"lr": 0.0},
        {"clip": -1.0},
        {"ema": 0.5},
        {"seed": -1},
        {"skip_limit": 0},
        {"ema_decay": 1.0},
        {"ema_half_life": -1.0},
        {"ema_half_life": 9.0, "ema_decay": 0.9},
        {"target": "nats"},
        {"target": "nats=low"},
        {"target": "=3"},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    name = next(iter(change)).replace("_", "-")
    with pytest.raises(InputError, match=f"--{name}"):
        replace(CONFIG, **change)


def test_the_density_is_written_down_as_it_changes(tmp_path: Path) -> None:
    """At every checkpoint, for schedules that learn; as a density over log sigma."""
    for name, law in (("learned", schedule()), ("fixed", LogUniform(VarianceExploding()))):
        train(TwoPoints(), law, replace(CONFIG, updates=50, save_every=25), tmp_path / name)
    lines = (tmp_path / "learned/metrics.jsonl").read_text().splitlines()
    curves = {r["step"]: r["density"] for r in map(json.loads, lines) if "density" in r}
    assert list(curves) == [25, 50]
    assert curves[25]["density"] != curves[50]["density"]
    for curve in curves.values():
        x = torch.tensor(curve["sigma"], dtype=torch.float64).log()
        density = torch.tensor(curve["density"], dtype=torch.float64)
        # Four digits of each value, and bins that are not the schedule's own.
        assert float(density.sum()) * float(x.diff().mean()) == pytest.approx(1, abs=0.02)
    assert "density" not in (tmp_path / "fixed/metrics.jsonl").read_text()


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


def start(out: Path, exhibit: Callable[[nn.Module], str | bytes], **changes: Any) -> None:
    config = replace(CONFIG, updates=20, eval_every=10, **changes)
    settings = {"command": "test", "batch": config.batch}
    run = Run(TwoPoints(), schedule(), HeldOut(), settings, "two points", exhibit=exhibit)
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
    assert yaml.safe_load((out / "config.yaml").read_text())["train"]["updates"] == 20
    with pytest.raises(InputError, match="finished run"):
        start(out, lambda denoiser: b"")


def test_a_batch_that_does_not_divide_makes_no_folder(tmp_path: Path) -> None:
    run = Run(TwoPoints(), schedule(), HeldOut(), {}, "two points")
    options = TrainOptions(tmp_path / "run", engine=EngineConfig(device="cpu", accumulate=5))
    with pytest.raises(InputError, match="does not divide"):
        run_training(run, options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("local_rank", "lines"), [("0", 1), ("1", 0)])
def test_of_several_processes_one_tells_a_mistake_in_the_options(
    local_rank: str, lines: int, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    code = command.run("prog", "1.2.3", {"go": (Options, print)}, ["go", "--weather", "3"])
    assert code == 2
    assert capsys.readouterr().err.count("\n") == lines


def test_what_another_process_tells_is_not_said_again(capsys) -> None:
    def refuse(config: Any) -> None:
        raise ToldError("as the first one says")

    assert command.run("prog", "1", {"go": (Options, refuse)}, ["go", "here"]) == 2
    assert capsys.readouterr().err == ""
