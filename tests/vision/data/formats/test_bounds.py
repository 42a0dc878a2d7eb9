"""Images from files that want all memory, never end, or are no data."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import time
import zipfile

import numpy as np
import pytest

from infonoise_vision.data.images import load_images
from infonoise_vision.data.published.unpickle import load_plain

from ..image_files import folder_of, noise, refused, save


@pytest.fixture(autouse=True)
def soon():
    """Each is refused in a second of the processor, which other work does not lengthen."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 5


def test_a_link_to_zeros_and_a_pipe_among_images(tmp_path):
    folder = folder_of(tmp_path / "pets", noise(9, 4, 4))
    (folder / "zeros.png").symlink_to("/dev/zero")
    assert "pipe or a device" in refused(folder, "zeros.png")
    (folder / "zeros.png").unlink()
    os.mkfifo(folder / "pipe.png")
    assert "pipe or a device" in refused(folder, "pipe.png")


@pytest.mark.parametrize("name", ["a.npz", "a.zip", "x.tar", "t-images-idx3-ubyte"])
def test_a_pipe_or_a_device_in_place_of_an_archive(tmp_path, name):
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, "pipe or a device")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    refused(tmp_path / name, "pipe or a device")


def test_idx_that_unpacks_without_end_or_declares_too_much(tmp_path):
    path = tmp_path / "t-images-idx3-ubyte.gz"
    head = struct.pack(">HBBIII", 0, 8, 3, 1 << 20, 64, 64)
    with gzip.open(path, "wb", 1) as file:
        file.write(head)
        for _ in range(200):
            file.write(bytes(1 << 20))
    refused(path, "unpacks to more than 100 times")
    plain = tmp_path / "t-images-idx3-ubyte"
    plain.write_bytes(struct.pack(">HBBIII", 0, 8, 3, 1 << 31, 1 << 15, 1 << 10))
    refused(plain, "memory|for shape")


def test_members_of_archives_that_say_they_are_huge(tmp_path):
    sparse = tarfile.TarInfo("a.png")
    sparse.size = 1 << 40
    path = tmp_path / "a.tar"
    path.write_bytes(sparse.tobuf() + bytes(10240))
    refused(path, "larger than 1 GiB|damaged or cut short")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(9):
            archive.writestr(f"{i}.png", b"x" * 100)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    refused(path, "larger than 1 GiB")


def tar_of(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def png(image):
    stream = io.BytesIO()
    from PIL import Image

    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


STRAY = ("@eaDir/0.png", "cats/@eaDir/0.png", "cats/._0.png", ".git/0.png", "__MACOSX/0.png",
         "#recycle/0.png", "run/samples/step-1.png", "older/samples/step-1.png")  # fmt: skip
MARKS = ("run/infonoise.json", "older/config.json", "older/metrics.jsonl")


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_what_lies_among_images_and_is_none(tmp_path, kind):
    grey = noise(8, 4, 4)
    members = {f"cats/{i}.png": png(image) for i, image in enumerate(grey)}
    members |= {name: png(noise(1, 5, 5)[0]) for name in STRAY}
    members |= dict.fromkeys(MARKS, b"{}")
    if kind == "tar":
        source = tar_of(tmp_path / "pets.tar", members)
    elif kind == "zip":
        source = tmp_path / "pets.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        source = tmp_path / "pets"
        for name, content in members.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
    assert np.array_equal(load_images(source).pixels, grey[:, None])


def test_a_run_is_no_data(tmp_path):
    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    save(run / "samples" / "step-1.png", noise(1, 4, 4)[0])
    (run / "infonoise.json").write_text("{}")
    refused(run, "is what infonoise wrote")


@pytest.mark.parametrize("label", [10**30, -(10**30), 1 << 63, "[" * 5000])
def test_labels_beyond_64_bits(tmp_path, label):
    folder = folder_of(tmp_path / "pets", noise(2, 4, 4))
    names = sorted(file.name for file in folder.iterdir())
    text = f'{{"labels": [["{names[0]}", {label}], ["{names[1]}", 1]]}}'
    (folder / "dataset.json").write_text(text)
    refused(folder, "dataset.json")


def test_cifar_labels_that_are_no_class(tmp_path):
    for i in range(1, 6):
        fields = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [10**30] * 2}
        (tmp_path / f"data_batch_{i}").write_bytes(pickle.dumps(fields, protocol=2))
    refused(tmp_path, "labels that are no class")


@pytest.mark.parametrize(
    "content",
    [
        b"r\x00\x00\x00\x10.",  # LONG_BINPUT 2^28: a memo of 4 GB
        b"\x80\x04N\x94j\xff\xff\xff\x7f.",
        b"p999999999\n.",
        b"\x80\x02}" + b")" + b"2\x86" * 60 + b"Ns.",  # tuples in tuples, whose hash takes 2^60
        b"\x80\x02" + b"N0" * (1 << 20) + b"}.",
    ],
)
def test_pickles_that_cost_more_than_their_size(content):
    with pytest.raises(pickle.UnpicklingError):
        load_plain(content)


def test_json_notes_of_webdatasets_are_bounded(tmp_path):
    members = {"0.png": png(noise(1, 4, 4)[0]), "0.json": json.dumps({"label": 1}).encode()}
    members["1.png"], members["1.json"] = members["0.png"], b"[" * 100_000
    refused(tar_of(tmp_path / "a.tar", members), "nested too deep")
