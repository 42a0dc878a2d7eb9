"""The verb `infonoise plan`: what fits on so many GPUs, as a table, and what to give to train."""

import sys
from pathlib import Path

from infonoise_core.commands.estimate_memory import parameters_of
from infonoise_core.commands.options import Plan
from infonoise_core.commands.ways import Need, Way, ways
from infonoise_core.config.quantities import SIZES, parse_size
from infonoise_core.terminal import print_rows

_GIB = SIZES["GIB"]
_HEADER = (
    "", "micro-batch", "--grad-accum", "kept", "at most", "room", "exchanged per step", "fits",
)  # fmt: skip


def run_plan(config: Plan) -> None:
    """Print the ways in the order of their cost, and the options of the first that fits."""
    need = Need(
        parameters_of(config.model, Path(config.model)),
        config.batch_size,
        _size(config.activations, "--activations"),
        _size(config.checkpointed, "--checkpointed"),
    )
    size, offload = parse_size(config.memory, "--memory"), config.offload == "optimizer"
    found = ways(need, config.gpus, size, config.precision, offload)
    title = (
        f"{need.parameters:,} parameters, {config.precision}, {config.batch_size} examples per step"
        f" on {config.gpus} GPUs of {config.memory}: GiB of each process"
    )
    header = [*_HEADER, *(["on the host"] if offload else [])]
    print_rows(title, header, [_row(way, offload) for way in found])
    if not need.activations:
        print(
            "activations: not given, so the room is theirs; --activations takes those of one"
            " example (infonoise_core.app.memory.activation_bytes)",
            file=sys.stderr,
        )
    print(_advice(found[0], config.gpus))


def _size(text: str, option: str) -> int:
    return parse_size(text, option) if text else 0


def _row(way: Way, host: bool = False) -> list[str]:
    engine = way.engine
    name = "torch" if engine.engine == "torch" else f"--zero {engine.zero}"
    if engine.offload != "none":
        name += ", offload"
    if engine.activation_checkpointing:
        name += ", checkpointing"
    sizes = (way.memory.kept, way.memory.peak, way.room, way.exchanged)
    numbers = [f"{size / _GIB:.2f}" for size in sizes]
    fits = "yes" if way.fits else "no"
    beside = [f"{way.memory.host / _GIB:.2f}"] if host else []
    return [name, str(way.micro_batch), str(engine.grad_accum), *numbers, fits, *beside]


def _advice(way: Way, gpus: int) -> str:
    if not way.fits:
        return (
            f"nothing fits; nearest is {_row(way)[0]}, with {way.room / _GIB:.2f} GiB of room: more"
            " GPUs, --checkpointed, or a smaller network"
        )
    engine, words = way.engine, []
    if engine.engine == "deepspeed":
        words += ["--engine deepspeed", f"--zero {engine.zero}"]
    if engine.offload != "none":
        words.append(f"--offload {engine.offload}")
    if engine.grad_accum > 1:
        words.append(f"--grad-accum {engine.grad_accum}")
    if engine.activation_checkpointing:
        words.append("--activation-checkpointing")
    words.append(f"--precision {engine.precision}")
    start = f"torchrun --nproc-per-node {gpus}, " if gpus > 1 else ""
    return f"the cheapest that fits: {start}train {' '.join(words)}"
