"""`infonoise-vision translate`: images drawn from the pictures that are to be their pairs."""

from infonoise_vision.domain import open_run
from infonoise_vision.evaluation.options import Translate
from infonoise_vision.evaluation.translated import write_translated
from infonoise_vision.sampling.images import check_out


def run_translate(config: Translate) -> None:
    """Write the images of each picture, and say how far they are from those that are given."""
    check_out(config.out, config.overwrite)
    print(write_translated(open_run(config.run, config.sampler.device), config))
