"""Runs on a tiny task, which the tests start in processes of their own."""

import faulthandler
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import (
    Denoiser,
    EDMDenoiser,
    InfoNoise,
    LogNormal,
    VarianceExploding,
    edm_weight,
)
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.loop import train
from infonoise_core.training.task import Batch, Losses, denoising_losses


class Net(nn.Module):
    # 37 and 3: sizes that no number of processes divides.
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, 37), nn.Linear(37, 3)
        self.blocks = nn.ModuleList([nn.Sequential(nn.SiLU(), nn.Linear(37, 37))])

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        hidden = self.enter(torch.cat([x, c_noise[:, None]], 1))
        for block in self.blocks:
            hidden = block(hidden)
        out: Tensor = self.leave(nn.functional.silu(hidden))
        return out


class Corners:
    """The corners of a cube. seen: a file to which all indices go, one line per micro-batch.
    nan_at, term_at: micro-batches at which rank 0 has a loss that is nan, or gets SIGTERM.
    """

    dim = 3

    def __init__(
        self, seen: Path | None = None, nan_at: Sequence[int] = (), term_at: int | None = None
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.denoiser: nn.Module = EDMDenoiser(Net(), sigma_data=1.0)
        first = os.environ.get("RANK", "0") == "0"
        self.seen, self.nan_at = seen, nan_at if first else ()
        self.term_at, self.calls = term_at if first else None, 0

    def __len__(self) -> int:
        return 50

    def batch(self, index: np.ndarray) -> Batch:
        if self.seen is not None:
            with self.seen.open("a") as file:
                file.write(json.dumps(index.tolist()) + "\n")
        self.calls += 1
        if self.calls == self.term_at:
            os.kill(os.getpid(), signal.SIGTERM)
        bits = torch.from_numpy(index[:, None] >> np.arange(3) & 1)
        return Batch(2 * bits.float() - 1)

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        loss, error = denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))
        if self.calls in self.nan_at:
            loss = loss * torch.nan
        return Losses(loss, error)


def schedule() -> InfoNoise:
    return InfoNoise(
        VarianceExploding(0.02, 20.0), weight=edm_weight(1.0), refresh_every=7, warmup_steps=14,
        min_count=1, bins=16, dim=3,
    )  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A run. log: write the indices beside `out`. nan_at, term_at: see Corners. fixed: draw levels
    by a schedule that learns nothing.
    """

    out: str
    train: dict[str, Any]
    engine: dict[str, Any] = field(default_factory=dict)
    log: bool = False
    nan_at: tuple[int, ...] = ()
    term_at: int | None = None
    fixed: bool = False

    def run(self) -> None:
        seen = Path(self.out).with_suffix(".seen") if self.log else None
        task = Corners(seen, self.nan_at, self.term_at)
        settings = EngineConfig(device="cpu", **self.engine)
        engine = make_engine(settings)
        reporter = Starts(seen) if seen else None
        config = TrainConfig(**self.train)
        drawn: Schedule = LogNormal(VarianceExploding(0.02, 20.0)) if self.fixed else schedule()
        train(
            task, drawn, config, Path(self.out), engine=engine, reporter=reporter,
            save_async=settings.save_async,
        )  # fmt: skip


def told(out: Path) -> list[dict[str, Any]]:
    """The lines of the metrics without what no two runs have in common: how fast they went."""
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "speed"} for line in lines]


class Starts:
    """Notes in the log of indices at which step a run has started."""

    def __init__(self, log: Path) -> None:
        self.log, self.started = log, False

    def advance(self, amount: float = 1, note: str = "") -> None:
        if not self.started:
            self.started = True
            with self.log.open("a") as file:
                file.write(f"start {amount:.0f}\n")


class Started(NamedTuple):
    process: "subprocess.Popen[bytes]"
    errors: IO[str]


def launch(jobs: list[Job], world: int = 1) -> list[Started]:
    """Start the jobs, one after another, in `world` processes."""
    arguments = [sys.executable, __file__, json.dumps([asdict(job) for job in jobs])]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(world):
        env = {**os.environ, "TORCH_CPP_LOG_LEVEL": "ERROR"}
        if world > 1:
            env |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            }  # fmt: skip
        # A file: a pipe that nobody reads fills up and blocks.
        errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        started.append(Started(subprocess.Popen(arguments, env=env, stderr=errors), errors))
    return started


def finish(started: list[Started]) -> list[str]:
    """Wait for all; their stderr. Fails when one failed."""
    codes = [one.process.wait() for one in started]
    texts = []
    for one in started:
        with one.errors as file:
            file.seek(0)
            texts.append(file.read())
    assert codes == [0] * len(codes), texts
    return texts


def main(jobs: list[Job]) -> None:
    torch.set_num_threads(1)
    for job in jobs:
        faulthandler.dump_traceback_later(300, exit=True)
        try:
            job.run()
        except SystemExit as end:
            if end.code or job is jobs[-1]:
                raise


if __name__ == "__main__":
    main([Job(**job) for job in json.loads(sys.argv[1])])
