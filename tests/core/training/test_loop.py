"""The loop on a tiny task: exact resume, when it ends, and what it writes on the way."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser, LogUniform, VarianceExploding
from infonoise_core.errors import InputError
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.training import checkpoint
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.record.weights import load_denoiser
from infonoise_core.training.step.listening import Heard
from infonoise_core.training.step.rate import learning_rate
from infonoise_core.training.task import Batch

from ..two_points import CONFIG, Net, TwoPoints, evaluate, schedule
from .training_run import told


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
        assert told(out) == told(tmp_path / "whole")
        assert again.evaluations == whole.evaluations
        # No example is seen twice or skipped: the two halves are the whole order.
        resumed_at = cut // 25 * 25
        assert task.seen[: 32 * resumed_at] + again_task.seen == whole_task.seen


class BestDenoiser(nn.Module):
    """E[x0 | x] of the two points."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        side = torch.tanh(x.sum(1) / sigma.square())
        return side[:, None].expand_as(x)


class Notes:
    """What a reporter is told."""

    def __init__(self) -> None:
        self.done, self.said = 0.0, list[str]()

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.done += amount
        self.said.append(note)


def test_the_closing_evaluation_says_how_far_it_is_and_then_what_was_said_before(
    tmp_path: Path,
) -> None:
    held_out = HeldOutError(Batch(torch.randn(20, 2)), 0.1, 10.0, levels=3, chunk=10)

    class Nats:
        def listen(self, heard: Heard | None) -> None:
            held_out.listen(heard)

        def __call__(self, denoiser: nn.Module) -> dict[str, float]:
            return {"nats": held_out(denoiser).nats}

    config, notes = replace(CONFIG, steps=12, log_every=12, eval_every=0), Notes()
    train(TwoPoints(), schedule(), config, tmp_path / "run", evaluate=Nats(), reporter=notes)
    assert notes.done == 12
    *_, last = notes.said
    assert [n for n in notes.said if "measuring" in n] == [
        f"{last}, measuring {i}/6" for i in range(1, 7)
    ]
    assert "examples/s" in last


def test_training_lowers_the_held_out_error(tmp_path: Path) -> None:
    trained = train(
        TwoPoints(),
        schedule(),
        replace(CONFIG, steps=400, lr=1e-2, eval_every=100),
        tmp_path,
        evaluate=evaluate,
    )
    nats = [e["nats"] for e in trained.evaluations]
    assert nats == sorted(nats, reverse=True)
    assert nats[-1] < 0.9 * nats[0]
    # Not below what the best denoiser pays for the same noises: ln 2, up to their luck.
    assert nats[-1] > evaluate(BestDenoiser())["nats"]
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
    with (
        pytest.warns(UserWarning, match="were not finite"),
        pytest.raises(InputError, match="lower --lr"),
    ):
        train(task, schedule(), CONFIG, tmp_path)


def test_a_target_ends_the_run_at_the_evaluation_that_meets_it(tmp_path: Path) -> None:
    measured = iter([3.0, 2.0, 1.5, 1.0])
    calls: list[float] = []

    def falling(denoiser: nn.Module) -> dict[str, float]:
        calls.append(next(measured))
        return {"other": 0.0, "nats": calls[-1]}

    config = replace(CONFIG, steps=80, target="nats=1.5")
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
    config = replace(CONFIG, steps=100, eval_every=20, save_every=20, keep=1)
    train(TwoPoints(), schedule(), config, tmp_path, evaluate=lambda _: {"nats": next(measured)})
    assert checkpoint.steps(tmp_path / "checkpoints") == [100, 40]


def test_learning_rate_warms_up_and_decays() -> None:
    config = replace(CONFIG, steps=110, lr=0.5, lr_warmup=10)
    assert [learning_rate(s, config) for s in (0, 4, 9, 10, 109)] == [0.05, 0.25, 0.5, 0.5, 0.5]
    cosine = replace(config, lr_schedule="cosine")
    assert [learning_rate(s, cosine) for s in (0, 4, 9, 10)] == [0.05, 0.25, 0.5, 0.5]
    assert learning_rate(60, cosine) == pytest.approx(0.25)
    assert 0 < learning_rate(109, cosine) < 2e-4
    rates = [learning_rate(s, cosine) for s in range(10, 110)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.slow
# torch's own compiler uses what torch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_network_learns_the_same(tmp_path: Path) -> None:
    plain, compiled = TwoPoints(), TwoPoints()
    config = replace(CONFIG, steps=10)
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


def test_the_density_is_written_down_as_it_changes(tmp_path: Path) -> None:
    """At every checkpoint, for schedules that learn; as a density over log sigma."""
    for name, law in (("learned", schedule()), ("fixed", LogUniform(VarianceExploding()))):
        train(TwoPoints(), law, replace(CONFIG, steps=50, save_every=25), tmp_path / name)
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
