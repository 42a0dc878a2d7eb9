"""Pairs: which picture belongs to which image, however they lie."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.images import ImageSet, load_images, load_split
from infonoise_vision.data.options import Reading
from infonoise_vision.data.prepare import prepare
from infonoise_vision.methods.diffusion import load, make_task
from infonoise_vision.methods.options import Objective

N = 12


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def image(i: int) -> np.ndarray:
    """Tells its number in every pixel; coloured, its pair is grey."""
    pixels = np.full((6, 6, 3), 10 * i)
    pixels[..., 2] = 3
    return pixels


def pair(i: int) -> np.ndarray:
    return np.full((6, 6), 10 * i + 1)


def of_one_place(images: ImageSet) -> bool:
    assert images.pairs is not None
    assert images.pair_channels == 1
    return bool((images.pixels[:, 0, 0, 0] + 1 == images.pairs.pixels[:, 0, 0, 0]).all())


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Names whose order changes with their endings."""
    for i in range(N):
        name = "a" * (i % 3 + 1) + f"-{i}" * (i % 2) + "b" * i
        save(tmp_path / "photos" / f"{name}.png", image(i))
        save(tmp_path / "edges" / f"{name}.bmp", pair(i))
    save(tmp_path / "edges" / "further.png", pair(0))
    return tmp_path


def test_files_of_the_same_names(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reading = Reading(pair=str(folders / "edges"))
    train, held_out = prepare(folders / "photos", folders / "out", reading)
    assert "1 pictures without an image" in capsys.readouterr().err
    assert len(train) + len(held_out) == N
    assert of_one_place(train)
    assert of_one_place(held_out)
    assert train.pairs is not None
    assert isinstance(train.pairs.pixels, np.memmap)
    # The same without preparing, and a part of it.
    objective = Objective(condition="pair", pair=str(folders / "edges"))
    parts = load(objective, str(folders / "photos"))
    again = load(Objective(condition="pair"), str(folders / "out"))
    for one, other in zip(parts.both, again.both, strict=True):
        assert one.pairs is not None
        assert other.pairs is not None
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.pairs.pixels, other.pairs.pixels)
    few = load_images(folders / "out", limit=8)
    assert of_one_place(few)
    given = few.given([2, 5])
    assert given is not None
    assert given.shape == (2, 1, 6, 6)
    assert -1 <= given.min() <= given.max() <= 1


def test_parts_and_classes(tmp_path: Path) -> None:
    for part, few in (("train", range(N)), ("test", range(N, 20))):
        for i in few:
            save(tmp_path / "images" / part / f"class{i % 2}" / f"{i}.png", image(i))
            save(tmp_path / "wrapped" / "pairs" / part / f"class{i % 2}" / f"{i}.png", pair(i))
    reading = Reading(pair=str(tmp_path / "wrapped"))
    train, held_out = prepare(tmp_path / "images", tmp_path / "out", reading)
    assert (len(train), len(held_out)) == (N, 8)
    assert train.classes == ("class0", "class1")
    assert of_one_place(train)
    assert of_one_place(held_out)
    with pytest.raises(InputError, match="alone have test images"):
        load_images(tmp_path / "images" / "train", pair=str(tmp_path / "wrapped"))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("size", [None, 3])
def test_halves_of_files(tmp_path: Path, side: str, size: int | None) -> None:
    for i in range(N):
        halves = [np.repeat(pair(i)[..., None], 3, 2), image(i)]
        both = np.concatenate(halves if side == "left" else halves[::-1], 1)
        save(tmp_path / "both" / "train" / f"{i}.png", both)
    images = load_images(tmp_path / "both", size=size, side_by_side=side)
    assert images.shape == (3, size or 6, size or 6)
    assert of_one_place(images)


def test_two_arrays(tmp_path: Path) -> None:
    images = np.stack([image(i) for i in range(N)]).astype(np.uint8)
    pairs = np.stack([pair(i) for i in range(N)]).astype(np.uint8)
    np.savez(tmp_path / "both.npz", images=images, pairs=pairs)
    assert of_one_place(load_images(tmp_path / "both.npz"))
    np.savez(
        tmp_path / "parts.npz", x_train=images, pairs=pairs, x_test=images[::-1],
        pairs_test=pairs[::-1], y_train=np.arange(N) % 2, y_test=np.zeros(N, np.int64),
    )  # fmt: skip
    for part in load_split(tmp_path / "parts.npz"):
        assert of_one_place(part)
    np.savez(tmp_path / "fewer.npz", images=images, pairs=pairs[:3])
    with pytest.raises(InputError, match="3 pairs for 12 images"):
        load_images(tmp_path / "fewer.npz")


def test_a_bad_picture_takes_its_image_with_it(folders: Path) -> None:
    bad = sorted((folders / "edges").glob("*b.bmp"))[0]
    bad.write_bytes(bad.read_bytes()[:30])
    with pytest.raises(InputError, match=bad.name):
        load_images(folders / "photos", pair=str(folders / "edges"))
    reading = Reading(pair=str(folders / "edges"), bad=BadRecords(1))
    train, held_out = prepare(folders / "photos", folders / "out", reading)
    assert len(train) + len(held_out) == N - 1
    assert of_one_place(train)
    assert of_one_place(held_out)


def lacking(folders: Path) -> None:
    (folders / "edges" / "a.bmp").unlink()


def twins(folders: Path) -> None:
    save(folders / "edges" / "a.png", pair(0))


def larger(folders: Path) -> None:
    for file in (folders / "edges").iterdir():
        save(file, np.zeros((8, 8)))


def arrays(folders: Path) -> None:
    for file in (folders / "edges").iterdir():
        file.unlink()
    np.savez(folders / "edges" / "x.npz", images=np.zeros((N, 6, 6), np.uint8))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lacking, "no picture called a, as an image is"),
        (twins, "two files are called a, but for their endings"),
        (larger, "are 8x8 pixels and the images 6x6"),
    ],
)
def test_what_is_no_pair(folders: Path, change: Callable[[Path], None], words: str) -> None:
    change(folders)
    with pytest.raises(InputError, match=words):
        load_images(folders / "photos", pair=str(folders / "edges"))


def test_what_does_not_go_together(folders: Path) -> None:
    edges = str(folders / "edges")
    with pytest.raises(InputError, match="give one of them"):
        Reading(pair=edges, side_by_side="left")
    with pytest.raises(InputError, match="left or right"):
        Reading(side_by_side="top")
    with pytest.raises(InputError, match="give that as well"):
        Objective(pair=edges)
    objective = Objective(condition="pair")
    bare = load(objective, str(folders / "photos")).train
    with pytest.raises(InputError, match="have no pairs"):
        make_task(objective, bare, 0)
    save(folders / "odd" / "a.png", np.zeros((6, 7)))
    for i in range(N):
        save(folders / "odd" / f"{i}.png", np.zeros((6, 7)))
    with pytest.raises(InputError, match="even width"):
        load_images(folders / "odd", side_by_side="left")


@pytest.mark.parametrize("ending", ["_mask", "-depth", ".gt"])
def test_names_with_a_word_behind_those_of_the_images(
    tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(N):
        save(tmp_path / "photos" / f"{i}.png", image(i))
        save(tmp_path / "masks" / f"{i}{ending}.png", pair(i))
    assert of_one_place(load_images(tmp_path / "photos", pair=str(tmp_path / "masks")))
    assert f"called as images, with {ending}" in capsys.readouterr().err


def test_two_pictures_of_one_image_are_no_pair(tmp_path: Path) -> None:
    for i in range(N):
        save(tmp_path / "photos" / f"{i}.png", image(i))
        for word in ("depth", "normal"):
            save(tmp_path / "masks" / f"{i}_{word}.png", pair(i))
    with pytest.raises(InputError, match="holds no picture called 0 and 11 others"):
        load_images(tmp_path / "photos", pair=str(tmp_path / "masks"))
