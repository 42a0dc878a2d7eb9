"""`encode`: an encoder is learned beside a run, and the latents of its images are written."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infonoise_core.app.train import Run, run_training
from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.folders.names import DONE_FILE
from infonoise_core.training.record.weights import load_denoiser
from infonoise_core.training.run_folder import read_run_of, run_settings
from infonoise_vision.data.formats.source import CHUNK
from infonoise_vision.data.images import ImageSet, Parts
from infonoise_vision.encoders.network import Encoder
from infonoise_vision.encoders.options import Encode
from infonoise_vision.encoders.task import (
    COLLAPSED,
    EncoderEvaluation,
    EncoderTask,
    clean,
    gap_schedule,
)
from infonoise_vision.sampling.trained import ImageRun

COMMAND, LATENTS_FILE = "infonoise-vision encode", "latents.npz"


def encode(run: ImageRun, parts: Parts, config: Encode) -> None:
    """Train an encoder in config.out, going on with what is there, and write latents.npz.

    Raises:
        InputError: For a run that is given anything beside images, or works in stages.
    """
    _refuse(run)
    train, held_out = parts.both
    encoder = _encoder(run, config.latent, config.rank, config.train.seed)
    schedule = gap_schedule(run.channel, config.train.steps)
    low = run.channel.sigma_min
    task = EncoderTask(train, run.denoiser, encoder, schedule, config.beta, low)
    evaluation = EncoderEvaluation(held_out, run.denoiser, run.channel, config.beta)
    about = f"{len(train)} images {'x'.join(map(str, train.shape))} of {train.name}"
    settings = run_settings(COMMAND, config, prior=_digest(run.denoiser))
    file = config.out / LATENTS_FILE
    learned = (config.out / DONE_FILE).is_file() and not (file.exists() or config.overwrite)
    # Where only the latents are missing, nothing is left to learn.
    if not learned:
        about = f"{about}, latents of {config.latent}"
        run_training(Run(task, schedule, evaluation, settings, about, kind=Encode), config)
    encoder = opened(config.out, run)
    gain = evaluation(encoder)["gain"]
    if gain < COLLAPSED:
        print(
            f"note: the latents say {gain:.2f} nats of an image, next to nothing; lower --beta, or"
            " train for longer",
            file=sys.stderr,
        )
    arrays: dict[str, NDArray[Any]] = {}
    for name, images in (("train", train), ("held_out", held_out)):
        codes = [part.cpu().numpy() for part in _means(encoder, images, low)]
        arrays[name] = np.concatenate(codes)
        if images.labels is not None:
            arrays[f"{name}_labels"] = np.asarray(images.labels)
    with whole_file(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **cast(Any, arrays))
    print(f"{file}: latents of {len(train)} training and {len(held_out)} held-out images")


def opened(folder: Path, run: ImageRun) -> Encoder:
    """The encoder that `encode` left in a folder, for the run that it stands beside."""
    settings = settings_of(folder)
    if settings["prior"] != _digest(run.denoiser):
        raise InputError(
            f"{folder}: was learned beside another state of a run than {run.path} has now; encode"
            " again"
        )
    encoder = _encoder(run, settings["latent"], settings["rank"], 0)
    load_denoiser(folder, encoder)
    return encoder.to(run.device).eval()


def settings_of(folder: Path) -> dict[str, Any]:
    """What `encode` was given; InputError where it left nothing."""
    return read_run_of(COMMAND, folder)


def _encoder(run: ImageRun, latent: int, rank: int, seed: int) -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Encoder(run.shape, latent, rank, run.objective.std, run.objective.unit)


@torch.no_grad()
def _means(encoder: Encoder, images: ImageSet, sigma_min: float) -> Iterator[Tensor]:
    device = encoder.out.weight.device
    for start in range(0, len(images), CHUNK):
        code = clean(encoder, images.x0(slice(start, start + CHUNK)).to(device), sigma_min)
        yield code.mean(code.factor())


def _refuse(run: ImageRun) -> None:
    objective = run.objective
    for option, given in (
        ("--conditional", objective.conditional), ("--stages", objective.staged),
        (f"--condition {objective.condition}", objective.condition is not None),
        ("--latents", objective.latents is not None),
    ):  # fmt: skip
        if given:
            raise InputError(
                f"{run.path}: was trained with {option}, beside which no encoder is learned; give"
                " a run without"
            )


def _digest(denoiser: nn.Module) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(denoiser.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
