"""Networks of Hugging Face Diffusers by their own settings: trained here, or with their scheduler.

`--network diffusers:config.json` names the settings of a network, which is trained under EDM's
preconditioning; `--network diffusers:FOLDER` a pipeline's folder, whose scheduler says what its
network predicts. Weights are read where a folder is imported, and nothing of it is run.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.files import read_json
from infonoise_core.integrations import diffusers as integration
from infonoise_vision.models.options import THEIRS

NETWORK, SCHEDULER = "network", "scheduler"
# Of a pipeline's folder.
UNET = "unet"
CONFIG, SCHEDULER_CONFIG = "config.json", "scheduler_config.json"
# Where a run keeps them in its config.json.
KEY = "diffusers"
# Classes that are made from settings: those of images alone.
_CLASS = "UNet2DModel"
_NEEDS = "infonoise-vision[diffusers]"


def is_theirs(name: str) -> bool:
    """Whether --network names one of Diffusers."""
    return name.startswith(THEIRS)


def settings_of(name: str) -> dict[str, Any]:
    """Settings of the network that --network names, and of its scheduler where it has one.

    Args:
        name: diffusers:PATH, the settings of a network, a pipeline's folder, or what import or
            train wrote of either.

    Raises:
        InputError: For what is not there, and for a class that is not made here.
    """
    path = Path(name.removeprefix(THEIRS))
    if not path.exists():
        raise InputError(f"--network {name}: {path} is not there; give a config.json or a folder")
    if path.is_dir():
        return settings_of_folder(path)
    return _checked({NETWORK: read_json(path, "give the config.json of a network")}, path)


def settings_of_folder(folder: Path) -> dict[str, Any]:
    """The same of a pipeline's folder, or of a run or an imported model of such a network."""
    run = folder / CONFIG
    if run.is_file():
        known = read_json(run, "give a run or a folder of Diffusers").get(KEY)
        if isinstance(known, dict):
            return _checked(known, folder)
    files = {NETWORK: folder / UNET / CONFIG, SCHEDULER: folder / SCHEDULER / SCHEDULER_CONFIG}
    if not all(file.is_file() for file in files.values()):
        raise InputError(
            f"{folder}: is no folder that infonoise-vision export wrote, and none of Diffusers: it"
            f" has no {UNET}/{CONFIG} with {SCHEDULER}/{SCHEDULER_CONFIG}; give one of a pipeline"
        )
    found = {key: read_json(file, "save the pipeline again") for key, file in files.items()}
    return _checked(found, folder)


def _checked(found: dict[str, Any], where: Path) -> dict[str, Any]:
    network = found.get(NETWORK)
    kind = network.get("_class_name") if isinstance(network, dict) else None
    if kind != _CLASS:
        raise InputError(
            f"{where}: its network is {kind}, and only {_CLASS} is made from its settings; for"
            " others, infonoise_core.integrations.diffusers gives levels and a denoiser"
        )
    scheduler = found.get(SCHEDULER)
    return {NETWORK: network, SCHEDULER: scheduler if isinstance(scheduler, dict) else None}


def refuse_other(kept: Mapping[str, Any] | None, name: str, where: Path) -> None:
    """InputError where --network would read the weights of a model as another prediction.

    Args:
        kept: Settings that the model has.
        name: As in `settings_of`.
        where: The model.
    """
    if (kept or {}).get(SCHEDULER) != settings_of(name)[SCHEDULER]:
        raise InputError(
            f"--from {where} --network {name}: they have another scheduler, so the same weights"
            f" mean something else; give --network {THEIRS}{where}"
        )


def shape_of(settings: Mapping[str, Any]) -> tuple[int, int, int]:
    """(c, h, w) of the images that a network was made for."""
    network = settings[NETWORK]
    size = network.get("sample_size")
    height, width = size if isinstance(size, list | tuple) else (size, size)
    if not all(isinstance(n, int) and n > 0 for n in (network.get("in_channels"), height, width)):
        raise InputError("the network's settings have no sample_size: add it to its config.json")
    return network["in_channels"], height, width


def classes_of(settings: Mapping[str, Any]) -> int:
    """How many classes a network was made for."""
    return int(settings[NETWORK].get("num_class_embeds") or 0)


def their_network(
    settings: Mapping[str, Any],
    shape: tuple[int, int, int],
    classes: int = 0,
    dropout: float | None = None,
) -> nn.Module:
    """A fresh network, called as ours are.

    One with a scheduler is as it was saved; another is brought to images of `shape` (c, h, w) and
    gets a class more than there are, for none.
    """
    library = _library("--network diffusers")
    config = {k: v for k, v in settings[NETWORK].items() if not k.startswith("_")}
    c, h, w = shape
    if settings.get(SCHEDULER) is None:
        config |= {"in_channels": c, "out_channels": c, "sample_size": [h, w]}
        config["num_class_embeds"] = classes + 1 if classes else None
        config |= {} if dropout is None else {"dropout": dropout}
    else:
        _check_as_saved(settings, c, classes)
    try:
        network = library.UNet2DModel(**config)
        with torch.no_grad():
            given = {"class_labels": torch.zeros(1, dtype=torch.int64)} if classes else {}
            network.eval()(torch.zeros(1, c, h, w), torch.zeros(1), **given)
    except InputError:
        raise
    except (ValueError, TypeError, RuntimeError, AttributeError, KeyError, ZeroDivisionError) as e:
        raise InputError(
            f"the network of Diffusers fits no images of {c}x{h}x{w}:"
            f" {' '.join(str(e).split())[:200]}; change its config.json"
        ) from None
    return Plain(network.train())


def _check_as_saved(settings: Mapping[str, Any], channels: int, classes: int) -> None:
    own, known = settings[NETWORK].get("in_channels"), classes_of(settings)
    if own != channels:
        raise InputError(f"the network of Diffusers has {own} channels, and images {channels}")
    if classes > known or (known and not classes):
        raise InputError(
            f"the network of Diffusers knows {known or 'no'} classes, and is given"
            f" {classes or 'none'}: " + ("give --conditional" if known else "leave it out")
        )


def scheduler_of(settings: Mapping[str, Any]) -> Any:
    """The scheduler by its settings, of a class that Diffusers has."""
    library = _library("a scheduler of Diffusers")
    known = dict(settings[SCHEDULER])
    name = str(known.get("_class_name"))
    kind = getattr(library, name, None) if name.endswith("Scheduler") else None
    if kind is None:
        raise InputError(f"Diffusers has no scheduler {name!r}: get the folder again")
    return kind.from_config({k: v for k, v in known.items() if k != "_class_name"})


def span_of(settings: Mapping[str, Any]) -> tuple[float, float]:
    """Lowest and highest noise level of a network's scheduler."""
    channel = integration.channel(scheduler_of(settings))
    return channel.sigma_min, channel.sigma_max


def _library(what: str) -> Any:
    """Diffusers, which says little of its types."""
    require("diffusers", _NEEDS, what)
    return importlib.import_module("diffusers")


class Plain(integration.Call):
    """Called as our networks are, and gives a tensor."""

    def forward(self, x: Tensor, time: Tensor, **condition: Any) -> Tensor:
        """x (n, c, h, w), time (n,) -> (n, c, h, w)."""
        found: Tensor = super().forward(x, time, **condition).sample
        return found


class Scheduled(nn.Module):
    """D(x, sigma, label) of a network by what its scheduler says that it predicts."""

    def __init__(self, network: nn.Module, settings: Mapping[str, Any]) -> None:
        super().__init__()
        inner = network.network if isinstance(network, integration.Call) else network
        self.scheduler = scheduler_of(settings)
        self.denoiser = integration.denoiser(inner, self.scheduler)

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        """x (n, c, h, w), sigma (n,) -> x0 (n, c, h, w)."""
        found: Tensor = self.denoiser(x, sigma, **condition)
        return found


def unwrapped(denoiser: nn.Module) -> nn.Module:
    """The network of Diffusers inside a denoiser."""
    return next(m for m in denoiser.modules() if type(m).__name__ == _CLASS)
