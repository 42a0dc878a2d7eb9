"""`infonoise-vision import`: models that others trained, as folders that every verb takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from infonoise_core.app.imported import write_imported
from infonoise_core.config.tree import from_plain
from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.files import read_json
from infonoise_core.training.allocation import within
from infonoise_core.training.artifact import check_out
from infonoise_vision.domain import DOMAIN
from infonoise_vision.methods.imported import Measured, imported_folder, measured
from infonoise_vision.methods.options import ImageOptions, Objective
from infonoise_vision.models import theirs
from infonoise_vision.models.edm_pickle import Imported, import_edm
from infonoise_vision.options import Import

# Share of augmented images that EDM trained with.
_AUGMENT = 0.12


def run_import(config: Import) -> None:
    """Write config.out and say what is in it."""
    check_out(config.out, overwrite=config.overwrite)
    if config.source.is_dir():
        _from_pipeline(config)
        return
    model = _model(config.source)
    _write(
        config, _objective(model), model.denoiser, model.shape, model.classes,
        f"NVlabs/edm, {config.source.name}", null=True,
    )  # fmt: skip


def _write(
    config: Import,
    objective: Objective,
    denoiser: nn.Module,
    shape: tuple[int, int, int],
    classes: int,
    source: str,
    *,
    null: bool,
    kept: Mapping[str, Any] | None = None,
) -> None:
    """Write the model with its profile, and say what it is.

    Args:
        null: Whether the network has a class for none.
        kept: More for config.json.
    """
    profile = None
    if config.data is not None:
        model = Measured(denoiser, shape, classes, null)
        profile = measured(model, objective, config.data)
    names = [str(i) for i in range(classes)]
    summary = {"name": config.source.resolve().stem, "shape": list(shape), "classes": names}
    write_imported(
        DOMAIN, config.out, ImageOptions(objective), summary, denoiser, source,
        model_settings=kept, profile=profile, overwrite=config.overwrite,
    )  # fmt: skip
    size = sum(p.numel() for p in denoiser.parameters())
    known = f", {classes} classes" if classes else ""
    words = "x".join(map(str, shape))
    print(f"{config.out}: {objective.network}, {size:,} parameters, images {words}{known}")
    if profile is None:
        print("without a profile: give --data IMAGES to measure it")


def _from_pipeline(config: Import) -> None:
    """A folder that `export --to diffusers` wrote, as a run again, or one of Diffusers' own."""
    index = config.source / "model_index.json"
    known = read_json(index, "give what export wrote") if index.is_file() else {}
    require("diffusers", "infonoise-vision[diffusers]", f"{config.source}: a folder of Diffusers")
    if known.get("network") != ["infonoise_vision.sampling.diffusers_pipeline", "Network"]:
        _from_theirs(config)
        return
    from infonoise_vision.sampling.diffusers_pipeline import Network

    weights = config.source / "network" / "diffusion_pytorch_model.safetensors"
    with within(weights, config.source):
        network = Network.from_pretrained(config.source / "network", low_cpu_mem_usage=False)
    about = network.config
    kind: Any = Objective
    objective: Objective = from_plain(kind, dict(about.objective))
    summary = {
        "name": config.source.resolve().name, "shape": list(about.shape),
        "classes": list(about.classes), "levels": about.levels,
    }  # fmt: skip
    write_imported(
        DOMAIN, config.out, ImageOptions(objective), summary, network.denoiser,
        f"infonoise-vision export, {config.source.resolve().name}", overwrite=config.overwrite,
    )  # fmt: skip
    print(f"{config.out}: {objective.network}, images {'x'.join(map(str, about.shape))}")


def _from_theirs(config: Import) -> None:
    """A U-Net of Diffusers and the scheduler that it was trained under."""
    found = imported_folder(config.source, config.out)
    kind = found.settings[theirs.SCHEDULER]["_class_name"]
    _write(
        config, found.objective, found.denoiser, found.shape, found.classes,
        f"Diffusers, {config.source.resolve().name} under {kind}", null=False,
        kept={theirs.KEY: found.settings},
    )  # fmt: skip


def _model(source: Path) -> Imported:
    if not source.exists():
        raise InputError(f"{source}: no such file; give a network-snapshot-*.pkl of NVlabs/edm")
    return import_edm(source)


def _objective(model: Imported) -> Objective:
    return Objective(
        sigma_min=model.sigma_min, sigma_max=model.sigma_max, sigma_data=model.sigma_data,
        noise_unit=1.0, head="edm", weight="edm", network=model.network, dropout=model.dropout,
        conditional=bool(model.classes),
        augment=_AUGMENT if model.augment else 0.0,
    )  # fmt: skip
