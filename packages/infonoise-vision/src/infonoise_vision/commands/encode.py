"""`infonoise-vision encode` and `reconstruct`: latents of images, experimental."""

from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_vision.domain import images_of, open_run
from infonoise_vision.encoders.again import reconstruct
from infonoise_vision.encoders.learn import encode, settings_of
from infonoise_vision.encoders.options import Encode, Reconstruct
from infonoise_vision.sampling.images import check_out


def run_encode(config: Encode) -> None:
    """Leave an encoder and latents in config.out."""
    run = open_run(config.run, config.engine.device)
    encode(run, images_of(run, config.data), config)


def run_reconstruct(config: Reconstruct) -> None:
    """Write each picture drawn from its latent."""
    check_out(config.out, config.overwrite)
    path = config.run or Path(settings_of(config.encoder)["run"])
    if config.run is None and not path.exists():
        raise InputError(f"{config.encoder}: its run is not at {path}; say where with --run")
    print(reconstruct(open_run(path, config.sampler.device), config))
