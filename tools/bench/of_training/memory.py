"""What training processes hold in memory, beside what was estimated: one line per setting.

    cd tools/bench/of_training
    python memory.py '{"engine": "torch"}' '{"engine": "torch", "grad_accum": 2}'
    torchrun --nproc-per-node 2 memory.py '{"engine": "deepspeed", "zero": 3}'

Give each setting of EngineConfig as JSON, with "device": "cuda" on GPUs. There the numbers are
those of torch's allocator; on the CPU they are the resident pages of the process. LAYERS=58 in the
environment makes it 61 million parameters instead of 8.5.
"""

import gc
import json
import os
import socket
import stat
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser
from infonoise_core.app.memory import Memory, activation_bytes, estimate
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.ema import WeightAverage, plain_keep
from infonoise_core.training.engines.base import Engine, count_parameters, recompute_blocks
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.step.noise import BlockNoise
from infonoise_core.training.task import Batch

# Freed memory of 256 KiB and more goes back to the system at once, so that pages tell what is held.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**18), "MALLOC_TRIM_THRESHOLD_": "0"}
_INPUTS, _EXAMPLES, _STEPS = 64, 32, 3
# Of struct tcp_info in linux/tcp.h: tcpi_bytes_received, 64 bits.
_RECEIVED_AT = 128
_LAYERS = int(os.environ.get("LAYERS", "8"))
# Of which every process draws its rows.
NOISE_BATCH, _NOISE_SHAPE, _NOISE_STEPS = 512, (3, 64, 64), 3


class Net(nn.Module):
    """Residual layers of one size: x (n, 64) -> (n, 64)."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.first = nn.Linear(_INPUTS, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.last = nn.Linear(width, _INPUTS)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        h = self.first(x) + c_noise[:, None]
        for layer in self.layers:
            h = h + nn.functional.silu(layer(h))
        out: Tensor = self.last(h)
        return out


@dataclass(frozen=True)
class Measured:
    """Of the process that has most. kept, peak: bytes between steps and at most, weights and all.
    received: bytes from others in one step, where they talk over TCP. noise: CPU seconds for its
    rows of the noise of NOISE_BATCH examples, least of a few steps. first: kept and peak of the
    first process.
    """

    engine: EngineConfig
    processes: int
    parameters: int
    kept: int
    peak: int
    received: int
    noise: float
    first: tuple[int, int]
    estimated: Memory

    def line(self) -> str:
        mib = (f"{value / 2**20:.1f}" for value in (
            self.kept, self.estimated.kept, self.peak, self.estimated.peak))  # fmt: skip
        kept, expected, peak, bound = mib
        return (
            f"kept {kept} MiB (estimate {expected}), peak {peak} MiB (estimate {bound}), received"
            f" {self.received / 2**20:.1f} MiB a step"
        )


def measure(config: EngineConfig, width: int = 1024, layers: int = _LAYERS) -> Measured:
    """Train a network for a few steps, after a small one that makes torch load what it needs."""
    engine = make_engine(config)
    _train(engine, Net(64, 2))
    meter = Meter(engine.device)
    model = Net(width, layers)
    *mine, parameters = _train(engine, model, meter)
    drawn = noise_seconds(engine)
    every = engine.gather([*mine, drawn]) or [[*mine, drawn]]
    kept, peak, got, noise = (max(values) for values in zip(*every, strict=True))
    first = int(every[0][0]), int(every[0][1])
    batch = Batch(torch.empty(_EXAMPLES, _INPUTS))
    # Of a network of its own: DeepSpeed may have taken this one's weights apart.
    fresh = EDMDenoiser(Net(width, layers), sigma_data=1.0)
    if config.activation_checkpointing:
        recompute_blocks(fresh)
    activations = activation_bytes(fresh, batch, config.precision)
    estimated = estimate(parameters, config, engine.world, activations)
    return Measured(config, engine.world, parameters, kept, peak, got, noise, first, estimated)


def _train(engine: Engine, net: Net, meter: "Meter | None" = None) -> tuple[int, int, int, int]:
    """Bytes kept, at most and received in the last step, and the number of parameters."""
    model = EDMDenoiser(net, sigma_data=1.0).to(engine.device)
    parameters = count_parameters(model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    average = WeightAverage(model, plain_keep(0.9))
    forward = engine.wrap(model, optimizer, clip=1.0)
    average.follow(engine.shares())
    peak = got = 0
    for step in range(1, _STEPS + 1):
        if meter is not None:
            meter.restart()
        before = received()
        for i in range(engine.grad_accum):
            _gradients(engine, forward, last=i == engine.grad_accum - 1)
        engine.step(1e-4)
        average.update(step)
        peak = 0 if meter is None else meter.peak()
        engine.any(False)  # all have sent what they send in a step
        got = received() - before
    gc.collect()
    return 0 if meter is None else meter.now(), peak, got, parameters


def _gradients(engine: Engine, forward: nn.Module, last: bool) -> None:
    x = torch.randn(_EXAMPLES, _INPUTS, device=engine.device)
    sigma = torch.ones(_EXAMPLES, device=engine.device)
    with engine.micro_batch(last):
        engine.backward((forward(x, sigma) - x).square().mean())


def noise_seconds(engine: Engine) -> float:
    """CPU seconds in which this process draws its rows of a batch's noise."""
    rows = NOISE_BATCH // engine.world
    like = torch.empty(rows, *_NOISE_SHAPE)
    noise, took = BlockNoise(0), []
    for step in range(_NOISE_STEPS):
        began = time.process_time()
        noise.rows(step, engine.rank * rows, like)
        took.append(time.process_time() - began)
    return min(took)


class Meter:
    """Bytes that this process holds, above those at the start."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        self._start = 0
        gc.collect()
        self._start = self.now()

    def restart(self) -> None:
        if self._cuda is not None:
            torch.cuda.reset_peak_memory_stats(self._cuda)
        else:
            # The kernel's word for "forget the highest number of resident pages".
            Path("/proc/self/clear_refs").write_text("5")

    def now(self) -> int:
        held = _resident("VmRSS") if self._cuda is None else torch.cuda.memory_allocated(self._cuda)
        return held - self._start

    def peak(self) -> int:
        if self._cuda is None:
            return _resident("VmHWM") - self._start
        return torch.cuda.max_memory_allocated(self._cuda) - self._start


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kib) * 1024


def received() -> int:
    """Bytes that came over the TCP connections that are open now, as the kernel counts them."""
    total = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:  # closed meanwhile, or no TCP
            continue
        if len(info) >= _RECEIVED_AT + 8:
            total += int(struct.unpack_from("Q", info, _RECEIVED_AT)[0])
    return total


def main(settings: list[str]) -> None:
    """Measure every setting in this process; rank 0 prints."""
    if not ALLOCATOR.keys() <= os.environ.keys():
        os.environ.update(ALLOCATOR)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    torch.set_num_threads(1)
    for text in settings:
        found = measure(EngineConfig(**json.loads(text)))
        if os.environ.get("RANK", "0") == "0":
            print(found.line(), json.dumps(asdict(found)), sep="\t", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
