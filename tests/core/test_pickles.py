"""Pickles of networks: what is read of them, and that hostile ones run and allocate nothing."""

import io
import os
import pickle
import sys
import types
import warnings
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import DATA

from infonoise_core import InputError
from infonoise_core.pickle_machine import Refused
from infonoise_core.pickles import Stored, StoredTensor, read_networks, tensors_of

EDM = ("edm-ddpmpp-label-augment", "edm-ddpmpp-plain", "edm-adm-label", "edm-ncsnpp")


class Asks:
    """Pickles as a call of any function, as NVlabs' objects do."""

    def __init__(self, function, *arguments, state=None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.call


@pytest.fixture
def upstream(monkeypatch):
    """A module by the name that the files have for theirs, to write pickles with."""
    module = types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(about):
        raise AssertionError("never called")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj
    monkeypatch.setitem(sys.modules, "torch_utils", types.ModuleType("torch_utils"))
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", module)
    return _reconstruct_persistent_obj


def about(attributes, **other):
    found = {"type": "class", "version": 6, "class_name": "Net", "state": attributes}
    return {**found, "module_src": "import os; os.system('false')", **other}


@pytest.fixture
def read(tmp_path):
    def read(value, protocol=4):
        path = tmp_path / "network.pkl"
        path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
        return read_networks(path)

    return read


@pytest.mark.data
@pytest.mark.parametrize("name", EDM)
def test_the_vectors_open(name):
    found = read_networks(DATA / "pretrained" / name / "network-snapshot.pkl")
    assert found["ema"].kind == "EDMPrecond"
    tensors = tensors_of(found["ema"])
    assert len(tensors) > 100
    assert all(t.tensor().dtype == torch.float32 for t in tensors.values())


@pytest.mark.parametrize("protocol", [4, 5])
def test_tensors_come_as_they_were(upstream, read, protocol):
    weight = torch.nn.Parameter(torch.randn(3, 4))
    buffer = torch.arange(12.0).to(torch.float16)[2:].reshape(5, 2).T
    inner = Asks(upstream, about({"_parameters": {"bias": None}, "_buffers": {"b": buffer}}))
    modules = {"inner": inner, "none": None}
    state = {"_parameters": {"w": weight}, "_modules": modules, "_init_kwargs": {"n": 3, "s": {1}}}
    found = read({"ema": Asks(upstream, about(state))}, protocol)
    assert isinstance(found["ema"], Stored)
    assert found["ema"].state["_init_kwargs"] == {"n": 3, "s": {1}}
    tensors = tensors_of(found["ema"])
    assert list(tensors) == ["w", "inner.b"]
    torch.testing.assert_close(tensors["w"].tensor(), weight.detach(), rtol=0, atol=0)
    torch.testing.assert_close(tensors["inner.b"].tensor(), buffer, rtol=0, atol=0)


def test_numbers_and_containers_of_the_library(upstream, read):
    import numpy as np

    value = {"a": np.float64(0.5), "n": np.int64(7), "list": [1, (2.5, None, True)], "b": b"x"}
    assert read(value) == {**value, "a": 0.5, "n": 7}
    modules = torch.nn.ModuleDict()
    assert read({"m": modules})["m"].kind == "ModuleDict"


HOSTILE = {
    "system": (Asks(os.system, "touch /tmp/x"), "system, which is never loaded"),
    "eval": (Asks(eval, "1"), "eval, which is never loaded"),
    "getattr": (Asks(getattr, {}, "get"), "getattr, which is never loaded"),
    "torch.load": (Asks(torch.load, "x"), "torch.serialization.load, which is never loaded"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_functions_outside_the_list_are_refused(name, read):
    value, words = HOSTILE[name]
    with pytest.raises(InputError, match=f"{words}; only networks saved by NVlabs/edm"):
        read({"ema": value})


def test_a_class_gets_no_attributes(read):
    # BUILD on collections.OrderedDict itself, which would change it for everybody.
    content = b"\x80\x04ccollections\nOrderedDict\n}\x8c\x04evilK\x01sb."
    with pytest.raises(InputError, match="sets attributes of a class"):
        read(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x04]r\xff\xff\xff\xffK\x01b.", "sets attributes of a value"),
        (b"\x80\x04(K\x01d.", "is no whole pickle"),
        (b"\x80\x04K\x01K\x01R.", "it calls what is no function"),
        (b"\x80\x04K\x01Q.", "it refers to something outside"),
        (b"\x80\x04cbuiltins\nint\n.", "builtins.int, which is never loaded"),
        (b"\x80\x04\x82\x01.", "it uses EXT1"),
        (b"\x80\x04(cos\nsystem\no.", "os.system, which is never loaded"),
        (b"\x80\x04", "is no whole pickle"),
        (b"", "is no whole pickle"),
        (b"\x80\x04K\x01K\x02s.", "is no whole pickle|puts values"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "is no whole pickle"),
    ],
)
def test_other_operations_are_refused(content, words, read):
    with pytest.raises(InputError, match=words):
        read(content)


def storage(count=None, kind="FloatStorage", extra=b""):
    """What torch.save writes of four numbers, perhaps with another count."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = torch.arange(4.0).storage()
        torch.save(numbers, stream, _use_new_zipfile_serialization=False)
    content = stream.getvalue()
    if kind != "FloatStorage":
        content = content.replace(b"FloatStorage", kind.encode())
    if count is not None:
        content = content.replace(b"K\x04N", b"J" + count.to_bytes(4, "little") + b"N")
    return content + extra


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (storage(count=2**30), "it says|form that is not known|kind that is not known"),
        (storage(extra=b"1234"), "it says 4 numbers and has 5"),
        (storage(kind="QInt32Storage"), "never loaded"),
        (storage()[:-4], "it says 4 numbers and has 3"),
        (b"cos\nsystem\n.", "never loaded"),
        (storage()[:40], "no whole pickle|form"),
    ],
)
def test_numbers_that_are_not_there(content, words, read):
    loader = Asks(torch.storage._load_from_bytes, content)
    with pytest.raises(InputError, match=words):
        read({"ema": loader})


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    ("shape", "strides"),
    [((10**6, 10**6), (0, 0)), ((2, 3), (3, 1)), ((-1,), (1,)), ((1,), (10**9, 1)), ((4,), (2,))],
)
def test_a_bomb_of_strides_is_refused_before_it_is_made(shape, strides, read):
    loader = Asks(torch.storage._load_from_bytes, storage())
    bomb = Asks(torch._utils._rebuild_tensor_v2, loader, 0, shape, strides, False, {})
    with pytest.raises(InputError, match="it has a tensor"):
        read({"ema": bomb})


def test_modules_that_hold_themselves():
    loop = Stored("Net")
    loop.state["_modules"] = {"again": loop}
    with pytest.raises(Refused, match="holds itself"):
        tensors_of(loop)
    with pytest.raises(Refused, match="no table"):
        tensors_of(Stored("Net", {"_parameters": [1]}))


def test_forms_that_are_not_known(upstream, read):
    for other, words in (
        ({"version": 5}, "in version 5, not 6"),
        ({"type": "function"}, "in a form that is not known"),
        ({"state": None}, "without a name or a state"),
    ):
        with pytest.raises(InputError, match=words):
            read({"ema": Asks(upstream, about({}, **other))})


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("pickles") / "x.pkl"
    path.write_bytes(b"\x80\x04" + content)
    with suppress(InputError):
        read_networks(path)


def test_a_tensor_over_a_part_of_its_numbers(read):
    weight = torch.arange(10.0)[3:7]
    found = read({"w": weight})["w"]
    assert isinstance(found, StoredTensor)
    torch.testing.assert_close(found.tensor(), weight, rtol=0, atol=0)
