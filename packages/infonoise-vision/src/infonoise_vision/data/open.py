"""What a path or a name holds, and which reader knows it."""

import re
from pathlib import Path

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import is_shown
from infonoise_core.training.data.huggingface import is_saved
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.containers import Tars
from infonoise_vision.data.formats.source import Opened

DIGITS = "digits"


def open_source(source: str | Path | None = None) -> Opened:
    """Training images of `source`, and the held-out ones where it says which those are.

    Args:
        source: None or "digits" for scikit-learn's 8x8 digits; "hf:NAME" for a Hugging Face
            dataset; a file: .npz, .zip (EDM's, or any of image files), .tar (WebDataset, plain
            or compressed), .parquet of Hugging Face, IDX; or a folder: of image files, with
            subfolders as classes or EDM's dataset.json, of tar shards, of .parquet, one that
            `prepare` wrote, or one that `save_to_disk` wrote; or a set as it is handed out
            (`published`): MNIST, CIFAR-10, CIFAR-100, SVHN, STL-10, downsampled ImageNet.
    """
    if source is None or source == DIGITS:
        return Opened(read_digits())
    from infonoise_vision.data.formats.tables import huggingface as hub

    if str(source).startswith(hub.PREFIX):
        return hub.read_hub(str(source).removeprefix(hub.PREFIX))
    path = Path(source)
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise InputError(
            f"{source}: not found; give a folder of images, an archive, hf:NAME or 'digits'"
        )
    return _open_file(path)


def read_digits() -> Arrays:
    """scikit-learn's bundled digits: 1,797 images of 8x8 in 17 grey levels, 10 classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = digits.images[:, None].astype(np.uint8)
    names = tuple(str(name) for name in digits.target_names)
    return Arrays(DIGITS, pixels, 17, digits.target.astype(np.int64), names)


def _open_folder(folder: Path) -> Opened:
    from infonoise_vision.data.formats import containers, packed
    from infonoise_vision.data.formats.kinds import image_places
    from infonoise_vision.data.formats.tables import huggingface as hub
    from infonoise_vision.data.formats.tables import parquet
    from infonoise_vision.data.parts import open_parts
    from infonoise_vision.data.published import read_published_folder

    if packed.is_packed(folder):
        return Opened(*packed.read_packed(folder))
    if is_saved(folder):
        return hub.read_saved(folder)
    files = containers.Folder(folder)
    if image_places(files):
        return open_parts(files, folder.resolve().name)
    inside = [path for path in folder.iterdir() if is_shown(path.name)]
    if len(inside) == 1 and inside[0].is_dir():
        return _open_folder(inside[0])
    published = read_published_folder(folder, files)
    if published is not None:
        return published
    if any(name.lower().endswith(parquet.SUFFIX) for name in files.names):
        return parquet.read_parquet_folder(folder, files.names)
    shards = sorted(file for file in folder.iterdir() if containers.is_tar(file))
    name = folder.resolve().name
    return _open_tars(folder, shards) if shards else open_parts(files, name)


def _open_tars(folder: Path, shards: list[Path]) -> Opened:
    """Tar shards; those whose name has a test folder's as a word are held out, unless all are."""
    from infonoise_vision.data.formats.labels import encoded_images

    test = [shard for shard in shards if _is_test(shard.name)]
    train = [s for s in shards if s not in test]
    groups = [train, test] if train and test else [shards]
    name = folder.resolve().name
    return Opened(*(encoded_images(Tars(folder, group), name) for group in groups))


def _is_test(name: str) -> bool:
    from infonoise_vision.data.parts import TEST_FOLDERS, TRAIN_FOLDERS

    words = set(re.findall("[a-z]+", name.lower()))
    return not words.isdisjoint(TEST_FOLDERS) and words.isdisjoint(TRAIN_FOLDERS)


def _open_file(path: Path) -> Opened:
    from infonoise_vision.data.formats import containers, npz
    from infonoise_vision.data.formats.tables import parquet
    from infonoise_vision.data.parts import open_parts
    from infonoise_vision.data.published import read_published_archive, read_published_file

    published = read_published_file(path)
    if published is not None:
        return published
    if path.suffix.lower() == parquet.SUFFIX:
        return parquet.read_parquet(path)
    if path.suffix.lower() == ".npz":
        return npz.read_archive(path)
    if path.suffix.lower() == ".zip":
        return open_parts(containers.Zip(path), path.stem)
    if containers.is_tar(path):
        files = containers.Tars(path, [path])
        return read_published_archive(files) or open_parts(files, path.name.partition(".")[0])
    raise InputError(
        f"{path}: not a kind of file read here; give a folder of images, an .npz, .zip, .tar,"
        " .parquet or IDX file, hf:NAME or 'digits'"
    )
