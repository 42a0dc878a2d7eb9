"""Trees of tensors and plain values as JSON, with the tensors beside it by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from infonoise_core.training.engines.shares import Shares

_TENSOR, _PAIRS, _TUPLE = "$tensor", "$pairs", "$tuple"


@dataclass(frozen=True)
class Divided:
    """A tensor of the shape of a parameter, of which every process has its pieces.

    Attributes:
        name: The parameter's in `shares`.
        pieces: This process's.
    """

    shares: Shares
    name: str
    pieces: Sequence[Tensor]


Leaf = Tensor | Divided


def flatten(tree: Any, leaves: dict[str, Leaf], path: str = "") -> Any:
    """Move the tensors of a tree into `leaves`; what is left is JSON.

    Raises:
        TypeError: For values that are neither tensors nor plain.
    """
    match tree:
        case Tensor() | Divided():
            leaves[path] = tree.detach() if isinstance(tree, Tensor) else tree
            return {_TENSOR: path}
        case Mapping():
            pairs = [(k, flatten(v, leaves, _below(path, k))) for k, v in tree.items()]
            if all(isinstance(k, str) for k in tree):
                return dict(pairs)
            return {_PAIRS: [list(pair) for pair in pairs]}
        case tuple():
            return {_TUPLE: [flatten(v, leaves, _below(path, i)) for i, v in enumerate(tree)]}
        case list():
            return [flatten(v, leaves, _below(path, i)) for i, v in enumerate(tree)]
        case None | bool() | int() | float() | str():
            return tree
        case _:
            raise TypeError(
                f"a checkpoint holds tensors and plain values, not {type(tree).__name__} at /{path}"
            )


def unflatten(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `flatten`; tensors keep their shape, any shape."""
    match tree:
        case {"$tensor": path}:
            return tensors[path]
        case {"$pairs": pairs}:
            return {k: unflatten(v, tensors) for k, v in pairs}
        case {"$tuple": values}:
            return tuple(unflatten(v, tensors) for v in values)
        case dict():
            return {k: unflatten(v, tensors) for k, v in tree.items()}
        case list():
            return [unflatten(v, tensors) for v in tree]
        case _:
            return tree


class Lazy(Mapping[str, Any]):
    """A tree of which each tensor is read when it is asked for, and not kept.

    Args:
        tree: What `flatten` left of a mapping.
        tensors: Reads one by its name.
    """

    def __init__(self, tree: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._tree, self._tensors = tree, tensors

    def __getitem__(self, key: str) -> Any:
        value = self._tree[key]
        if isinstance(value, dict) and not {_TENSOR, _PAIRS, _TUPLE} & set(value):
            return Lazy(value, self._tensors)
        return unflatten(value, self._tensors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree)

    def __len__(self) -> int:
        return len(self._tree)


def _below(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)
