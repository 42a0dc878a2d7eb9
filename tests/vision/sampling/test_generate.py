"""`sample`: classes, guidance, seeds, a grid or a folder."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_core.sampling.churn import constant_churn
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.cli import main
from infonoise_vision.data.images import to_bytes
from infonoise_vision.domain import open_run
from infonoise_vision.sampling.images import generate_each, png
from infonoise_vision.sampling.labels import class_index
from infonoise_vision.sampling.options import parse_seeds

from ..conftest import KINDS, TRAINING

GRID = karras_grid(6, 0.002, 80.0)
CPU = torch.device("cpu")


def sample(run: Path, out: Path, *options: str) -> int:
    # With fewer levels nearly all pixels are black or white, whatever the network was told.
    return main(["sample", str(run), "--out", str(out), "--steps", "6", *options])


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {file.name: np.asarray(Image.open(file)) for file in sorted(folder.iterdir())}


def test_seeds_are_numbers_and_ranges() -> None:
    assert parse_seeds("0-3, 7,9-9") == [0, 1, 2, 3, 7, 9]
    for text in ("", "a", "3-1", "-2", "1-", "1,1", "0-3,2"):
        with pytest.raises(InputError, match=f"--seeds {text}: "):
            parse_seeds(text)
    with pytest.raises(InputError, match="more than 10,000,000 images"):
        parse_seeds("0-3,7-999999999999")


def halving(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    return x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)


@pytest.mark.parametrize("churned", [False, True])
def test_an_image_is_that_of_its_seed_whatever_stands_beside(churned: bool) -> None:
    def drawn(seeds: list[int], chunk: int) -> torch.Tensor:
        parts = generate_each(
            halving, (1, 4, 4), [(seed, 0) for seed in seeds], GRID, solver="heun",
            churn=constant_churn(0.2) if churned else None, s_noise=1.0, chunk=chunk,
            condition={}, device=CPU,
        )  # fmt: skip
        return torch.cat([part.x for part in parts])

    several = drawn([3, 8, 1], 2)
    assert torch.equal(several[1], drawn([8], 2)[0])
    assert torch.equal(several.flip(0), drawn([1, 8, 3], 3))
    assert len(several.flatten(1).unique(dim=0)) == 3


def test_a_folder_has_a_png_for_each_seed(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "images"
    assert sample(runs / "plain", out, "--seeds", "4-6,12", "--chunk", "3") == 0
    found = pictures(out)
    assert list(found) == ["000004.png", "000005.png", "000006.png", "000012.png"]
    assert all(image.shape == (8, 8) and image.dtype == np.uint8 for image in found.values())
    assert sample(runs / "plain", tmp_path / "one", "--seeds", "12") == 0
    assert np.array_equal(pictures(tmp_path / "one")["000012.png"], found["000012.png"])
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"images"}


def test_a_folder_of_n_images_holds_the_grid(runs: Path, tmp_path: Path) -> None:
    for out in ("grid.png", "folder"):
        assert sample(runs / "plain", tmp_path / out, "--samples", "5", "--chunk", "2") == 0
    found = pictures(tmp_path / "folder")
    assert list(found) == [f"{i:06d}.png" for i in range(5)]
    with Image.open(tmp_path / "grid.png") as grid:
        zoom = grid.width // 28
        sheet = np.asarray(grid)[::zoom, ::zoom]
    assert np.array_equal(sheet[10:18, 10:18], found["000004.png"])


def test_a_folder_is_replaced_only_if_it_holds_nothing_else(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "images"
    assert sample(runs / "plain", out, "--samples", "3") == 0
    assert sample(runs / "plain", out, "--samples", "2") == 2
    assert sample(runs / "plain", out, "--samples", "2", "--overwrite") == 0
    assert len(pictures(out)) == 2
    (out / "thesis.tex").write_text("thesis")
    assert sample(runs / "plain", out, "--samples", "2", "--overwrite") == 2
    assert "is no folder of PNGs" in capsys.readouterr().err
    assert len(list(out.iterdir())) == 3


@pytest.mark.parametrize("kind", ["classes", "planes"])
def test_classes_by_name_by_number_and_in_turn(runs: Path, tmp_path: Path, kind: str) -> None:
    run = runs / kind
    for name, options in {
        "turn": [], "named": ["--label", "middle"], "numbered": ["--label", "1"],
        "none": ["--label", "none"],
    }.items():  # fmt: skip
        assert sample(run, tmp_path / name, "--seeds", "0-3", *options) == 0
    found = {p.name: pictures(p) for p in tmp_path.iterdir()}
    assert all(np.array_equal(found["named"][k], found["numbered"][k]) for k in found["named"])
    assert sample(run, tmp_path / "alone", "--seeds", "1", "--label", "middle") == 0
    assert np.array_equal(pictures(tmp_path / "alone")["000001.png"], found["named"]["000001.png"])
    # In turn: left, middle, right, left. By the seed, whatever stands beside it.
    assert sample(run, tmp_path / "one", "--seeds", "3,1") == 0
    assert np.array_equal(pictures(tmp_path / "one")["000001.png"], found["turn"]["000001.png"])
    one = "000001.png"
    assert np.array_equal(found["turn"][one], found["named"][one])
    zero = "000000.png"
    assert (found["turn"][zero] != found["named"][zero]).any()
    assert (found["none"][one] != found["named"][one]).any()


@pytest.mark.parametrize(
    ("kind", "option"), [("classes", "--label-dropout"), ("planes", "--condition-dropout")]
)
def test_a_run_that_was_always_given_the_class_needs_one(
    runs: Path, tmp_path: Path, kind: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    argv = ["train", str(runs / "data.npz"), "--out", str(run), *KINDS[kind], *TRAINING]
    assert main([*argv, option, "0"]) == 0
    capsys.readouterr()
    assert sample(run, tmp_path / "a.png", "--label", "none") == 2
    assert "never trained without a class; give one" in capsys.readouterr().err
    assert sample(run, tmp_path / "a.png", "--label", "left") == 0


def test_guidance_moves_from_no_class_to_the_class_and_beyond(runs: Path, tmp_path: Path) -> None:
    run = open_run(runs / "classes", "cpu")
    x, sigma = torch.randn(3, 1, 8, 8), torch.ones(3)
    with torch.no_grad():
        told, free = (run.denoiser(x, sigma, label=torch.full((3,), label)) for label in (1, 3))
        for scale in (0.0, 1.0, 2.5):
            steered = run.guided_denoiser(scale, 0, run.null())(x, sigma, label=torch.full((3,), 1))
            torch.testing.assert_close(steered, free + scale * (told - free))
    assert sample(runs / "classes", tmp_path / "a.png", "--label", "1", "--guidance", "2") == 0


def test_a_class_is_a_name_before_it_is_a_number() -> None:
    classes = ("1", "0", "cat")
    assert [class_index(name, classes) for name in ("1", "0", "cat", "2", "none")] == [
        0, 1, 2, 2, 3,
    ]  # fmt: skip
    for name in ("3", "-1", "dog", "1.0", ""):
        with pytest.raises(InputError, match="number from 0 to 2 or one of 1, 0, cat"):
            class_index(name, classes)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("classes", ["--label", "upper"], "--label upper: no such class"),
        ("classes", ["--label", "3"], "number from 0 to 2"),
        ("plain", ["--label", "left"], "knows no classes"),
        ("plain", ["--guidance", "2"], "nothing to be guided by"),
        ("plain", ["--seeds", "5-2"], "--seeds 5-2"),
        ("plain", ["--out", "a.jpg"], "give NAME.png"),
        ("half", [], "complete images with inpaint"),
    ],
)
def test_what_a_run_cannot_do(
    runs: Path, tmp_path: Path, kind: str, options: list[str], words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert sample(runs / kind, tmp_path / "a.png", *options) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_png_is_the_image(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        x0 = 2 * torch.rand(channels, 5, 4, generator=rng) - 1
        two = np.asarray(Image.open(io.BytesIO(png(x0, 2))))
        assert set(two.ravel().tolist()) == {0, 255}
        (tmp_path / "a.png").write_bytes(png(x0))
        shown = np.asarray(Image.open(tmp_path / "a.png")).reshape(5, 4, channels)
        assert np.array_equal(shown, to_bytes(x0[None])[0])
