"""The guide's lines for several machines run, with small stand-ins for what reaches the machines.

`pdsh`, `ssh`, `srun` and `scontrol` start everything here: two machines of one process each.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.training import checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.deepspeed]

GUIDE = (Path(__file__).parents[2] / "docs" / "training-at-scale.md").read_text()
FEW = ["--device", "cpu", "--steps", "3", "--batch-size", "16", "--save-every", "2"]
BASH = "#!/bin/bash\n"
# The last arguments, with %n for the machine's number, on every machine of -w at once.
PDSH = (
    BASH
    + """
while [[ $1 == -* ]]; do [[ $1 == -w ]] && hosts=$2; [[ $1 == -S ]] && shift || shift 2; done
number=0
for host in ${hosts//,/ }; do bash -c "${*//%n/$number}" & number=$((number + 1)); done
failed=0; while ((number--)); do wait -n || failed=1; done; exit $failed
"""
)
SSH = BASH + "echo 127.0.0.1\n"
SRUN = (
    BASH
    + """
for ((i = 0; i < SLURM_NNODES; i++)); do SLURM_NODEID=$i "$@" & done
failed=0; for ((i = 0; i < SLURM_NNODES; i++)); do wait -n || failed=1; done; exit $failed
"""
)
SCONTROL = BASH + "[[ $1 == show && $2 == hostnames ]] && echo localhost && echo localhost\n"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Where those are found first, then what belongs to this interpreter."""
    tools = tmp_path / "bin"
    tools.mkdir()
    stand_ins = {"pdsh": PDSH, "ssh": SSH, "srun": SRUN, "scontrol": SCONTROL}
    own = {"torchrun": f'{BASH}exec {sys.executable} -m torch.distributed.run "$@"\n'}
    for name, script in {**stand_ins, **own}.items():
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {
        **os.environ, "PATH": path, "DS_ACCELERATOR": "cpu", "TORCH_CPP_LOG_LEVEL": "ERROR",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def block(after: str) -> str:
    """What is indented first behind some words of the guide."""
    found = re.search(r"(?:^    .*\n|^\n)*^    .*\n", GUIDE.split(after)[1], re.MULTILINE)
    assert found is not None
    return re.sub(r"^    ", "", found[0], flags=re.MULTILINE).strip()


def brought_here(text: str, out: Path, port: int) -> str:
    """A line for two machines of eight GPUs, for two processes on this one."""
    changes = {
        "slots=8": "slots=1", "--nproc-per-node 8": "--nproc-per-node 1",
        "/data/pictures": "digits", "/shared/run": f"{shlex.quote(str(out))} {shlex.join(FEW)}",
        "29500": str(port), "worker-1:": "localhost:",
    }  # fmt: skip
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def run(script: str, folder: Path, env: Mapping[str, str]) -> str:
    """What it prints; all that it started is gone afterwards."""
    with subprocess.Popen(
        ["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=folder, env=env, start_new_session=True,
    ) as shell:  # fmt: skip
        try:
            said, _ = shell.communicate(timeout=240)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, said
    return said


def layout(out: Path) -> dict[str, Any]:
    assert (out / "done.json").exists()
    (manifest,) = out.glob("checkpoints/*3/manifest.json")
    found: dict[str, Any] = json.loads(manifest.read_text())["layout"]
    return found


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        number: int = free.getsockname()[1]
        return number


def test_a_hostfile(tmp_path: Path, env: dict[str, str], port: int) -> None:
    out = tmp_path / "run"
    text = brought_here(block("**Several machines, with a hostfile.**"), out, port)
    hosts, line = text.split("\n\n")
    (tmp_path / "hosts").write_text(hosts + "\n")
    line = line.replace("deepspeed ", f"deepspeed --master_port {port} ", 1)
    assert "2 processes" in run(line, tmp_path, env)
    assert layout(out) | {"engine": "deepspeed", "world": 2} == layout(out)


def test_the_same_line_on_each_machine(tmp_path: Path, env: dict[str, str], port: int) -> None:
    out = tmp_path / "run"
    line = brought_here(block("**Several machines, without one.**"), out, port)
    both = f"{line} & first=$!; {line} & wait $first && wait $!"
    assert "2 processes" in run(both, tmp_path, env)
    assert layout(out) | {"engine": "torch", "world": 2} == layout(out)


def test_a_script_of_slurm(tmp_path: Path, env: dict[str, str], port: int) -> None:
    out = tmp_path / "run"
    script = brought_here(block("**SLURM.**"), out, port)
    assert script.startswith("#!/bin/bash\n#SBATCH")
    slurm = {"SLURM_NNODES": "2", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "worker-[1-2]"}
    assert "2 processes" in run(script, tmp_path, env | slurm)
    found = layout(out)
    assert found | {"engine": "deepspeed", "world": 2, "precision": "bf16"} == found


def test_torchrun_goes_on_by_itself_after_a_killed_process(
    tmp_path: Path, env: dict[str, str]
) -> None:
    """From the newest checkpoint, to the same bits as a run that nobody disturbed."""
    (line,) = re.findall(r"^<!-- test: restarts -->\n    (.*)$", GUIDE, re.MULTILINE)
    options = ["--device", "cpu", "--steps", "120", "--batch-size", "16", "--save-every", "10",
               "--eval-every", "120"]  # fmt: skip
    ends = []
    for name in ("killed", "whole"):
        words = [*shlex.split(line.replace("--out run", f"--out {name}")), *options]
        with subprocess.Popen(
            words, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                if name == "killed":
                    _kill_one_after_a_checkpoint(process, tmp_path / name)
                _, said = process.communicate(timeout=300)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, said
        assert ("going on with" in said) == (name == "killed")
        folder = tmp_path / name / "checkpoints"
        ends.append(checkpoint.load(checkpoint.path_of(folder, 120))[1]["model"])
    assert ends[0].keys() == ends[1].keys()
    assert all(bool((ends[0][key] == ends[1][key]).all()) for key in ends[0])


def _kill_one_after_a_checkpoint(launcher: "subprocess.Popen[str]", out: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(out.glob("checkpoints/*/manifest.json")):
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(max(_children(launcher.pid)), signal.SIGKILL)


def _children(parent: int) -> Iterator[int]:
    for task in Path(f"/proc/{parent}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())
