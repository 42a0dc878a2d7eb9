"""The verbs `push` and `pull` of a trained model, the same in every domain."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from infonoise_core.app.train import DONE_FILE, profile_if_any, read_run_of
from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_core.hub.model_card import finite, model_card
from infonoise_core.hub.push import (
    Pull,
    Push,
    deliver,
    fetch,
    profile_words,
    versions_with,
    ways_to_get,
)
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import (
    PROFILE_FILE,
    README_FILE,
    WEIGHTS_FILE,
    Card,
    is_artefact,
    new_folder,
    seal,
    without_paths,
    written_by,
)
from infonoise_core.training.config import CONFIG_FILE
from infonoise_core.training.loop import METRICS_FILE
from infonoise_core.training.metrics import read_lines
from infonoise_core.training.state import CHECKPOINTS


@dataclass(frozen=True)
class Domain:
    """What a domain says of its models.

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


def push_model(config: Push, domain: Domain) -> None:
    """Write or upload the model of a run, whole or not at all."""

    def fill(folder: Path) -> None:
        if is_artefact(config.run):
            _check_card(fetch(str(config.run), folder, domain.program)[0], config.run, domain)
        else:
            _fill(folder, config, domain)
        _check_opens(folder, str(config.run), domain)

    if not is_artefact(config.run):
        read_run_of(domain.command, config.run)
    print(
        deliver(
            config.target, fill, domain.program, private=config.private, overwrite=config.overwrite
        )
    )


def pull_model(config: Pull, domain: Domain) -> None:
    """Make a folder that the other commands take in place of a run."""
    with new_folder(config.out, overwrite=config.overwrite) as folder:
        card, origin = fetch(config.source, folder, domain.program)
        _check_card(card, origin, domain)
        _check_opens(folder, origin, domain, card)
    print(f"{config.out}: {card['step']} updates, by {written_by(card)}, from {origin}")


def _fill(folder: Path, config: Push, domain: Domain) -> None:
    run = config.run
    settings = without_paths(read_run_of(domain.command, run))
    write_json(folder / CONFIG_FILE, settings)
    step, parameters = _write_weights(run, folder)
    # safetensors lets only the owner read what it writes.
    shutil.copymode(folder / CONFIG_FILE, folder / WEIGHTS_FILE)
    measured_at, measures = _measures(run, step)
    # It also says that there is nothing to go on with: the optimizer's state stays behind.
    write_json(folder / DONE_FILE, {"step": step, **finite(measures)})
    profile = profile_if_any(run)
    if profile is not None:
        profile.save(folder / PROFILE_FILE)
    for name in domain.keep:
        if not (run / name).exists():
            continue
        copy = shutil.copytree if (run / name).is_dir() else shutil.copyfile
        copy(run / name, folder / name)
    versions = versions_with({domain.program: domain.version})
    about = {
        "data": domain.data(settings),
        **domain.about(settings),
        "parameters": f"{parameters:,}",
        "schedule": str(settings["schedule"]),
        "updates": f"{step:,} of {settings['train']['batch_size']} examples",
    }
    commands = [
        *ways_to_get(config.target, domain.program, "model"),
        f"{domain.program} {domain.use}",
    ]
    page = model_card(
        domain.program, about, measures, measured_at, profile, versions, commands, domain.tags
    )
    (folder / README_FILE).write_text(page, encoding="utf-8")
    told: dict[str, Any] = {
        "versions": versions, "step": step, "parameters": parameters, "about": about,
        "measures": finite(measures),
        "profile": None if profile is None else profile_words(profile),
    }  # fmt: skip
    seal(folder, "model", domain.program, told)


def _write_weights(run: Path, folder: Path) -> tuple[int, int]:
    """The averaged weights of the newest whole checkpoint, as float32; its step and how many
    numbers they are.
    """
    found = checkpoint.load_latest(run / CHECKPOINTS)
    if found is None:
        raise InputError(f"{run}: no checkpoint yet; train for at least --save-every updates")
    manifest, parts = found
    weights = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in parts["ema"].items()
    }
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    return int(manifest["step"]), sum(tensor.numel() for tensor in weights.values())


def _measures(run: Path, step: int) -> tuple[int, dict[str, float]]:
    """Of the last evaluation up to a step, and its own step; empty where there was none."""
    found = [
        (int(record["step"]), dict(record["evaluate"]))
        for record in read_lines(run / METRICS_FILE)
        if "evaluate" in record and record["step"] <= step
    ]
    return found[-1] if found else (0, {})


def _check_card(card: Card, origin: object, domain: Domain) -> None:
    if card["kind"] != "model":
        raise InputError(f"{origin}: holds a profile alone; fetch it with: infonoise pull")
    if card["program"] != domain.program:
        raise InputError(
            f"{origin}: a model of {card['program']}; use {card['program']} in place of"
            f" {domain.program}"
        )


def _check_opens(folder: Path, origin: str, domain: Domain, card: Card | None = None) -> None:
    """InputError unless the domain's other commands can use the folder."""
    try:
        domain.open(folder)
    except InputError as error:
        raise InputError(str(error).replace(str(folder), origin)) from None
    # Settings that another version has written may lack a name or have one too many.
    except (KeyError, TypeError, ValueError, RuntimeError, json.JSONDecodeError) as error:
        made = "" if card is None else f", which was made by {written_by(card)}"
        raise InputError(
            f"{origin}: {domain.program} {domain.version} cannot open this{made}"
            f" ({type(error).__name__}: {error}); use that version"
        ) from None
