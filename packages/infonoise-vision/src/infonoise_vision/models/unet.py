"""A small U-Net: the raw network F(x, c_noise, label) that core's EDM preconditioning wraps.

Residual blocks modulated by the noise level, as in Dhariwal & Nichol 2021 (arXiv 2105.05233) and
the DDPM++ form of Karras et al. 2022 (arXiv 2206.00364), at laptop scale.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.models.blocks import (
    NoiseEmbedding,
    ResidualBlock,
    enlarge,
    group_norm,
    level_sides,
    with_given,
)


class Preset(TypedDict):
    """The arguments of UNet that `preset` chooses."""

    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]


def preset(shape: tuple[int, int, int]) -> Preset:
    """Sizes of a UNet for images of `shape` (c, h, w) that trains on a laptop.

    About 0.2 M parameters up to 8x8, 0.5 M up to 16x16, 0.7 M up to 28x28, 1.5 M at 32x32, more
    above. Attention at every resolution up to 8, but for 8x8 images, where it bought nothing.
    """
    side = max(shape[1:])
    if side <= 8:
        return Preset(width=32, multipliers=(1, 1), blocks=1, attention=())
    width = 32 if side <= 28 else 48
    multipliers = [1, 2]
    while level_sides(shape, len(multipliers))[-1] > 8:
        multipliers.append(2)
    sides = level_sides(shape, len(multipliers))
    attention = tuple(s for s in sides if s <= 8)
    return Preset(width=width, multipliers=tuple(multipliers), blocks=1, attention=attention)


def check_sizes(
    shape: tuple[int, int, int],
    width: int,
    multipliers: Sequence[int],
    blocks: int,
    attention: Sequence[int],
    classes: int,
) -> None:
    """Refuse sizes that no UNet can have."""
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"shape={shape}: give (channels, height, width), each at least 1")
    if not multipliers or min(width, blocks, *multipliers) < 1:
        raise InputError(
            f"width={width}, multipliers={tuple(multipliers)}, blocks={blocks}: "
            "each must be at least 1, and there must be a multiplier"
        )
    if classes < 0:
        raise InputError(f"classes={classes}: give the number of classes, or 0 for none")
    sides = level_sides(shape, len(multipliers))
    unknown = [side for side in attention if side not in sides]
    if unknown:
        raise InputError(f"attention={unknown} is no resolution of this network: it has {sides}")


class UNet(nn.Module):
    """Raw network F(x, c_noise, label, augment, given) -> x's shape; zero before training.

    Raises InputError for sizes that cannot be built, and where `attention` names no level.

    Args:
        shape: (c, h, w) of one image, any h and w.
        width: Channels at full resolution.
        multipliers: Channels of each level as multiples of width; each level has half the side.
        blocks: Residual blocks per level on the way down, and again on the way up.
        attention: The resolutions (longer side of the image there) whose blocks attend.
        classes: Number of class labels, 0 for none; label `classes` means "not given".
        augment: Length of the augment label, 0 for none (see `augment`).
        given: Channels of an image that is a condition, 0 for none (see `conditions`).
        outputs: Channels of the result; None for those of an image.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 32,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 1,
        attention: Sequence[int] = (),
        dropout: float = 0.0,
        classes: int = 0,
        augment: int = 0,
        given: int = 0,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        check_sizes(shape, width, multipliers, blocks, attention, classes)
        self.shape, self.classes, self.given = shape, classes, given
        widths = [multiplier * width for multiplier in multipliers]
        attends = [side in attention for side in level_sides(shape, len(widths))]
        block = partial(ResidualBlock, embedding=4 * width, dropout=dropout)

        self.embedding = NoiseEmbedding(4 * width, classes, augment)
        self.stem = nn.Conv2d(shape[0] + given, width, 3, padding=1)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        channels, skips = width, []
        for level, wide in enumerate(widths):
            for i in range(blocks):
                down = level > 0 and i == 0
                self.encoder.append(block(channels, wide, down=down, attention=attends[level]))
                channels = wide
                skips.append(wide)
        self.middle = block(channels, channels, attention=attends[-1])
        for level, wide in reversed(list(enumerate(widths))):
            for _ in range(blocks):
                inputs = channels + skips.pop()
                self.decoder.append(block(inputs, wide, attention=attends[level]))
                channels = wide
        self.norm = group_norm(channels)
        self.out = nn.Conv2d(channels, shape[0] if outputs is None else outputs, 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        label: Tensor | None = None,
        augment: Tensor | None = None,
        given: Tensor | None = None,
    ) -> Tensor:
        """(n, c or outputs, h, w) from x (n, c, h, w).

        Args:
            x: (n, c, h, w) images.
            c_noise: (n,) noise level as the preconditioning gives it.
            label: (n,) int64 class.
            augment: (n, a) what was done to each image.
            given: (n, g, h, w) planes of the condition.
        """
        x = with_given(x, given, self.given)
        embedding = self.embedding(c_noise, label, augment)
        # Channels last makes a step 11 % faster from 14x14 on (2 CPU cores). Only the activations:
        # safetensors refuses parameters laid out that way.
        h = self.stem(x.to(self.stem.weight.dtype)).contiguous(memory_format=torch.channels_last)
        skips = []
        for block in self.encoder:
            h = block(h, embedding)
            skips.append(h)
        h = self.middle(h, embedding)
        for block in self.decoder:
            skip = skips.pop()
            if h.shape[2:] != skip.shape[2:]:
                h = enlarge(h, skip.shape[2:])
            h = block(torch.cat([h, skip], dim=1), embedding)
        out: Tensor = self.out(functional.silu(self.norm(h)))
        return out.contiguous()
