"""The verb `infonoise ema`: an average of any width of a run that kept two of them."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor

from infonoise_core.app.push import Shareable, fill_model
from infonoise_core.commands.options import Ema
from infonoise_core.errors import InputError
from infonoise_core.folders.marker import marker_of
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import check_out, new_folder
from infonoise_core.training.config import NARROW
from infonoise_core.training.posthoc import Kept, combine, mixed
from infonoise_core.training.run_folder import read_run

# Parts of a checkpoint, and the width of each over --ema.
_PARTS = {"ema": 1.0, "narrow": NARROW}
# Above which an average is not the one that was asked for.
_FAR = 0.2


def run_ema(config: Ema) -> None:
    """Write a model with the average; print how near it is."""
    check_out(config.out, overwrite=config.overwrite)
    settings = read_run(config.run)
    width = float(settings["train"]["ema"])
    manifests = _manifests(config.run)
    last = max(manifests, default=0)
    step = last if config.step is None else config.step
    kept = {
        (Kept(width * over, at), part): at
        for at, manifest in sorted(manifests.items())
        for part, over in _PARTS.items()
        if at <= step
    }
    if len(set(kept.values())) < 2 or step > last:
        raise InputError(
            f"{config.run}: {len(manifests)} checkpoints with two averages, up to step {last};"
            " another is made of those up to its own step, at least two: train with"
            " --snapshot-every"
        )
    made = combine([one for one, _ in kept], config.width, step)
    if made.error > _FAR:
        raise InputError(
            f"--width {config.width:g}: what {config.run} kept comes no nearer than"
            f" {made.error:.0%} of its profile; give a width nearer to {width * NARROW:g} to"
            f" {width:g}, or keep more with --snapshot-every"
        )
    state = mixed(_states(config.run, [(at, part) for (_, part), at in kept.items()]),
                  made.coefficients)  # fmt: skip
    with new_folder(config.out, overwrite=config.overwrite) as folder:
        fill_model(folder, config.run, _kind(config.run, settings, config.width),
                   str(config.out), (step, state))  # fmt: skip
    print(
        f"{config.out}: an average of width {config.width:g} after {step:,} steps, of"
        f" {len(kept)} that were kept; its profile is off by {made.error:.1%}"
    )


def _manifests(run: Path) -> dict[int, checkpoint.Manifest]:
    """Of the checkpoints with both averages, by step."""
    folder = run / CHECKPOINTS
    found: dict[int, checkpoint.Manifest] = {}
    for step in checkpoint.steps(folder):
        try:
            manifest = checkpoint.read_manifest(checkpoint.path_of(folder, step))
        except checkpoint.DamagedCheckpoint:
            continue
        if set(_PARTS) <= set(manifest["parts"]):
            found[step] = manifest
    return found


def _states(run: Path, places: list[tuple[int, str]]) -> Iterator[Mapping[str, Tensor]]:
    at = -1
    parts: dict[str, Any] = {}
    for step, part in places:
        path = checkpoint.path_of(run / CHECKPOINTS, step)
        if step != at:
            try:
                at, (_, parts) = step, checkpoint.load(path)
            except checkpoint.DamagedCheckpoint as damage:
                raise InputError(
                    f"{path} is damaged ({damage}); bring back a copy, or move it elsewhere"
                ) from None
        yield parts[part]


def _kind(run: Path, settings: Mapping[str, Any], width: float) -> Shareable:
    """What the page of the model says, as far as core knows a domain's runs."""
    command = str(settings["command"])
    program = command.split()[0]
    try:
        release = version(program)
    except PackageNotFoundError:
        release = "unknown"
    return Shareable(
        program=program,
        version=release,
        command=command,
        data=lambda settings: Path(str(settings["data"])).name,
        about=lambda _: {"average": f"power function, relative width {width:g}"},
        use="sample model",
        tags=("infonoise", "diffusion"),
        open=lambda _: None,
        keep=tuple((marker_of(run) or {}).get("assets", ())),
    )
