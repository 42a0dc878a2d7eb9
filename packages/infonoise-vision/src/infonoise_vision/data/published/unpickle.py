"""Pickles of plain data, without running anything in them.

A pickle may name any function and have it called. Here only stand-ins of our own can be named, so
what comes out is dicts, lists, numbers, text, bytes, and numpy arrays of bytes or whole numbers.
"""

import io
import pickle
import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A batch of CIFAR-100 is some 300,000 operations and a dozen containers.
_OPERATIONS, _CONTAINERS = 1 << 20, 24
_MADE = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "DICT", "EMPTY_LIST", "EMPTY_DICT",
         "EMPTY_SET", "FROZENSET"}  # fmt: skip
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")


class _Dtype:
    """Stands for numpy.dtype: keeps its name, and the byte order from its state."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
        self.order = order.decode("ascii", "replace") if isinstance(order, bytes) else order


class _Array:
    """Stands for numpy.ndarray: keeps what is needed to make one of plain bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[Any]:
        match self.state:
            case (int(), tuple(shape), _Dtype() as dtype, fortran, bytes(content)) if (
                dtype.name in ("u1", "i1", "i2", "i4", "i8") and dtype.order in ("|", "<", ">", "=")
            ):
                values = np.frombuffer(content, np.dtype(dtype.order + dtype.name))
                return values.reshape(shape, order="F" if fortran else "C")
        raise pickle.UnpicklingError("an array of something else than whole numbers")


class _Encode:
    """Stands for codecs.encode, by which Python 3 writes bytes for Python 2.

    No function: a pickle may set the attributes of one.
    """

    def __new__(cls, text: Any, encoding: Any = "latin1", *_: Any) -> bytes:  # type: ignore[misc]
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("text in an encoding other than latin1")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function with a state")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in _MULTIARRAY:
            return _Array
        stand_ins = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): _Encode,
        }
        if (module, name) in stand_ins:
            return stand_ins[module, name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is never loaded")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")


def load_plain(content: bytes) -> dict[bytes | str, Any]:
    """A pickled dict of plain values; text of Python 2 comes as bytes.

    Raises pickle.UnpicklingError, with the reason, for everything else.
    """
    try:
        _check_cheap(content)
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(found, dict):
            raise pickle.UnpicklingError("it holds no dict")
        return {k: v.array() if isinstance(v, _Array) else v for k, v in found.items()}
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise pickle.UnpicklingError(str(error) or type(error).__name__) from error


def _check_cheap(content: bytes) -> None:
    """UnpicklingError for what would cost more than its size.

    The memo is an array as long as its highest index, and containers that hold one another many
    times over take for ever to compare.
    """
    containers = 0
    texts: set[int] = set()  # places in the memo that hold text
    last, before = False, False  # whether the last value was text, and the one before it
    for number, (operation, argument, _) in enumerate(pickletools.genops(content)):
        name = operation.name
        if name.endswith("PUT"):
            if int(argument or 0) > number:
                raise pickle.UnpicklingError(f"it keeps value {argument} before it has as many")
            texts |= {int(argument or 0)} if last else set()
            continue
        # Python 3 writes bytes for Python 2 as a function of two texts, which hold nothing.
        containers += name in _MADE and not (name == "TUPLE2" and last and before)
        is_text = "UNICODE" in name or (name.endswith("GET") and int(argument or 0) in texts)
        last, before = is_text, last
        if number >= _OPERATIONS or containers > _CONTAINERS:
            raise pickle.UnpicklingError("it holds more than arrays and lists of plain values")
