"""The training loop: one file, read top to bottom."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.folders.names import METRICS_FILE
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, derive_seed, generator, seed_global
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import refresh_every
from infonoise_core.together import together
from infonoise_core.training.config import NARROW, TrainConfig, parse_target
from infonoise_core.training.data.by_shard import Visits, visits
from infonoise_core.training.data.order import micro_batches
from infonoise_core.training.data.prefetch import Prefetch
from infonoise_core.training.ema import Keep, WeightAverage, plain_keep, power_keep
from infonoise_core.training.engines.base import Engine
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.interrupt import Stopped, asked_to_stop
from infonoise_core.training.loggers import open_loggers
from infonoise_core.training.meter import Meter
from infonoise_core.training.metrics import Metrics
from infonoise_core.training.progress import Noting, Reporter, Silent
from infonoise_core.training.record.signature import signatures
from infonoise_core.training.state import RunState, no_space_left
from infonoise_core.training.step.due import Evaluate, due
from infonoise_core.training.step.listening import listening
from infonoise_core.training.step.noise import Noise, noise_of
from infonoise_core.training.step.rate import learning_rate
from infonoise_core.training.step.speed import Speed, flops_of_example, in_words, peak_of
from infonoise_core.training.task import Batch, PartLosses, Task

# Optimizer steps between two looks at whether any of several processes is to stop.
_LOOK_EVERY = 10

# Averaged denoiser and optimizer steps done -> the file that samples went to, an image or text.
Show = Callable[[nn.Module, int], Path]


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
    save_async: bool = False,
) -> RunResult:
    """Train task.denoiser for config.steps optimizer steps, or until config.target is met.

    It goes on from the newest checkpoint in `out`.

    Everything random is a function of (seed, step, place in the batch): a run that goes on ends
    with the same bits on the same machine, and several processes learn what one does, but for
    rounding and dropout. `out` gets
    metrics.jsonl, checkpoints/, profile.json. On SIGTERM it saves and raises Stopped, a SystemExit
    with code 0. A step whose loss or gradient is not finite is skipped.

    Args:
        show: Called after each evaluation, for samples.
        workers: Threads that call task.batch for the micro-batches to come.
        log_to: See `loggers`.
        save_async: Checkpoints go to disk while training goes on, one at a time.
    """
    engine = engine or TorchEngine()
    reporter = Noting(reporter if reporter and engine.rank == 0 else Silent())
    check_division(config, engine)
    model = task.denoiser.to(engine.device)
    order = visits(task, config.batch_size, config.seed, config.order)
    flops = _flops(task, order, engine)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.rate,
        betas=(0.9, 0.99),
        weight_decay=config.weight_decay,
        fused=True,
    )
    average, *others = averages = [WeightAverage(model, keep) for keep in _keeps(config)]
    forward = engine.wrap(model, optimizer, config.grad_clip)
    metrics = Metrics(out / METRICS_FILE, engine, config.skip_limit)
    meter = Meter(schedule, task.dim, refresh_every(config.pace))
    state = RunState(
        out, config, engine, average, schedule, meter, metrics, signatures(out), save_async,
        narrow=next(iter(others), None),
    )  # fmt: skip

    with asked_to_stop() as stop, no_space_left(out), ExitStack() as stack:
        stack.push(state.leave)
        done = state.resume()
        metrics.loggers = stack.enter_context(
            open_loggers(log_to if engine.rank == 0 else (), out, done, settings_of(config))
        )
        batches = stack.enter_context(_batches(task, order, config, engine, done, workers))
        speed = Speed(task, config.batch_size, done, engine.device, flops, engine.world)
        work = _Work(
            task, schedule, meter, forward, engine, config, batches,
            noise_of(state.streams, config.seed, config.batch_size), speed,
        )  # fmt: skip
        reporter.advance(done)
        forward.train()
        finished = done == config.steps or _reached(config, metrics)
        while not finished:
            loss = work.accumulate(done)
            norm = engine.step(learning_rate(done, config))
            schedule.step()
            done += 1
            meter.step(done)
            for one in averages:
                one.update(done)
            metrics.add(loss, norm)

            last = done == config.steps
            if last or done % config.log_every == 0:
                pace = speed.lap(done)
                words = metrics.log(done, schedule.status(), pace)
                reporter.advance(0, f"{words}, {in_words(pace)}")
            finished = last
            if evaluate is not None and (last or _every(config.eval_every, done)):
                with (
                    speed.aside(),
                    average.whole() as averaged,
                    listening(evaluate, reporter.measuring),
                ):
                    _evaluate(
                        due(evaluate, config.eval_every, done, last=last), show, averaged, engine,
                        metrics, done,
                    )  # fmt: skip
                finished = last or _reached(config, metrics)
            if last or done % config.save_every == 0:
                metrics.density(done, schedule)
            stopping = _asked_to_stop(stop.raised or state.failed, done, engine)
            if finished or stopping or done % config.save_every == 0:
                with speed.aside():
                    state.save(done, last=finished or stopping)
            reporter.advance(1)
            if stopping and not finished:
                raise Stopped(done, config.steps, engine.rank > 0, stop.number)

    return RunResult(average.gather(), schedule, list(metrics.evaluations), meter.profiles())


@dataclass(frozen=True)
class _Work:
    """What a step's gradients are made of."""

    task: Task
    schedule: Schedule
    meter: Meter
    forward: nn.Module
    engine: Engine
    config: TrainConfig
    batches: Iterator[Batch]
    noise: Noise
    speed: Speed

    def accumulate(self, step: int) -> Tensor:
        """Gradients of this rank's part of a batch, by micro-batches; the mean loss.

        Levels are drawn for the whole batch and noise by place in it, so that they are the same
        however it is divided.
        """
        engine, seed, device = self.engine, self.config.seed, self.engine.device
        levels = generator(seed, Stream.LEVELS, step, device=device)
        u = self.schedule.sample(
            self.config.batch_size, device=device, generator=levels, ranks=(0, 1)
        )
        size = self.config.batch_size // (engine.world * engine.grad_accum)
        total = torch.zeros((), device=device)
        for i in range(engine.grad_accum):
            place = (engine.rank * engine.grad_accum + i) * size
            own = u[place : place + size]
            batch = self.speed.next(self.batches).to(device)
            eps = self.noise.rows(step, place, batch.x0)
            # Dropout and the like draw from the global generator.
            seed_global(derive_seed(seed, Stream.MODEL, step, place), device)
            with engine.micro_batch(last=i == engine.grad_accum - 1):
                sigma = self.schedule.channel.sigma(own)
                losses = self.task.losses(self.forward, batch, sigma, eps)
                loss = losses.loss.mean()
                engine.backward(loss)
            if losses.squared_error is not None:
                used = own[losses.rows] if isinstance(losses, PartLosses) else own
                self.schedule.observe(used, losses.squared_error)
                self.meter.observe(used, losses.squared_error)
            total += loss.detach()
        return total / engine.grad_accum


def _batches(
    task: Task, order: Visits, config: TrainConfig, engine: Engine, done: int, workers: int
) -> Prefetch[Batch]:
    """This rank's micro-batches from optimizer step `done` on."""
    plan = micro_batches(
        config.batch_size, range(done, config.steps),
        rank=engine.rank, world=engine.world, grad_accum=engine.grad_accum,
    )  # fmt: skip
    return Prefetch(lambda at, n: task.batch(order.indices(at, n)), plan, workers)


def check_division(config: TrainConfig, engine: Engine) -> None:
    """InputError for a batch that processes and micro-batches cannot share alike."""
    parts = engine.world * engine.grad_accum
    if config.batch_size % parts:
        raise InputError(
            f"--batch-size {config.batch_size} does not divide into {engine.world} processes of"
            f" {engine.grad_accum} micro-batches: give a multiple of {parts}"
        )


def _flops(task: Task, order: Visits, engine: Engine) -> float:
    """Of an example, where the device's peak is known."""
    if not peak_of(engine.device):
        return 0.0
    return flops_of_example(task, task.batch(order.indices(0, 1)).to(engine.device))


def _keeps(config: TrainConfig) -> list[Keep]:
    """Of the average, and of a second one where a run keeps snapshots."""
    if config.ema_half_life:
        return [plain_keep(0.5 ** (1 / config.ema_half_life))]
    if config.ema_decay:
        return [plain_keep(config.ema_decay)]
    widths = (1.0, NARROW) if config.snapshot_every else (1.0,)
    return [power_keep(width * config.ema) for width in widths]


def _every(interval: int, done: int) -> bool:
    return interval > 0 and done % interval == 0


def _evaluate(
    evaluate: Evaluate, show: Show | None, denoiser: nn.Module, engine: Engine, metrics: Metrics,
    done: int,
) -> None:  # fmt: skip
    """Measure on all ranks together, write that down, and show samples."""
    with together(engine.rank, engine.world):
        found = evaluate(denoiser)
    metrics.write(done, {"evaluate": engine.share(lambda: found)})
    if show is not None:
        metrics.show(done, engine.share(lambda: show(denoiser, done)))


def _reached(config: TrainConfig, metrics: Metrics) -> bool:
    """Whether the latest evaluation meets the target; InputError if it has no such measure."""
    target = parse_target(config.target)
    if target is None or not metrics.evaluations:
        return False
    name, value = target
    latest = metrics.evaluations[-1]
    if name not in latest:
        known = ", ".join(k for k in latest if k != "step")
        raise InputError(f"--target {config.target}: no such measure; there are {known}")
    return latest[name] <= value


def _asked_to_stop(flag: bool, done: int, engine: Engine) -> bool:
    """Whether any process is to end; several compare only now and then."""
    if engine.world > 1 and done % _LOOK_EVERY:
        return False
    return engine.any(flag)
