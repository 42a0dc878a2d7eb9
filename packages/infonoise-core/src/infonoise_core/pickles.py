"""Pickles of networks that others trained, read without running anything in them.

What may be named stands for containers and tensors; everything else is refused when it is met,
before anything is allocated for it. Source text in the file stays text.
"""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from infonoise_core.errors import InputError
from infonoise_core.pickle_machine import VALUES, Machine, Name, Refused
from infonoise_core.reading import check_fits, read_bytes

# Of a file; the largest networks of this kind have some GB.
LIMIT = 32 << 30
_ITEM = {
    "FloatStorage": ("float32", 4), "DoubleStorage": ("float64", 8),
    "HalfStorage": ("float16", 2), "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8), "IntStorage": ("int32", 4), "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1), "ByteStorage": ("uint8", 1), "BoolStorage": ("bool", 1),
}  # fmt: skip
_MAGIC = 0x1950A86A20F9469CFC6C
_NUMBERS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u1": "B", "b1": "?"}


@dataclass
class Stored:
    """An object of a class that is not loaded: its name, and what was saved of it.

    Attributes:
        kind: The class's name.
        state: Its attributes.
    """

    kind: str
    state: dict[Any, Any] = field(default_factory=dict)


class Storage(NamedTuple):
    """Numbers as they lie in the file.

    Attributes:
        dtype: Of torch, by name.
        content: Their bytes.
    """

    dtype: str
    content: memoryview


class StoredTensor(NamedTuple):
    """A tensor that nothing was allocated for yet.

    Attributes:
        storage: Its numbers, and perhaps others.
        offset: Of its first one.
        shape, strides: In numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def tensor(self) -> Any:
        """A torch tensor of its own memory."""
        import torch

        numbers = torch.frombuffer(bytearray(self.storage.content), dtype=self._dtype(torch))
        return torch.as_strided(numbers, self.shape, self.strides, self.offset).clone()

    def _dtype(self, torch: Any) -> Any:
        return getattr(torch, self.storage.dtype)


def read_networks(path: Path) -> Any:
    """What a pickle of networks holds: dicts, lists, plain values, `Stored` and `StoredTensor`.

    Raises:
        InputError: For a file that is no such pickle, with what it asks for.
    """
    if path.is_file():
        check_fits(2 * path.stat().st_size, str(path))
    try:
        content = read_bytes(path, LIMIT)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        return Machine(_NETWORKS, attributes=_build).run(io.BytesIO(content))
    except Refused as reason:
        raise InputError(
            f"{path}: {reason}; only networks saved by NVlabs/edm are read, and nothing in them is"
            " run: get the file again from who made it"
        ) from None


def _build(what: Any, state: Any) -> None:
    """The attributes of an object; a class or a function of the list never gets any."""
    if isinstance(what, Stored) and isinstance(state, dict):
        what.state.update(state)
    elif isinstance(what, _Dtype):
        # Byte order and what belongs to it: numbers here are little-endian or of one byte.
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "<"
        if order not in ("<", "|", "=", b"<", b"|"):
            raise Refused("it has numbers of another byte order")
    elif type(what) is dict and isinstance(state, dict):
        pass  # an OrderedDict's or EasyDict's attributes, of which there are none
    else:
        raise Refused(f"it sets attributes of {'a class' if isinstance(what, Name) else 'a value'}")


class _Dtype(NamedTuple):
    name: str


def _persistent(about: Any) -> Stored:
    """torch_utils.persistence of NVlabs: {type, version, module_src, class_name, state}."""
    if not isinstance(about, dict) or about.get("type") != "class":
        raise Refused("it keeps an object in a form that is not known")
    if about.get("version") != 6:
        raise Refused(f"it keeps objects in version {str(about.get('version'))[:20]}, not 6")
    kind, state = about.get("class_name"), about.get("state")
    if not isinstance(kind, str) or not isinstance(state, dict):
        raise Refused("it keeps an object without a name or a state")
    # module_src, the source of its class, is passed over.
    return Stored(kind, dict(state))


def _ordered(*pairs: Any) -> dict[Any, Any]:
    return dict(pairs[0]) if pairs else {}


def _parameter(data: Any, *_: Any) -> StoredTensor:
    if not isinstance(data, StoredTensor):
        raise Refused("it has a parameter that is no tensor")
    return data


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StoredTensor:
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0
                for n in (offset, *shape, *strides))  # fmt: skip
    if not isinstance(storage, Storage) or not whole or len(shape) != len(strides):
        raise Refused("it has a tensor that is none")
    have = len(storage.content) // _size(storage.dtype)
    reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1
    # Strides of 0 would make much of little.
    if prod(shape) > have or (prod(shape) and reach > have):
        raise Refused(f"it has a tensor of shape {tuple(shape)} over {have} numbers")
    return StoredTensor(storage, offset, tuple(shape), tuple(strides))


def _size(dtype: str) -> int:
    return next(size for name, size in _ITEM.values() if name == dtype)


def _storage(content: Any) -> Storage:
    """What torch.save wrote of a storage in its older form: four pickles, a count, and numbers."""
    if not isinstance(content, bytes):
        raise Refused("it has numbers that are no bytes")
    stream = io.BytesIO(content)
    names = {f"torch.{name}": _never for name in _ITEM}
    header = [Machine(names).run(stream) for _ in range(3)]
    if header[0] != _MAGIC or header[1] != 1001:
        raise Refused("it has numbers in a form that is not known")
    about = Machine(names, outside=lambda about: about).run(stream)
    keys = Machine({}).run(stream)
    match about:
        case ("storage", Name(module="torch", name=kind), str(), str(), int(count), *_) if (
            kind in _ITEM and isinstance(keys, list) and len(keys) == 1
        ):
            dtype, size = _ITEM[kind]
        case _:
            raise Refused("it has numbers of a kind that is not known")
    start = stream.tell() + 8
    (found,) = struct.unpack("<q", content[start - 8 : start])
    if found != count or count < 0 or len(content) - start != count * size:
        raise Refused(f"it says {count} numbers and has {(len(content) - start) // size}")
    return Storage(dtype, memoryview(content)[start:])


def _never(*_: Any) -> Any:
    raise Refused("it makes a storage by itself")


def _module(kind: str) -> Callable[..., Stored]:
    def make(*arguments: Any) -> Stored:
        if arguments:
            raise Refused(f"it makes a {kind} of {len(arguments)} arguments")
        return Stored(kind)

    return make


def _dtype(name: Any, *_: Any) -> _Dtype:
    if name not in _NUMBERS:
        raise Refused(f"it has numbers of type {str(name)[:20]}")
    return _Dtype(name)


def _scalar(dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
        raise Refused("it has a number that is none")
    return struct.unpack(f"<{_NUMBERS[dtype.name]}", content)[0]


_NETWORKS: Mapping[str, Callable[..., Any]] = {
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent,
    "collections.OrderedDict": _ordered,
    "dnnlib.util.EasyDict": _ordered,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.storage._load_from_bytes": _storage,
    "torch.nn.modules.container.ModuleDict": _module("ModuleDict"),
    "torch.nn.modules.container.ModuleList": _module("ModuleList"),
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
}


def tensors_of(module: Any) -> dict[str, StoredTensor]:
    """Parameters and buffers of a stored module by their full names.

    Raises:
        Refused: For modules that hold one another, or what is none.
    """
    found: dict[str, StoredTensor] = {}
    waiting: list[tuple[str, Any, Sequence[int]]] = [("", module, ())]
    while waiting:
        prefix, here, above = waiting.pop()
        if not isinstance(here, Stored) or id(here) in above or len(above) > 16:
            raise Refused("it has a module that is none, or holds itself")
        for group in ("_parameters", "_buffers"):
            for name, value in _table(here, group).items():
                if isinstance(value, StoredTensor):
                    found[f"{prefix}{name}"] = value
        inner = [
            (f"{prefix}{n}.", m, (*above, id(here))) for n, m in _table(here, "_modules").items()
        ]
        waiting += [entry for entry in inner if entry[1] is not None]
        if len(found) + len(waiting) > VALUES >> 6:
            raise Refused("it has more modules than any network")
    return found


def _table(module: Stored, name: str) -> dict[Any, Any]:
    table = module.state.get(name, {})
    if not isinstance(table, dict):
        raise Refused(f"it has {name} that is no table")
    return table
