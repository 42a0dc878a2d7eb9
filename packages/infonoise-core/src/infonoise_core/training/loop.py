"""The training loop: one file, read top to bottom."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import infonoise_core
from infonoise_core.errors import InputError
from infonoise_core.schedule import InfoNoise, Schedule
from infonoise_core.training import checkpoint
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.data import Order
from infonoise_core.training.ema import PowerEMA
from infonoise_core.training.engine import Engine, TorchEngine
from infonoise_core.training.progress import Reporter, Silent
from infonoise_core.training.randomness import Stream, derive_seed, generator
from infonoise_core.training.task import Task

METRICS_FILE = "metrics.jsonl"
PROFILE_FILE = "profile.json"
CHECKPOINTS = "checkpoints"

# Averaged denoiser -> name and value of each measure.
Evaluate = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True)
class Trained:
    """denoiser: the averaged weights, in evaluation mode.  schedule: with what it has learned.
    evaluations: one entry per evaluation, with its `step`."""

    denoiser: nn.Module
    schedule: Schedule
    evaluations: list[dict[str, float]]


def train(
    task: Task,
    schedule: Schedule,
    config: TrainConfig,
    out: Path,
    *,
    engine: Engine | None = None,
    evaluate: Evaluate | None = None,
    reporter: Reporter | None = None,
) -> Trained:
    """Train task.denoiser for config.updates optimizer steps, going on from the newest checkpoint
    in `out`.

    Everything random is a function of (seed, step), so a run that was killed and started again ends
    with the same bits as one that was not, on the same machine. `out` gets metrics.jsonl,
    checkpoints/, profile.json.
    """
    engine = engine or TorchEngine()
    reporter = reporter or Silent()
    model = task.denoiser.to(engine.device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    ema = PowerEMA(model, config.ema)
    wrapped = engine.wrap(model, optimizer)
    metrics = _Metrics(out / METRICS_FILE, engine.device)
    first = _resume(out, model, ema, engine, schedule, metrics)
    order = Order(len(task), config.seed)
    share = config.batch // engine.world
    reporter.advance(first)
    wrapped.train()

    for step in range(first, config.updates):
        start = step * config.batch + engine.rank * share
        batch = task.batch(order.indices(start, share)).to(engine.device)
        noise, levels = (
            generator(config.seed, stream, step, engine.rank, engine.device)
            for stream in (Stream.NOISE, Stream.LEVELS)
        )
        eps = torch.randn(
            batch.x0.shape, generator=noise, device=engine.device, dtype=batch.x0.dtype
        )
        u = schedule.sample(share, device=engine.device, generator=levels)
        # Dropout and the like draw from the global generator.
        torch.manual_seed(derive_seed(config.seed, Stream.MODEL, step, engine.rank))
        losses = task.losses(wrapped, batch, schedule.channel.sigma(u), eps)
        engine.backward(losses.loss.mean())
        schedule.observe(u, losses.squared_error)
        norm = engine.step(_learning_rate(step, config), config.clip)
        schedule.step()
        done = step + 1
        ema.update(done)
        metrics.add(losses.loss.detach().mean(), norm)

        last = done == config.updates
        if done % config.log_every == 0 or last:
            loss = metrics.log(done, schedule, engine)
            reporter.advance(0, f"loss {loss:.4g}")
        if evaluate is not None and (last or (config.eval_every and done % config.eval_every == 0)):
            metrics.write(done, {"evaluate": evaluate(ema.module)})
        if done % config.save_every == 0 or last:
            metrics.flush()
            _save(out, done, config, model, ema, engine, schedule, metrics)
        reporter.advance(1)

    return Trained(ema.module, schedule, metrics.evaluations())


def load_denoiser(run: Path, denoiser: nn.Module) -> int:
    """Put the averaged weights of a run's newest whole checkpoint into `denoiser`; returns its
    step.
    """
    found = checkpoint.load_latest(run / CHECKPOINTS)
    if found is None:
        raise InputError(f"{run}: no checkpoint yet; train for at least --save-every updates")
    manifest, parts = found
    denoiser.load_state_dict(parts["ema"])
    return int(manifest["step"])


def _learning_rate(step: int, config: TrainConfig) -> float:
    return config.lr * min(1.0, (step + 1) / max(1, config.lr_warmup))


def _save(
    out: Path,
    step: int,
    config: TrainConfig,
    model: nn.Module,
    ema: PowerEMA,
    engine: Engine,
    schedule: Schedule,
    metrics: "_Metrics",
) -> None:
    parts = {
        "model": model.state_dict(),
        "ema": ema.state_dict(),
        "state": {
            "optimizer": engine.save(),
            "schedule": schedule.state_dict(),
            "metrics": metrics.state_dict(),
        },
    }
    info = {
        "versions": {"infonoise-core": infonoise_core.__version__, "torch": torch.__version__},
        "position": step * config.batch,
    }
    checkpoint.save(out / CHECKPOINTS, step, parts, info, config.keep)
    if isinstance(schedule, InfoNoise) and schedule.observed:
        schedule.profile().save(out / PROFILE_FILE)


def _resume(
    out: Path,
    model: nn.Module,
    ema: PowerEMA,
    engine: Engine,
    schedule: Schedule,
    metrics: "_Metrics",
) -> int:
    """Take over the newest whole checkpoint; returns the optimizer steps done."""
    found = checkpoint.load_latest(out / CHECKPOINTS)
    if found is None:
        metrics.rewind(0)
        return 0
    manifest, parts = found
    model.load_state_dict(parts["model"])
    ema.load_state_dict(parts["ema"])
    engine.load(parts["state"]["optimizer"])
    schedule.load_state_dict(parts["state"]["schedule"])
    metrics.load_state_dict(parts["state"]["metrics"])
    step = int(manifest["step"])
    metrics.rewind(step)
    return step


class _Metrics:
    """metrics.jsonl, and sums on the device between its lines."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self._path = path
        self._records: list[dict[str, Any]] = []
        self._sums = torch.zeros(3, device=device)

    def rewind(self, step: int) -> None:
        """Drop the lines after a step: what they tell of is done again."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._records = [r for r in _read_lines(self._path) if r["step"] <= step]
        self._path.write_text("".join(json.dumps(r) + "\n" for r in self._records))

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums.copy_(state["sums"])

    def add(self, loss: Tensor, norm: Tensor) -> None:
        self._sums += torch.stack([torch.ones_like(loss), loss, norm.to(loss.dtype)])

    def log(self, step: int, schedule: Schedule, engine: Engine) -> float:
        sums: list[float] = engine.gather(self._sums).tolist()
        count, loss, norm = sums
        self._sums.zero_()
        mean = loss / count
        if not math.isfinite(mean):
            raise InputError(
                f"the loss is {mean} before step {step}: lower --lr; the last checkpoint is whole"
            )
        self.write(step, {"loss": mean, "grad_norm": norm / count, "schedule": schedule.status()})
        return mean

    def write(self, step: int, record: dict[str, Any]) -> None:
        record = {"step": step, **record}
        self._records.append(record)
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def flush(self) -> None:
        with self._path.open("a") as file:
            os.fsync(file.fileno())

    def evaluations(self) -> list[dict[str, float]]:
        return [{"step": r["step"], **r["evaluate"]} for r in self._records if "evaluate" in r]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that a kill may have cut anywhere."""
    records: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                break
    return records
