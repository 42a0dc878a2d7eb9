"""The ways of the data in ARCHITECTURE.md are walked: its modules are entered in its order."""

import inspect
import pydoc_data.topics
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from additions import ROOT
from torch import nn

from infonoise_bio.cli import main as bio
from infonoise_core import EDMDenoiser, InfoNoise, VarianceExploding, edm_weight
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.loop import train
from infonoise_sound.model import Net, SoundTask
from infonoise_text.cli import main as text
from infonoise_vision.cli import main as vision

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
FEW = ["--steps", "6", "--batch-size", "8", "--eval-every", "3", "--save-every", "3"]

pytestmark = pytest.mark.slow


def way(title: str) -> list[str]:
    """The modules of the list below that heading."""
    found = re.search(rf"^### {title}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return re.findall(r"^\d+\. `([\w.]+)`", found[1], re.MULTILINE)


def walk(modules: list[str], action: Callable[[], object]) -> None:
    """Fails at the first module that is not entered after those before it."""
    left = list(reversed(modules))

    def watch(frame: FrameType, event: str, _: Any) -> None:
        # A function, and not the body of a module or a class.
        if event != "call" or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return
        while left and frame.f_globals.get("__name__") == left[-1]:
            left.pop()

    sys.setprofile(watch)
    try:
        action()
    finally:
        sys.setprofile(None)
    assert not left, f"{left[-1]} is not entered after {modules[: -len(left)]}"


def run(main: Callable[[list[str]], int], *words: str) -> None:
    assert main(list(words)) == 0


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_from_sigma_to_checkpoint() -> None:
    net: nn.Module = EDMDenoiser(Net(8), 0.5)
    task = SoundTask(torch.zeros(64, 16), net)
    schedule = InfoNoise(
        VarianceExploding(0.01, 10.0), weight=edm_weight(0.5), refresh_every=4, warmup_steps=4
    )
    config = TrainConfig(steps=12, batch_size=8, log_every=4, eval_every=0, save_every=6)
    engine = make_engine(EngineConfig(device="cpu"))
    walk(
        way("From sigma to checkpoint"),
        lambda: train(task, schedule, config, Path("run"), engine=engine),
    )


def test_from_a_fasta_record_to_a_designed_sequence() -> None:
    rng = random.Random(0)
    records = ["".join(rng.choice("ACGT") for _ in range(24)) for _ in range(80)]
    Path("d.fa").write_text("".join(f">r{i}\n{record}\n" for i, record in enumerate(records)))

    def action() -> None:
        run(bio, "train", "d.fa", "--out", "run", "--strand", "forward", *FEW)
        run(bio, "sample", "run", "--out", "s.fa", "--samples", "3", "--steps", "3")

    walk(way("From a FASTA record to a designed sequence"), action)


def test_from_an_image_to_the_report() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype(np.uint8)
    np.savez("d.npz", images=pixels)

    def action() -> None:
        run(vision, "train", "d.npz", "--out", "run", *FEW)
        run(vision, "report", "run")

    walk(way("From an image to the report"), action)


def test_from_a_document_to_the_bound() -> None:
    Path("d.txt").write_text("\n\n".join(list(pydoc_data.topics.topics.values())[:12]))

    def action() -> None:
        run(text, "prepare", "d.txt", "--out", "corpus", "--vocab-size", "512")
        run(text, "train", "corpus", "--out", "run", "--length", "8", *FEW)
        run(text, "evaluate", "run", "--samples", "8", "--steps", "3")

    walk(way("From a document to the bound"), action)


def test_from_an_option_to_its_effect() -> None:
    walk(
        way("From an option to its effect"),
        lambda: run(vision, "train", "--out", "run", "--lr", "0.001", *FEW),
    )
