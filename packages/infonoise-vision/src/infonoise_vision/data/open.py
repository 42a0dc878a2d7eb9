"""What a path or a name holds, and which reader knows it."""

import sys
from collections.abc import Sequence
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
            dataset; a file: .npz, .npy, .zip (EDM's, or any of image files), .tar (WebDataset,
            plain or compressed), .parquet of Hugging Face, IDX; or a folder: of image files, with
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
    shards = _shards(files.names)
    if shards:
        return _open_tars(folder, shards)
    return open_parts(files, folder.resolve().name)


def _shards(names: Sequence[str]) -> list[str]:
    """Tar files in one folder, or in folders that say which part each is of."""
    from infonoise_vision.data.formats.containers import is_tar
    from infonoise_vision.data.formats.folders import part_in

    found = sorted(name for name in names if is_tar(Path(name)))
    together = len({name.rpartition("/")[0] for name in found}) == 1
    return found if together or all(part_in(name) for name in found) else []


def _open_tars(folder: Path, names: Sequence[str]) -> Opened:
    """Tar shards; those whose names have a test folder's as a word are held out, unless all are."""
    from infonoise_vision.data.formats.folders import TEST, TRAIN, part_in
    from infonoise_vision.data.formats.labels import encoded_images

    parts: dict[str, list[Path]] = {}
    for name in names:
        word = part_in(name)
        parts.setdefault(word if word in TEST else TRAIN[0], []).append(folder / name)
    tests = [word for word in TEST if word in parts]
    if TRAIN[0] in parts:
        groups = [parts[word] for word in (TRAIN[0], *tests[:1])]
    else:
        tests, groups = [], [[folder / name for name in names]]
    if len(tests) > 1:
        left = [shard.name for word in tests[1:] for shard in parts[word]]
        print(
            f"note: {folder}: trains on {groups[0][0].name} ..., holds {groups[1][0].name} ... out;"
            f" {left[0]}{f' and {len(left) - 1} others' if len(left) > 1 else ''} left out",
            file=sys.stderr,
        )
    name = folder.resolve().name
    return Opened(*(encoded_images(Tars(folder, group), name) for group in groups))


def _open_file(path: Path) -> Opened:
    from infonoise_vision.data.formats import containers, npz
    from infonoise_vision.data.formats.kinds import image_places, not_read
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
    if path.suffix.lower() == ".npy":
        return npz.read_array(path)
    if path.suffix.lower() == ".zip":
        archive = containers.Zip(path)
        found = None if image_places(archive) else read_published_archive(archive)
        return found or open_parts(archive, path.stem)
    if containers.is_tar(path):
        files = containers.Tars(path, [path])
        return read_published_archive(files) or open_parts(files, path.name.partition(".")[0])
    raise InputError(not_read(path))
