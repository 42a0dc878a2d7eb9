"""Which folders are parts and which are classes, the same in folders, zips and tars."""

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_vision.data.images import load_split
from infonoise_vision.data.open import open_source

from .image_files import png

Pack = Callable[[Path, list[str]], Path]


def pictures(folder: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(np.frombuffer(png_of(i), np.uint8).reshape(4, 4)))
    return folder


def png_of(i: int) -> bytes:
    """The pixels of picture number i."""
    return np.random.default_rng(i).integers(0, 256, (4, 4), np.uint8).tobytes()


def zipped(folder: Path, names: list[str]) -> Path:
    pictures(folder, names)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for name in names:
            archive.write(folder / name, name)
    return folder.with_suffix(".zip")


def from_windows(folder: Path, names: list[str]) -> Path:
    pictures(folder, names)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for name in names:
            archive.writestr(name.replace("/", "\\"), (folder / name).read_bytes())
    return folder.with_suffix(".zip")


def tarred(folder: Path, names: list[str]) -> Path:
    pictures(folder, names)
    with tarfile.open(folder.with_suffix(".tar"), "w") as archive:
        for name in names:
            archive.add(folder / name, name)
    return folder.with_suffix(".tar")


PACKS = {"folder": pictures, "zip": zipped, "windows": from_windows, "tar": tarred}


def each(*folders: str, n: int = 6) -> list[str]:
    return [f"{folder}/{i}.png" for folder in folders for i in range(n)]


@pytest.fixture(params=PACKS)
def pack(request: pytest.FixtureRequest) -> Pack:
    return PACKS[request.param]


LAYOUTS: dict[str, tuple[list[str], int, int | None, tuple[str, ...]]] = {
    "classes": (each("cat", "dog"), 12, None, ("cat", "dog")),
    "train and test": (
        each("train/cat", "train/dog", "test/cat", "test/dog"), 12, 12, ("cat", "dog"),
    ),
    "three parts": (
        each("train/cat", "train/dog", "val/cat", "val/dog", "test/cat", "test/dog", n=5),
        10, 10, ("cat", "dog"),
    ),
    "three parts without classes": (each("Train", "Val", "Test", n=8), 8, 8, ()),
    "wrapped": (
        each("set/in/train/a", "set/in/train/b", "set/in/valid/a", "set/in/valid/b"),
        12, 12, ("a", "b"),
    ),
    "wrapped classes": (each("images/cat", "images/dog"), 12, None, ("cat", "dog")),
    "train alone": (each("train/cat", "train/dog"), 12, None, ("cat", "dog")),
    "a class called train": (each("bus", "car", "train"), 18, None, ("bus", "car", "train")),
    "years behind parts": (each("train2017", "test2017"), 6, 6, ()),
    "words behind parts": (
        each("Train_images/cat", "Train_images/dog", "Test_images/cat", "Test_images/dog"),
        12, 12, ("cat", "dog"),
    ),
    "a number behind one": (each("train/cat", "train/dog", "test1"), 12, 6, ("cat", "dog")),
    "classes that begin so": (
        each("train2017", "tram", "bus"), 18, None, ("bus", "train2017", "tram"),
    ),
    "something beside train": (each("train/cat", "train/dog", "more"), 12, None, ("cat", "dog")),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_and_classes(pack: Pack, layout: str, tmp_path: Path) -> None:
    names, train, held_out, classes = LAYOUTS[layout]
    source = pack(tmp_path / "data", names)
    opened = open_source(source)
    assert (len(opened.train), opened.train.classes) == (train, classes)
    assert (None if opened.held_out is None else len(opened.held_out)) == held_out
    # And these are read, not others: every picture is another one.
    wanted = {
        png_of(i)
        for i, name in enumerate(names)
        if "val" not in name.lower() or layout == "wrapped"
    }
    found = {part.pixels[i].tobytes() for part in load_split(source) for i in range(len(part))}
    assert len(found) == train + (held_out or 0)
    assert found <= wanted


def test_a_few_names_that_end_like_masks_are_images(pack: Pack, tmp_path: Path) -> None:
    names = [*each("faces", n=8), "faces/7_mask.png", "faces/gas_mask.png"]
    assert len(open_source(pack(tmp_path / "data", names)).train) == 10


def test_what_is_left_out_is_said(
    pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [*each("train", "val", "test", n=8), "cover.png"]
    open_source(pack(tmp_path / "data", names))
    (line,) = capsys.readouterr().err.splitlines()
    assert "trains on train, holds test out; 9 images in val are left out" in line


@pytest.mark.parametrize(
    "names",
    [
        each("train/cat", "train/dog", "test/cat"),
        each("train/cat", "train/cow", "train/dog", "test/cat", "test/cow"),
    ],
)
def test_a_class_without_test_images_is_named(
    pack: Pack, tmp_path: Path, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    opened = open_source(pack(tmp_path / "data", names))
    assert opened.held_out is not None
    assert opened.held_out.classes == opened.train.classes
    assert opened.held_out.labels is not None
    assert opened.held_out.labels.tolist() == [i // 6 for i in range(len(opened.held_out))]
    assert "no test images of class dog" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (each("test", "val"), "test, val, of which one is to be called train"),
        (each("images", "masks"), "holds images and masks, which are no classes; give"),
        (each("train/a", "train/b", "test/a", "test/c"), r"b, c in one alone"),
        (each("JPEGImages", "SegmentationClass"), "JPEGImages and SegmentationClass, which are no"),
        (
            each("input", "target"),
            r"data\S*target, and for images drawn from these --pair \S*input",
        ),
        (each("depth", "rgb"), "depth and rgb, which are no classes"),
        (each("train/gt", "train/img", "test/gt", "test/img"), "train: holds gt and img, which"),
        (
            each("trainA", "trainB", "testA", "testB"),
            "two kinds of images and no classes; give one",
        ),
        (
            [f"{i}{end}.png" for i in range(6) for end in ("", "_mask")],
            "holds 6 images such as 0_mask.png, which belongs to 0.png and is no image of the set",
        ),
    ],
)
def test_layouts_that_are_refused(pack: Pack, tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        open_source(pack(tmp_path / "data", names))
    assert "\n" not in str(error.value)


MORE: dict[str, tuple[list[str], tuple[int, int | None], tuple[str, ...], str]] = {
    "folds of classes": (
        each("fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog", "fold10/cat", "fold10/dog"),
        (24, 12), ("cat", "dog"), "trains on fold2, fold10, holds fold1 out",
    ),
    "folds of images": (
        each("set/Fold_0", "set/Fold_1", "set/Fold_2"), (12, 6), (),
        "trains on Fold_1, Fold_2, holds Fold_0 out",
    ),
    "folds and a test": (
        each("fold1", "fold2", "test"), (12, 6), (), "trains on fold1, fold2, holds test out",
    ),
    "folds within a part": (
        each("train/fold1/a", "train/fold1/b", "train/fold2/a", "train/fold2/b", "test/a"),
        (24, 6), ("a", "b"), "no test images of class b",
    ),
    "stretches of one set": (
        each("images_001/images", "images_002/images"), (12, None), (),
        "images_001, images_002 are taken together and are no classes",
    ),
    "stretches with classes": (
        each("A_part_1/x", "A_part_1/y", "A_part_2/x"), (18, None), ("x", "y"), "are taken",
    ),
    "parts in each class": (
        each("cat/train", "cat/test", "dog/train", "dog/test", "dog/val"),
        (12, 12), ("cat", "dog"),
        "trains on cat/train, dog/train, holds cat/test, dog/test out; 6 images in dog/val are",
    ),
    "dev": (each("train/a", "train/b", "dev/a", "dev/b"), (12, 12), ("a", "b"), ""),
    "words before parts": (
        each("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a",
             "seg_test/seg_test/b", "seg_pred/seg_pred"),
        (12, 12), ("a", "b"), "6 images in seg_pred are left out",
    ),
    "words around parts": (each("X_train_HR", "X_valid_HR"), (6, 6), (), ""),
    "the same classes beside train": (
        each("train/a", "train/b", "spare/a", "spare/b"), (12, None), ("a", "b"),
        "trains on train; 12 images in spare are left out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", MORE)
def test_folds_stretches_and_parts_by_other_names(
    pack: Pack, layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, numbers, classes, said = MORE[layout]
    opened = open_source(pack(tmp_path / "data", names))
    held_out = None if opened.held_out is None else len(opened.held_out)
    assert ((len(opened.train), held_out), opened.train.classes) == (numbers, classes)
    err = capsys.readouterr().err
    assert said in err
    assert bool(err) == bool(said)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            each("fold1/train", "fold1/test", "fold2/train", "fold2/test"),
            r"fold1, fold2, each with parts of its own, .* give one of them, such as \S*fold1",
        ),
        (each("A/train", "A/test", "B/train", "B/test"), "two kinds of images and no classes"),
        (each("gtFine/train", "leftImg8bit/train"), "gtFine and leftImg8bit, which are no classes"),
        (
            each("HR_train", "HR_test", "LR_train", "LR_test"),
            "of which one is to be called train; name the folder",
        ),
    ],
)
def test_more_layouts_are_refused(pack: Pack, tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_source(pack(tmp_path / "data", names))


def with_metadata(pack: Pack, folder: Path, rows: list[str]) -> Path:
    """Six pictures in each part, and a table beside the parts."""
    folder.mkdir()
    (folder / "metadata.csv").write_text("\n".join(rows))
    names = each("train", "test")
    if pack is pictures:
        return pack(folder, names)
    path = pack(folder, names)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "a") as archive:
            archive.write(folder / "metadata.csv", "metadata.csv")
    else:
        with tarfile.open(path, "a") as archive:
            archive.add(folder / "metadata.csv", "metadata.csv")
    return path


def test_metadata_beside_the_parts_labels_them(
    pack: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{part}/{i}.png,{'ab'[i % 2]}" for part in ("train", "test") for i in range(6)]
    opened = open_source(with_metadata(pack, tmp_path / "data", ["file_name,label", *rows]))
    assert opened.held_out is not None
    for part in (opened.train, opened.held_out):
        assert part.labels is not None
        assert (part.labels.tolist(), part.classes) == ([0, 1] * 3, ("a", "b"))
    assert not capsys.readouterr().err


def test_what_is_no_image_is_one_line_for_all_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pictures(tmp_path, each("train/images", "valid/images"))
    for part in ("train", "valid"):
        for i in range(6):
            (folder / part / f"{i}.txt").write_text("0 0.5 0.5 0.1 0.1")
    (folder / "data.yaml").write_text("names: [a]")
    open_source(folder)
    (line,) = capsys.readouterr().err.splitlines()
    assert "12 .txt, 1 .yaml" in line


def test_backslashes_and_slashes_in_one_zip(tmp_path: Path) -> None:
    path = from_windows(tmp_path / "data", each("cat"))
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(6):
            archive.write(pictures(tmp_path / "more", each("dog")) / f"dog/{i}.png", f"dog/{i}.png")
    assert open_source(path).train.classes == ("cat", "dog")
