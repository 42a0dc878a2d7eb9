"""Networks in pickles of NVlabs/edm: their sizes, and their weights under our names."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.pickle_machine import Refused
from infonoise_core.pickles import Stored, StoredTensor, read_networks, tensors_of
from infonoise_core.processes.denoiser import EDMDenoiser
from infonoise_core.training.allocation import within
from infonoise_vision.models.augment import AUGMENT_DIM
from infonoise_vision.models.options import Sizes
from infonoise_vision.models.registry import Inputs, make_network

_FORMS = {"SongUNet": "ddpmpp", "DhariwalUNet": "adm"}
# What sets NCSN++ apart from DDPM++, the other way round.
_PLAIN = {"embedding_type": "positional", "encoder_type": "standard", "channel_mult_noise": 1,
          "resample_filter": [1, 1]}  # fmt: skip
_RESIDUAL = {"embedding_type": "fourier", "encoder_type": "residual", "channel_mult_noise": 2,
             "resample_filter": [1, 3, 3, 1]}  # fmt: skip
_BLOCK = {"norm0": "norm_in", "conv0": "conv_in", "affine": "modulation", "norm1": "norm_out",
          "conv1": "conv_out", "skip": "shortcut", "norm2": "attention.norm",
          "qkv": "attention.qkv", "proj": "attention.out"}  # fmt: skip
_LEAST_SIGMA, _MOST_SIGMA = 0.002, 80.0


@dataclass(frozen=True)
class Imported:
    """A model that was trained elsewhere, as ours.

    Attributes:
        network: Its name with its sizes.
        shape: (c, h, w) of an image.
        classes: How many, 0 for none.
        augment: Whether it is given what was done to an image.
        sigma_data, sigma_min, sigma_max: Of its preconditioning and its noise.
        dropout: That it was trained with.
        denoiser: With its weights.
    """

    network: str
    shape: tuple[int, int, int]
    classes: int
    augment: bool
    sigma_data: float
    sigma_min: float
    sigma_max: float
    dropout: float
    denoiser: EDMDenoiser


def import_edm(path: Path) -> Imported:
    """The averaged network of a pickle of NVlabs/edm: DDPM++, NCSN++ or ADM under EDM's objective.

    Raises:
        InputError: For a file that is none, a network of another kind, and weights that are not
            those of the sizes it says.
    """
    found = read_networks(path)
    outer = found.get("ema") if isinstance(found, dict) else None
    try:
        if not isinstance(outer, Stored):
            raise Refused("it holds no averaged network (ema)")
        return _imported(outer, path)
    except (Refused, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error)[:200] if isinstance(error, Refused) else f"{type(error).__name__}"
        raise InputError(
            f"{path}: {reason}; give a network-snapshot-*.pkl of NVlabs/edm with DDPM++, NCSN++ or"
            " ADM"
        ) from None


def _imported(outer: Stored, path: Path) -> Imported:
    if outer.kind != "EDMPrecond":
        raise Refused(f"its preconditioning is {outer.kind[:50]}, not EDMPrecond")
    given = dict(_table(outer.state["_init_kwargs"]))
    side, channels = int(given["img_resolution"]), int(given["img_channels"])
    sizes = sizes_of(given)
    augment = int(given.get("augment_dim", 0))
    if augment not in (0, AUGMENT_DIM):
        raise Refused(f"its augment label has {augment} numbers, not {AUGMENT_DIM}")
    shape, classes = (channels, side, side), int(given.get("label_dim", 0))
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in tensors_of(outer).items()
        if name.startswith("model.")
    }
    inputs = Inputs(shape, classes, augment)
    # Nothing is allocated for sizes that the weights do not bear out.
    with within(path, path), torch.device("meta"):
        empty = make_network(sizes.name, inputs)
    _check(weights, {k: tuple(v.shape) for k, v in empty.state_dict().items()}, sizes, classes)
    network = make_network(sizes.name, inputs)
    loaded = dict(our_weights({k: v.tensor() for k, v in weights.items()}, sizes, classes))
    network.load_state_dict(loaded)
    sigma_data = float(given.get("sigma_data", 0.5))
    low = max(float(given.get("sigma_min", 0.0)), _LEAST_SIGMA)
    high = min(float(given.get("sigma_max", math.inf)), _MOST_SIGMA)
    return Imported(
        sizes.name, shape, classes, bool(augment), sigma_data, low, high,
        float(given.get("dropout", 0.1)), EDMDenoiser(network, sigma_data),
    )  # fmt: skip


def sizes_of(given: Mapping[str, Any]) -> Sizes:
    """Form and sizes by the arguments that a network of EDM was made with."""
    kind = str(given.get("model_type", "DhariwalUNet"))
    if kind not in _FORMS:
        raise Refused(f"its network is {kind[:50]}, which is none of {', '.join(_FORMS)}")
    form = _FORMS[kind]
    if form == "ddpmpp":
        kinds = {"ddpmpp": _PLAIN, "ncsnpp": _RESIDUAL}
        said = {name: given.get(name, value) for name, value in _PLAIN.items()}
        form = next((name for name, values in kinds.items() if values == said), "")
        if not form or given.get("decoder_type", "standard") != "standard":
            raise Refused("its SongUNet is neither DDPM++ nor NCSN++ as EDM trains them")
    song = form != "adm"
    for name, usual in (("channel_mult_emb", 4), ("label_dropout", 0)):
        if given.get(name, usual) != usual:
            raise Refused(f"its {name} is {str(given[name])[:20]}, not {usual}")
    return Sizes(
        form,
        int(given.get("model_channels", 128 if song else 192)),
        tuple(int(m) for m in given.get("channel_mult", [2, 2, 2] if song else [1, 2, 3, 4])),
        int(given.get("num_blocks", 4 if song else 3)),
        tuple(int(a) for a in given.get("attn_resolutions", [16] if song else [32, 16, 8])),
    )


def our_weights(
    theirs: Mapping[str, Tensor], sizes: Sizes, classes: int
) -> Iterator[tuple[str, Tensor]]:
    """EDM's weights under our names.

    Args:
        theirs: Of the inner network, by EDM's names; of any shape, (outputs, inputs, ...).
        sizes: Of it.
        classes: How many it knows.
    """
    song = sizes.form != "adm"
    for name, prefix in _blocks(theirs):
        for part, tensor in _parts(theirs, name):
            if part in ("weight", "bias"):
                # The image's second path has its convolution a floor below.
                inner = f"conv.{part}" if "again" in prefix else part
                yield f"{prefix}.{inner}", tensor
            elif part.rpartition(".")[2] != "resample_filter":
                layer, _, what = part.partition(".")
                yield f"{prefix}.{_BLOCK[layer]}.{what}", _rows(layer, tensor, sizes)
    yield "embedding.first.weight", theirs["map_layer0.weight"]
    bias = theirs["map_layer0.bias"]
    if "map_label.bias" in theirs:
        # It is added whatever the class.
        bias = bias + theirs["map_layer0.weight"] @ theirs["map_label.bias"]
    yield "embedding.first.bias", bias
    for part in ("weight", "bias"):
        yield f"embedding.second.{part}", theirs[f"map_layer1.{part}"]
    if classes:
        scale = math.sqrt(classes) if song else 1.0
        yield "embedding.label.weight", scale * theirs["map_label.weight"].T.contiguous()
    if "map_augment.weight" in theirs:
        yield "embedding.augment.weight", theirs["map_augment.weight"]
    if "map_noise.freqs" in theirs:
        yield "embedding.frequencies", (2 * math.pi * theirs["map_noise.freqs"].double()).float()


def _blocks(theirs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """EDM's name of each block or layer, and ours, in the order of the file."""
    names = dict.fromkeys(
        match[0]
        for name in theirs
        if (match := re.match(r"(enc|dec)\.[^.]+|out_(norm|conv)", name))
    )
    encoder = again = decoder = 0
    for name in sorted(names, key=_place):
        last = name.rpartition("_")[2]
        if name.startswith("enc"):
            if name.endswith("aux_residual"):
                yield name, f"again.{again}"
                again += 1
            elif last == "conv":
                yield name, "stem"
            else:
                yield name, f"encoder.{encoder}"
                encoder += 1
        elif last in ("in0", "in1"):
            yield name, f"middle.{last[2:]}"
        elif last in ("norm", "conv"):
            yield name, "norm" if last == "norm" else "out"
        else:
            yield name, f"decoder.{decoder}"
            decoder += 1


def _place(name: str) -> tuple[int, int, int, int]:
    """Order of a block: down by falling sides, up by rising ones, resampling before blocks."""
    found = re.match(r"(enc|dec)\.(\d+)x\d+_(\w+?)(\d*)$", name)
    if found is None:
        return (2, 0, 0, 0)
    way, side, kind, number = found[1], int(found[2]), found[3], int(found[4] or 0)
    order = (
        ("conv", "down", "aux_residual", "in", "up", "block").index(kind)
        if kind in ("conv", "down", "aux_residual", "in", "up", "block")
        else 9
    )
    return (0, -side, order, number) if way == "enc" else (1, side, order, number)


def _parts(theirs: Mapping[str, Tensor], name: str) -> list[tuple[str, Tensor]]:
    return [(k[len(name) + 1 :], v) for k, v in theirs.items() if k.startswith(f"{name}.")]


def _rows(layer: str, tensor: Tensor, sizes: Sizes) -> Tensor:
    """A tensor of a block; the rows of qkv in our order: of each of the three, by heads."""
    if layer != "qkv":
        return tensor
    channels = len(tensor) // 3
    heads = channels // 64 if sizes.form == "adm" else 1
    split = tensor.reshape(heads, channels // heads, 3, *tensor.shape[1:])
    return split.movedim(2, 0).reshape(tensor.shape)


def _check(
    theirs: Mapping[str, StoredTensor],
    ours: Mapping[str, tuple[int, ...]],
    sizes: Sizes,
    classes: int,
) -> None:
    """Refused unless names and shapes are those of the sizes, and the filters those of the form."""
    empty = {k: torch.empty(v.shape, device="meta") for k, v in theirs.items()}
    found = {k: tuple(v.shape) for k, v in our_weights(empty, sizes, classes)}
    if found != ours:
        name = next(iter(set(ours.items()) ^ set(found.items())))[0]
        raise Refused(f"its weights are not those of its sizes, as {name}")
    row = torch.tensor([1.0, 3.0, 3.0, 1.0] if sizes.form == "ncsnpp" else [2.0, 2.0])
    kernel = row[:, None] * row / row.sum() ** 2
    for name, stored in theirs.items():
        if name.endswith("resample_filter") and not torch.equal(
            stored.tensor().float().reshape(len(row), -1), kernel
        ):
            raise Refused(f"its {name} is not the filter of {sizes.form}")


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused("its arguments are no table")
    return value
