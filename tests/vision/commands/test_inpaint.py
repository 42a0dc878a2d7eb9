"""`inpaint` and `upscale`: what is known stays, and mistakes end in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision.cli import main
from infonoise_vision.data.user_images import is_rectangle, known_part, read_pictures
from infonoise_vision.domain import open_run
from infonoise_vision.models.conditions import Coarse
from infonoise_vision.sampling.labels import labels


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for name in ("ant", "bee"):
        save(tmp_path / "in" / f"{name}.png", rng.integers(0, 256, (8, 8)))
    return tmp_path / "in"


def opened(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file)).astype(int)


@pytest.mark.parametrize(
    ("kind", "mask", "options"),
    [
        ("half", "lower", []),
        ("box", "left", []),
        ("box", "box", ["--guidance", "2"]),
        ("plain", "upper", []),
        ("plain", "right", ["--method", "replace"]),
        ("classes", "lower", ["--label", "left", "--method", "ddnm"]),
    ],
)
def test_known_pixels_stay_and_the_others_are_drawn(
    runs: Path, folder: Path, tmp_path: Path, kind: str, mask: str, options: list[str]
) -> None:
    out = tmp_path / "out"
    argv = ["inpaint", str(runs / kind), str(folder), "--out", str(out), "--mask", mask]
    assert main([*argv, "--samples", "2", "--steps", "3", *options]) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "ant-1.png", "ant-2.png", "bee-1.png", "bee-2.png",
    ]  # fmt: skip
    known = known_part(mask, (1, 8, 8))[0, 0].bool().numpy()
    for name in ("ant", "bee"):
        before = opened(folder / f"{name}.png")
        first, second = (opened(out / f"{name}-{i}.png") for i in (1, 2))
        assert np.array_equal(first[known], before[known])
        assert (first[~known] != second[~known]).any()


def test_a_mask_from_a_file_and_a_grid(runs: Path, folder: Path, tmp_path: Path) -> None:
    mask = np.zeros((8, 8))
    mask[2:5, 3:7] = 255
    file = save(tmp_path / "mask.png", mask)
    argv = ["inpaint", str(runs / "box"), str(folder / "ant.png"), "--mask", str(file)]
    assert main([*argv, "--out", str(tmp_path / "out"), "--steps", "3"]) == 0
    before, after = opened(folder / "ant.png"), opened(tmp_path / "out" / "ant.png")
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert main([*argv, "--out", str(tmp_path / "a.png"), "--steps", "3", "--samples", "3"]) == 0
    with Image.open(tmp_path / "a.png") as grid:
        zoom = grid.width // 37
        assert grid.size == (zoom * 37, zoom * 10)  # the picture and three results in a row
        shown = np.asarray(grid)[::zoom, ::zoom][1:9, 1:9]
    assert np.array_equal(shown[mask == 0], before[mask == 0])


@pytest.mark.parametrize(("kind", "factor"), [("fine", 2), ("plain", 4), ("classes", 2)])
def test_pictures_grow_by_the_factor(runs: Path, tmp_path: Path, kind: str, factor: int) -> None:
    side = 8 // factor
    picture = save(tmp_path / "small.png", np.full((side, side), 120))
    argv = ["upscale", str(runs / kind), str(picture), "--out", str(tmp_path / "out")]
    options = [] if kind == "fine" else ["--factor", str(factor)]
    assert main([*argv, *options, "--steps", "4"]) == 0
    assert opened(tmp_path / "out" / "small.png").shape == (8, 8)


@pytest.mark.parametrize(("kind", "factor"), [("plain", 4), ("classes", 2)])
def test_cells_keep_their_means(runs: Path, kind: str, factor: int) -> None:
    """By projection, before pixels are clipped; a run trained for it has yet to learn it."""
    run, config = open_run(runs / kind, "cpu"), SamplerConfig(steps=4, grid="karras")
    condition = Coarse(run.shape, factor)
    means = torch.rand(3, 1, 8 // factor, 8 // factor, generator=torch.Generator().manual_seed(0))
    told = {"given": condition.enlarge(means)} | labels(run, None, range(3))
    denoiser = run.completing("ddnm", condition, config)
    (part,) = run.sampling(config).chunks(denoiser, run.shape, 3, told, run.device)
    torch.testing.assert_close(functional.avg_pool2d(part.x, factor), means)


@pytest.mark.parametrize("method", ["ddnm", "replace"])
def test_guidance_moves_what_a_run_without_condition_completes(
    runs: Path, folder: Path, tmp_path: Path, method: str
) -> None:
    found = []
    for scale in ("1", "5"):
        out = tmp_path / scale
        argv = ["inpaint", str(runs / "classes"), str(folder), "--label", "left", "--steps", "3"]
        assert main([*argv, "--method", method, "--guidance", scale, "--out", str(out)]) == 0
        found.append(opened(out / "ant.png"))
    assert np.array_equal(found[0][:4], found[1][:4])
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["inpaint", "half", "in", "--mask", "upper"], "lower half alone"),
        (["inpaint", "half", "in", "--method", "ddnm"], "is for runs without; leave it out"),
        (["inpaint", "plain", "in", "--method", "trained"], "give --method ddnm"),
        (["inpaint", "plain", "in", "--method", "magic"], "one of trained, ddnm, replace"),
        (["inpaint", "fine", "in"], "--condition superres"),
        (["inpaint", "plain", "in", "--mask", "hat"], "--mask hat: give one of lower"),
        (["inpaint", "plain", "gone"], "gone: not found"),
        (["inpaint", "plain", "empty"], "holds no image files"),
        (["inpaint", "plain", "in", "--samples", "0"], "--samples 0"),
        (["inpaint", "plain", "in", "--label", "left"], "knows no classes"),
        (["upscale", "half", "in"], "give superres"),
        (["inpaint", "box", "in", "--mask", "in/ant.png"], "fill in rectangles"),
        (["inpaint", "plain", "in", "--guidance", "3"], "nothing to be guided by"),
        (["upscale", "fine", "in", "--factor", "4"], "was trained with 2"),
        (["upscale", "plain", "in", "--factor", "0"], "--factor 0"),
        (["upscale", "plain", "in", "--factor", "3"], "--factor 3"),
        (["upscale", "plain", "in", "--factor", "2", "--method", "replace"], "known pixels"),
        (["upscale", "fine", "broken"], "cannot be read"),
    ],
)
def test_mistakes(
    runs: Path, folder: Path, argv: list[str], words: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(folder.parent)
    (folder.parent / "empty").mkdir()
    save(folder.parent / "broken" / "a.png", np.zeros((8, 8)))
    whole = (folder.parent / "broken" / "a.png").read_bytes()
    (folder.parent / "broken" / "a.png").write_bytes(whole[:40])
    argv = [argv[0], str(runs / argv[1]), *argv[2:], "--out", "new", "--steps", "2"]
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("error: ") == 1
    assert not (folder.parent / "new").exists()


def test_pictures_are_brought_to_the_run(tmp_path: Path) -> None:
    colour = np.zeros((4, 6, 3), np.uint8)
    colour[..., 1] = 255
    save(tmp_path / "a.png", colour)
    grey = read_pictures(tmp_path / "a.png", (1, 4, 4)).x0
    assert grey.shape == (1, 1, 4, 4)
    # The weight of green.
    torch.testing.assert_close(grey, torch.full((1, 1, 4, 4), 2 * 0.587 - 1))
    save(tmp_path / "b" / "b.png", np.full((4, 4), 51))
    spread = read_pictures(tmp_path / "b", (3, 2, 2))
    assert spread.names == ["b"]
    torch.testing.assert_close(spread.x0, torch.full((1, 3, 2, 2), -0.6))
    with pytest.raises(InputError, match="6x4 pixels and the run's images are 5x4"):
        read_pictures(tmp_path / "a.png", (1, 4, 5))
    with pytest.raises(InputError, match="2 channels"):
        read_pictures(tmp_path / "a.png", (2, 4, 4))


def test_masks_of_one_colour_hide_nothing_or_all(tmp_path: Path) -> None:
    for grey in (0, 255):
        save(tmp_path / "m.png", np.full((4, 4), grey))
        with pytest.raises(InputError, match="all one colour"):
            known_part(str(tmp_path / "m.png"), (1, 4, 4))
    assert known_part("left", (1, 5, 5)).sum() == 15
    assert known_part("box", (1, 8, 8)).sum() == 48


def test_rectangles_are_told_from_other_parts() -> None:
    for mask in ("lower", "upper", "left", "right", "box"):
        assert is_rectangle(1 - known_part(mask, (1, 7, 8)))
    for pixels in ([(0, 0), (2, 2)], [(0, 0), (0, 2)], [(0, 0), (0, 1), (1, 0)]):
        part = torch.zeros(1, 1, 4, 4)
        for row, column in pixels:
            part[0, 0, row, column] = 1
        assert not is_rectangle(part)


def test_what_a_folder_of_pictures_has_beside_them_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in" / "more").mkdir(parents=True)
    with pytest.raises(InputError, match=r"give a folder in it, such as \S*more"):
        read_pictures(tmp_path / "in", (1, 4, 4))
    Image.new("L", (4, 4)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.heic").touch()
    assert read_pictures(tmp_path / "in", (1, 4, 4)).names == ["a"]
    assert "1 files of no ending that is read and 1 folders" in capsys.readouterr().err
