"""A .pt2 brings a graph and numbers, and nothing of it is ever run as code."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from infonoise_bio.evaluation.oracles.exported import load_program
from infonoise_core.errors import InputError

LENGTH = 12


class Net(nn.Module):
    """What people export: convolution, normalisation, pooling, a constant, a size that varies."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Linear(12, 2)
        self.register_buffer("scale", torch.tensor([2.0]))

    def forward(self, bases: torch.Tensor) -> torch.Tensor:
        x = nn.functional.gelu(self.norm(self.conv(bases))) * self.scale
        x = torch.cat([x.amax(2), x.mean(2)], 1).reshape(bases.shape[0], -1)
        return self.out(x) + torch.tensor([1.0, 2.0])


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt2"
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=1, max=4096)
    example = (torch.zeros(3, 4, LENGTH),)
    torch.export.save(
        torch.export.export(Net().eval(), example, dynamic_shapes=({0: batch},)), path
    )
    return path


class Evil:
    """A pickle of it leaves a file behind when it is read."""

    def __init__(self, left: Path) -> None:
        self.left = left

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, (f"touch '{self.left}'",)


def pickled(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def changed(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of an archive whose members, by their names below the root, are changed."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        members = {n.partition("/")[2]: archive.read(n) for n in archive.namelist()}
    change(members)
    out = path.with_name("changed.pt2")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"{root}/{name}", content)
    return out


def in_json(name: str, change: Callable[[dict], None]) -> Callable[[dict[str, bytes]], None]:
    def inside(members: dict[str, bytes]) -> None:
        value = json.loads(members[name])
        change(value)
        members[name] = json.dumps(value).encode()

    return inside


def test_programs_compute_what_torch_makes_of_them(program: Path) -> None:
    bases = torch.randn(7, 4, LENGTH)
    expected = torch.export.load(program).module()(bases)
    torch.testing.assert_close(load_program(program)(bases), expected, rtol=0, atol=0)


WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/"
MODEL = "models/model.json"


def _evil_weight(left: Path) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members[WEIGHTS])
        meta = next(iter(config["config"].values()))
        meta["use_pickle"] = True
        members[WEIGHTS] = json.dumps(config).encode()
        members["data/weights/" + meta["path_name"]] = pickled(Evil(left))

    return change


def _evil_constant(kind: str) -> Callable[[Path], Callable[[dict[str, bytes]], None]]:
    def of(left: Path) -> Callable[[dict[str, bytes]], None]:
        def change(members: dict[str, bytes]) -> None:
            name = f"{CONSTANTS}model_constants_config.json"
            config = json.loads(members[name])
            meta = {"path_name": kind, "is_param": False, "use_pickle": True, "tensor_meta": None}
            config["config"]["extra"] = meta
            members[name] = json.dumps(config).encode()
            content = pickle.dumps(Evil(left)) if kind.startswith("opaque") else pickled(Evil(left))
            members[CONSTANTS + kind] = content

        return change

    return of


def _graph(change: Callable[[dict, Path], None]) -> Callable[[Path], Callable[..., None]]:
    return lambda left: in_json(MODEL, lambda value: change(value["graph_module"]["graph"], left))


def _operator(target: str) -> Callable[[Path], Callable[..., None]]:
    def change(graph: dict, left: Path) -> None:
        text = {"name": "x", "arg": {"as_string": f"touch {left}"}, "kind": 1}
        node = {**graph["nodes"][0], "target": target, "inputs": [text], "name": "added"}
        graph["nodes"].insert(0, {**node, "outputs": [{"as_tensor": {"name": "added"}}]})

    return _graph(change)


def _size(graph: dict, left: Path) -> None:
    call = f"__import__('os').system('touch {left}')"
    size = {"as_expr": {"expr_str": call, "hint": {"as_int": 3}}}
    graph["tensor_values"][next(iter(graph["tensor_values"]))]["sizes"][0] = size


def _inputs(graph: dict, left: Path) -> None:
    name = f"bases=__import__('os').system('touch {left}')"
    text = json.dumps(graph).replace('"bases"', json.dumps(name))
    graph.clear()
    graph.update(json.loads(text))


def _spec(left: Path) -> Callable[[dict[str, bytes]], None]:
    enum = json.dumps({"__enum__": True, "fqn": "antigravity:X", "name": "x"})

    def change(value: dict) -> None:
        tree = {"type": "builtins.dict", "context": enum, "children_spec": []}
        signature = value["graph_module"]["module_call_graph"][0]["signature"]
        signature["in_spec"] = json.dumps([1, tree])

    return in_json(MODEL, change)


def _library(left: Path) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({"data/aotinductor/model/x.so": b"\x7fELF"})


ATTACKS = {
    "weight that is a pickle": _evil_weight,
    "constant that is a pickle": _evil_constant("tensor_9"),
    "opaque constant": _evil_constant("opaque_obj_0"),
    "custom constant": _evil_constant("custom_obj_0"),
    "operator of the system": _operator("torch.os.system"),
    "operator that reads": _operator("torch.load"),
    "operator that writes files": _operator("torch.ops.aten.from_file.default"),
    "operator of the interpreter": _operator("_operator.methodcaller"),
    "size that is evaluated": _graph(_size),
    "name of an input": _graph(_inputs),
    "enumeration of a module": _spec,
    "compiled library": _library,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_could_run_code_is_refused_and_not_run(
    program: Path, tmp_path: Path, attack: Callable[[Path], Callable[..., None]]
) -> None:
    left = tmp_path / "left"
    with pytest.raises(InputError) as caught:
        load_program(changed(program, attack(left)))
    assert not left.exists()
    assert "changed.pt2: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sample_inputs_and_guards_are_never_read(program: Path, tmp_path: Path) -> None:
    left = tmp_path / "left"

    def change(members: dict[str, bytes]) -> None:
        members["data/sample_inputs/model.pt"] = pickled(Evil(left))
        guards = [f"__import__('os').system('touch {left}') == 0"]
        in_json(MODEL, lambda value: value.update(guards_code=guards))(members)

    bases = torch.randn(2, 4, LENGTH)
    found = load_program(changed(program, change))(bases)
    torch.testing.assert_close(found, load_program(program)(bases))
    assert not left.exists()


def test_the_attacks_would_run_without_the_check(program: Path, tmp_path: Path) -> None:
    left = tmp_path / "left"
    out = changed(program, _evil_weight(left))
    with pytest.raises(Exception):  # noqa: B017, PT011
        torch.export.load(out)
    assert left.exists()


def test_torchscript_and_torch_save_are_refused(tmp_path: Path) -> None:
    left, path = tmp_path / "left", tmp_path / "x.pt2"
    torch.save(Evil(left), path)
    with pytest.raises(InputError, match=r"x\.pt2: is a pickle of torch\.save"):
        load_program(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/code/__torch__.py", b"")
    with pytest.raises(InputError, match=r"x\.pt2: is TorchScript"):
        load_program(path)
    path.write_bytes(pickle.dumps(Evil(left)))
    with pytest.raises(InputError, match=r"x\.pt2: is no program"):
        load_program(path)
    assert not left.exists()


def test_numbers_that_are_declared_and_not_there(program: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members[WEIGHTS])
        meta = next(iter(config["config"].values()))
        meta["tensor_meta"]["sizes"] = [{"as_int": 1 << 40}]
        members[WEIGHTS] = json.dumps(config).encode()
        members["data/weights/" + meta["path_name"]] = b""

    with pytest.raises(InputError, match="numbers without a byte of them"):
        load_program(changed(program, change))
