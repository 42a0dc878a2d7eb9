"""Releases of CoBit (GBATZOLIS/BitstreamDiffusion): their weights under our names."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits, check_regular
from infonoise_core.training.allocation import within
from infonoise_text.models.sdt import SDT, SDTConfig, SDTDenoiser

# Names of theirs -> of ours, without the block's number.
_NAMES = {
    "cont_input_proj": "read", "time_proj": "level_waves", "time_cond": "level",
    "patch_proj": "patch", "unpatch_proj_content": "back", "attn.qkv_proj": "qkv",
    "attn.out_proj": "mixed", "ff.Wa": "up", "ff.Wb": "gate", "ff.Wo": "down",
    "adaln1.mlp.1": "to_attention.linear", "adaln2.mlp.1": "to_mlp.linear",
    "head.patch_adapter": "head_position", "head.input_adapter": "head_bit",
    "head.time_proj": "head_level", "head.adaln.mlp.1": "to_head.linear",
    "head.mixer.0": "head_mix", "head.mixer.3": "head_out",
}  # fmt: skip
_PREFIX = re.compile(r"^(?:_orig_mod\.|module\.)+")
# What torch, pickle and zip raise for files of another kind.
_DAMAGE = (
    *(pickle.UnpicklingError, OSError, RuntimeError, ValueError, KeyError, EOFError),
    *(AttributeError, TypeError, ImportError, IndexError),
)
# Channels of a head in every release.
_HEAD = 64


def load_release(path: Path, heads: int | None = None) -> SDTDenoiser:
    """The denoiser of a release, or of a checkpoint of its training (its averaged weights).

    Args:
        path: .pt, which is opened with weights_only, or .safetensors.
        heads: Of attention; by default of 64 channels each, as in every release.

    Raises:
        InputError: For a file that is none.
    """
    weights = {
        _PREFIX.sub("", name): tensor
        for name, tensor in _state(path).items()
        if isinstance(name, str) and isinstance(tensor, Tensor)
    }
    try:
        config = config_of(weights, heads)
        ours = dict(_ours(weights))
        with within(path, path), torch.device("meta"):
            shapes = {k: v.shape for k, v in SDT(config).state_dict().items()}
        if {k: v.shape for k, v in ours.items()} != shapes:
            name = next(iter(set(ours) ^ set(shapes)), "the shape of some")
            raise KeyError(name)
        network = SDT(config)
        network.load_state_dict(ours)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: its weights are not those of CoBit's network ({str(error)[:100]}); give a"
            " release of GBATZOLIS/BitstreamDiffusion"
        ) from None
    return SDTDenoiser(network)


def config_of(weights: Mapping[str, Tensor], heads: int | None = None) -> SDTConfig:
    """Sizes, by the shapes of the weights under their names; attention's heads show in none."""
    width = len(weights["patch_proj.weight"])
    content = len(weights["cont_input_proj.weight"])
    blocks = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
    return SDTConfig(
        bits=len(weights["unpatch_proj_content.weight"]) // content,
        width=width,
        blocks=len(blocks),
        heads=heads or max(1, width // _HEAD),
        hidden=len(weights["blocks.0.ff.Wa.weight"]),
        content=content,
        head=len(weights["head.time_proj.weight"]),
    )


def _state(path: Path) -> Mapping[str, Any]:
    check_regular(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a release such as cobit_s_lm1b.pt")
    check_fits(2 * path.stat().st_size, str(path))
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        from torch import load as read

        found = read(path, map_location="cpu", weights_only=True)
    # A file of another kind can raise nearly anything, of torch, pickle and zip.
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: cannot be read as weights ({reason}); get it again") from None
    match found:
        case {"ema": {"shadow": Mapping() as shadow}, "model": Mapping() as model}:
            # Averages are of parameters alone.
            return {**{_PREFIX.sub("", str(k)): v for k, v in model.items()}, **shadow}
        case {"model": Mapping() as model}:
            return model
        case Mapping():
            return found
    raise InputError(f"{path}: holds no weights; give a release such as cobit_s_lm1b.pt")


def _ours(weights: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    found = []
    for name, tensor in weights.items():
        if name == "time_fn._freq":
            found.append(("frequencies", tensor.flatten()))
            continue
        block = re.match(r"blocks\.\d+\.", name)
        prefix = block[0] if block else ""
        layer, _, part = name.removeprefix(prefix).rpartition(".")
        found.append((f"{prefix}{_NAMES[layer]}.{part}", tensor))
    return found
