"""What each of several processes keeps, holds at most, receives in a step, and draws of noise."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from of_training import memory
from of_training.runs import failure
from report import Cell, Goal, Section, Table

LAYERS, PROCESSES = 58, (1, 2, 4)
LAYERS_QUICK, PROCESSES_QUICK = 8, (1, 2)
ENGINES: dict[str, dict[str, Any]] = {
    "torch": {"engine": "torch"},
    **{f"ZeRO {zero}": {"engine": "deepspeed", "zero": zero} for zero in (1, 2, 3)},
}
# Of the first process of four under ZeRO 3, by the same script, before the average was split and
# what is gathered ahead of its use followed the size of the network.
_BEFORE = {"kept": 725.2 * 2**20, "peak": 1154.3 * 2**20}
_MIB = 2**20


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Real processes that train a network of linear layers for three steps."""
    layers = LAYERS_QUICK if quick else LAYERS
    engines = ENGINES if importlib.util.find_spec("deepspeed") else {"torch": ENGINES["torch"]}
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for processes in PROCESSES_QUICK if quick else PROCESSES:
        tick(f"{processes} processes")
        measured = held(list(engines.values()), processes, layers)
        found |= {(name, processes): m for name, m in zip(engines, measured, strict=True)}
    parameters = next(iter(found.values()))["parameters"]
    return Section("What a process holds", [_table(found, parameters)], _goals(found, parameters))


def low(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """ZeRO 3 with weights in bf16, against what the old design took, which had them in fp32."""
    tick("ZeRO 3, weights in bf16")
    engine = {**ENGINES["ZeRO 3"], "precision": "bf16", "bf16_weights": True}
    (found,) = held([engine], 4, LAYERS_QUICK if quick else LAYERS)
    kept, peak = found["first"]
    rows: list[list[Cell]] = [
        ["before", _BEFORE["kept"] / _MIB, _BEFORE["peak"] / _MIB],
        ["weights in bf16", kept / _MIB, peak / _MIB],
    ]
    return Section(
        "Weights in bf16",
        [
            Table(
                f"ZeRO 3 on four processes, {found['parameters'] / 1e6:.1f} million parameters",
                "MiB of the first process, as above: before the average was split and what is"
                " gathered ahead of its use followed the size of the network, all in fp32; and with"
                " --bf16-weights, in processes that run nothing else.",
                ["ZeRO 3", "kept", "at most"],
                rows,
                {"kept": ".1f", "at most": ".1f"},
            )
        ],
        [
            Goal("Kept, over what the old design kept", kept / _BEFORE["kept"], "at most", 0.5,
                 ".3f"),
            Goal("Held at most, over what the old design did", peak / _BEFORE["peak"], "at most",
                 0.5, ".3f"),
        ],
    )  # fmt: skip


def held(engines: list[dict[str, Any]], processes: int, layers: int) -> list[dict[str, Any]]:
    """`memory.Measured` of each setting, of the process that has most."""
    command = [
        sys.executable, "-W", "ignore", "-m", "torch.distributed.run",
        f"--nproc-per-node={processes}", "--standalone", str(memory.__file__),
        *(json.dumps({"device": "cpu", **engine}) for engine in engines),
    ]  # fmt: skip
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    more = {"LAYERS": str(layers), "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path, **more}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise InputError(f"memory.py: {failure(done.stderr)}")
    return [json.loads(line.split("\t")[1]) for line in done.stdout.splitlines() if "\t" in line]


def _table(found: dict[tuple[str, int], dict[str, Any]], parameters: int) -> Table:
    rows: list[list[Cell]] = []
    for (name, processes), m in found.items():
        parts = m["estimated"]
        kept = sum(parts[part] for part in ("weights", "average", "optimizer", "buffers"))
        most = kept + max(
            parts["backward"] + parts["copies"] + parts["activations"], parts["update"]
        )
        sizes = [size / _MIB for size in (m["kept"], kept, m["peak"], most)]
        per = m["kept"] / parameters
        rows.append([processes, name, *sizes, per, m["received"] / _MIB, m["noise"]])
    columns = ["processes", "engine", "kept", "its estimate", "at most", "its estimate ",
               "bytes a parameter", "received a step", "seconds of noise"]  # fmt: skip
    return Table(
        f"A network of {parameters / 1e6:.1f} million parameters",
        "MiB of the process that has most, in resident pages beyond those before: kept between two"
        " steps, at most within one, received from the others in one; and its CPU time for its own"
        f" rows of the noise of {memory.NOISE_BATCH} examples of 3x64x64. Three steps of fp32 on"
        " the CPU, gloo.",
        columns,
        rows,
        dict.fromkeys(columns[2:6], ".1f") | {
            "bytes a parameter": ".2f", "received a step": ".1f", "seconds of noise": ".3f",
        },
    )  # fmt: skip


def _goals(found: dict[tuple[str, int], dict[str, Any]], parameters: int) -> list[Goal]:
    goals = [
        Goal(
            f"torch, {processes} processes: bytes kept per parameter",
            m["kept"] / parameters, "at most", 12 + 8 / processes, ".2f",
        )
        for (name, processes), m in found.items()
        if name == "torch"
    ]  # fmt: skip
    four = found.get(("ZeRO 3", 4), {})
    words = {"kept": "kept", "peak": "held at most"}
    goals += [
        Goal(f"ZeRO 3, 4 processes: {words[what]} by the first, over what the old design did",
             four["first"][i] / before, "at most", 0.5, ".3f")
        for i, (what, before) in enumerate(_BEFORE.items())
        if four
    ]  # fmt: skip
    first, last = (found["torch", n]["noise"] for n in (1, max(n for _, n in found)))
    share = 1 / max(n for _, n in found)
    goals.append(
        Goal("Time of noise with most processes, over that of one", last / first, "at most",
             1.25 * share, ".3f")
    )  # fmt: skip
    return goals
