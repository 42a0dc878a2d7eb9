"""Files of tensors, written one at a time, as the safetensors library reads them."""

import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from infonoise_core.reading import sha256_of
from infonoise_core.training.saving import tensors
from infonoise_core.training.saving.tensors import TensorFile, Tensors, shapes

VALUES = {
    "double": torch.randn(3, dtype=torch.float64), "count": torch.tensor(7),
    "weight": torch.randn(5, 7).t(), "none": torch.empty(0, 3), "low": torch.randn(9).bfloat16(),
    "flags": torch.tensor([True, False, True]), "byte": torch.arange(5, dtype=torch.uint8),
}  # fmt: skip
TABLE = [(name, value.dtype, value.shape) for name, value in VALUES.items()]


@pytest.mark.parametrize("chunk", [4, 64 << 20])
def test_what_is_written_is_read_by_the_library(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "_CHUNK", chunk)
    path = tmp_path / "a.safetensors"
    with TensorFile(path, TABLE) as file:
        for value in VALUES.values():
            file.add(value)
        assert file.finish() == sha256_of(path)
    for found in (load_file(path), dict(Tensors([path]))):
        assert found.keys() == VALUES.keys()
        assert all(torch.equal(found[name], VALUES[name]) for name in VALUES)
    assert shapes([path]) == {name: list(value.shape) for name, value in VALUES.items()}


def test_a_file_that_lacks_a_tensor_is_not_finished(tmp_path: Path) -> None:
    with TensorFile(tmp_path / "a.safetensors", TABLE) as file:
        file.add(VALUES["double"])
        with pytest.raises(OSError, match="bytes of tensors are missing") as error:
            file.finish()
    assert error.value.errno == errno.EIO


def test_types_that_the_format_has_no_name_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"no tensors of torch\.complex128, as at /z"):
        TensorFile(tmp_path / "a.safetensors", [("z", torch.complex128, (1,))])
