"""Sets of images as their authors hand them out, known by the names of their files."""

from pathlib import Path

from infonoise_vision.data.formats.containers import Container
from infonoise_vision.data.formats.source import Opened


def read_published_folder(folder: Path, files: Container) -> Opened | None:
    """Such a set in a folder whose files are `files`; None for anything else."""
    from infonoise_vision.data.published import idx, imagenet, svhn

    raw = idx.idx_folder(folder, files.names)
    if raw:
        return idx.read_idx_folder(raw)
    if imagenet.train_batches(folder):
        return imagenet.read_batches(folder)
    if svhn.mat_files(folder):
        return svhn.read_mat_folder(folder)
    return read_published_archive(files)


def read_published_archive(files: Container) -> Opened | None:
    """CIFAR or STL-10, packed or unpacked; None for anything else."""
    from infonoise_vision.data.published import cifar, cifar100, stl10

    if cifar.is_cifar(files):
        return cifar.read_cifar(files)
    if cifar100.is_cifar100(files):
        return cifar100.read_cifar100(files)
    return stl10.read_stl10(files) if stl10.is_stl10(files) else None


def read_published_file(file: Path) -> Opened | None:
    """IDX or MATLAB's, alone; None for anything else."""
    from infonoise_vision.data.published import idx, svhn

    if idx.is_idx(file):
        return Opened(idx.read_idx(file))
    return Opened(svhn.read_mat(file)) if file.suffix.lower() == svhn.SUFFIX else None
