"""The estimate of memory as `infonoise estimate-memory` prints it."""

import math
import sys
from pathlib import Path
from typing import Literal

import safetensors  # noqa: F401  where it is missing, that shows at once
from rich.table import Table

from infonoise_core.app.memory import Memory, estimate
from infonoise_core.commands.options import EstimateMemory
from infonoise_core.config.quantities import SIZES, parse_count, parse_size
from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.terminal import console
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import WEIGHTS_FILE, is_artefact
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.saving.tensors import shapes


def run_estimate_memory(config: EstimateMemory) -> None:
    """Print one row per engine and stage."""
    console().print(
        memory_table(
            config.parameters, config.processes, config.precision, config.grad_accum,
            config.activations, config.gpu, config.offload,
        )
    )  # fmt: skip
    if not config.activations:
        print("activations: not given; of a micro-batch, --activations adds them", file=sys.stderr)


def memory_table(
    parameters: str,
    processes: int,
    precision: Literal["fp32", "bf16"],
    grad_accum: int,
    activations: str,
    gpu: str,
    offload: Literal["none", "optimizer"] = "none",
) -> Table:
    """One row per engine and ZeRO stage, in GiB or MiB.

    The column of gradients holds buckets and what DeepSpeed gathers and copies, too; that of
    activations also bf16 copies of the weights.

    Args:
        parameters: A number such as 133.5M, or a run's folder.
        processes: Of the run, all machines together.
        precision: Of the network's arithmetic.
        grad_accum: Micro-batches per optimizer step and process.
        activations: A size such as 24GiB, or empty.
        gpu: The same.
        offload: Of stages 1 to 3, with a column of what each keeps in the host's memory.

    Raises:
        InputError: For what is neither.
    """
    number = parameters_of(parameters, Path(parameters))
    kept_back = parse_size(activations, "--activations") if activations else 0
    limit = parse_size(gpu, "--gpu") if gpu else None
    unit = "GiB" if 4 * number >= 2**28 else "MiB"
    scale = SIZES[unit.upper()]
    where = f"each of {processes} processes" if processes > 1 else "one process"
    table = Table(title=f"{number:,} parameters, {precision}: {unit} of {where}")
    table.add_column("", no_wrap=True)
    for name in ("weights", "EMA", "Adam", "gradients", "activations", "at most"):
        table.add_column(name, justify="right")
    if offload != "none":
        table.add_column("on the host", justify="right")
    if limit is not None:
        table.add_column("fits", justify="right")
    for name, engine in _engines(precision, grad_accum, offload).items():
        memory = estimate(number, engine, processes, kept_back)
        cells = [*_cells(memory), *([] if offload == "none" else [memory.host])]
        fits = () if limit is None else ("yes" if memory.peak <= limit else "no",)
        table.add_row(name, *(f"{value / scale:.2f}" for value in cells), *fits)
    return table


def parameters_of(text: str, run: Path) -> int:
    """A number such as 133.5M, or that of the weights in a run's folder; InputError for neither."""
    return _in_run(run) if run.is_dir() else parse_count(text)


def _engines(
    precision: Literal["fp32", "bf16"], grad_accum: int, offload: Literal["none", "optimizer"]
) -> dict[str, EngineConfig]:
    def engine(name: Literal["torch", "deepspeed"], zero: Literal[0, 1, 2, 3]) -> EngineConfig:
        return EngineConfig(
            engine=name, zero=zero, precision=precision, grad_accum=grad_accum,
            offload=offload if zero else "none",
        )  # fmt: skip

    stages: tuple[Literal[0, 1, 2, 3], ...] = (0, 1, 2, 3)
    split = {f"--zero {zero}": engine("deepspeed", zero) for zero in stages}
    return {"torch": engine("torch", 0), **split}


def _cells(memory: Memory) -> tuple[int, ...]:
    gradients = memory.buffers + max(memory.backward, memory.update)
    return (
        memory.weights, memory.average, memory.optimizer, gradients,
        memory.activations + memory.copies, memory.peak,
    )  # fmt: skip


def _in_run(run: Path) -> int:
    """Numbers in the weights of a run's newest checkpoint, which are not loaded for that."""
    if is_artefact(run):
        files = [run / WEIGHTS_FILE]
    else:
        step = checkpoint.newest(run / CHECKPOINTS)
        if step is None:
            raise InputError(f"{run}: no checkpoint here; give the --out of a train command")
        files = checkpoint.part_files(checkpoint.path_of(run / CHECKPOINTS, step), "model")
    return sum(math.prod(shape) for shape in shapes(files).values())
