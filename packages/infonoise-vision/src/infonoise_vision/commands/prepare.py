"""`infonoise-vision prepare`: images decoded once."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from infonoise_core.training.data.records import BadRecords
from infonoise_core.training.progress import progress
from infonoise_vision.data.options import Reading


@dataclass(frozen=True)
class Prepare:
    """Decode images once, into a folder that every other command opens at once."""

    data: Positional[str]
    """a folder or archive of images, hf:NAME, or digits"""
    out: Path
    """folder to write"""
    size: int | None = None
    """crop to a square and resize to this many pixels"""
    binarize: float | None = None
    """make pixels black or white: white above this share of the brightest, such as 0.5"""
    limit: int | None = None
    """keep that many images, evenly spaced through the data"""
    held_out: float | None = None
    """where the data have no test images: share (below 1) or number of those to hold out; default a
    fifth, at most 10,000"""
    bad_limit: int = 0
    """image files that may be unreadable or of another size; they are named and left out"""
    overwrite: bool = False
    """replace what an earlier prepare left in --out"""


def run_prepare(config: Prepare) -> None:
    """Write config.out and say what is in it."""
    from infonoise_vision.data.prepare import prepare

    bad = BadRecords(config.bad_limit)
    with ExitStack() as stack:
        reporters = {}

        def advance(done: int, total: int) -> None:
            if total not in reporters:
                reporters[total] = stack.enter_context(progress(total, "prepare"))
            reporters[total].advance(1)

        reading = Reading(config.size, config.limit, config.binarize, advance, bad)
        train, held_out = prepare(
            config.data, config.out, reading, held_out=config.held_out, overwrite=config.overwrite
        )
    print(
        f"{config.out}: {len(train)} images {'x'.join(map(str, train.shape))} of {train.name} and"
        f" {len(held_out)} held out, {train.levels or 'real-valued'}"
        f"{' grey levels' if train.levels else ''}, {len(train.classes)} classes"
    )
    if bad.summary():
        print(bad.summary())
