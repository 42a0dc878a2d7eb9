"""Hugging Face data sets as a source of records; the `datasets` package behind the extra [hf]."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.training.data.records import Record


class HuggingFaceSource:
    """The rows of a data set, by their number.

    Images and the like come as they are stored, in bytes: to decode them is the task's.

    Args:
        dataset: A folder that `save_to_disk` wrote, or a name on the hub.
        split: Which one, where there are several.
        columns: The ones to read; None for all.
    """

    def __init__(
        self,
        dataset: str | Path,
        split: str | None = None,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        self._name = str(dataset)
        data = _one_split(open_splits(self._name), split, self._name)
        if columns is not None:
            for column in columns:
                if column not in data.column_names:
                    raise InputError(
                        f"{dataset}: has no column {column}; give some of"
                        f" {', '.join(data.column_names)}"
                    )
            data = data.select_columns(list(columns))
        self._data = _undecoded(data).with_format(None)
        if not len(self._data):
            raise InputError(f"{dataset}: holds no rows; give data with at least one")

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        row: dict[str, Any] = self._data[int(index)]
        return row

    def name(self, index: int) -> str:
        return f"{self._name} row {index}"


def open_splits(
    name: str,
    config: str | None = None,
    *,
    where: str | None = None,
    extra: str = "infonoise-core[hf]",
    streaming: bool = False,
    files: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Name of a split -> its rows; all rows under "" where a data set has no splits.

    Args:
        name: A folder that `save_to_disk` wrote, or a name on the hub.
        config: Of a data set on the hub that has several.
        where: What messages call it, if not by its name.
        extra: What brings the `datasets` package.
        files: Local ones of the format that `name` says, such as parquet.
        streaming: Whether rows of the hub come one after the other, without a copy on the disk.

    Raises:
        InputError: Without the package, and for what cannot be opened.
    """
    where = where or name
    library = require("datasets", extra, f"{where}: a Hugging Face data set")
    try:
        if Path(name).is_dir() and is_saved(Path(name)):
            found = library.load_from_disk(name)
        else:
            more: dict[str, Any] = {"streaming": True} if streaming else {}
            if files is not None:
                more["data_files"] = list(files)
            found = library.load_dataset(name, config, **more)
    # Among them are errors of the network, of the hub and of Arrow, which have no common parent.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{where}: cannot be opened as a Hugging Face data set ({reason}); give a folder that"
            " save_to_disk wrote, or a name on the hub"
        ) from error
    return dict(found) if isinstance(found, dict) else {"": found}


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    alone = (folder / "state.json").exists() and (folder / "dataset_info.json").exists()
    return alone or (folder / "dataset_dict.json").exists()


def _one_split(splits: dict[str, Any], split: str | None, name: str) -> Any:
    if "" in splits:
        if split is not None:
            raise InputError(f"{name}: has no splits; leave {split} out")
        return splits[""]
    if split is None and len(splits) == 1:
        (split,) = splits
    if split not in splits:
        wrong = "has several splits" if split is None else f"has no split {split}"
        raise InputError(f"{name}: {wrong}; give one of {', '.join(splits)}")
    return splits[split]


def _undecoded(data: Any) -> Any:
    import datasets

    for column, feature in data.features.items():
        if isinstance(feature, (datasets.Image, datasets.Audio)):
            data = data.cast_column(column, type(feature)(decode=False))
    return data
