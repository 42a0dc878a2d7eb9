"""A finished run, whatever its domain: its settings, its averaged network and its profile."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import torch
from torch import nn

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.config.renamed import upgraded
from infonoise_core.config.tree import from_plain
from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training import checkpoint
from infonoise_core.training.allocation import within
from infonoise_core.training.artifact import WEIGHTS_FILE, is_artefact
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.record.weights import Which, load_denoiser
from infonoise_core.training.run_folder import read_run_of
from infonoise_core.training.run_profile import profile_if_any

FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class TrainedRun(Generic[Options]):
    """What the verbs after `train` work with.

    Attributes:
        settings: Its config.json.
        options: What the domain adds to `train`, as the run was given it.
        denoiser: The weights, averaged unless others were asked for, in evaluation mode.
        profile: As measured in training; None where there is none.
        step: Optimizer steps of the weights.
    """

    path: Path
    settings: dict[str, Any]
    options: Options
    denoiser: nn.Module
    profile: EntropyRateProfile | None
    step: int

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        return next(self.denoiser.parameters()).device


def options_of(domain: Domain[Data, Options], settings: Mapping[str, Any]) -> Options:
    """What a domain's options were, by a run's config.json."""
    kind: Any = domain.interface.options
    options: Options = from_plain(kind, upgraded(domain.as_today(settings), kind))
    return options


def open_trained(
    domain: Domain[Data, Options],
    path: Path,
    device: str = "auto",
    step: int | None = None,
    which: Which = "averaged",
) -> TrainedRun[Options]:
    """The run in a folder.

    Args:
        domain: Of the run.
        path: The folder.
        device: Where its network goes.
        step: Of its checkpoint; the newest whole one by default.
        which: Averaged over training, or as the optimizer left them.

    Raises:
        InputError: Where there is none of this domain, no checkpoint yet, or none of that step.
    """
    settings = read_run_of(domain.interface.command, path)
    try:
        options = options_of(domain, settings)
        with within(_weights(path), path):
            denoiser = domain.rebuild(settings, path)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise InputError(
            f"{path}: its settings are not those of a model of {domain.interface.program}"
            f" {domain.interface.version} ({type(error).__name__}: {str(error)[:200]}); use the"
            " release that wrote it"
        ) from None
    step = load_denoiser(path, denoiser, step, which)
    denoiser.to(pick_device(device)).eval()
    return TrainedRun(path, settings, options, denoiser, profile_if_any(path, step=step), step)


def _weights(path: Path) -> list[Path]:
    """The files of the weights of a run or a shared model, which may not be there."""
    steps = checkpoint.steps(path / CHECKPOINTS)
    if is_artefact(path) or not steps:
        return [path / WEIGHTS_FILE]
    return checkpoint.part_files(checkpoint.path_of(path / CHECKPOINTS, steps[0]), "ema")


def data_of(
    domain: Domain[Data, Options], run: TrainedRun[Options], source: str | None = None
) -> Data:
    """The data of a run, from `source` where they have moved.

    Raises:
        InputError: For data that are not those it was trained on, by their content.
    """
    saved = str(run.settings["data"])
    try:
        data = domain.load(source or saved, run.options)
    except InputError as error:
        if source is not None:
            raise
        raise InputError(
            f"{error}; {run.path} was trained on {saved}: where that lies elsewhere, give it with"
            " --data"
        ) from None
    refuse_others(domain, run.settings[domain.summary_key], data, source or saved, run.path)
    return data


def recorded(
    domain: Domain[Data, Options], begun: Mapping[str, Any], data: Data, source: str, out: Path
) -> dict[str, Any]:
    """What config.json says of the data: their summary and fingerprint.

    Args:
        begun: What that of the run that is to go on says, or nothing.

    Raises:
        InputError: Where other data stand in the place of the run's own.
    """
    summary = domain.summary(data)
    if any(summary[key] != begun.get(key) for key in summary):
        return {**summary, FINGERPRINT: domain.fingerprint(data)}
    _say_if_unknown(begun, str(out))
    if FINGERPRINT in begun and not domain.alike(begun[FINGERPRINT], domain.fingerprint(data)):
        raise InputError(
            f"{source}: not the {domain.interface.examples} that {out} was begun with, only as many"
            " of the same kind; give those, or --overwrite"
        )
    return dict(begun)


def refuse_others(
    domain: Domain[Data, Options], known: Mapping[str, Any], data: Data, source: str, run: Path
) -> None:
    """InputError where data are not those that a run's config.json says.

    Args:
        known: What `recorded` said.
    """
    found, what = domain.summary(data), domain.interface.examples
    same = (*domain.labels, *(k for k in found if k not in known or found[k] == known[k]))
    differs = next((k for k in found if k not in same), None)
    if differs:
        words = domain.difference(differs, known, found, run)
        raise InputError(f"{source}: not the {what} of {run}, {words}")
    _say_if_unknown(known, str(run))
    if FINGERPRINT in known and not domain.alike(known[FINGERPRINT], domain.fingerprint(data)):
        raise InputError(
            f"{source}: not the {what} of {run}, only as many of the same kind; give the same ones"
            " with --data"
        )


def _say_if_unknown(known: Mapping[str, Any], run: str) -> None:
    """The first releases wrote down numbers and kinds; that of text also a digest of its own."""
    if not {FINGERPRINT, "digest"} & set(known):
        print(
            f"note: {run} is of an earlier release, which kept no fingerprint of the data: only"
            " numbers and kinds were compared",
            file=sys.stderr,
        )
