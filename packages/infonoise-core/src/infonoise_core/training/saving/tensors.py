"""Files of tensors (safetensors), written one tensor at a time and read one at a time."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

# The names that the format has for them.
_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint64: "U64", torch.uint32: "U32", torch.uint16: "U16", torch.uint8: "U8",
    torch.bool: "BOOL", torch.complex64: "C64",
}  # fmt: skip
# Of a tensor that waits for the disk.
_CHUNK = 64 << 20


class TensorFile:
    """A file that is written in the order of its table; no tensor need be in memory before.

    Args:
        path: A new file.
        table: (name, type, shape) of each; longer types first, so that all lie at multiples of
            their size.
    """

    def __init__(self, path: Path, table: Sequence[tuple[str, torch.dtype, Sequence[int]]]) -> None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        place = 0
        for name, dtype, shape in table:
            end = place + dtype.itemsize * torch.Size(shape).numel()
            kind = _NAMES.get(dtype)
            if kind is None:
                raise TypeError(f"a checkpoint holds no tensors of {dtype}, as at /{name}")
            header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [place, end]}
            place = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self.bytes, self._left = place, place
        self._sum = hashlib.sha256()
        self._file = path.open("wb")
        self._write(len(text).to_bytes(8, "little") + text)

    def add(self, tensor: Tensor) -> None:
        """The next tensor of the table, on any device."""
        flat = tensor.detach().reshape(-1)
        step = max(_CHUNK // flat.element_size(), 1)
        for i in range(0, len(flat), step):
            chunk = flat[i : i + step].to("cpu").contiguous().view(torch.uint8)
            self._left -= len(chunk)
            self._write(chunk.numpy().data)

    def finish(self) -> str:
        """Bring it to the disk; its SHA-256, in hex."""
        if self._left:
            raise OSError(errno.EIO, f"{self._left} bytes of tensors are missing")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._sum.hexdigest()

    def __enter__(self) -> "TensorFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    def _write(self, data: bytes | memoryview) -> None:
        self._sum.update(data)
        self._file.write(data)


class Tensors(Mapping[str, Tensor]):
    """The tensors of some files by name, each read when it is asked for, on the CPU."""

    def __init__(self, paths: Sequence[Path]) -> None:
        # Not before weights are read: manifests alone are read without the library.
        from safetensors import safe_open

        self._of: dict[str, Any] = {}
        for path in paths:
            file = safe_open(path, framework="pt")
            self._of.update(dict.fromkeys(file.keys(), file))  # type: ignore[no-untyped-call]

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._of[name].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def shapes(paths: Sequence[Path]) -> dict[str, list[int]]:
    """Name -> shape of the tensors in some files, which are not read for that."""
    from safetensors import safe_open

    found: dict[str, list[int]] = {}
    for path in paths:
        with safe_open(path, framework="pt") as file:
            found |= {n: file.get_slice(n).get_shape() for n in file.keys()}  # noqa: SIM118
    return found
