"""A picture that an image is to be drawn from, as planes beside it."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.models.haar import coarse, split

# Pixels between -1 and 1 over this are about of unit size, whatever the images are.
PAIR_DATA = 0.5


class PairPlanes:
    """The pair of every image is known; the network has its planes beside those of the image.

    Args:
        channels: Of a pair; 0 where the images have none.

    Raises:
        InputError: Where they have none.
    """

    def __init__(self, channels: int) -> None:
        if not channels:
            raise InputError(
                "--condition pair: the images have no pairs; give --pair with files of the same"
                " names, or --side-by-side, or an .npz with the key 'pairs'"
            )
        self.channels = channels

    def observe(
        self,
        x0: Tensor,
        label: Tensor | None = None,
        generator: torch.Generator | None = None,
        pair: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The pairs (n, channels, h, w) as they are."""
        if pair is None:
            raise InputError("a run with --condition pair needs the pair of every image")
        return {"given": pair}

    def noise(self, given: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Unit noise of the same shape."""
        at = given.device if generator is None else generator.device
        return torch.randn(given.shape, generator=generator, device=at).to(given)

    def project(self, x0: Tensor, seen: Mapping[str, Tensor]) -> Tensor:
        """InputError: nothing of x0 (n, c, h, w) is its pair."""
        raise InputError("a pair is no linear part of an image: it cannot be projected on")


def planes_at(given: Tensor, halvings: int, unit: float, withheld: Tensor | None) -> Tensor:
    """What a network sees of pairs at a side, and a plane of ones.

    Args:
        given: (n, c, h, w) at the full side.
        halvings: How often that is halved; pixels become the means of their cells.
        unit: What they are divided by.
        withheld: (n,) true where nothing is shown.

    Returns:
        (n, c + 1, h / 2^halvings, w / 2^halvings).
    """
    seen = coarse(given, halvings) / (unit * 2**halvings)
    shown = seen.new_ones(len(seen), 1, *seen.shape[2:])
    if withheld is not None:
        shown = shown.masked_fill(withheld.reshape(-1, 1, 1, 1), 0)
    return torch.cat([seen * shown, shown], 1)


def coefficients_at(given: Tensor, halvings: int) -> Tensor:
    """Coarse part and details of pairs beside the details of images that are born there.

    Args:
        given: (n, c, h, w) at the full side.
        halvings: Of the image that the details make.

    Returns:
        (n, 4 c, h / 2^(halvings + 1), w / 2^(halvings + 1)).
    """
    rough, details = split(coarse(given, halvings))
    return torch.cat([rough, details.flatten(1, 2)], 1)


def reflected(x: Tensor, side: int) -> Tensor:
    """x (n, c, h, w) with a mirrored edge, for a filter of so many pixels a side."""
    return functional.pad(x, (side // 2,) * 4, mode="reflect")
