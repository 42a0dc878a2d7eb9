"""Low-rank adapters: a trained network goes on learning by small products beside its layers.

A layer of weights W answers W x + B A x, where A and B have `rank` rows and columns and W stands
still (Hu et al. 2021, arXiv 2106.09685, section 4.1, here with alpha = rank). The library `peft`
puts them in; folded into W they are gone, and nothing but training knows of them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.extras import require

_EXTRA = "infonoise-core[lora]"
# As peft names what it puts in the place of a layer.
_BASE, _DOWN, _UP = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"


def add_adapters(network: nn.Module, rank: int, seed: int) -> int:
    """Freeze a network and put adapters, which are trained, beside its layers; in place.

    It answers as before, since every B is zero at first.

    Args:
        network: Its linear layers and convolutions that are wider than `rank` get one.
        rank: Of the products.
        seed: Of every A.

    Returns:
        The number of layers.

    Raises:
        InputError: Without peft, or where no layer is wide enough.
    """
    names = [name for name, layer in network.named_modules() if _takes(layer, rank)]
    if not names:
        raise InputError(f"--lora {rank}: the network has no layer that wide; give less")
    peft = require("peft", _EXTRA, "--lora")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(_config(peft, names, rank), network)
    return len(names)


def _takes(layer: nn.Module, rank: int) -> bool:
    # Not of classes made from these: their weights may be used without calling them.
    if type(layer) is nn.Linear:
        return min(layer.in_features, layer.out_features) > rank
    if type(layer) is nn.Conv2d or type(layer) is nn.Conv1d:
        return layer.groups == 1 and min(layer.weight[0].numel(), layer.out_channels) > rank
    return False


def _config(peft: Any, names: list[str], rank: int) -> Any:
    pattern = "|".join(map(re.escape, names))
    return peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern)


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the same network without adapters: W + B A, of the shape of W, in its place.

    A state without adapters is given back as it is.
    """
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith((_DOWN, _UP)):
            continue
        layer, base, kind = name.rpartition(_BASE)
        if not base:
            plain[name] = value
            continue
        adapted = kind == "weight" and layer + _DOWN in state and layer + _UP in state
        plain[f"{layer}.{kind}"] = (
            value + _product(state[layer + _DOWN], state[layer + _UP], value) if adapted else value
        )
    return plain


def _product(down: Tensor, up: Tensor, like: Tensor) -> Tensor:
    """B A in the shape of a layer's weights: A reads what the layer reads, B is 1x1 after it."""
    return (up.flatten(1).float() @ down.flatten(1).float()).reshape(like.shape).to(like.dtype)


def write_adapters(state: Mapping[str, Tensor], folder: Path, where: str) -> None:
    """Write the adapters alone, as `peft.PeftModel.from_pretrained(network, folder)` reads them.

    Raises:
        InputError: For a state without any, named by `where`.
    """
    layers = [name.removesuffix(_DOWN) for name in state if name.endswith(_DOWN)]
    if not layers:
        raise InputError(f"{where}: was trained without --lora, so it has no adapters")
    peft = require("peft", _EXTRA, "--adapters")
    alone = {
        "base_model.model." + name.replace(".default.weight", ".weight"): value.contiguous()
        for name, value in state.items()
        if name.endswith((_DOWN, _UP))
    }
    folder.mkdir()
    rank = len(state[layers[0] + _DOWN])
    _config(peft, layers, rank).save_pretrained(folder)
    library = require("safetensors.torch", "infonoise-core[train]", "--adapters")
    library.save_file(alone, folder / "adapter_model.safetensors", metadata={"format": "pt"})
