"""The launch guide keeps its word: its commands run, and its table is what the estimate says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from infonoise_core.app.memory import activation_bytes, estimate
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.base import recompute_blocks
from infonoise_core.training.task import Batch
from infonoise_text.models.config import preset
from infonoise_text.models.denoiser import BitDenoiser
from infonoise_text.models.transformer import BitTransformer

GUIDE = (Path(__file__).parents[2] / "docs" / "training-at-scale.md").read_text()
# Tokens, bits and the table's micro-batch.
NETWORKS = {"cobit-s": (128, 15, 16), "cobit-m": (1024, 16, 4)}
ENGINES = {
    "torch": EngineConfig(precision="bf16"),
    **{
        f"`--zero {zero}`": EngineConfig(engine="deepspeed", zero=zero, precision="bf16")
        for zero in (0, 1, 2, 3)
    },
}


def command(name: str) -> list[str]:
    """The words of a command of the guide."""
    (line,) = re.findall(rf"^<!-- test: {name} -->\n    (.*)$", GUIDE, re.MULTILINE)
    return shlex.split(line)


def rows(after: str) -> list[list[str]]:
    """The cells of the table that follows a line, without its head."""
    table = GUIDE.split(after)[1].strip().split("\n\n")[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def network(name: str) -> BitDenoiser:
    with torch.device("meta"):
        return BitDenoiser(BitTransformer(NETWORKS[name][1], preset(name)))


def activations(model: BitDenoiser, name: str, precision: str, n: int = 1) -> int:
    length, bits, _ = NETWORKS[name]
    return activation_bytes(model, Batch(torch.empty(n, length, bits)), precision)


def parameters(name: str) -> int:
    return sum(p.numel() for p in network(name).parameters())


@pytest.mark.parametrize("row", rows("MiB per example of a micro-batch:"), ids=lambda row: row[0])
def test_activations_are_those_of_the_networks(row: list[str]) -> None:
    name = row[0]
    assert row[2] == f"{parameters(name) / 1e6:.1f} M"
    again = network(name)
    recompute_blocks(again)
    cases = [(network(name), "fp32"), (network(name), "bf16"), (again, "bf16")]
    found = [activations(model, name, precision) / 2**20 for model, precision in cases]
    assert row[3:] == [f"{value:.1f}" for value in found]


def test_memory_is_what_is_estimated() -> None:
    table = rows("<!-- test: memory -->")
    assert [row[0] for row in table] == list(ENGINES)
    columns = [(name, processes) for name in NETWORKS for processes in (1, 8)]
    for i, (name, processes) in enumerate(columns, start=1):
        held = activations(network(name), name, "bf16", NETWORKS[name][2])
        size = parameters(name)
        for row, engine in zip(table, ENGINES.values(), strict=True):
            peak = estimate(size, engine, processes, held).peak
            assert row[i] == f"{peak / 2**30:.2f}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", ["torchrun", pytest.param("deepspeed", marks=pytest.mark.deepspeed)]
)
def test_two_processes_train(launcher: str, tmp_path: Path) -> None:
    words = command(launcher)
    assert words[0] == launcher
    # Of this interpreter, whatever the path finds.
    starts = {
        "torchrun": [sys.executable, "-m", "torch.distributed.run"],
        "deepspeed": [str(Path(sys.executable).with_name("deepspeed"))],
    }
    words[:1] = starts[launcher]
    few = ["--device", "cpu", "--steps", "3", "--batch-size", "16", "--save-every", "2"]
    env = {**os.environ, "DS_ACCELERATOR": "cpu", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    if launcher == "deepspeed":
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        [*words, *few], capture_output=True, text=True, check=False, cwd=tmp_path, env=env,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("2 processes") == 1
    run = tmp_path / "run"
    assert (run / "done.json").exists()
    (manifest,) = sorted(run.glob("checkpoints/*3/manifest.json"))
    layout = json.loads(manifest.read_text())["layout"]
    assert layout["world"] == 2
    assert layout["engine"] == ("deepspeed" if launcher == "deepspeed" else "torch")
