"""Images that are decoded when asked for: the pixels of those decoded at once, in any order."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_core.training.data.by_shard import ShardOrder
from infonoise_core.training.data.order import micro_batches
from infonoise_vision.data.images import load_parts
from infonoise_vision.data.options import Reading
from infonoise_vision.data.streamed import shards_of
from infonoise_vision.methods.diffusion import load, make_task
from infonoise_vision.methods.options import Objective

SHARDS, EACH = 4, 10


def png(number: int, colour: bool = True, side: int = 8, bits: int = 8) -> bytes:
    """A picture that says its number in its first pixel."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 200, (side, side, 3) if colour else (side, side), dtype=np.uint8)
    pixels[0, 0] = number
    image = Image.fromarray(pixels)
    if bits == 16:
        image = Image.fromarray(pixels.astype(np.uint16) * 257)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, numbers: range, mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for number in numbers:
            for ending, content in (("png", png(number)), ("cls", str(number % 3).encode())):
                info = tarfile.TarInfo(f"{number:04d}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for i in range(SHARDS):
        write_tar(folder / f"train-{i}.tar", range(i * EACH, (i + 1) * EACH))
    write_tar(folder / "test-0.tar", range(40, 52))
    return folder


def test_they_are_those_that_are_decoded_at_once(tars: Path) -> None:
    whole, part = (load_parts(tars, Reading(stream=stream)) for stream in (False, True))
    assert whole.own_test
    assert part.own_test
    assert part.train.shape == whole.train.shape
    assert (part.train.levels, part.train.classes) == (whole.train.levels, whole.train.classes)
    assert np.array_equal(part.held_out.pixels, whole.held_out.pixels)
    rows = np.array([7, 0, 39, 7, 12])
    for index in (rows, slice(3, 20, 4), 5, np.int64(5)):
        assert np.array_equal(part.train.pixels[index], whole.train.pixels[index])
        assert np.array_equal(part.train.x0(index), whole.train.x0(index))
    assert np.array_equal(part.train.labels, whole.train.labels)  # type: ignore[arg-type]
    assert shards_of(part.train.pixels) == [EACH] * SHARDS
    some = part.train.take(rows)
    assert np.array_equal(some.pixels[np.arange(5)], whole.train.pixels[rows])


def test_all_are_trained_on_or_held_out(tmp_path: Path) -> None:
    for i in range(3):
        write_tar(tmp_path / f"{i}.tar", range(i * EACH, (i + 1) * EACH))
    parts = load_parts(tmp_path, Reading(stream=True), held_out=7, seed=1)
    numbers = [part.pixels[:][:, 0, 0, 0].tolist() for part in parts.both]
    assert len(numbers[1]) == 7
    assert isinstance(parts.held_out.pixels, np.ndarray)
    assert sorted(numbers[0] + numbers[1]) == list(range(30))
    # Shards are as long as what is left of them.
    sizes = shards_of(parts.train.pixels)
    assert sizes == [sum(10 * i <= n < 10 * i + 10 for n in numbers[0]) for i in range(3)]


def test_folders_and_grey_among_coloured(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02d}.png").write_bytes(png(number, colour=number % 2 == 0))
    whole, part = (load_parts(tmp_path, Reading(stream=s), held_out=4).train for s in (False, True))
    assert part.shape == (3, 8, 8)
    by_number = {int(image[0, 0, 0]): image for image in part.pixels[:]}
    both = by_number.keys() & set(whole.pixels[:, 0, 0, 0].tolist())
    assert len(both) > 8
    for image in whole.pixels:
        if int(image[0, 0, 0]) in both:
            assert np.array_equal(by_number[int(image[0, 0, 0])], image)


def test_each_process_reads_shards_of_its_own_and_all_the_same(tars: Path) -> None:
    """What a task gives at the positions of 1, 2 and 4 processes, as pixels; a pass has all."""
    objective = Objective(stream=True)
    task = make_task(objective, load(objective, str(tars)).train, 0)
    assert task.shards == [EACH] * SHARDS
    batch = 8

    def numbers(world: int) -> np.ndarray:
        order, columns = ShardOrder(task.shards, batch, 3), []
        for rank in range(world):
            places = micro_batches(batch, range(5), rank=rank, world=world)
            x0 = [task.batch(order.indices(*place)).x0 for place in places]
            first = [((x[:, 0, 0, 0] + 1) / 2 * 255).round().int().numpy() for x in x0]
            columns.append(np.stack(first))
        return np.concatenate(columns, axis=1)

    alone = numbers(1)
    assert sorted(alone.flatten().tolist()) == list(range(40))
    for world in (2, 4):
        again = numbers(world)
        assert np.array_equal(again, alone)
        shards = [{n // EACH for n in part.flatten()} for part in np.split(again, world, axis=1)]
        assert sum(map(len, shards)) == SHARDS


@pytest.mark.parametrize("kind", ["zip", "packed", "arrays"])
def test_what_is_not_apart_is_refused(kind: str, tmp_path: Path) -> None:
    if kind == "packed":
        write_tar(tmp_path / "images.tar.gz", range(10), "w:gz")
        source = tmp_path / "images.tar.gz"
    elif kind == "zip":
        import zipfile

        source = tmp_path / "images.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for number in range(10):
                archive.writestr(f"{number}.png", png(number))
    else:
        source = tmp_path / "images.npz"
        np.savez(source, images=np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(InputError, match="--stream reads folders, plain tar shards"):
        load_parts(source, Reading(stream=True))


def test_files_that_do_not_fit_say_which_they_are(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number:03d}.png").write_bytes(png(number, colour=False))
    # None of them is among those that are looked at.
    (tmp_path / "001.png").write_bytes(png(1))
    (tmp_path / "002.png").write_bytes(png(2, colour=False, side=9))
    (tmp_path / "004.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (tmp_path / "005.png").write_bytes(png(5, colour=False, bits=16))
    images = load_parts(tmp_path, Reading(stream=True), held_out=2, seed=3).train
    row = {
        Path(images.pixels.source.where[int(r)]).stem: i  # type: ignore[union-attr]
        for i, r in enumerate(images.pixels.rows)
    }  # type: ignore[union-attr]
    for name, why in (
        ("001", "in colour"), ("002", "9x9 pixels"), ("004", "004.png"), ("005", "8 bits")
    ):  # fmt: skip
        with pytest.raises(InputError, match=why) as error:
            images.pixels[row[name]]
        assert f"{name}.png" in str(error.value)


def test_options_that_need_all_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--binarize"):
        Objective(stream=True, binarize=0.5)
    with pytest.raises(InputError, match="--stream --latents"):
        Objective(stream=True, latents=tmp_path)
