"""Measures of image sets, in the order they should have and by name; whose features they use."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.evaluation.schema import Table, cells
from infonoise_vision.cli import main
from infonoise_vision.data.cache import cache_folder
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation import classifier as classifiers
from infonoise_vision.evaluation.classifier import Classifier, fingerprint, trained_classifier
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.evaluation.fid import Inception, as_bytes
from infonoise_vision.evaluation.generated import Drawn, count
from infonoise_vision.evaluation.measures import (
    REAL,
    VALUE,
    classifier_rows,
    energy_rows,
    pixel_rows,
    row,
)

torchmetrics = pytest.importorskip("torchmetrics")
CPU = torch.device("cpu")


def images(n: int, seed: int = 0) -> ImageSet:
    """Bright thirds, as in conftest, with more of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    pixels = rng.integers(0, 80, (n, 1, 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        image[0, :, 3 * label : 3 * label + 3] += 150
    return ImageSet("thirds", pixels.astype(np.uint8), 256, labels, ("a", "b", "c"))


def as_set(x: Tensor) -> ImageSet:
    return ImageSet("set", x.float().numpy(), None)


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
        drawn = Drawn(as_set(x), as_set(real), as_set(third), 5)
        rows = {r.name: r for r in (*classifier_rows(drawn, trained), *energy_rows(drawn, CPU))}
        assert set(rows) == {
            "fd_clf_200", "kid_clf_200", "precision_clf_200", "recall_clf_200", "energy_200"
        }  # fmt: skip
        assert rows["energy_200"].values[VALUE] == pytest.approx(energy_distance(x, real), rel=1e-6)
        for name in ("fd_clf_200", "kid_clf_200", "energy_200"):
            assert rows[name].values[VALUE] > 2 * rows[name].values[REAL]
        assert rows["recall_clf_200"].better == "higher"


def test_completed_images_are_measured_against_what_they_were(trained: Classifier) -> None:
    test = images(90, 4)
    truth, label = test.x0(slice(None)), torch.from_numpy(test.labels)
    hidden = torch.zeros(90, 1, 8, 8)
    hidden[:, :, 4:] = 1
    generated, was, flipped = map(as_set, (truth + 0.5 * hidden, truth, truth.flip(0)))
    drawn = Drawn(generated, was, flipped, 5, was, hidden > 0, label)
    (pixels,) = pixel_rows(drawn)
    assert (pixels.name, pixels.values[REAL]) == ("rmse_hidden_90", None)
    assert pixels.values[VALUE] == pytest.approx(0.5, rel=1e-5)
    accuracy = classifier_rows(drawn, trained)[-1]
    assert accuracy.name == "accuracy_completed_90"
    assert accuracy.values[REAL] == pytest.approx(trained.accuracy(truth, label))
    # Classes of other images: no better than chance, which is a third.
    wrong = Drawn(was, was, was, 5, was, hidden > 0, label.roll(1))
    assert classifier_rows(wrong, trained)[-1].values[VALUE] < 0.5


def test_names_tell_the_number_of_images() -> None:
    assert [count(n) for n in (2, 256, 999, 1000, 1500, 10_000, 50_000)] == [
        "2", "256", "999", "1k", "1500", "10k", "50k",
    ]  # fmt: skip


def test_the_table_has_errors_and_floors() -> None:
    rows = [
        row("bits", 1.5, None, 0.25, "lower", ""), row("fd_clf_10k", 0.25, 0.125, None, "lower", "")
    ]  # fmt: skip
    head, (bits, distance) = cells(Table("all", "measure", (VALUE, REAL), rows))
    assert head == ["measure", "value", "real to real", "better"]
    assert bits == ["bits", "1.5000 ± 0.2500", "-", "lower"]
    assert distance == ["fd_clf_10k", "0.2500", "0.1250", "lower"]


# The command


def measured(run: Path, *options: str) -> dict[str, dict[str, Any]]:
    assert main(["evaluate", str(run), "--steps", "2", "--samples", "10", *options]) == 0
    record = json.loads((run / "evaluation.json").read_text())
    assert record["step"] == 6
    return {row["name"]: row for table in record["tables"] for row in table["rows"]}


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
        "bits_per_dim_12", "energy_10", "fd_clf_10", "kid_clf_10", "precision_clf_10",
        "recall_clf_10",
    ]  # fmt: skip
    printed = capsys.readouterr().out.splitlines()
    for name, found in rows.items():
        (line,) = (x for x in printed if re.match(rf"\W*{name}\W", x))
        assert f"{found['values']['value']:.4f}" in line
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
    assert 0 < rows["rmse_hidden_10"]["values"]["value"] < 4


def test_without_torchmetrics_the_rest_is_told_in_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    rows = measured(runs / "plain")
    assert list(rows) == ["bits_per_dim_12", "energy_10"]
    lines = capsys.readouterr().err.splitlines()
    (line,) = (line for line in lines if "torchmetrics" in line)
    assert "need torchmetrics: pip install 'infonoise-vision[metrics]'" in line


def test_without_classes_there_is_no_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "bare.npz", images=images(40).pixels[:, 0])
    argv = ["train", str(tmp_path / "bare.npz"), "--out", str(tmp_path / "run")]
    assert main([*argv, "--steps", "6", "--batch-size", "8", "--eval-every", "0"]) == 0
    assert list(measured(tmp_path / "run")) == ["bits_per_dim_8", "energy_8"]
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
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(InputError, match=r"torch-fidelity|no weights of FID"):
        Inception(tmp_path / "weights.pt", 1, CPU)
    with pytest.raises(InputError, match="no such file"):
        Inception(tmp_path / "gone.pt", 1, CPU)
    with pytest.raises(InputError, match="2 channels"):
        Inception(tmp_path / "weights.pt", 2, CPU)


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.nn.Module]]:
    """Another network in Inception's place, and all that were built of it."""
    built: list[torch.nn.Module] = []

    class Stub(torch.nn.Module):
        use_antialias = True

        def __init__(self, name: str, features: list[str], path: str) -> None:
            super().__init__()
            assert (features, path) == (["2048"], str(tmp_path / "w.pt"))
            # As torch-fidelity does.
            torch.load(path)
            built.append(self)

        def forward(self, x: Tensor) -> Tensor:
            assert x.dtype == torch.uint8
            assert x.shape[1] == 3
            assert not self.use_antialias
            return x.float().mean((2, 3))

    monkeypatch.setattr(sys.modules["torchmetrics.image.fid"], "NoTrainInceptionV3", Stub)
    torch.save({}, tmp_path / "w.pt")
    return built


def test_fid_carries_its_own_name(runs: Path, tmp_path: Path, stub: list[torch.nn.Module]) -> None:
    options = ["--inception-weights", str(tmp_path / "w.pt"), "--no-classifier"]
    rows = measured(runs / "plain", *options)
    assert {"fid_inception_10", "kid_inception_10", "precision_inception_10"} <= set(rows)
    assert not any("clf" in name for name in rows)
    assert len(stub) == 1


@pytest.mark.parametrize("content", [b"nothing", b"", b"PK\x03\x04 half a zip"])
def test_files_that_are_no_weights_are_told_in_one_line(
    tmp_path: Path, stub: list[torch.nn.Module], content: bytes
) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"w\.pt: no weights of FID's") as error:
        Inception(tmp_path / "w.pt", 3, CPU)
    assert "\n" not in str(error.value)
    assert not stub


def test_inception_sees_bytes_of_three_channels() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
    assert as_bytes(x).tolist() == [[[[0, 0], [128, 255]]] * 3]
    with pytest.raises(InputError, match="2 channels"):
        as_bytes(torch.zeros(1, 2, 2, 2))
