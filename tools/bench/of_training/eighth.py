"""The noise of a large batch on eight processes: an eighth for each, and the same losses.

    torchrun --nproc-per-node 8 tools/bench/of_training/eighth.py 4096

prints what `section` compares with one process. All eight are on this machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser, InfoNoise, VarianceExploding, edm_weight
from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.loop import train
from infonoise_core.training.step.noise import BlockNoise, Noise, WholeNoise
from infonoise_core.training.task import Batch, Losses, denoising_losses
from of_training.memory import ALLOCATOR, Meter
from of_training.runs import failure
from report import Goal, Section, Table

WORLD, BATCH, BATCH_QUICK = 8, 4096, 256
_SHAPE, _IMAGES, _STEPS = (3, 64, 64), 64, 3


class Net(nn.Module):
    """One convolution: the noise is what costs."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        out: Tensor = self.only(x) + c_noise[:, None, None, None]
        return out


class Pictures:
    """A few images of 3x64x64, again and again."""

    dim = 3 * 64 * 64

    def __init__(self, examples: int) -> None:
        self._examples = examples
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.denoiser: nn.Module = EDMDenoiser(Net(), sigma_data=0.5)
            coarse = torch.rand(_IMAGES, 3, 8, 8) * 2 - 1
        self._images = nn.functional.interpolate(coarse, _SHAPE[1:], mode="bilinear")

    def __len__(self) -> int:
        return self._examples

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self._images[torch.from_numpy(index) % _IMAGES])

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(0.5))


class Drawn(NamedTuple):
    """Of a process, to draw its rows of a step's noise. seconds: of CPU.  held: bytes."""

    seconds: float
    held: int


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """What eight processes draw, as before and now; and what they learn, against one."""
    batch = BATCH_QUICK if quick else BATCH
    tick("one process")
    alone = _measured(1, batch, seed)
    tick(f"{WORLD} processes")
    eight = _measured(WORLD, batch, seed)
    before, now = (_worst(eight[key]) for key in ("whole", "rows"))
    pairs = zip(alone["losses"], eight["losses"], strict=True)
    difference = max(abs(a - b) / abs(a) for a, b in pairs)
    mib = 2**20
    return Section(
        f"A batch of {batch} on {WORLD} processes",
        [
            Table(
                f"Noise of {batch} images of 3x64x64",
                "What a process spends on the noise of a step, of the process that spends most: CPU"
                " time, and resident pages while it has it. before: all of the batch on each, as"
                " the first releases drew it. now: its own rows. All processes on one machine.",
                ["noise", "seconds", "MiB"],
                [
                    ["before", before.seconds, before.held / mib],
                    ["now", now.seconds, now.held / mib],
                    ["share", now.seconds / before.seconds, now.held / before.held],
                ],
                {"seconds": ".3f", "MiB": ".3f"},
            )
        ],
        [
            Goal("Time of a process's noise over the whole batch's",
                 now.seconds / before.seconds, "at most", 1.25 / WORLD, ".3f"),
            Goal("Memory of a process's noise over the whole batch's",
                 now.held / before.held, "at most", 1.1 / WORLD, ".3f"),
            Goal("Processes whose rows are those of the whole batch, to the bit",
                 sum(eight["equal"]), "equal to", WORLD),
            Goal(f"Relative difference of {_STEPS} losses from one process", difference, "at most",
                 1e-5, ".1e"),
        ],
    )  # fmt: skip


def _measured(world: int, batch: int, seed: int) -> dict[str, Any]:
    command = [
        sys.executable, "-W", "ignore", "-m", "torch.distributed.run",
        f"--nproc-per-node={world}", "--standalone", __file__, str(batch), str(seed),
    ]  # fmt: skip
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **ALLOCATOR, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"eighth.py: {failure(done.stderr)}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _worst(drawn: list[list[float]]) -> Drawn:
    return Drawn(max(d[0] for d in drawn), int(max(d[1] for d in drawn)))


def draw(make: Callable[[], Noise], start: int, rows: int) -> tuple[Tensor, Drawn]:
    """The rows of the first step, and the least that those of a few steps took."""
    like = torch.empty(rows, *_SHAPE)
    make().rows(_STEPS, start, like)  # from now on all that is needed is loaded
    seconds, held = [], []
    for step in reversed(range(_STEPS)):
        # What has been drawn is gone by now.
        noise, found = make(), torch.empty(0)
        meter = Meter(torch.device("cpu"))
        meter.restart()
        began = time.process_time()
        found = noise.rows(step, start, like)
        seconds.append(time.process_time() - began)
        held.append(meter.peak())
        del noise
    return found, Drawn(min(seconds), max(held))


def main(batch: int, seed: int) -> None:
    """Draw, then train a few steps; the first process prints what all have found."""
    torch.set_num_threads(1)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    engine = make_engine(EngineConfig(device="cpu", grad_accum=WORLD // world))
    rows = batch // world
    start = engine.rank * rows
    mine, now = draw(lambda: BlockNoise(seed), start, rows)
    whole = BlockNoise(seed).rows(0, 0, torch.empty(batch, *_SHAPE))
    equal = bool(torch.equal(whole[start : start + rows], mine))
    del whole, mine
    _, before = draw(lambda: WholeNoise(seed, batch), start, rows)
    task, config = Pictures(batch), TrainConfig(
        steps=_STEPS, batch_size=batch, log_every=1, eval_every=0, lr_warmup=1, seed=seed
    )  # fmt: skip
    schedule = InfoNoise(VarianceExploding(), weight=edm_weight(0.5), dim=task.dim)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(engine.share(lambda: folder))
        train(task, schedule, config, out, engine=engine)
        losses = engine.share(lambda: _losses(out))
        engine.any(False)  # nobody reads on
    every = engine.gather([now, before, equal])
    if engine.rank == 0:
        rows_of, whole_of, equals = (list(column) for column in zip(*every, strict=True))
        found = {"losses": losses, "rows": rows_of, "whole": whole_of, "equal": equals}
        print(json.dumps(found), flush=True)


def _losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
