"""What is generated and what it is compared with: as many of both, of the part asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import Silent
from infonoise_vision.data.images import ImageSet
from infonoise_vision.domain import images_of, open_run
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.evaluation.generated import Drawn, Plan, draw, draw_plan, features, plan
from infonoise_vision.evaluation.measures import energy_rows, pixel_rows
from infonoise_vision.sampling.trained import ImageRun

CONFIG = SamplerConfig(steps=2, grid="karras", seed=3, chunk=4, device="cpu")


def numbered(name: str, n: int, first: int = 0) -> ImageSet:
    """Images whose pixels and classes say which they are."""
    number = np.arange(first, first + n)
    pixels = np.broadcast_to(number[:, None, None, None], (n, 1, 2, 2)).astype(np.uint8)
    return ImageSet(name, pixels.copy(), 256, number % 3, ("a", "b", "c"), scale=10.0)


TRAIN, HELD_OUT = numbered("train", 50), numbered("held out", 20, 100)


def numbers(images: ImageSet) -> list[int]:
    return images.pixels[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("samples", "against", "n", "cut", "floor"),
    [
        (12, "test", 12, False, True), (20, "test", 20, False, True),
        (40, "test", 20, True, True), (12, "train", 12, False, True),
        (40, "train", 40, False, False), (50_000, "train", 50, True, False),
    ],
)  # fmt: skip
def test_as_many_as_the_reference_holds_whatever_the_other_part_has(
    samples: int, against: str, n: int, cut: bool, floor: bool
) -> None:
    chosen = plan(TRAIN, HELD_OUT, samples, 0, against=against)
    reference, other = (HELD_OUT, TRAIN) if against == "test" else (TRAIN, HELD_OUT)
    assert chosen.against == against
    assert len(chosen.rows) == len(chosen.reference) == n
    assert len(set(numbers(chosen.reference))) == n
    assert set(numbers(chosen.reference)) <= set(numbers(reference))
    # The run is told of what it is compared with.
    assert chosen.given is reference
    assert numbers(chosen.given.take(chosen.rows)) == numbers(chosen.reference)
    # A floor is between as many, or there is none, and a line says why.
    assert (chosen.other is not None) == floor
    if chosen.other is not None:
        assert len(chosen.other) == n
        assert set(numbers(chosen.other)) <= set(numbers(other))
    assert any("--samples" in note for note in chosen.notes) == cut
    assert any("nothing stands beside" in note for note in chosen.notes) == (not floor)
    # In pixels between -1 and 1, whatever the model's scale.
    assert chosen.reference.x0(slice(None)).abs().max() <= 1


@pytest.mark.parametrize(("train", "n"), [(50, 20), (15, 15)])
def test_completed_images_are_held_out_ones_beside_as_many_of_training(train: int, n: int) -> None:
    images = numbered("train", train)
    chosen = plan(images, HELD_OUT, 40, 0, completing=True)
    assert chosen.given is HELD_OUT
    assert chosen.against == "train"
    assert len(chosen.rows) == len(chosen.reference) == n
    assert set(numbers(chosen.reference)) <= set(numbers(images))
    assert chosen.other is not None
    assert numbers(chosen.other) == numbers(HELD_OUT.take(chosen.rows))
    assert "--samples 40" in chosen.notes[0]


def test_a_cut_says_where_more_are() -> None:
    (note,) = plan(TRAIN, HELD_OUT, 40, 0).notes
    assert note == (
        "--samples 40: 20 images are drawn, as many as there are held-out images;"
        " --split train has 50"
    )


@pytest.fixture(scope="module")
def run(runs: Path) -> ImageRun:
    return open_run(runs / "classes", "cpu")


def drawn_of(run: ImageRun, chosen: Plan, *, rounded: bool) -> Drawn:
    return draw_plan(run, chosen, CONFIG, Silent(), rounded=rounded)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_rounded_images_are_the_others_as_they_would_be_saved(run: ImageRun, levels: int) -> None:
    grey = [
        replace(images, pixels=np.minimum(images.pixels, np.uint8(levels - 1)), levels=levels)
        for images in images_of(run).both
    ]
    chosen = plan(*grey, 10, 3)
    exact, rounded = (drawn_of(run, chosen, rounded=r).generated for r in (False, True))
    assert rounded.pixels.dtype == np.uint8
    assert rounded.levels == levels
    x, y = exact.x0(slice(None)), rounded.x0(slice(None))
    # Half a grey level, and the rounding of numbers up to 255.
    assert (x - y).abs().max() <= 1 / (levels - 1) + 1e-4
    assert (x - y).abs().max() > 0


def test_what_is_drawn_is_what_the_sampler_gives(run: ImageRun) -> None:
    images, held_out = images_of(run).both
    found = draw(run, images, held_out, 10, CONFIG, Silent())
    rows = plan(images, held_out, 10, CONFIG.seed).rows
    label = {"label": torch.from_numpy(held_out.labels[rows])}
    parts = run.sampling(CONFIG).chunks(run.denoiser, run.shape, 10, label, run.device)
    expected = torch.cat([part.x for part in parts]).clamp(-1, 1)
    torch.testing.assert_close(found.generated.x0(slice(None)), expected)
    real = held_out.x0(rows)
    torch.testing.assert_close(found.reference.x0(slice(None)), real)
    (row,) = energy_rows(found, torch.device("cpu"))
    assert row.name == "energy_10"
    assert row.values["value"] == pytest.approx(energy_distance(expected, real), rel=1e-9)
    assert found.nfe == 3


def test_without_labels_to_tell_each_class_has_its_turn(run: ImageRun) -> None:
    """The same as with labels that stand in turn already."""
    images, held_out = images_of(run).both
    bare = replace(held_out, labels=None, classes=())
    found = draw(run, images, bare, len(held_out), CONFIG, Silent())
    turns = replace(held_out, labels=np.arange(len(held_out)) % 3)
    expected = draw(run, images, turns, len(held_out), CONFIG, Silent())
    assert np.array_equal(found.generated.pixels, expected.generated.pixels)


def test_a_class_in_turn_has_no_truth(runs: Path) -> None:
    run = open_run(runs / "planes", "cpu")
    images, held_out = images_of(run).both
    bare = replace(held_out, labels=None, classes=())
    found = draw(run, images, bare, 6, CONFIG, Silent(), condition=run.condition())
    assert found.truth is None
    assert pixel_rows(found) == []


def test_features_of_a_set_are_those_of_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infonoise_vision.evaluation.generated.CHUNK", 7)
    seen: list[int] = []

    def mean(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x.mean((2, 3))

    unit = replace(TRAIN, scale=1.0)
    torch.testing.assert_close(features(unit, mean), unit.x0(slice(None)).mean((2, 3)))
    assert seen == [7] * 7 + [1]
    assert features(unit, Classifier(1, 3).features_of).shape == (50, 64)
