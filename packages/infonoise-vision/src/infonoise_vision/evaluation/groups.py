"""Where noise destroys which part of the images: the profile split over Haar bands or channels.

Both splits are orthonormal, so the parts of the squared error, and of the rate, sum to the whole.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.profiles.measured import Coefficients, group_rates, profile_of_rates
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import Conditioning, unconditional
from infonoise_vision.evaluation.options import By

BINS = 48
_COLOURS = ("red", "green", "blue")


def haar_bands(x: Tensor) -> dict[str, Tensor]:
    """(n, c, h, w) -> orthonormal Haar coefficients by scale (n, ...).

    "detail 2" in cells of 2x2 pixels, "detail 4" and so on, as long as both sides are even, then
    what is left, such as "coarse 8".
    """
    bands, side = {}, 1
    while x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0:
        side *= 2
        top, bottom = x[:, :, 0::2], x[:, :, 1::2]
        rows = [(top + bottom) / 2**0.5, (top - bottom) / 2**0.5]
        quarters = [
            (row[..., 0::2] + sign * row[..., 1::2]) / 2**0.5 for row in rows for sign in (1, -1)
        ]
        x = quarters[0]
        bands[f"detail {side}"] = torch.stack(quarters[1:], 1)
    if not bands:
        raise InputError(
            f"images of {x.shape[3]}x{x.shape[2]} pixels have no Haar bands: sides must be even"
        )
    return {**bands, f"coarse {side}": x}


def channels(x: Tensor) -> dict[str, Tensor]:
    """(n, c, h, w) -> each channel (n, h, w)."""
    c = x.shape[1]
    names = _COLOURS if c == 3 else tuple(f"channel {i}" for i in range(c))
    return dict(zip(names, x.unbind(1), strict=True))


SPLITS: dict[By, Callable[[Tensor], dict[str, Tensor]]] = {"haar": haar_bands, "channel": channels}


@torch.no_grad()
def grouped_profile(
    denoiser: Denoiser,
    images: ImageSet,
    channel: Channel,
    by: By,
    draws: int = 256,
    *,
    conditioning: Conditioning = unconditional,
    device: torch.device | None = None,
    progress: Callable[[int], None] | None = None,
) -> EntropyRateProfile:
    """The profile of a denoiser's errors on `images`, with the rate of each group.

    Args:
        draws: Noisy images per bin, taken in turn, at levels spread evenly in log sigma.
    """

    def take(which: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        rows = which.numpy()
        return images.x0(rows), conditioning(images, rows)

    edges = channel.edges(BINS)
    groups = Coefficients(SPLITS[by], images.x0(np.zeros(1, np.int64)))
    rates = group_rates(
        denoiser, take, len(images), edges, groups,
        draws=draws, generator=torch.Generator().manual_seed(0), device=device,
    )  # fmt: skip
    return profile_of_rates(rates, edges, images.dim, groups.names, progress)
