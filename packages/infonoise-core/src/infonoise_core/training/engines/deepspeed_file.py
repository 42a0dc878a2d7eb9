"""DeepSpeed's own settings, from a file of the user's; those that are ours are refused by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.files import read_json

_DIVIDED = "--batch-size, --grad-accum and the number of processes"
_NOT_READ = "leave it out: checkpoints are our own, whatever the engine"
# Path of a key -> what takes its place. A key that is a group stands for all in it.
_OURS: Mapping[tuple[str, ...], str] = {
    ("train_batch_size",): _DIVIDED,
    ("train_micro_batch_size_per_gpu",): _DIVIDED,
    ("gradient_accumulation_steps",): "--grad-accum",
    ("managed_gradient_accumulation",): "--grad-accum",
    ("gradient_clipping",): "--grad-clip",
    ("optimizer",): "--lr and --weight-decay",
    ("scheduler",): "--lr, --lr-warmup and --lr-schedule",
    ("fp16",): "--precision",
    ("bf16",): "--precision",
    ("amp",): "--precision",
    ("torch_autocast",): "--precision",
    ("data_types",): "--precision",
    ("compile",): "--compile",
    ("activation_checkpointing",): "--activation-checkpointing",
    ("checkpoint",): _NOT_READ,
    ("load_universal_checkpoint",): _NOT_READ,
    ("steps_per_print",): "--log-every",
    ("zero_allow_untested_optimizer",): "leave it out: it is on",
    ("zero_force_ds_cpu_optimizer",): "leave it out: the optimizer is torch's fused AdamW",
    ("zero_optimization", "stage"): "--zero",
    ("zero_optimization", "offload_optimizer"): "--offload",
    ("zero_optimization", "offload_param"): "leave it out: averages lie beside the weights",
    ("zero_optimization", "cpu_offload"): "--offload",
}


def read_settings(path: Path) -> dict[str, Any]:
    """What the file says.

    Raises:
        InputError: For a file that is no JSON object, and for a key that is ours.
    """
    settings = read_json(path, "give a file of DeepSpeed's settings as JSON")
    for keys, instead in _OURS.items():
        found: Any = settings
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            use = instead if instead.startswith("leave") else f"use {instead}"
            raise InputError(f"--deepspeed {path}: {'.'.join(keys)} is not DeepSpeed's here; {use}")
    return settings


def over(ours: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Our settings with those that were given in their place, group by group."""
    result = dict(ours)
    for key, value in given.items():
        own = result.get(key)
        if isinstance(own, Mapping) and isinstance(value, Mapping):
            value = over(own, value)
        result[key] = value
    return result
