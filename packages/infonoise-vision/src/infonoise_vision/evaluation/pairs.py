"""Images that were drawn from their pairs: how near to what they should be, and how different.

Of one input several images may be right, so several are drawn: the nearest of n says whether the
true one is among them, and how far two lie apart whether they are different at all. Draws from the
true posterior lie as far from each other as from the truth.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.evaluation.schema import Better, Row, Table
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import Reporter
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import Conditioning, LikelihoodBound
from infonoise_vision.evaluation.generated import Drawn, Plan, count, draw_plan, in_parts
from infonoise_vision.evaluation.measures import REAL, VALUE, row
from infonoise_vision.sampling.trained import ImageRun

# Inputs that more than one image is drawn of.
LIMIT = 256
# Squared distance between black and white.
_RANGE = 4.0


class Spread(NamedTuple):
    """Of n inputs, what k draws each are like; pixels from -1 to 1.

    Attributes:
        square: (n, k) mean square difference from the truth.
        apart: (n,) that of two draws of one input, on average; NaN where there is one alone.
    """

    square: Tensor
    apart: Tensor


def spread(drawn: Tensor, truth: Tensor) -> Spread:
    """Of images (n, k, c, h, w) and what they should be (n, c, h, w)."""
    square = (drawn - truth[:, None]).square().flatten(2).mean(2)
    apart = torch.full((len(drawn),), torch.nan)
    if drawn.shape[1] > 1:
        # The mean over pairs of draws is twice the variance.
        apart = 2 * drawn.flatten(2).var(1).mean(1)
    return Spread(square.double(), apart.double())


class Figures(NamedTuple):
    """Numbers of a `Spread`: root mean square differences, and decibels.

    Attributes:
        one, best: From the truth, of one draw and of the nearest of all.
        psnr_one, psnr_best: The mean of peak signal-to-noise ratios.
        apart: Between two draws of one input.
    """

    one: float
    best: float
    psnr_one: float
    psnr_best: float
    apart: float


def figures(found: Spread) -> Figures:
    """Over all inputs."""
    nearest = found.square.min(1).values
    one, best, apart = (float(part.mean()) ** 0.5 for part in (found.square, nearest, found.apart))
    return Figures(one, best, _decibels(found.square), _decibels(nearest), apart)


def _decibels(square: Tensor) -> float:
    return float((10 * (_RANGE / square.clamp_min(1e-12)).log10()).mean())


class Nats(NamedTuple):
    """A mean over examples and its standard error."""

    value: float
    stderr: float


def pair_information(
    denoiser: nn.Module,
    held_out: ImageSet,
    train: ImageSet,
    span: tuple[float, float],
    conditioning: Conditioning,
    null: Mapping[str, Tensor],
) -> Nats:
    """I(image; pair) in nats an image: what the likelihood bound falls by when pairs are given.

    Both bounds are taken at the same levels and noises. Of learned denoisers it is a difference of
    upper bounds, which may be off in either direction.

    Args:
        null: What stands for "no pair", one row (1, ...) of each argument.
    """

    def without(images: ImageSet, rows: np.ndarray) -> Mapping[str, Tensor]:
        hidden = {k: v.cpu().expand(len(rows), *v.shape[1:]) for k, v in null.items()}
        return {**conditioning(images, rows), **hidden}

    free, given = (
        LikelihoodBound(held_out, train, *span, conditioning=each).nats(denoiser)
        for each in (without, conditioning)
    )
    gained = free - given
    return Nats(float(gained.mean()), float(gained.std() / len(gained) ** 0.5))


def drawn_again(
    run: ImageRun,
    chosen: Plan,
    first: Drawn,
    sampler: SamplerConfig,
    draws: int,
    reporter: Reporter,
) -> tuple[Tensor, Tensor]:
    """Images (n, draws, c, h, w) of at most LIMIT inputs, and what they should be (n, c, h, w).

    Args:
        chosen: Which inputs, and of what images.
        first: What was drawn of them already.
    """
    n = min(LIMIT, first.n)
    few = replace(chosen, rows=chosen.rows[:n])
    draw = partial(draw_plan, run, few, condition=run.condition(), rounded=True)
    sets = [first.generated.take(np.arange(n))]
    for further in range(1, draws):
        again = draw(replace(sampler, seed=sampler.seed + further), reporter)
        sets.append(again.generated)
    assert first.truth is not None
    truth = first.truth.take(np.arange(n))
    images = torch.stack([torch.cat([*in_parts(images)]) for images in sets], 1)
    return images, torch.cat([*in_parts(truth)])


def pair_table(
    drawn: Tensor,
    truth: Tensor,
    information: Nats | None,
    features_of: Callable[[Tensor], Tensor] | None,
) -> Table:
    """What is reported of images (n, k, c, h, w) that were drawn from the pairs of `truth`.

    Args:
        truth: (n, c, h, w).
        features_of: Images (b, c, h, w) -> (b, d), of a classifier; None for none.
    """
    found, (n, k) = spread(drawn, truth), drawn.shape[:2]
    of, tag = figures(found), count(n)
    rows = [
        _distance(f"rmse_one_{tag}", found.square.mean(1), "lower",
                  "Root mean square difference of a drawn image from the true one, pixels from -1"
                  " to 1."),
    ]  # fmt: skip
    if k > 1:
        rows += [
            _distance(f"rmse_best_of_{k}_{tag}", found.square.min(1).values, "lower",
                      f"The same of the nearest of {k} images of one input."),
            _distance(f"apart_{tag}", found.apart, "",
                      "Root mean square difference of two images of one input: of the true"
                      " posterior it is that of one image from the true one; far less says that"
                      " draws are too much alike."),
        ]  # fmt: skip
    peak = "Mean peak signal-to-noise ratio in decibels"
    rows.append(row(f"psnr_one_{tag}", of.psnr_one, None, None, "higher", f"{peak}."))
    if k > 1:
        words = f"{peak}, of the nearest of {k}."
        rows.append(row(f"psnr_best_of_{k}_{tag}", of.psnr_best, None, None, "higher", words))
    if features_of is not None:
        near, far = _in_features(features_of, drawn[:, 0], truth)
        rows.append(row(
            f"feature_paired_clf_{tag}", near, far, None, "lower",
            "Root mean square difference of a drawn image from the true one, in features of a"
            " classifier of the training images; beside it that of true images of other inputs.",
        ))  # fmt: skip
    if information is not None:
        rows.append(row(
            "information_nats", information.value, None, information.stderr, "",
            "I(image; pair) in nats an image: what the likelihood bound falls by when the pair is"
            " given; a difference of two upper bounds.",
        ))  # fmt: skip
    settings = {"images": n, "draws": k}
    return Table("pairs", "images drawn from pairs", (VALUE, REAL), rows, settings)


def _distance(name: str, square: Tensor, better: Better, words: str) -> Row:
    """The root of the mean of squares (n,), with its error."""
    root = float(square.mean()) ** 0.5
    error = float(square.std()) / (2 * max(root, 1e-12) * len(square) ** 0.5)
    return row(name, root, None, error, better, words)


def _in_features(
    features_of: Callable[[Tensor], Tensor], drawn: Tensor, truth: Tensor
) -> tuple[float, float]:
    ours, true = features_of(drawn), features_of(truth)
    pairs = ((ours, true), (true.roll(1, 0), true))
    near, far = (float((one - other).square().mean()) ** 0.5 for one, other in pairs)
    return near, far
