"""Measures in feature spaces: against closed forms, in the order they should have, and by name."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_vision import classifier as classifiers
from infonoise_vision import fidelity
from infonoise_vision.assess import Drawn, Row, classifier_rows, count, pixel_rows
from infonoise_vision.classifier import (
    Classifier,
    cache_folder,
    fingerprint,
    trained_classifier,
)
from infonoise_vision.cli import main
from infonoise_vision.commands.evaluate import table
from infonoise_vision.data import ImageSet
from infonoise_vision.fidelity import (
    as_bytes,
    frechet_distance,
    inception_features,
    kernel_distance,
    precision_recall,
)

torchmetrics = pytest.importorskip("torchmetrics")
CPU = torch.device("cpu")


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_distance_of_two_gaussians() -> None:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); for one law times 3 and moved by 1 that is
    d + 4 tr C, with the sample's own C."""
    x = normal(500, 4)
    moved = 3 * (x - x.mean(0)) + x.mean(0) + 1
    exact = 4 + 4 * float(x.var(0).sum())
    assert frechet_distance(x, moved) == pytest.approx(exact, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    x, y = normal(30, 3), normal(30, 3, 1) + 0.5

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 3 + 1) ** 3

    def within(a: Tensor) -> Tensor:
        k = kernel(a, a)
        return (k.sum() - k.diagonal().sum()) / (30 * 29)

    exact = float(within(x) + within(y) - 2 * kernel(x, y).mean())
    value, error = kernel_distance(x, y)
    assert value == pytest.approx(exact, rel=1e-5)
    assert math.isnan(error)


def test_kernel_distance_of_many_is_repeatable_and_leaves_the_random_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fidelity, "_SUBSETS", 4)
    x, y = normal(1200, 3), normal(1200, 3, 1)
    state = torch.get_rng_state()
    assert kernel_distance(x, y) == kernel_distance(x, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert 0 < kernel_distance(x, y)[1] < 0.1
    # As many as a subset holds: every subset is the same, and their spread says nothing.
    assert math.isnan(kernel_distance(x[:1000], y[:1000])[1])


def test_precision_and_recall_of_sets_that_are_apart_and_that_hold_each_other() -> None:
    one, far = normal(200, 2), normal(200, 2, 1) + 100
    assert precision_recall(one, far) == (0, 0)
    assert precision_recall(one, one) == (1, 1)
    # Two clusters against one of them: all that is generated is real, half of the real is missing.
    both = torch.cat([normal(200, 2, 2), normal(200, 2, 3) + 100])
    precision, recall = precision_recall(both, both[:200])
    assert precision == 1
    assert recall == pytest.approx(0.5, abs=0.02)


def images(n: int, seed: int = 0) -> ImageSet:
    """Bright thirds, as in conftest, with more of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    pixels = rng.integers(0, 80, (n, 1, 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        image[0, :, 3 * label : 3 * label + 3] += 150
    return ImageSet("thirds", pixels.astype(np.uint8), 256, labels, ("a", "b", "c"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(cache: Path) -> Iterator[Classifier]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classifiers.RECIPE, "least_steps", 100)
        yield trained_classifier(images(300), cache, CPU)


def test_a_classifier_learns_its_classes_and_comes_back_from_the_cache(
    cache: Path, trained: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = images(200, 1)
    assert trained.accuracy(test.x0(slice(None)), torch.from_numpy(test.labels)) > 0.95
    features = trained.features_of(images(300).x0(slice(None)))
    torch.testing.assert_close(features.mean(0), torch.zeros(64), atol=1e-3, rtol=0)
    spread = features.std(0)
    torch.testing.assert_close(spread[spread > 0.1], torch.ones(64)[spread > 0.1], rtol=1e-3,
                               atol=0)  # fmt: skip

    def refuse(*_: object) -> None:
        pytest.fail("trained again")

    monkeypatch.setattr(classifiers, "_train", refuse)
    again = trained_classifier(images(300), cache, CPU)
    x = test.x0(slice(5))
    assert torch.equal(again.features_of(x), trained.features_of(x))
    assert [p.suffix for p in cache.iterdir()] == [".safetensors"]


def test_a_damaged_cache_is_trained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(classifiers.RECIPE, "least_steps", 2)
    few = images(40)
    trained_classifier(few, tmp_path / "deep" / "cache", CPU)
    (file,) = (tmp_path / "deep" / "cache").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    trained_classifier(few, tmp_path / "deep" / "cache", CPU)
    assert file.read_bytes() == whole


def test_the_hash_is_of_images_labels_and_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint(images(40))
    assert fingerprint(images(40)) == first
    moved = images(40)
    moved.labels[0] = (moved.labels[0] + 1) % 3
    assert fingerprint(moved) != first
    assert fingerprint(images(40, 1)) != first
    assert fingerprint(images(41)) != first
    monkeypatch.setitem(classifiers.RECIPE, "lr", 1e-3)
    assert fingerprint(images(40)) != first


def test_the_cache_lies_where_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFONOISE_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.delenv("INFONOISE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "infonoise"


def test_images_without_classes_have_no_classifier(tmp_path: Path) -> None:
    bare = ImageSet("bare", images(40).pixels, 256)
    with pytest.raises(InputError, match="bare: has no classes"):
        trained_classifier(bare, tmp_path, CPU)


def test_distances_tell_every_corruption_from_the_floor(trained: Classifier) -> None:
    real, other, third = (images(200, s).x0(slice(None)) for s in (1, 2, 3))
    rng = torch.Generator().manual_seed(0)
    corrupted = {
        "noise": other + 0.3 * torch.randn(other.shape, generator=rng),
        "blur": torch.nn.functional.avg_pool2d(other, 3, stride=1, padding=1),
        "missing": other[torch.from_numpy(images(200, 2).labels) > 0].repeat(2, 1, 1, 1)[:200],
    }
    for x in corrupted.values():
        rows = {r.name: r for r in classifier_rows(Drawn(x, real, third, 5), trained)}
        assert set(rows) == {
            "fd_clf_200", "kid_clf_200", "precision_clf_200", "recall_clf_200"
        }  # fmt: skip
        for name in ("fd_clf_200", "kid_clf_200"):
            assert rows[name].value > 2 * rows[name].floor
        assert rows["recall_clf_200"].better == "higher"


def test_completed_images_are_measured_against_what_they_were(trained: Classifier) -> None:
    test = images(90, 4)
    truth, label = test.x0(slice(None)), torch.from_numpy(test.labels)
    hidden = torch.zeros(90, 1, 8, 8)
    hidden[:, :, 4:] = 1
    generated = truth + 0.5 * hidden
    drawn = Drawn(generated, truth, truth.flip(0), 5, truth, hidden, label)
    (pixels,) = pixel_rows(drawn)
    assert (pixels.name, pixels.floor) == ("rmse_hidden_90", None)
    assert pixels.value == pytest.approx(0.5, rel=1e-5)
    accuracy = classifier_rows(drawn, trained)[-1]
    assert accuracy.name == "accuracy_completed_90"
    assert accuracy.floor == pytest.approx(trained.accuracy(truth, label))
    # Classes of other images: no better than chance, which is a third.
    wrong = Drawn(truth, truth, truth, 5, truth, hidden, label.roll(1))
    assert classifier_rows(wrong, trained)[-1].value < 0.5


def test_names_tell_the_number_of_images() -> None:
    assert [count(n) for n in (2, 256, 999, 1000, 1500, 10_000, 50_000)] == [
        "2", "256", "999", "1k", "1500", "10k", "50k",
    ]  # fmt: skip


def test_the_table_has_errors_and_floors() -> None:
    rows = [
        Row("bits", 1.5, None, 0.25, "lower", ""), Row("fd_clf_10k", 0.25, 0.125, None, "lower", "")
    ]  # fmt: skip
    head, bits, distance = (line.split() for line in table(rows))
    assert head == ["measure", "value", "real", "to", "real", "better"]
    assert bits == ["bits", "1.5000", "±", "0.2500", "-", "lower"]
    assert distance == ["fd_clf_10k", "0.2500", "0.1250", "lower"]


# The command


def measured(run: Path, *options: str) -> dict[str, dict[str, object]]:
    assert main(["evaluate", str(run), "--steps", "2", "--samples", "10", *options]) == 0
    record = json.loads((run / "evaluation.json").read_text())
    assert record["step"] == 6
    return {row["name"]: row for row in record["measures"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setitem(classifiers.RECIPE, "least_steps", 100)
    monkeypatch.setenv("INFONOISE_CACHE", str(tmp_path_factory.getbasetemp() / "classifiers"))


@pytest.mark.parametrize("kind", ["plain", "classes"])
def test_evaluate_writes_what_it_prints(
    runs: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = measured(runs / kind)
    assert list(rows) == [
        "bits_per_dim", "energy_10", "fd_clf_10", "kid_clf_10", "precision_clf_10", "recall_clf_10",
    ]  # fmt: skip
    printed = capsys.readouterr().out.splitlines()
    for line, row in zip(printed[1:], rows.values(), strict=False):
        assert line.startswith(str(row["name"]))
        assert f"{row['value']:.4f}" in line
    assert printed[-1] == f"{runs / kind / 'evaluation.json'}: written"


@pytest.mark.parametrize(
    ("kind", "options"),
    [("half", []), ("box", []), ("fine", []), ("plain", ["--complete", "hidden-half"]),
     ("classes", ["--complete", "superres"]),
     ("plain", ["--complete", "hidden-box", "--method", "replace"])],
)  # fmt: skip
def test_completed_images_are_evaluated(runs: Path, kind: str, options: list[str]) -> None:
    rows = measured(runs / kind, *options)
    assert {"rmse_hidden_10", "accuracy_completed_10", "fd_clf_10"} <= set(rows)
    assert 0 < rows["rmse_hidden_10"]["value"] < 4  # type: ignore[operator]


def test_without_torchmetrics_the_rest_is_told_in_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    rows = measured(runs / "plain")
    assert list(rows) == ["bits_per_dim", "energy_10"]
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "need torchmetrics: pip install 'infonoise-vision[metrics]'" in line


def test_without_classes_there_is_no_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "bare.npz", images=images(40).pixels[:, 0])
    argv = ["train", str(tmp_path / "bare.npz"), "--out", str(tmp_path / "run")]
    assert main([*argv, "--updates", "6", "--batch", "8", "--eval-every", "0"]) == 0
    assert list(measured(tmp_path / "run")) == ["bits_per_dim", "energy_8"]
    assert "no classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--inception-weights", "gone.pt"], "gone.pt: no such file"),
        (["--complete", "label"], "--complete label"),
        (["--complete", "hat"], "--condition hat: no such condition"),
        (["--complete", "superres", "--method", "replace"], "known pixels"),
        (["--complete", "hidden-half", "--method", "trained"], "was trained without --condition"),
        (["--samples", "1"], "--samples 1"),
    ],
)
def test_mistakes_of_evaluate(
    runs: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(runs / "plain"), "--steps", "2", "--samples", "8", *options]) == 2
    assert words in capsys.readouterr().err


def test_what_inception_features_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.pt").write_bytes(b"nothing")
    x = torch.zeros(2, 1, 8, 8)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(InputError, match=r"torch-fidelity|no weights of FID"):
        inception_features(tmp_path / "weights.pt", x, CPU)
    with pytest.raises(InputError, match="no such file"):
        inception_features(tmp_path / "gone.pt", x, CPU)


def test_fid_carries_its_own_name(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another network in Inception's place: as bytes of three channels, and named by it."""

    class Stub(torch.nn.Module):
        def __init__(self, name: str, features: list[str], path: str) -> None:
            super().__init__()
            assert (features, path) == (["2048"], str(tmp_path / "w.pt"))

        def forward(self, x: Tensor) -> Tensor:
            assert x.dtype == torch.uint8
            assert x.shape[1] == 3
            return x.float().mean((2, 3))

    monkeypatch.setattr(sys.modules["torchmetrics.image.fid"], "NoTrainInceptionV3", Stub)
    (tmp_path / "w.pt").write_bytes(b"")
    options = ["--inception-weights", str(tmp_path / "w.pt"), "--no-classifier"]
    rows = measured(runs / "plain", *options)
    assert {"fid_inception_10", "kid_inception_10", "precision_inception_10"} <= set(rows)
    assert not any("clf" in name for name in rows)


def test_inception_sees_bytes_of_three_channels() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
    assert as_bytes(x).tolist() == [[[[0, 0], [128, 255]]] * 3]
    with pytest.raises(InputError, match="2 channels"):
        as_bytes(torch.zeros(1, 2, 2, 2))


def test_torchvision_is_never_imported() -> None:
    assert "torchvision" not in fidelity.__dict__
    source = Path(fidelity.__file__).parent
    for file in source.rglob("*.py"):
        assert "import torchvision" not in file.read_text()
