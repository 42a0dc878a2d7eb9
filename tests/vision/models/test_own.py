"""Networks of the user's own: by every verb, and what is said where one cannot be had."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from infonoise_vision.cli import main

CODE = '''
import torch
from torch import nn


class Plain(nn.Module):
    """Two convolutions that hear of noise, class and planes."""

    def __init__(self, inputs):
        super().__init__()
        c = inputs.shape[0]
        self.label = nn.Embedding(inputs.classes + 1, 8)
        self.first = nn.Conv2d(c + inputs.given, 8, 3, padding=1)
        self.last = nn.Conv2d(8, inputs.outputs or c, 3, padding=1)

    def forward(self, x, c_noise, label=None, given=None):
        h = self.first(x if given is None else torch.cat([x, given], 1))
        h = h + c_noise[:, None, None, None]
        if label is not None:
            h = h + self.label(label)[:, :, None, None]
        return self.last(h.relu())


class Deaf(nn.Conv2d):
    def __init__(self, inputs):
        super().__init__(inputs.shape[0], inputs.shape[0], 1)


class Narrow(Plain):
    def forward(self, x, c_noise, **condition):
        return super().forward(x, c_noise, **condition)[..., 1:]


def nothing(inputs):
    return 3


def fails(inputs):
    raise RuntimeError("no such width")


width = 8
'''
TRAINING = ["--steps", "4", "--batch-size", "8", "--save-every", "2", "--eval-every", "0"]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "mine_to_try.py").write_text(CODE)
    (folder / "broken_to_try.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("mine_to_try", "broken_to_try"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "options",
    [[], ["--conditional"], ["--condition", "hidden-half"], ["--stages", "1"],
     ["--binarize", "0.5"]],
    ids=["plain", "classes", "planes", "stages", "symbols"],
)  # fmt: skip
def test_every_verb_takes_one(
    options: list[str], runs: Path, modules: Path, tmp_path: Path
) -> None:
    data = str(tmp_path / "larger.npz")
    # Of 16 pixels, which can be halved.
    pixels = np.kron(np.load(runs / "data.npz")["images"], np.ones((2, 2), np.uint8))
    np.savez(data, images=pixels, labels=np.arange(60) % 3)
    run, shared = str(tmp_path / "run"), str(tmp_path / "shared")
    words = ["train", data, "--out", run, "--network", "mine_to_try:Plain", *options, *TRAINING]
    assert main(words) == 0
    # Goes on, and is drawn from, measured and shared.
    assert main([*words, "--steps", "6"]) == 0
    if "--condition" not in options:
        assert main(["sample", run, "--out", str(tmp_path / "i.png"), "--steps", "2"]) == 0
    few = ["--no-classifier", "--steps", "2", "--samples", "4", "--data", data]
    assert main(["evaluate", run, *few]) == 0
    assert main(["report", run, "--steps", "2"]) == 0
    assert main(["push", run, shared]) == 0
    assert main(["evaluate", shared, *few]) == 0
    first, second = (json.loads((tmp_path / at / "evaluation.json").read_text())["tables"]
                     for at in ("run", "shared"))  # fmt: skip
    assert first == second


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("not_there:make", "not_there cannot be imported (ModuleNotFoundError"),
        ("broken_to_try:make", "cannot be imported (ModuleNotFoundError: No module named 'nothing"),
        ("mine_to_try:Other", "mine_to_try has no Other"),
        ("mine_to_try:width", "width cannot be called"),
        ("mine_to_try:nothing", "gives a int and no nn.Module"),
        ("mine_to_try:fails", "makes no network of images of 1x8x8 (RuntimeError: no such width)"),
        ("mine_to_try:Deaf", "cannot be called with x, c_noise for images of 1x8x8 (TypeError"),
        ("mine_to_try:Narrow", "gives (1, 1, 8, 7) for one image, and is to give (1, 1, 8, 8)"),
        ("ddpmpp:wide", "no such network"),
        ("mine to try:Plain", "no such network"),
    ],
)
def test_what_does_not_fit_is_one_line(
    name: str, said: str, runs: Path, modules: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    words = ["train", str(runs / "data.npz"), "--out", str(out), "--network", name, *TRAINING]
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith(f"error: --network {name}: ")
    assert not out.exists()


def test_a_run_whose_module_is_gone_says_so(runs: Path, modules: Path, tmp_path: Path) -> None:
    """And what lies in the run itself is not imported in its place."""
    run = tmp_path / "run"
    words = ["train", str(runs / "data.npz"), "--out", str(run), "--network", "mine_to_try:Plain"]
    assert main([*words, *TRAINING]) == 0
    shutil.move(modules / "mine_to_try.py", run / "mine_to_try.py")
    call = [sys.executable, "-c", "import sys; from infonoise_vision.cli import main;"
            " sys.path.pop(0); sys.exit(main(sys.argv[1:]))"]  # fmt: skip
    done = subprocess.run([*call, "sample", str(run), "--out", str(tmp_path / "x.png")],
                          capture_output=True, text=True, check=False, cwd=run)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: --network mine_to_try:Plain: mine_to_try cannot be imported (ModuleNotFoundError"
    )
