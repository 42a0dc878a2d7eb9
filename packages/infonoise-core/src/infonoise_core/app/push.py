"""The verbs `push` and `pull` of a trained model, the same in every kind."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.trained import open_trained
from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_core.folders.names import (
    CHECKPOINTS,
    CONFIG_FILE,
    DONE_FILE,
    METRICS_FILE,
    PROFILE_FILE,
)
from infonoise_core.hub.model_card import finite, model_card
from infonoise_core.hub.options import Pull, Push
from infonoise_core.hub.push import (
    deliver,
    fetch,
    profile_words,
    versions_with,
    ways_to_get,
)
from infonoise_core.processes.adapters import folded, write_adapters
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import (
    README_FILE,
    WEIGHTS_FILE,
    Card,
    is_artefact,
    new_folder,
    seal,
    without_paths,
    written_by,
)
from infonoise_core.training.record.metrics import read_lines
from infonoise_core.training.run_folder import read_run_of
from infonoise_core.training.run_profile import profile_if_any

ADAPTERS = "adapters"
# The step of weights, and the state of their module.
Weights = tuple[int, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Shareable:
    """What a domain says of the models that it shares.

    Attributes:
        program: Its command and package.
        version: The package's.
        command: What makes its runs.
        data: Name of the data, by a run's settings.
        about: Rows of the page's table, by the same.
        use: Words of a command on the folder `model`.
        tags: For the hub.
        open: What its other commands open a run with; raises for what it does not understand.
        keep: Names of further files and folders that go along where a run has them.
    """

    program: str
    version: str
    command: str
    data: Callable[[Mapping[str, Any]], str]
    about: Callable[[Mapping[str, Any]], dict[str, str]]
    use: str
    tags: tuple[str, ...]
    open: Callable[[Path], object]
    keep: tuple[str, ...] = ()


def run_push(domain: Domain[Data, Options], command: Push) -> None:
    """The verb `push` of every domain."""
    push_model(command, _shareable(domain))


def run_pull(domain: Domain[Data, Options], command: Pull) -> None:
    """The verb `pull` of every domain."""
    pull_model(command, _shareable(domain))


def _shareable(domain: Domain[Data, Options]) -> Shareable:
    interface = domain.interface
    return Shareable(
        program=interface.program,
        version=interface.version,
        command=interface.command,
        data=lambda settings: str(settings[domain.summary_key]["name"]),
        about=domain.card,
        use=domain.use,
        tags=domain.tags,
        open=lambda folder: open_trained(domain, folder, "cpu"),
        keep=domain.assets,
    )


def push_model(config: Push, kind: Shareable) -> None:
    """Write or upload the model of a run, whole or not at all."""

    def fill(folder: Path) -> None:
        if is_artefact(config.run):
            _check_card(fetch(str(config.run), folder, kind.program)[0], config.run, kind)
        else:
            fill_model(folder, config.run, kind, config.target, adapters=config.adapters)
        _check_opens(folder, str(config.run), kind)

    if not is_artefact(config.run):
        read_run_of(kind.command, config.run)
    elif config.adapters:
        raise InputError(f"{config.run}: a shared model; --adapters takes those of a run")
    print(
        deliver(
            config.target, fill, kind.program, private=config.private, overwrite=config.overwrite
        )
    )


def pull_model(config: Pull, kind: Shareable) -> None:
    """Make a folder that the other commands take in place of a run."""
    with new_folder(config.out, overwrite=config.overwrite) as folder:
        card, origin = fetch(config.source, folder, kind.program)
        _check_card(card, origin, kind)
        _check_opens(folder, origin, kind, card)
    print(f"{config.out}: {card['step']} steps, by {written_by(card)}, from {origin}")


def fill_model(
    folder: Path,
    run: Path,
    kind: Shareable,
    target: str,
    weights: Weights | None = None,
    adapters: bool = False,
) -> None:
    """Write the model of a run, with the newest average unless other weights are given.

    Args:
        adapters: Whether those of --lora are written alone, too, beside what they are folded into.
    """
    settings = without_paths(read_run_of(kind.command, run))
    write_json(folder / CONFIG_FILE, settings)
    step, state = _average(run) if weights is None else weights
    parameters = _write_weights(state, folder)
    if adapters:
        write_adapters(state, folder / ADAPTERS, str(run))
    # safetensors lets only the owner read what it writes.
    shutil.copymode(folder / CONFIG_FILE, folder / WEIGHTS_FILE)
    measured_at, measures = _measures(run, step)
    # It also says that there is nothing to go on with: the optimizer's state stays behind.
    write_json(folder / DONE_FILE, {"step": step, **finite(measures)})
    profile = profile_if_any(run, step=None if weights is None else step)
    if profile is not None:
        profile.save(folder / PROFILE_FILE)
    for name in kind.keep:
        if not (run / name).exists():
            continue
        copy = shutil.copytree if (run / name).is_dir() else shutil.copyfile
        copy(run / name, folder / name)
    versions = versions_with({kind.program: kind.version})
    about = {
        "data": kind.data(settings),
        **kind.about(settings),
        "parameters": f"{parameters:,}",
        "schedule": str(settings["schedule"]),
        "steps": f"{step:,} of {settings['train']['batch_size']} examples",
    }
    commands = [
        *ways_to_get(target, kind.program, "model"),
        f"{kind.program} {kind.use}",
    ]
    page = model_card(
        kind.program, about, measures, measured_at, profile, versions, commands, kind.tags
    )
    (folder / README_FILE).write_text(page, encoding="utf-8")
    about_it: dict[str, Any] = {
        "versions": versions, "step": step, "parameters": parameters, "about": about,
        "measures": finite(measures),
        "profile": None if profile is None else profile_words(profile),
    }  # fmt: skip
    seal(folder, "model", kind.program, about_it)


def _average(run: Path) -> Weights:
    """Of the newest whole checkpoint."""
    found = checkpoint.load_latest(run / CHECKPOINTS)
    if found is None:
        raise InputError(f"{run}: no checkpoint yet; train for at least --save-every steps")
    manifest, parts = found
    return int(manifest["step"]), parts["ema"]


def _write_weights(state: Mapping[str, Tensor], folder: Path) -> int:
    """Write them as float32; returns how many numbers they are."""
    weights = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in folded(state).items()
    }
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    return sum(tensor.numel() for tensor in weights.values())


def _measures(run: Path, step: int) -> tuple[int, dict[str, float]]:
    """Of the last evaluation up to a step, and its own step; empty where there was none."""
    found = [
        (int(record["step"]), dict(record["evaluate"]))
        for record in read_lines(run / METRICS_FILE)
        if "evaluate" in record and record["step"] <= step
    ]
    return found[-1] if found else (0, {})


def _check_card(card: Card, origin: object, kind: Shareable) -> None:
    if card["kind"] != "model":
        raise InputError(f"{origin}: holds a profile alone; fetch it with: infonoise pull")
    if card["program"] != kind.program:
        raise InputError(
            f"{origin}: a model of {card['program']}; use {card['program']} in place of"
            f" {kind.program}"
        )


def _check_opens(folder: Path, origin: str, kind: Shareable, card: Card | None = None) -> None:
    """InputError unless the domain's other commands can use the folder."""
    try:
        kind.open(folder)
    except InputError as error:
        raise InputError(str(error).replace(str(folder), origin)) from None
    # Settings that another version has written may lack a name or have one too many.
    except (KeyError, TypeError, ValueError, RuntimeError, json.JSONDecodeError) as error:
        made = "" if card is None else f", which was made by {written_by(card)}"
        raise InputError(
            f"{origin}: {kind.program} {kind.version} cannot open this{made}"
            f" ({type(error).__name__}: {error}); use that version"
        ) from None
