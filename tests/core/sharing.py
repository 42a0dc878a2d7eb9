"""What several processes share, as each of them runs it: `python sharing.py KIND`."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.evaluation.processes import spread
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.generate import generate, generate_chunks
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.training.task import Batch


class Shrinks(nn.Module):
    """The best denoiser of a unit Gaussian, with a parameter so that it has a device."""

    def __init__(self, failing: bool = False) -> None:
        super().__init__()
        self.scale, self.failing = nn.Parameter(torch.ones(())), failing

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        if self.failing:
            os._exit(7)
        return self.scale * x / (1 + sigma[:, None] ** 2)


def found(rank: int = 0, failing: bool = False) -> dict[str, list[float]]:
    """A bound and samples, of numbers that no number of processes divides."""
    denoiser = Shrinks(failing and rank == 1)
    x0 = torch.randn(37, 5, generator=generator(0, Stream.NOISE))
    bound = HeldOutError(Batch(x0), 0.01, 20.0, levels=7, chunk=10)(denoiser)
    grid = karras_grid(6, 0.01, 20.0)
    drawn = generate(denoiser, (5,), 37, grid, chunk=5).x
    own = generate_chunks(
        denoiser, (5,), 37, grid, chunk=100, own=lambda i: generator(1, Stream.SAMPLE, i)
    )
    each = torch.cat([part.x for part in own])
    return {
        "rates": bound.rate_integral.tolist(), "drawn": drawn.flatten().tolist(),
        "each": each.flatten().tolist(),
    }  # fmt: skip


def run(kind: str, world: int, out: Path) -> tuple[list[int], float]:
    """Exit codes of so many processes, and the seconds until all had ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun, processes = time.monotonic(), []
    for rank in range(world):
        env = {
            **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
        command = [sys.executable, __file__, kind, str(out)]
        processes.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
    codes = [process.wait(timeout=240) for process in processes]
    return codes, time.monotonic() - begun


def main(kind: str, out: str) -> None:
    torch.set_num_threads(1)
    with spread("cpu") as ranks:
        values = found(ranks.rank, kind == "failing")
    Path(out, f"{ranks.rank}.json").write_text(json.dumps(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
