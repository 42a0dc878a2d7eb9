"""Pictures that are cut, large, dark or of another size, real numbers of any range, parquet."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.decode import decode
from infonoise_vision.data.images import load_images, load_parts, load_split
from infonoise_vision.data.options import Reading

from ..image_files import folder_of, noise, npz, png, refused, save, unpacked


def smooth(side: int = 48) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.stack([3 * x + y, 2 * y, 255 - 2 * x], -1).astype(np.uint8)


def jpeg(**options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(smooth()).save(out, "JPEG", quality=90, **options)
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("size", [None, 4])
def test_a_jpeg_that_lacks_its_end_alone_is_read(options, cut, size):
    whole = jpeg(**options)
    assert np.array_equal(decode(whole[:-cut], "a.jpg", size), decode(whole, "a.jpg", size))


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_a_jpeg_that_lacks_more_is_refused(options, share):
    content = jpeg(**options)
    with pytest.raises(InputError, match="cannot be read"):
        decode(content[: int(share * len(content))], "a.jpg", None)


def test_a_progressive_jpeg_that_ends_after_a_scan_is_refused():
    content = jpeg(progressive=True)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(InputError, match="cannot be read"):
        decode(content[:last], "a.jpg", None)


def test_heic_is_named(tmp_path):
    head = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)
    with pytest.raises(InputError, match="is HEIC, which is not read; convert"):
        decode(head, "a.jpg", None)
    refused(unpacked(tmp_path, {"a.heic": head, "b.HEIC": head}), "holds HEIC and no other image")


def test_a_picture_of_many_pixels_is_read_where_that_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    folder = folder_of(tmp_path, noise(8, 16, 16))
    refused(folder, "--allow-large")
    assert len(load_parts(folder, Reading(allow_large=True)).train) == 6
    assert Image.MAX_IMAGE_PIXELS == 100


def test_one_picture_of_12_bits_among_others_is_named(tmp_path, capsys):
    folder_of(tmp_path, noise(9, 8, 8))
    save(tmp_path / "z.png", (noise(8, 8).astype(np.uint16) << 4))
    images = load_images(tmp_path)
    assert len(images) == 10
    (line,) = capsys.readouterr().err.splitlines()
    assert "z.png: 16-bit values below 4096" in line


def test_what_is_shrunk_and_enlarged_is_said(tmp_path, capsys):
    for i, side in enumerate([4, 6, 8, 8, 8, 20, 30, 9]):
        save(tmp_path / f"{i}.png", noise(side, side))
    load_images(tmp_path, size=8)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("8 images from 4..30 to 8 pixels a side: 3 shrunk, 2 enlarged")
    load_images(npz(tmp_path / "x.npz", images=noise(9, 6, 6)), size=8)
    assert "9 images from 6 to 8 pixels a side: 9 enlarged" in capsys.readouterr().err
    load_images(npz(tmp_path / "x.npz", images=noise(9, 8, 8)), size=8)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 1, "from 0 to 1, used as they are; these are 0..1, and 2 x - 1"),
        (-1, 1, "from -1 to 1, used as they are\n"),
        (-3.5, 4, "from -3.5 to 4, used as they are\n"),
    ],
)
def test_the_range_of_real_numbers_is_said(tmp_path, capsys, low, high, said):
    values = np.linspace(low, high, 9 * 16, dtype=np.float32).reshape(9, 4, 4)
    images = load_images(npz(tmp_path / "x.npz", images=values))
    assert np.array_equal(images.pixels[:, 0], values)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("low", "high", "fix"), [(0, 255, "x / 127.5 - 1"), (-9, 2, "about -1..1")]
)
def test_real_numbers_above_four_are_refused(tmp_path, low, high, fix):
    values = np.linspace(low, high, 9 * 16, dtype=np.float32).reshape(9, 4, 4)
    refused(npz(tmp_path / "x.npz", images=values), f"from {low} to {high}, .*{fix}")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


@pytest.mark.parametrize("stored", ["image", "struct", "bytes"])
def test_parquet(cache, stored):
    import datasets

    pictures = [png(image) for image in noise(12, 6, 6, 3)]
    column: list = pictures
    if stored != "bytes":
        column = [{"bytes": content, "path": None} for content in pictures]
    data = datasets.Dataset.from_dict({"image": column, "label": [i % 3 for i in range(12)]})
    if stored == "image":
        data = data.cast_column("image", datasets.Image())
    file = cache / "data" / "train-00000-of-00001.parquet"
    file.parent.mkdir()
    data.select(range(9)).to_parquet(str(file))
    data.select(range(9, 12)).to_parquet(str(file.with_name("test-00000-of-00001.parquet")))
    assert np.array_equal(load_images(file).pixels.transpose(0, 2, 3, 1), noise(12, 6, 6, 3)[:9])
    train, test = load_split(file.parent)
    assert (len(train), len(test), train.classes) == (9, 3, ("0", "1", "2"))
