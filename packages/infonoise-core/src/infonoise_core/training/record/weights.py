"""The weights of a run or a model, put into its network."""

from pathlib import Path
from typing import Any, Literal

from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.processes.adapters import folded
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import is_artefact, load_weights
from infonoise_core.training.record.signature import check_signed

Which = Literal["averaged", "raw"]
# Part of a checkpoint.
_PARTS = {"averaged": "ema", "raw": "model"}


def load_denoiser(
    run: Path, denoiser: nn.Module, step: int | None = None, which: Which = "averaged"
) -> int:
    """Put the weights of a run into `denoiser`.

    Args:
        run: Its folder, or that of a model that was pulled.
        denoiser: Of the same network.
        step: Of the checkpoint; the newest whole one by default.
        which: Averaged over training, or as the optimizer left them.

    Returns:
        Their step.
    """
    if is_artefact(run):
        if step is not None or which != "averaged":
            raise InputError(
                f"{run}: a shared model has its averaged weights alone; leave out --checkpoint and"
                " --weights"
            )
        return load_weights(run, denoiser)

    def use(manifest: checkpoint.Manifest, parts: dict[str, Any]) -> None:
        check_signed(run, manifest)
        try:
            denoiser.load_state_dict(folded(parts[_PARTS[which]]))
        except (KeyError, RuntimeError, TypeError, AttributeError):
            raise checkpoint.DamagedCheckpoint("it is of another network") from None

    if step is not None:
        return _of_step(run / CHECKPOINTS, step, use)
    found = checkpoint.load_latest(run / CHECKPOINTS, use)
    if found is None:
        raise InputError(f"{run}: no checkpoint yet; train for at least --save-every steps")
    manifest, _ = found
    return int(manifest["step"])


def _of_step(folder: Path, step: int, use: Any) -> int:
    kept = checkpoint.steps(folder)
    if step not in kept:
        there = ", ".join(map(str, sorted(kept))) or "none"
        raise InputError(f"--checkpoint {step}: {folder} has none of that step; there are {there}")
    path = checkpoint.path_of(folder, step)
    try:
        use(*checkpoint.load(path))
    except checkpoint.DamagedCheckpoint as damage:
        raise InputError(f"{path} is damaged ({damage}); give another --checkpoint") from None
    return step
