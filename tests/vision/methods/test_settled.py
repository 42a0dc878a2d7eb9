"""Options that the images decide: the unit of noise, the head; and runs that keep their own."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_core.schedules.registry import make_schedule
from infonoise_vision.cli import main
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.priors import deviation
from infonoise_vision.methods.diffusion import make_task, schedule_context
from infonoise_vision.methods.options import VALUES, Objective
from infonoise_vision.methods.settled import settled, unit_of


def images(levels: int | None = 256, n: int = 40, scale: float = 1.0) -> ImageSet:
    rng = np.random.default_rng(0)
    if levels is None:
        pixels = rng.standard_normal((n, 1, 4, 4), np.float32)
    else:
        pixels = rng.integers(0, levels, (n, 1, 4, 4), np.uint8)
    return ImageSet("some", pixels, levels, scale=scale)


@pytest.mark.parametrize("levels", [None, 2, 256])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_the_unit_is_the_deviation_of_the_images_over_that_of_edm(
    levels: int | None, scale: float
) -> None:
    data = images(levels, scale=scale)
    exact = data.x0(slice(None)).double().std(correction=0).item()
    # Sums of float64; then four digits.
    assert deviation(data) == pytest.approx(exact, rel=1e-6)
    assert unit_of(data) == pytest.approx(exact / 0.5, rel=5e-4)
    assert unit_of(data) == pytest.approx(scale * unit_of(images(levels)), rel=1e-9)


def test_everything_that_is_not_given_follows_the_unit() -> None:
    objective = settled(Objective(), images(scale=10.0))
    unit = objective.unit
    assert unit == unit_of(images(scale=10.0))
    assert (objective.span, objective.std) == ((0.002 * unit, 80 * unit), 0.5 * unit)
    given = settled(Objective(sigma_min=0.01, sigma_max=30.0, sigma_data=0.7), images(scale=10.0))
    assert (given.span, given.std, given.unit) == ((0.01, 30.0), 0.7, unit)
    published = settled(Objective(noise_unit=1.0), images(scale=10.0))
    assert (published.span, published.std) == ((0.002, 80.0), 0.5)
    assert Objective().span == (0.002, 80.0)
    # Nothing is known of images that are all alike.
    alike = ImageSet("alike", np.zeros((9, 1, 4, 4), np.uint8), 256)
    assert settled(Objective(), alike).unit == 1.0


@pytest.mark.parametrize("name", ["edm", "logit-normal", "cosine", "laplace", "uniform-t",
                                  "log-uniform", "infonoise", "infonoise:0.25"])  # fmt: skip
def test_every_schedule_follows_the_scale(name: str) -> None:
    sigma = torch.logspace(-2, 1, 50, dtype=torch.float64)
    found = []
    for scale in (0.1, 1.0, 10.0):
        data = images(scale=scale)
        objective = settled(Objective(scale=scale), data)
        schedule = make_schedule(name, schedule_context(objective, 100, data))
        found.append(schedule.density(scale * sigma))
    # Densities of log sigma; rounding of data in float32 is all that differs.
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("levels", "head"), [(2, "symbols"), (256, "edm"), (None, "edm")])
def test_the_head_goes_by_the_grey_levels(levels: int | None, head: str) -> None:
    objective = settled(Objective(), images(levels))
    assert objective.head == head
    assert objective.edm_weighted == (head == "edm")
    assert settled(Objective(head="edm"), images(levels)).head == "edm"
    setting = schedule_context(objective, 100, images(levels))
    assert setting.logits == (head == "symbols")
    sigma = torch.tensor([0.1, 2.0])
    if head == "symbols":
        assert torch.equal(setting.weight(sigma), torch.ones(2))


def test_a_run_that_is_there_keeps_its_own() -> None:
    old = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5, "weight": "edm"}
    kept = settled(Objective(), images(2, scale=10.0), old)
    assert (kept.head, kept.noise_unit) == (None, None)
    assert (kept.span, kept.std, kept.symbols, kept.edm_weighted) == ((0.002, 80), 0.5, False, True)
    # What is given differs, and is refused where the run is opened.
    assert settled(Objective(sigma_data=0.9), images(2), old).sigma_data == 0.9


@pytest.mark.parametrize("favour", VALUES)
def test_favour_is_the_value_exponent_of_real_valued_data(favour: str) -> None:
    data = images()
    setting = schedule_context(Objective(favour=favour), 100, data)
    sigma = torch.logspace(-2, 1, 20, dtype=torch.float64)
    named = make_schedule(f"infonoise:{VALUES[favour]}", setting).density(sigma)
    assert torch.equal(make_schedule("infonoise", setting).density(sigma), named)
    plain = make_schedule("infonoise", schedule_context(Objective(), 100, data)).density(sigma)
    assert torch.equal(plain, named) == (favour == "balanced")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise_unit": 0.0}, "--noise-unit 0"),
        ({"noise_unit": math.nan}, "--noise-unit nan"),
        ({"head": "both"}, "--head both: no such head; give edm or symbols"),
        ({"favour": "speed"}, "--favour speed: no such favour; give bits or balanced or pictures"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Objective(**change)


def test_favour_says_nothing_of_few_levels() -> None:
    with pytest.raises(InputError, match=r"--favour bits: some has 2 grey levels"):
        schedule_context(Objective(favour="bits"), 100, images(2))


@pytest.mark.parametrize("scale", [0.1, 10.0])
@pytest.mark.parametrize("levels", [2, 256])
def test_training_learns_the_same_at_any_scale(levels: int, scale: float) -> None:
    """The very losses, errors and gradients, but for rounding in float32."""
    found = []
    for k in (1.0, scale):
        data = images(levels, scale=k)
        objective = settled(Objective(scale=k), data)
        task = make_task(objective, data, 0)
        sigma = k * torch.logspace(-2, 1.5, 40)
        rng = torch.Generator().manual_seed(0)
        for _ in range(3):
            batch = task.batch(np.arange(40))
            eps = torch.randn(batch.x0.shape, generator=rng)
            losses = task.losses(task.denoiser, batch, sigma, eps)
            losses.loss.mean().backward()
            with torch.no_grad():
                for parameter in task.denoiser.parameters():
                    parameter -= 0.1 * parameter.grad.sign()
                    parameter.grad = None
        found.append((losses.loss.detach(), losses.squared_error / k**2))
    # Signs of gradients near 0 may differ, which moves a few of thousands of weights.
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0.02, atol=0.02)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=0.02, atol=0.02)


def test_a_new_run_writes_down_what_its_images_decided(tmp_path: Path, grey: Path) -> None:
    out = tmp_path / "run"
    argv = ["train", str(grey), "--steps", "2", "--batch-size", "8", "--out", str(out)]
    assert main(argv) == 0
    objective = json.loads((out / "config.json").read_text())["objective"]
    assert objective["noise_unit"] > 0
    assert objective["head"] in ("edm", "symbols")
    assert replace(Objective(), noise_unit=objective["noise_unit"]).unit == objective["noise_unit"]
