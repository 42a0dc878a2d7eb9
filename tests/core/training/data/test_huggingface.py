"""Data sets that the Hugging Face library wrote: their rows, and what is refused."""

import pickle
import sys
from pathlib import Path

import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.data.huggingface import HuggingFaceSource


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that the library wrote: rows, parts with two splits."""
    datasets = pytest.importorskip("datasets")
    root = tmp_path_factory.mktemp("hub")
    rows = {"text": [f"t{i}" for i in range(20)], "n": list(range(20))}
    data = datasets.Dataset.from_dict(rows)
    data.save_to_disk(root / "rows")
    datasets.DatasetDict({"train": data, "test": data.select([3])}).save_to_disk(root / "parts")
    datasets.DatasetDict({"train": data}).save_to_disk(root / "single")
    images = {"image": [{"bytes": b"no picture", "path": None}]}
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict(images, features=features).save_to_disk(root / "images")
    return root


def test_rows_of_a_data_set(saved: Path) -> None:
    source = HuggingFaceSource(saved / "rows")
    assert len(source) == 20
    assert [source[i] for i in (19, 0)] == [{"text": "t19", "n": 19}, {"text": "t0", "n": 0}]
    assert source.name(7) == f"{saved / 'rows'} row 7"
    assert HuggingFaceSource(saved / "rows", columns=("n",))[3] == {"n": 3}
    assert HuggingFaceSource(saved / "parts", "test")[0]["n"] == 3
    assert len(HuggingFaceSource(saved / "single")) == 20
    assert pickle.loads(pickle.dumps(source))[5] == source[5]
    with pytest.raises(IndexError):
        source[-1]


def test_images_of_a_data_set_come_as_bytes(saved: Path) -> None:
    assert HuggingFaceSource(saved / "images")[0]["image"]["bytes"] == b"no picture"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("parts", (), "parts: has several splits; give one of train, test"),
        ("parts", ("valid",), "parts: has no split valid; give one of train, test"),
        ("rows", ("train",), "rows: has no splits; leave train out"),
        ("rows", (None, ("txt",)), "rows: has no column txt; give some of text, n"),
        ("empty", (), "cannot be opened as a Hugging Face data set"),
    ],
)
def test_data_sets_that_are_refused(
    saved: Path, name: str, arguments: tuple[object, ...], message: str
) -> None:
    (saved / "empty").mkdir(exist_ok=True)
    with pytest.raises(InputError) as caught:
        HuggingFaceSource(saved / name, *arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'infonoise-core\[hf\]'"):
        HuggingFaceSource("anything")
