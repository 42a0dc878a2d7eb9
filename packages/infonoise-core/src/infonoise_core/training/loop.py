"""The training loop: one file, read top to bottom."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS, METRICS_FILE
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, derive_seed, generator, seed_global
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import refresh_every
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import is_artefact, load_weights
from infonoise_core.training.config import TrainConfig, parse_target
from infonoise_core.training.data.order import Order, micro_batches
from infonoise_core.training.data.prefetch import Prefetch
from infonoise_core.training.ema import Keep, WeightAverage, plain_keep, power_keep
from infonoise_core.training.engines.base import Engine
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.interrupt import Stopped, asked_to_stop
from infonoise_core.training.loggers import open_loggers
from infonoise_core.training.meter import Meter
from infonoise_core.training.metrics import Metrics
from infonoise_core.training.progress import Reporter, Silent
from infonoise_core.training.record.signature import check_signed, signatures
from infonoise_core.training.state import RunState, no_space_left
from infonoise_core.training.task import Batch, Task

# Optimizer steps between two looks at whether any of several processes is to stop.
_LOOK_EVERY = 10

# Averaged denoiser -> name and value of each measure.
Evaluate = Callable[[nn.Module], dict[str, float]]
# Averaged denoiser and optimizer steps done.
Show = Callable[[nn.Module, int], None]


@dataclass(frozen=True)
class RunResult:
    """What training leaves.

    Attributes:
        denoiser: The averaged weights, in evaluation mode.
        schedule: With what it has learned.
        evaluations: One entry per evaluation, with its `step`.
        profiles: Name of a file in the run's folder -> the profile that was measured; of most
            tasks profile.json alone, of one without noise levels none.
    """

    denoiser: nn.Module
    schedule: Schedule
    evaluations: list[dict[str, float]]
    profiles: Mapping[str, EntropyRateProfile]


def train(
    task: Task,
    schedule: Schedule,
    config: TrainConfig,
    out: Path,
    *,
    engine: Engine | None = None,
    evaluate: Evaluate | None = None,
    show: Show | None = None,
    reporter: Reporter | None = None,
    workers: int = 0,
    log_to: tuple[str, ...] = (),
) -> RunResult:
    """Train task.denoiser for config.steps optimizer steps, or until config.target is met.

    It goes on from the newest checkpoint in `out`.

    Everything random is a function of (seed, step, place in the batch): a run that was killed and
    started again ends with the same bits as one that was not, on the same machine, and one of
    several processes learns what one process does, but for rounding and dropout. `out` gets
    metrics.jsonl, checkpoints/, profile.json. On SIGTERM it saves and raises Stopped, a SystemExit
    with code 0. A step whose loss or gradient is not finite is skipped.

    Args:
        show: Called after each evaluation, for samples.
        workers: Threads that call task.batch for the micro-batches to come.
        log_to: See `loggers`.
    """
    engine = engine or TorchEngine()
    check_division(config, engine)
    reporter = reporter if reporter and engine.rank == 0 else Silent()
    model = task.denoiser.to(engine.device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.lr,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
        fused=True,
    )
    average = WeightAverage(model, _keep(config))
    forward = engine.wrap(model, optimizer, config.grad_clip)
    metrics = Metrics(out / METRICS_FILE, engine, config.skip_limit)
    meter = Meter(schedule, task.dim, refresh_every(config.steps))
    state = RunState(out, config, engine, model, average, schedule, meter, metrics, signatures(out))
    order = Order(len(task), config.seed)

    with asked_to_stop() as stop, no_space_left(out), ExitStack() as stack:
        done = state.resume()
        if engine.rank == 0:
            metrics.loggers = stack.enter_context(
                open_loggers(log_to, out, done, settings_of(config))
            )
        plan = micro_batches(
            config.batch_size, range(done, config.steps),
            rank=engine.rank, world=engine.world, grad_accum=engine.grad_accum,
        )  # fmt: skip
        batches = stack.enter_context(
            Prefetch(lambda at, n: task.batch(order.indices(at, n)), plan, workers)
        )
        pace = _Pace(config.batch_size, done)
        reporter.advance(done)
        forward.train()
        finished = done == config.steps or _reached(config, metrics)
        while not finished:
            loss = _accumulate(task, schedule, meter, forward, engine, config, batches, done)
            norm = engine.step(_learning_rate(done, config))
            schedule.step()
            done += 1
            meter.step(done)
            with engine.whole():
                average.update(done)
            metrics.add(loss, norm)

            last = done == config.steps
            if last or done % config.log_every == 0:
                words = metrics.log(done, schedule.status())
                reporter.advance(0, f"{words}, {pace.lap(done):.0f} examples/s")
            if evaluate is not None and (last or _every(config.eval_every, done)):
                measures = _evaluated(evaluate, average.module, engine)
                metrics.write(done, {"evaluate": measures})
                if show is not None:
                    _shown(show, average.module, done, engine)
                pace.lap(done)
            if last or done % config.save_every == 0:
                metrics.density(done, schedule)
            finished = last or _reached(config, metrics)
            stopping = _asked_to_stop(stop.raised, done, engine)
            if finished or stopping or done % config.save_every == 0:
                state.save(done)
            reporter.advance(1)
            if stopping and not finished:
                raise Stopped(done, config.steps, engine.rank > 0, stop.number)

    return RunResult(average.module, schedule, metrics.evaluations(), meter.profiles())


def load_denoiser(run: Path, denoiser: nn.Module) -> int:
    """Put the averaged weights of a run into `denoiser`.

    They are those of its newest whole checkpoint, or of a model that was pulled.

    Returns:
        Their step.
    """
    if is_artefact(run):
        return load_weights(run, denoiser)

    def use(manifest: checkpoint.Manifest, parts: dict[str, Any]) -> None:
        check_signed(run, manifest)
        try:
            denoiser.load_state_dict(parts["ema"])
        except (KeyError, RuntimeError, TypeError, AttributeError):
            raise checkpoint.DamagedCheckpoint("it is of another network") from None

    found = checkpoint.load_latest(run / CHECKPOINTS, use)
    if found is None:
        raise InputError(f"{run}: no checkpoint yet; train for at least --save-every steps")
    manifest, _ = found
    return int(manifest["step"])


def _accumulate(
    task: Task,
    schedule: Schedule,
    meter: Meter,
    forward: nn.Module,
    engine: Engine,
    config: TrainConfig,
    batches: Iterator[Batch],
    step: int,
) -> Tensor:
    """Gradients of this rank's part of a batch, one micro-batch after another; the mean loss.

    Noise and levels are drawn for the whole batch, so that they are the same however it is divided.
    """
    device = engine.device
    noise, levels = (
        generator(config.seed, stream, step, device=device)
        for stream in (Stream.NOISE, Stream.LEVELS)
    )
    u = schedule.sample(config.batch_size, device=device, generator=levels, ranks=(0, 1))
    eps: Tensor | None = None
    size = config.batch_size // (engine.world * engine.grad_accum)
    total = torch.zeros((), device=device)
    for i in range(engine.grad_accum):
        place = (engine.rank * engine.grad_accum + i) * size
        rows = slice(place, place + size)
        batch = next(batches).to(device)
        if eps is None:
            shape = (config.batch_size, *batch.x0.shape[1:])
            eps = torch.randn(shape, generator=noise, device=device, dtype=batch.x0.dtype)
        # Dropout and the like draw from the global generator.
        seed_global(derive_seed(config.seed, Stream.MODEL, step, place), device)
        with engine.micro_batch(last=i == engine.grad_accum - 1):
            losses = task.losses(forward, batch, schedule.channel.sigma(u[rows]), eps[rows])
            loss = losses.loss.mean()
            engine.backward(loss)
        if losses.squared_error is not None:
            schedule.observe(u[rows], losses.squared_error)
            meter.observe(u[rows], losses.squared_error)
        total += loss.detach()
    return total / engine.grad_accum


def check_division(config: TrainConfig, engine: Engine) -> None:
    """InputError for a batch that processes and micro-batches cannot share alike."""
    parts = engine.world * engine.grad_accum
    if config.batch_size % parts:
        raise InputError(
            f"--batch-size {config.batch_size} does not divide into {engine.world} processes of"
            f" {engine.grad_accum} micro-batches: give a multiple of {parts}"
        )


class _Pace:
    """Examples per second between two laps."""

    def __init__(self, batch: int, done: int) -> None:
        self._batch, self._done, self._began = batch, done, time.monotonic()

    def lap(self, done: int) -> float:
        now = time.monotonic()
        rate = self._batch * (done - self._done) / max(1e-9, now - self._began)
        self._done, self._began = done, now
        return rate


def _learning_rate(step: int, config: TrainConfig) -> float:
    rate = config.lr * min(1.0, (step + 1) / max(1, config.lr_warmup))
    if config.lr_schedule == "cosine" and step >= config.lr_warmup:
        share = (step - config.lr_warmup) / max(1, config.steps - config.lr_warmup)
        rate *= (1 + math.cos(math.pi * share)) / 2
    return rate


def _keep(config: TrainConfig) -> Keep:
    if config.ema_half_life:
        return plain_keep(0.5 ** (1 / config.ema_half_life))
    return plain_keep(config.ema_decay) if config.ema_decay else power_keep(config.ema)


def _every(interval: int, done: int) -> bool:
    return interval > 0 and done % interval == 0


def _evaluated(evaluate: Evaluate, denoiser: nn.Module, engine: Engine) -> dict[str, float]:
    return engine.share(lambda: evaluate(denoiser))


def _shown(show: Show, denoiser: nn.Module, done: int, engine: Engine) -> None:
    engine.share(lambda: show(denoiser, done))


def _reached(config: TrainConfig, metrics: Metrics) -> bool:
    """Whether the latest evaluation meets the target; InputError if it has no such measure."""
    target, evaluations = parse_target(config.target), metrics.evaluations()
    if target is None or not evaluations:
        return False
    name, value = target
    if name not in evaluations[-1]:
        known = ", ".join(k for k in evaluations[-1] if k != "step")
        raise InputError(f"--target {config.target}: no such measure; there are {known}")
    return evaluations[-1][name] <= value


def _asked_to_stop(flag: bool, done: int, engine: Engine) -> bool:
    """Whether any process is to end; several compare only now and then."""
    if engine.world > 1 and done % _LOOK_EVERY:
        return False
    return engine.any(flag)
