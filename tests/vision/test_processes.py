"""Whole commands under torchrun: two processes draw and measure what one does, and end together."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .data.test_streamed import write_tar

pytestmark = pytest.mark.slow

ALONE = [sys.executable, "-m", "infonoise_vision"]
TWO = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m",
    "infonoise_vision",
]  # fmt: skip
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}


def said(command: list[str], *words: str | Path) -> str:
    done = subprocess.run(
        [*command, *map(str, words), "--device", "cpu"], capture_output=True, text=True,
        check=False, timeout=600, env=ENV,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("processes") / "run"
    few = ["--network", "tiny", "--steps", "10", "--batch-size", "32", "--eval-every", "0"]
    said(ALONE, "train", "digits", "--out", out, *few)
    return out


def test_samples_are_the_same_files(run: Path, tmp_path: Path) -> None:
    # 10 is no multiple of 4 chunked, nor are three chunks of two processes.
    for name, command in (("one", ALONE), ("two", TWO)):
        out = tmp_path / name
        said(
            command, "sample", run, "--out", out, "--samples", "10", "--chunk", "4", "--steps", "4"
        )
    files = sorted(path.name for path in (tmp_path / "one").glob("*.png"))
    assert len(files) == 10
    assert files == sorted(path.name for path in (tmp_path / "two").glob("*.png"))
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def numbers(value: Any) -> list[float]:
    """All numbers of a JSON value, in order."""
    if isinstance(value, dict):
        return [n for key in sorted(value) for n in numbers(value[key])]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, int | float) else []


def test_measures_are_the_same(run: Path, tmp_path: Path) -> None:
    """The bound, and FID and the like in features of a classifier, where there is torchmetrics."""
    found = {}
    for name, command in (("one", ALONE), ("two", TWO)):
        copy = tmp_path / name
        shutil.copytree(run, copy)
        said(command, "evaluate", copy, "--samples", "48", "--cache", tmp_path / "cache")
        found[name] = json.loads((copy / "evaluation.json").read_text())
    one, two = (numbers(found[name]) for name in ("one", "two"))
    assert len(one) > 10
    assert two == pytest.approx(one, rel=1e-6, abs=1e-9)


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_images_stream_from_tar_shards(tmp_path: Path) -> None:
    """Two processes, and one that goes on for them, learn what one does."""
    shards = tmp_path / "shards"
    shards.mkdir()
    for i in range(4):
        write_tar(shards / f"train-{i}.tar", range(i * 10, i * 10 + 10))
    write_tar(shards / "test.tar", range(40, 52))
    words = [
        "--network", "tiny", "--batch-size", "16", "--eval-every", "0", "--log-every", "1",
        "--order", "shards", "--stream", "--workers", "2",
    ]  # fmt: skip
    said(ALONE, "train", shards, "--out", tmp_path / "whole", "--steps", "6", *words)
    said(TWO, "train", shards, "--out", tmp_path / "cut", "--steps", "3", *words)
    said(ALONE, "train", shards, "--out", tmp_path / "cut", "--steps", "6", *words)
    assert len(losses(tmp_path / "whole")) == 6
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)


def test_a_process_that_dies_ends_the_command(run: Path, tmp_path: Path) -> None:
    words = ["evaluate", run, "--samples", "1000", "--cache", tmp_path / "cache", "--device", "cpu"]
    with (tmp_path / "said").open("w+") as log:
        launcher = subprocess.Popen([*TWO, *map(str, words)], env=ENV, stdout=log, stderr=log)
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
        if not children.exists():
            launcher.kill()
            pytest.skip("children are listed on Linux only")
        # Until both are at work: the first has said how far it is.
        deadline = time.monotonic() + 300
        while "generate" not in (tmp_path / "said").read_text():
            assert launcher.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        last = int(children.read_text().split()[-1])
        os.kill(last, signal.SIGKILL)
        assert launcher.wait(timeout=120) != 0
    # Nothing is left of them, and nothing was half-written.
    assert not children.exists()
    assert not (run / "evaluation.json").exists()
