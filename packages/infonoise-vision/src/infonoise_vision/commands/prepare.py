"""`infonoise-vision prepare`: images decoded once."""

from contextlib import ExitStack

from infonoise_core.training.data.records import BadRecords
from infonoise_core.training.progress import progress
from infonoise_vision.data.fingerprint import classed
from infonoise_vision.data.images import Parts
from infonoise_vision.data.latents import in_latents
from infonoise_vision.data.options import Reading
from infonoise_vision.data.prepare import prepare
from infonoise_vision.options import Prepare


def run_prepare(config: Prepare) -> None:
    """Write config.out and say what is in it."""
    bad = BadRecords(config.bad_limit)
    with ExitStack() as stack:
        reporters = {}

        def advance(done: int, total: int) -> None:
            if total not in reporters:
                reporters[total] = stack.enter_context(progress(total, "prepare"))
            reporters[total].advance(1)

        large = config.allow_large
        reading = Reading(
            config.size, config.limit, config.binarize, advance, bad, large,
            pair=config.pair, side_by_side=config.side_by_side,
        )  # fmt: skip
        train, held_out = prepare(
            config.data, config.out, reading, held_out=config.held_out, overwrite=config.overwrite
        )
    if config.latents is not None:
        both = Parts(train, held_out, own_test=True)
        parts = in_latents(both, config.latents, str(config.out))
        print(f"latents of {'x'.join(map(str, parts.train.shape))} are kept with them")
    print(
        f"{config.out}: {len(train)} images {'x'.join(map(str, train.shape))} of {train.name} and"
        f" {len(held_out)} held out, {train.levels or 'real-valued'}"
        f"{' grey levels' if train.levels else ''}{classed(train.classes) or ', 0 classes'}"
        f"{f', each with a pair of {train.pair_channels} channels' if train.pairs else ''}"
    )
    if bad.summary():
        print(bad.summary())
