"""Trained runs on Fashion-MNIST at 14x14 pixels that several sections of the vision bench read."""

from pathlib import Path

import torch

import comparisons
from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision import domain
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.classifier import Classifier, trained_classifier
from infonoise_vision.sampling.trained import ImageRun
from suite import WORK, Tick

DATA = Path("../shared/data/vision/fashion-mnist")
SIZE = 14
UPDATES = 600
# Generated and real images of every measure.
SAMPLES, SAMPLES_QUICK = 1000, 64
# Of images at a time: larger ones leave the cache and take longer.
CHUNK = 64


def there() -> Path:
    """The data; InputError where they are not there."""
    if not DATA.exists():
        raise InputError(f"{DATA}: not there; this benchmark needs it")
    return DATA


def data(quick: bool, tick: Tick) -> str:
    """All images, or a few of them."""
    if not quick:
        return str(there())
    there()
    few = WORK / "vision-few"
    if not few.exists():
        options = ["--size", str(SIZE), "--limit", "500", "--out", str(few)]
        comparisons.call("infonoise-vision", ["prepare", str(DATA), *options], tick)
    return str(few)


def trained(
    name: str, options: list[str], quick: bool, seed: int, tick: Tick, steps: int = UPDATES
) -> ImageRun:
    """A run of that name under infonoise, trained if it is not there yet."""
    out = WORK / f"vision-run-{name}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        few = ["--steps", "20", "--batch-size", "32"] if quick else ["--steps", str(steps)]
        comparisons.call(
            "infonoise-vision",
            ["train", data(quick, tick), "--size", str(SIZE), "--out", str(out), *few,
             "--noise-unit", "1", "--eval-every", "0", "--seed", str(seed), "--device", "cpu",
             *options],
            lambda line: tick(f"{name}: {line}"),
        )  # fmt: skip
    return domain.open_run(out, "cpu")


def images_of(run: ImageRun) -> tuple[ImageSet, ImageSet]:
    """Those it was trained on and those held out."""
    return domain.images_of(run).both


def classifier(images: ImageSet, tick: Tick) -> Classifier:
    """Of the training images, kept with the runs."""
    tick("classifier")
    return trained_classifier(images, WORK / "classifiers", torch.device("cpu"))


def sampler(seed: int, steps: int, grid: str, solver: str, churn: float = 0.0) -> SamplerConfig:
    """Where there is churn, it is constant, and of no more noise than the levels say."""
    return SamplerConfig(
        steps=steps, grid=grid, solver=solver, churn=churn, churn_gate="constant", s_noise=1.0,
        seed=seed, chunk=CHUNK, device="cpu",
    )  # fmt: skip
