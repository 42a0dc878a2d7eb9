"""Augmentation that does not leak: the network is given what was done to an image.

Karras et al. 2022 (EDM, arXiv 2206.00364, appendix F.2): flips, scaling, rotation, anisotropic
scaling and translation, each drawn with probability p, and a label of 9 numbers that is zero for
an image left as it is. The sampler gives no label, which means zero.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.errors import InputError

# Length of the label.
AUGMENT_DIM = 9
# One standard deviation: a factor of 2^0.2, and an eighth of the image.
_OCTAVES = 0.2
_SHIFT = 0.125


@dataclass(frozen=True)
class Transforms:
    """What is done to each of n images; all zero means nothing.

    Attributes:
        mirror, flip: (n,) 0 or 1, left to right and upside down.
        scale: (n,) times 0.2 octaves.
        angle: (n,) radians, counter-clockwise as the image is looked at.
        stretch, direction: (n,) times 0.2 octaves along `direction` (radians), shrunk by as
            much across it.
        shift: (n, 2) to the right and down, times an eighth of the width and height.
    """

    mirror: Tensor
    flip: Tensor
    scale: Tensor
    angle: Tensor
    stretch: Tensor
    direction: Tensor
    shift: Tensor

    def label(self) -> Tensor:
        """(n, 9) what the network is given: zero where nothing was done."""
        columns = (
            self.mirror,
            self.flip,
            self.scale,
            self.angle.cos() - 1,
            self.angle.sin(),
            self.stretch * self.direction.cos(),
            self.stretch * self.direction.sin(),
            *self.shift.unbind(1),
        )
        return torch.stack(columns, dim=1)


def draw(
    n: int,
    p: float,
    *,
    exact: bool = False,
    device: torch.device | str | None = None,
    generator: torch.Generator | None = None,
) -> Transforms:
    """n random transforms, each part with probability p.

    With p > 0 half of all are mirrored, and half of all stretches are along rows or columns.

    Args:
        exact: Flips only, which keep pixel values (for images of few grey levels).
    """
    if not 0 <= p <= 1:
        raise InputError(f"--augment {p}: give a probability between 0 and 1, like 0.12")

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, device=device, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, generator=generator)

    def sometimes(value: Tensor, share: float) -> Tensor:
        chosen = uniform(n) < share
        return torch.where(chosen if value.dim() == 1 else chosen[:, None], value, 0.0)

    def turn() -> Tensor:
        return (2 * uniform(n) - 1) * math.pi

    bent = 0.0 if exact else p
    return Transforms(
        mirror=sometimes(torch.ones(n, device=device), 0.5 if p else 0.0),
        flip=sometimes(torch.ones(n, device=device), p / 2),
        scale=sometimes(normal(n), bent),
        angle=sometimes(turn(), bent),
        stretch=sometimes(normal(n), bent),
        direction=sometimes(turn(), 0.5),
        shift=sometimes(normal(n, 2), bent),
    )


def apply(x: Tensor, t: Transforms) -> Tensor:
    """Images x (n, c, h, w) transformed: flips first, then scale, rotation, stretch and shift.

    Flips move pixels. The rest is one bicubic resampling (EDM filters at twice the resolution
    instead), what lies outside is mirrored in, and an image with no such part is left untouched.
    """
    h, w = x.shape[2:]
    x = torch.where(t.mirror[:, None, None, None] > 0, x.flip(3), x)
    x = torch.where(t.flip[:, None, None, None] > 0, x.flip(2), x)
    bent = (t.scale != 0) | (t.angle != 0) | (t.stretch != 0) | (t.shift != 0).any(1)
    # Where each pixel comes from, measured from the middle of the image.
    columns = torch.arange(w, device=x.device) - (w - 1) / 2
    rows = torch.arange(h, device=x.device) - (h - 1) / 2
    places = torch.stack([columns.repeat(h), rows.repeat_interleave(w)], dim=1)
    moved = _SHIFT * torch.stack([w * t.shift[:, 0], h * t.shift[:, 1]], dim=1)
    origins = (places - moved[:, None]) @ _inverse(t).transpose(1, 2)
    from_corner = torch.stack([origins[..., 0] + (w - 1) / 2, origins[..., 1] + (h - 1) / 2], -1)
    return torch.where(bent[:, None, None, None], resample(x, from_corner), x)


def resample(x: Tensor, places: Tensor) -> Tensor:
    """x (n, c, h, w) at places (n, h w, 2) of column and row, mirrored at its edges.

    Cubic convolution (Keys 1981) with the slope of the centred difference, which keeps places
    right; torch's own kernel moves a spot by up to a twentieth of a pixel.
    """
    n, c, h, w = x.shape
    base = places.floor()
    weights = _cubic(places - base)
    whole = base.long()
    flat = x.reshape(n, c, h * w)
    out = torch.zeros_like(flat)
    for i in range(4):
        row = _mirrored(whole[:, :, 1] + i - 1, h) * w
        for j in range(4):
            index = row + _mirrored(whole[:, :, 0] + j - 1, w)
            taken = flat.gather(2, index[:, None].expand(-1, c, -1))
            out = out + taken * (weights[i][:, :, 1] * weights[j][:, :, 0])[:, None]
    return out.reshape(x.shape)


def _cubic(t: Tensor) -> list[Tensor]:
    """Weights of the four neighbours of a place a share t beyond the second of them."""
    return [
        ((1 - 0.5 * t) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((2 - 1.5 * t) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    ]


def _mirrored(index: Tensor, side: int) -> Tensor:
    """Any whole numbers -> 0 .. side - 1, as in an image with mirrors at its edges."""
    inside = index % (2 * side)
    return torch.minimum(inside, 2 * side - 1 - inside)


def _inverse(t: Transforms) -> Tensor:
    """(n, 2, 2) from a pixel's place (x to the right, y down) to where it came from."""
    grow, stretch = torch.exp2(-_OCTAVES * t.scale), torch.exp2(-_OCTAVES * t.stretch)
    along = torch.diag_embed(torch.stack([stretch, 1 / stretch], dim=1))
    unstretch = _rotation(t.direction) @ along @ _rotation(-t.direction)
    return grow[:, None, None] * _rotation(-t.angle) @ unstretch


def _rotation(angle: Tensor) -> Tensor:
    """(n, 2, 2), counter-clockwise where y points down."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, sin], dim=1), torch.stack([-sin, cos], dim=1)], dim=1)
