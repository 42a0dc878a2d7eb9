"""Presets: the published numbers, and what a command makes of them."""

import pytest
import torch
import tyro

from infonoise_vision.cli import main
from infonoise_vision.methods.diffusion import denoiser_of
from infonoise_vision.presets import TRAIN_PRESETS


def parameters(name: str, shape: tuple[int, int, int], classes: int) -> int:
    objective = TRAIN_PRESETS[name]().options.objective
    with torch.device("meta"):
        denoiser = denoiser_of(objective, shape, classes, seed=0)
    return sum(p.numel() for p in denoiser.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "millions"),
    [
        ("edm-cifar10", (3, 32, 32), 55.7),
        ("edm-cifar10-classes", (3, 32, 32), 55.7),
        ("edm-imagenet64", (3, 64, 64), 295.9),
    ],
)
def test_sizes_are_those_published(name: str, shape: tuple[int, int, int], millions: float) -> None:
    classes = 1000 if "imagenet" in name else 10
    # Labels add an embedding of ten classes to CIFAR-10's network.
    assert parameters(name, shape, classes) / 1e6 == pytest.approx(millions, abs=0.06)


def test_images_become_updates() -> None:
    config = TRAIN_PRESETS["edm-cifar10"]().train
    assert config.steps * config.batch_size == pytest.approx(200e6, rel=1e-5)
    assert config.lr_warmup * config.batch_size == pytest.approx(10e6, rel=1e-3)
    assert config.ema_half_life * config.batch_size == pytest.approx(0.5e6)


@pytest.mark.parametrize("name", TRAIN_PRESETS)
def test_only_the_user_says_where_a_run_goes(name: str) -> None:
    assert TRAIN_PRESETS[name]().out is tyro.MISSING


def test_one_table_shows_where_they_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert "390625" in out
    assert "sigma" not in out  # the same everywhere


def test_a_preset_without_data_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--preset", "edm-cifar10", "--out", "nowhere"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "archive of images" in err
