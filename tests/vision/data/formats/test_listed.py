"""Labels in Hugging Face's metadata, several images of one example, images without an ending."""

import json
from pathlib import Path

import numpy as np
import pytest

from infonoise_vision.data.images import load_images, load_parts, load_split
from infonoise_vision.data.options import Reading

from ..image_files import noise, png, refused, tarred, unpacked, zipped

IMAGES = noise(12, 6, 6, 3)
FILES = {f"{i:02}.png": png(image) for i, image in enumerate(IMAGES)}
WORDS = ["cat" if i % 3 else "dog" for i in range(12)]


def table(rows: list[dict], kind: str) -> bytes:
    if kind == "jsonl":
        return "\n".join(json.dumps(row) for row in rows).encode()
    lines = [",".join(rows[0])] + [",".join(str(v) for v in row.values()) for row in rows]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("pack", [unpacked, zipped])
def test_labels_of_metadata(tmp_path, kind, pack):
    rows = [{"file_name": f"{i:02}.png", "label": WORDS[i]} for i in range(12)]
    files = FILES | {f"metadata.{kind}": table(rows, kind)}
    images = load_images(pack(tmp_path / "set.zip", files))
    assert [images.classes[i] for i in images.labels] == WORDS


def test_metadata_that_a_spreadsheet_wrote_with_semicolons(tmp_path):
    rows = [{"file_name": f"{i:02}.png", "label": WORDS[i]} for i in range(12)]
    content = table(rows, "csv").replace(b",", b";")
    images = load_images(unpacked(tmp_path, FILES | {"metadata.csv": content}))
    assert [images.classes[i] for i in images.labels] == WORDS


def test_metadata_with_numbers_below_train_and_test(tmp_path):
    files = {}
    for part, rows in (("train", range(8)), ("test", range(8, 12))):
        listed = [{"file_name": f"{i:02}.png", "label": i % 2} for i in rows]
        files[f"{part}/metadata.csv"] = table(listed, "csv")
        files |= {f"{part}/{i:02}.png": FILES[f"{i:02}.png"] for i in rows}
    train, test = load_split(unpacked(tmp_path, files))
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1] * 4, [0, 1] * 2)
    assert train.classes == ("0", "1")


def test_metadata_without_a_class_are_said_to_be_unused(tmp_path, capsys):
    rows = [{"file_name": name, "text": "a picture"} for name in FILES]
    images = load_images(unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")}))
    assert images.labels is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "columns file_name, text" in line
    assert "not used" in line


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_as_spreadsheets_write_them(tmp_path, mark, encoding):
    lines = [mark.join(("file_name", "label"))]
    lines += [mark.join((f"{i:02}.png", f"{WORDS[i]}, grün")) for i in range(12)]
    files = FILES | {"metadata.csv": "\r\n".join(lines).encode(encoding)}
    images = load_images(unpacked(tmp_path, files))
    assert [images.classes[i] for i in images.labels] == [f"{word}, grün" for word in WORDS]


def test_rows_of_no_image_are_counted(tmp_path, capsys):
    rows = [{"file_name": f"{i:02}.png", "label": "ab"[i % 2]} for i in range(14)]
    load_images(unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")}))
    (line,) = capsys.readouterr().err.splitlines()
    assert "metadata.csv: 2 rows are of no image that is here, first 12.png" in line


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_two_rows_of_one_image_agree_or_are_named(tmp_path, kind):
    rows = [{"file_name": f"{i:02}.png", "label": "ab"[i % 2]} for i in range(12)]
    again = {"file_name": "03.png", "label": "b"}
    same = unpacked(tmp_path / "same", FILES | {f"metadata.{kind}": table([*rows, again], kind)})
    assert load_images(same).labels.tolist() == [0, 1] * 6
    other = [*rows, again | {"label": "a"}]
    differ = unpacked(tmp_path / "other", FILES | {f"metadata.{kind}": table(other, kind)})
    refused(differ, "names 03.png twice, as b and as a; keep one")


def test_paths_of_another_machine_are_shown(tmp_path):
    rows = [{"file_name": f"/data/set/{i:02}.png", "label": "a"} for i in range(12)]
    source = unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")})
    refused(source, "names no image that is here, first /data/set/00.png; under file_name give")


def test_a_damaged_line_is_numbered(tmp_path):
    rows = [{"file_name": f"{i:02}.png", "label": i % 2} for i in range(12)]
    cut = table(rows, "jsonl")[:-5]
    refused(unpacked(tmp_path, FILES | {"metadata.jsonl": cut}), "metadata.jsonl, line 12: is no")


def test_an_image_without_a_row_is_named(tmp_path):
    rows = [{"file_name": f"{i:02}.png", "label": "a"} for i in range(11)]
    refused(
        unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")}), "11.png: has no label"
    )


def test_two_images_of_one_example_are_named(tmp_path):
    files = {}
    for i, content in enumerate(FILES.values()):
        files |= {f"{i:03}.input.png": content, f"{i:03}.target.png": content}
    refused(tarred(tmp_path / "a.tar", files), "000.input.png and 000.target.png are two images")
    del files["000.target.png"]
    refused(tarred(tmp_path / "b.tar", files), "001.input.png and 001.target.png")


@pytest.mark.parametrize(
    "names",
    [
        [f"film.{i:04}.png" for i in range(12)],
        [f"{film}.{i}.png" for film in "ab" for i in range(6)],
        [f"{i}.original.png" for i in range(12)],
    ],
)
def test_dots_in_names_alone_make_no_example(tmp_path, names):
    files = dict(zip(names, FILES.values(), strict=True))
    assert len(load_images(tarred(tmp_path / "a.tar", files))) == 12


@pytest.mark.parametrize("pack", [unpacked, zipped, tarred])
def test_files_without_an_ending_are_known_by_what_they_hold(tmp_path, capsys, pack):
    names = ["a1b2c3", "02.jpg?w=100", "03.png.1", "04.", *list(FILES)[4:]]
    files = dict(zip(names, FILES.values(), strict=True)) | {"README": b"words"}
    ending = {unpacked: "", zipped: ".zip", tarred: ".tar"}[pack]
    images = load_images(pack(tmp_path / f"set{ending}", files))
    assert len(images) == 12
    assert {image.tobytes() for image in images.pixels.transpose(0, 2, 3, 1)} == {
        image.tobytes() for image in IMAGES
    }
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("1 without an ending")


def test_a_lone_folder_is_a_class_where_classes_are_wanted(tmp_path: Path):
    source = unpacked(tmp_path, {f"cat/{name}": content for name, content in FILES.items()})
    assert load_images(source).labels is None
    train = load_parts(source, Reading(lone_class=True)).train
    assert train.classes == ("cat",)
    assert not np.any(train.labels)
    # Images that lie in the folder itself have none.
    assert load_parts(source / "cat", Reading(lone_class=True)).train.labels is None


def test_classes_that_test_images_lack_are_named(tmp_path, capsys):
    names = list(FILES)
    files = {f"train/{'cat' if i % 2 else 'dog'}/{n}": FILES[n] for i, n in enumerate(names[:8])}
    files |= {f"test/dog/{name}": FILES[name] for name in names[8:]}
    train, test = load_split(unpacked(tmp_path, files))
    assert test.classes == train.classes == ("cat", "dog")
    assert test.labels.tolist() == [1] * 4
    assert "no test images of class cat" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "name", "encoding"),
    [
        ("file_name,label", "./{}", "utf-8"),
        ("File_Name, Label", "{}", "utf-8-sig"),
        ("filename,class", "{}", "utf-16"),
        ("label,image", "{}", "cp1252"),
        ("file_name,label", "in\\{}", "utf-8"),
    ],
)
def test_metadata_under_other_headers_and_with_backslashes(tmp_path, header, name, encoding):
    words = [f"caf\xe9 {word}" for word in WORDS]
    rows = [(name.format(f"{i:02}.png"), words[i]) for i in range(12)]
    rows = [row[::-1] if header.startswith("label") else row for row in rows]
    files = {f"in/{k}" if "\\" in name else k: v for k, v in FILES.items()}
    content = "\n".join([header, *(",".join(row) for row in rows)]).encode(encoding)
    images = load_images(unpacked(tmp_path, files | {"metadata.csv": content}))
    assert [images.classes[i] for i in images.labels] == words


def test_metadata_that_name_no_image_say_which_columns_they_have(tmp_path):
    rows = [{"id": name, "label": 0} for name in FILES]
    refused(
        unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")}),
        "has columns id, label and no file_name; call the one",
    )


def test_whole_numbers_of_metadata_that_a_table_kept_as_real_ones(tmp_path):
    rows = [{"file_name": name, "label": f"{i % 2 + 9}.0"} for i, name in enumerate(FILES)]
    images = load_images(unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")}))
    assert images.classes == ("9", "10")


def test_a_column_of_splits_is_said_to_be_unused(tmp_path, capsys):
    rows = [{"file_name": name, "label": "a", "split": "train"} for name in FILES]
    load_images(unpacked(tmp_path, FILES | {"metadata.csv": table(rows, "csv")}))
    assert "its column split is not used; put the images of each part" in capsys.readouterr().err


def test_captions_may_hold_what_elsewhere_ends_a_line(tmp_path):
    rows = [
        {"file_name": name, "text": "a\u2028b\x85c", "label": word}
        for name, word in zip(FILES, WORDS, strict=True)
    ]
    content = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    images = load_images(unpacked(tmp_path, FILES | {"metadata.jsonl": content}))
    assert [images.classes[i] for i in images.labels] == WORDS


@pytest.mark.parametrize("pack", [unpacked, zipped])
def test_a_listing_of_edm_counts_where_it_lies_above_images_alone(tmp_path, pack):
    listing = json.dumps({"labels": [[f"00\\{name}", i % 2] for i, name in enumerate(FILES)]})
    files = {f"set/00/{name}": content for name, content in FILES.items()}
    files["other/dataset.json"] = b'{"classes": 3}'
    images = load_images(pack(tmp_path / "a.zip", files | {"set/dataset.json": listing.encode()}))
    assert images.labels.tolist() == [0, 1] * 6


def test_captions_beside_images_in_folders_leave_the_folders_classes(tmp_path):
    files = {}
    for i, content in enumerate(FILES.values()):
        files |= {f"{WORDS[i]}/{i}.png": content, f"{WORDS[i]}/{i}.json": b'{"caption": "x"}'}
    images = load_images(tarred(tmp_path / "a.tar", files))
    assert [images.classes[i] for i in images.labels] == WORDS


def test_shards_of_three_parts_hold_one_out_and_name_the_rest(tmp_path, capsys):
    for part, rows in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        shard = {f"{i}.png": FILES[f"{i:02}.png"] for i in rows}
        (tmp_path / "data").mkdir(exist_ok=True)
        tarred(tmp_path / "data" / f"{part}-000.tar", shard)
    train, test = load_split(tmp_path / "data")
    assert np.array_equal(train.pixels, IMAGES[:8].transpose(0, 3, 1, 2))
    assert np.array_equal(test.pixels, IMAGES[10:].transpose(0, 3, 1, 2))
    assert "holds test-000.tar ... out; val-000.tar left out" in capsys.readouterr().err


def test_shards_in_folders_of_parts(tmp_path):
    (tmp_path / "README.md").touch()
    for part, rows in (("train", range(8)), ("validation", range(8, 12))):
        (tmp_path / "data" / part).mkdir(parents=True)
        shard = {f"{i}.png": FILES[f"{i:02}.png"] for i in rows}
        tarred(tmp_path / "data" / part / "000.tar", shard)
    assert [len(part) for part in load_split(tmp_path)] == [8, 4]
