"""Parquet with a column of images: as the hub stores it, in parts and groups, and damaged."""

import json
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.source import in_memory
from infonoise_vision.data.images import load_images, load_split
from infonoise_vision.data.open import open_source

from ..image_files import noise, png

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
PIXELS = noise(12, 6, 6, 3)


def _struct(pixels=PIXELS) -> list:
    return [{"bytes": png(image), "path": None} for image in pixels]


def _written(file: Path, notes: dict | None = None, rows: int | None = None, **columns) -> Path:
    table = pa.table(columns)
    if notes is not None:
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": notes}})}
        )
    file.parent.mkdir(exist_ok=True, parents=True)
    pq.write_table(table, file, row_group_size=rows)
    return file


@pytest.mark.parametrize("rows", [1, 5, None])
def test_any_rows_of_any_groups_are_read(tmp_path, rows):
    source = open_source(_written(tmp_path / "a.parquet", rows=rows, image=_struct())).train
    for wanted in ([0], [4, 5, 11], range(12)):
        index = np.array(wanted)
        read = source.read(index, None, in_memory, None, BadRecords(0, print))
        assert np.array_equal(read.pixels.transpose(0, 2, 3, 1), PIXELS[index])


def test_parts_follow_one_another(tmp_path):
    for i, part in enumerate(np.split(np.arange(12), [3, 9])):
        _written(tmp_path / f"train-{i:05}-of-00003.parquet", image=_struct(PIXELS[part]),
                 label=part % 2)  # fmt: skip
    images = load_images(tmp_path)
    assert np.array_equal(images.pixels.transpose(0, 2, 3, 1), PIXELS)
    assert images.labels.tolist() == [0, 1] * 6


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-00000-of-00001", "test-00000-of-00001"),
        ("data/train-00000-of-00001", "data/validation-00000-of-00001"),
        ("train/0000", "test/0000"),
        ("part-1", "my_test"),
    ],
)
def test_names_say_which_split_a_file_is_of(tmp_path, train, test):
    _written(tmp_path / f"{train}.parquet", image=_struct()[:9])
    _written(tmp_path / f"{test}.parquet", image=_struct()[9:])
    assert tuple(map(len, load_split(tmp_path))) == (9, 3)


def test_what_the_hub_notes_of_columns_is_used(tmp_path):
    notes = {
        "mask": {"dtype": "binary", "_type": "Value"},
        "image": {"_type": "Image"},
        "kind": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"},
    }
    file = _written(
        tmp_path / "a.parquet", notes, image=_struct(), mask=[b"x"] * 12, kind=[0, 1] * 6
    )
    images = load_images(file)
    assert (images.classes, images.labels.tolist()) == (("cat", "dog", "owl"), [0, 1] * 6)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"image": [1, 2]}, "has no column of images, but image"),
        ({"a": [b"x"], "b": [b"y"]}, "has 2 columns of images, a, b; keep one"),
        (
            {"image": _struct()[:2], "label": [0, None]},
            "'label' holds no class for every image: row 1 has none; complete",
        ),
        (
            {"image": _struct()[:2], "label": [[0], [1]]},
            r"'label' holds no class for every image: row 0 has \[0\]; complete",
        ),
        (
            {"image": _struct()[:2], "label": [0.0, 0.5]},
            "'label' holds no class for every image: row 1 has 0.5; complete",
        ),
        ({f"p{i:02}": [1, 2] for i in range(11)}, "but p00, .* p07 and 3 more; cast one"),
        (
            {"image": [*_struct(), {"bytes": None, "path": "gone.png"}]},
            r"a.parquet, image 12: gone.png: cannot be read",
        ),
        ({"image": [*_struct(), None]}, "image 12: is missing; remove the row"),
        ({"image": [*_struct(), {"bytes": b"", "path": None}]}, "image 12: is missing"),
    ],
)
def test_what_cannot_be_is_named(tmp_path, columns, wrong):
    with pytest.raises(InputError, match=wrong):
        load_images(_written(tmp_path / "a.parquet", **columns))


def test_whole_numbers_may_be_kept_as_real_ones(tmp_path):
    file = _written(
        tmp_path / "a.parquet", image=_struct(), label=[float(i % 3) for i in range(12)]
    )
    images = load_images(file)
    assert (images.classes, images.labels.tolist()) == (("0", "1", "2"), [0, 1, 2] * 4)


def test_files_of_other_columns_are_named(tmp_path):
    _written(tmp_path / "a.parquet", image=_struct())
    _written(tmp_path / "b.parquet", picture=_struct())
    with pytest.raises(InputError, match=r"b.parquet: has the columns picture, but .*a.parquet"):
        load_images(tmp_path)


def test_a_damaged_page_is_one_line(tmp_path, capfd):
    file = _written(tmp_path / "a.parquet", image=_struct())
    content = bytearray(file.read_bytes())
    content[4:400] = bytes(396)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a.parquet: cannot be read as Parquet \(.*copy it"):
        load_images(file)
    assert capfd.readouterr().err == ""
