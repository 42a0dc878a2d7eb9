"""Makes the fixture with the code of a commit before the rooms were moved:

    git worktree add OLD dd20491
    PYTHONPATH=OLD/packages/infonoise-core/src:OLD/packages/infonoise-vision/src:... \
        OMP_NUM_THREADS=1 python tests/workspace/resume/make.py tests/workspace/resume/fixture

The modules it needs have other names today, so it runs with that code alone. Each run goes to its
end once, and once it gets SIGTERM while it writes its first checkpoint; what the second leaves is
kept whole, and of the first what the second has to come to.
"""

import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from runs import BATCH, COMMANDS, SAVE_EVERY, SCHEDULES, STEPS, Ring, context, processor, settings
from safetensors.torch import save_file

from infonoise_core.training import checkpoint
from infonoise_core.training.loop import train

OPTIONS = [
    "--updates", str(STEPS), "--batch", str(BATCH), "--save-every", str(SAVE_EVERY),
    "--log-every", "4", "--eval-every", "0", "--keep", "1", "--device", "cpu",
]  # fmt: skip


def write_dna(path: Path) -> None:
    """96 sequences of 24 bases, half of them with one word in the middle."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(96):
        bases = rng.choice(list("ACGT"), size=24, p=[0.3, 0.2, 0.2, 0.3])
        if i % 2:
            bases[8:16] = list("TGACTCAG")
        lines += [f">s{i}", "".join(bases)]
    path.write_text("\n".join(lines) + "\n")


def write_text(folder: Path) -> None:
    """40 documents of three-word sentences."""
    rng = np.random.default_rng(0)
    who = ["a cat", "the dog", "one bird", "my friend", "her child"]
    does = ["sees", "likes", "finds", "hears", "follows"]
    what = ["the sea", "a tree", "some rain", "the hill", "its shade"]
    folder.mkdir()
    for i in range(40):
        words = [" ".join(str(rng.choice(part)) for part in (who, does, what)) for _ in range(20)]
        (folder / f"{i:02}.txt").write_text(". ".join(words) + ".\n")


def add_small_networks() -> None:
    networks = importlib.import_module("infonoise_vision.networks")
    networks.NETWORKS["fixture"] = networks.dit(8, 1, 2)
    transformer = importlib.import_module("infonoise_text.network")
    transformer.PRESETS["fixture"] = transformer.TrunkConfig(width=8, blocks=1, heads=2)
    dna = importlib.import_module("infonoise_bio.network")
    dna._SIZES["fixture"] = {"cnn": (8, 1)}


def command(name: str, out: str) -> None:
    domain, options = COMMANDS[name]
    cli = importlib.import_module(f"infonoise_{domain}.cli")
    try:
        code = cli.main(["train", *options, *OPTIONS, "--out", out])
    except SystemExit as end:  # how a run that was asked to stop ends
        code = end.code
    assert not code, (name, code)


def toy(name: str, out: str) -> None:
    schedules: Any = importlib.import_module("infonoise_core.training.schedules")
    schedule = schedules.make_schedule(name, schedules.Setting(*context()))
    try:
        train(Ring(), schedule, settings(), Path(out))
    except SystemExit as end:
        if end.code:
            raise


def cut(run: Any, name: str, out: str) -> None:
    """The run, with SIGTERM while it writes its first checkpoint."""
    save = checkpoint.save

    def last(*arguments: Any, **options: Any) -> Path:
        path = save(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)
        return path

    checkpoint.save = last
    try:
        run(name, out)
    finally:
        checkpoint.save = save


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def keep_end(whole: Path, path: Path) -> None:
    """What the run has to end with: digests of all its state, and its averaged weights."""
    _, parts = checkpoint.load_latest(whole / "checkpoints")
    tensors: dict[str, str] = {}

    def note(tree: Any, at: str) -> None:
        if isinstance(tree, torch.Tensor):
            tensors[at] = digest(tree)
        elif isinstance(tree, dict):
            for key, value in tree.items():
                note(value, f"{at}/{key}")
        elif isinstance(tree, (list, tuple)):
            for i, value in enumerate(tree):
                note(value, f"{at}/{i}")

    for part in ("model", "ema", "state"):
        note(parts[part], part)
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    profiles = {
        file.name: json.loads(file.read_text()) for file in sorted(whole.glob("*profile.json"))
    }
    save_file({k: v.contiguous().clone() for k, v in parts["ema"].items()}, f"{path}.safetensors")
    end = {"tensors": tensors, "metrics": lines, "profiles": profiles}
    path.with_name(f"{path.name}.json").write_text(json.dumps(end) + "\n")


def main(out: Path) -> None:
    torch.set_num_threads(1)
    add_small_networks()
    out = out.resolve()
    (out / "ends").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_dna(Path("dna.fasta"))
        write_text(Path("texts"))
        cli = importlib.import_module("infonoise_text.cli")
        prepared = ["prepare", "texts", "--out", "corpus", "--semantic", "--vocab-size", "288"]
        assert cli.main(prepared) == 0
        runs = [(name, command) for name in COMMANDS] + [(name, toy) for name in SCHEDULES]
        for name, run in runs:
            kind = "" if run is command else "toy-"
            run(name, "whole")
            cut(run, name, "cut")
            keep_end(Path("whole"), out / "ends" / (kind + name))
            shutil.copytree("cut", out / "runs" / (kind + name))
            shutil.rmtree("whole")
            shutil.rmtree("cut")
        shutil.copytree("corpus", out / "corpus")
        shutil.copy("dna.fasta", out)
    (out / "processor.json").write_text(json.dumps(processor(), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
