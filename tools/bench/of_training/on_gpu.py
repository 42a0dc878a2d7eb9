"""Published networks on a GPU: how fast they train, and what that takes beside its estimate."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser, LogNormal, VarianceExploding, edm_weight
from infonoise_core.app.memory import activation_bytes, estimate
from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.engines.base import count_parameters
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.loop import train
from infonoise_core.training.step.speed import high_water
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_text.models.config import preset
from infonoise_text.models.denoiser import BitDenoiser
from infonoise_text.models.transformer import BitTransformer
from infonoise_vision.models.registry import Inputs, make_network
from report import Cell, Goal, Section, Table

STEPS, STEPS_QUICK = 200, 20
_EXAMPLES = 4096


@dataclass(frozen=True)
class Recipe:
    """A network, and examples for it.

    Attributes:
        make: A fresh denoiser.
        shape: Of an example; its values are random, which changes no time.
        binary: Whether they are bits, or between -1 and 1.
        batch: Examples of a step.
        unit, units: What else speed is told in, and of them in an example.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    binary: bool
    batch: int
    unit: str = "examples"
    units: int = 1


RECIPES = {
    "ddpmpp-cifar10": Recipe(
        lambda: EDMDenoiser(make_network("ddpmpp-cifar10", Inputs((3, 32, 32))), 0.5),
        (3, 32, 32), binary=False, batch=128,
    ),
    "cobit-s": Recipe(
        lambda: BitDenoiser(BitTransformer(15, preset("cobit-s"))),
        (128, 15), binary=True, batch=128, unit="tokens", units=128,
    ),
}  # fmt: skip


class Random:
    """Random examples, which a task of the loop trains on."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.denoiser = recipe.make()
            values = torch.rand(_EXAMPLES, *recipe.shape)
        self._x0 = values.round() if recipe.binary else 2 * values - 1
        self.dim = self._x0[0].numel()
        self.unit, self.units = recipe.unit, recipe.units

    def __len__(self) -> int:
        return len(self._x0)

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self._x0[torch.from_numpy(index)])

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(0.5))


@dataclass(frozen=True)
class Found:
    """speed: the last line of it.  held: bytes at most.  estimated: the same by the formulas."""

    parameters: int
    speed: dict[str, float]
    held: int
    estimated: int


def measured(recipe: Recipe, engine: EngineConfig, steps: int, seed: int) -> Found:
    """Train so many steps; speed is that of the second half, when all is warm."""
    task = Random(recipe, seed)
    parameters = count_parameters(task.denoiser.parameters())
    batch = task.batch(np.arange(recipe.batch))
    activations = activation_bytes(task.denoiser, batch, engine.precision)
    config = TrainConfig(
        steps=steps, batch_size=recipe.batch, log_every=steps // 2, eval_every=0, lr=1e-4, seed=seed
    )
    made = make_engine(engine)
    if made.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(made.device)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train(task, LogNormal(VarianceExploding()), config, out, engine=made)
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    speed: dict[str, float] = [line["speed"] for line in lines if "speed" in line][-1]
    estimated = estimate(parameters, engine, 1, activations).peak
    return Found(parameters, speed, high_water(made.device), estimated)


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Every recipe in bf16, compiled and not; InputError without a GPU."""
    if not torch.cuda.is_available():
        raise InputError("bench:training-gpu needs a CUDA GPU, and there is none here")
    device = torch.cuda.get_device_name()
    rows: list[list[Cell]] = []
    most = 0.0
    for name, recipe in RECIPES.items():
        for compile in (False, True):
            tick(f"{name}{', compiled' if compile else ''}")
            engine = EngineConfig(device="cuda", precision="bf16", compile=compile)
            found = measured(recipe, engine, STEPS_QUICK if quick else STEPS, seed)
            units = found.speed.get(f"{recipe.unit}_per_s", found.speed["examples_per_s"])
            rows.append([
                name, compile, found.parameters / 1e6, found.speed["examples_per_s"],
                f"{units:.0f} {recipe.unit}", found.speed.get("mfu"), found.held / 2**30,
                found.estimated / 2**30,
            ])  # fmt: skip
            if not compile:
                most = max(most, found.held / found.estimated)
    columns = ["network", "compiled", "million parameters", "examples/s", "a second", "MFU",
               "GiB", "its estimate"]  # fmt: skip
    table = Table(
        f"{STEPS_QUICK if quick else STEPS} steps on one {device}",
        "In bf16, with an average of weights, on random examples, the second half of steps. MFU:"
        " the share of the device's peak that the matrix products amount to. GiB: the most that"
        " torch's allocator held, and what estimate-memory says.",
        columns,
        rows,
        {"million parameters": ".1f", "examples/s": ".0f", "MFU": ".1%", "GiB": ".2f",
         "its estimate": ".2f"},
    )  # fmt: skip
    goal = Goal("Memory held over its estimate, not compiled", most, "at most", 1.1, ".2f")
    return Section("Training on a GPU", [table], [goal])
