"""Networks that are built by settings from elsewhere, within the size of their weights.

A config.json of a few bytes may ask for sequences of ten million bases. The weights that come with
it say how large the network is: what would take much more is refused before it is allocated.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from infonoise_core.errors import InputError
from infonoise_core.reading import size_words

# Buffers, and the weights once more while they are drawn.
_TIMES, _FREE = 4, 256 << 20
_FACTORIES = ("aten::empty", "aten::zeros", "aten::ones", "aten::full", "aten::rand", "aten::randn",
              "aten::randint", "aten::arange", "aten::linspace", "aten::eye", "aten::new_",
              "aten::repeat", "aten::tril_indices", "aten::triu_indices")  # fmt: skip


@contextmanager
def within(weights: Path | Sequence[Path], where: Path) -> Iterator[None]:
    """InputError, before it is allocated, for what takes far more than the files of the weights.

    Args:
        weights: One or several; nothing is refused where there is none.
        where: How messages call the model.
    """
    files = [weights] if isinstance(weights, Path) else weights
    sizes = [file.stat().st_size for file in files if file.is_file()]
    if not sizes:
        yield
        return
    with _Bounded(_FREE + _TIMES * sum(sizes), where):
        yield


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, limit: int, where: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left, self._where = limit, where

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func.name().startswith(_FACTORIES):
            dtype = kwargs.get("dtype") or torch.float32
            self._left -= _numbers(func.name(), args) * dtype.itemsize
            if self._left < 0:
                raise InputError(
                    f"{self._where}: its settings ask for a network far larger than its weights,"
                    f" by {size_words(-self._left)} and more; get it again from who made it"
                )
        return func(*args, **kwargs)


def _numbers(name: str, args: Sequence[Any]) -> int:
    """How many numbers a factory makes, by the largest of its arguments."""
    sizes = [a for a in args if isinstance(a, (list, tuple)) and all(map(_is_int, a))]
    if sizes:
        return math.prod(sizes[0])
    return max((int(abs(a)) for a in args if isinstance(a, (int, float))), default=0)


def _is_int(value: Any) -> bool:
    return isinstance(value, int)
