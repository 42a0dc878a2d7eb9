"""A domain of one linear layer: what a run of it leaves, and its push and pull."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from infonoise_core import InputError
from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.app.push import Shareable, pull_model, push_model
from infonoise_core.files import write_json
from infonoise_core.hub.options import Pull, Push
from infonoise_core.training import checkpoint
from infonoise_core.training.record.weights import load_denoiser

SECRET = "/home/somebody/secret"
MODEL_FILES = {
    "README.md", "card.json", "config.json", "done.json", "model.safetensors", "profile.json",
    "words.txt",
}  # fmt: skip


def opened(folder: Path) -> nn.Module:
    """As a domain rebuilds its network: by the settings, then the weights."""
    settings = json.loads((folder / "config.json").read_text())
    net = nn.Linear(settings["objective"]["width"], 2)
    load_denoiser(folder, net)
    return net


DOMAIN = Shareable(
    program="infonoise-toy",
    version="1.2.3",
    command="infonoise-toy train",
    data=lambda settings: Path(settings["data"]).name,
    about=lambda settings: {"width": str(settings["objective"]["width"])},
    use="sample model --out x.png",
    tags=("infonoise", "toy"),
    open=opened,
    keep=("words.txt", "not-in-every-run.txt"),
)


def make_run(out: Path, **changes: Any) -> nn.Linear:
    """A run of seven updates as `train` leaves it; returns its average, in bfloat16. The weights it
    goes on from are others.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net, average = nn.Linear(3, 2).bfloat16(), nn.Linear(3, 2).bfloat16()
    settings = {
        "command": DOMAIN.command,
        "data": f"{SECRET}/pictures",
        "schedule": "infonoise",
        "objective": {"width": 3},
        "train": {"updates": 7, "batch": 8},
        **changes,
    }
    write_json(out / "config.json", settings)
    (out / "config.yaml").write_text(f"data: {SECRET}/pictures\n")
    (out / "words.txt").write_text("a b c")
    weights = {"model": net.state_dict(), "ema": average.state_dict()}
    parts = {**weights, "state": {"optimizer": [1.0]}}
    checkpoint.save(out / "checkpoints", 7, parts, {})
    lines = [
        {"step": 5, "evaluate": {"bits": 2.0, "bits_stderr": 0.25, "wild": float("nan")}},
        {"step": 7, "loss": 1.0},
        {"step": 9, "evaluate": {"bits": 1.0}},  # after the last checkpoint: of other weights
    ]
    (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    exact_profile(BinarySource(4), 0.02, 80.0).save(out / "profile.json")
    return average


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def push(run: Path, target: object, **options: bool) -> None:
    push_model(Push(run, str(target), **options), DOMAIN)


def pull(source: object, out: Path, **options: bool) -> None:
    pull_model(Pull(str(source), out, **options), DOMAIN)


def refused(match: str, call: Callable[[], Any]) -> None:
    with pytest.raises(InputError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)
