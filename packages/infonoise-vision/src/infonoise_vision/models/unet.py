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


def level_sides(shape: tuple[int, int, int], levels: int) -> list[int]:
    """The longer side of the image at each of `levels` levels; every level halves, rounding up."""
    return [-(-max(shape[1:]) // 2**level) for level in range(levels)]


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm of at most 32 groups, with 4 channels or more in each where that is possible."""
    most = max(1, min(32, channels // 4))
    return nn.GroupNorm(next(g for g in range(most, 0, -1) if channels % g == 0), channels)


def halve(x: Tensor) -> Tensor:
    """(n, c, h, w) -> means of 2x2 cells; the last cell of an odd side is smaller: 7 becomes 4."""
    return functional.avg_pool2d(x, 2, ceil_mode=True)


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Repeat each pixel twice and cut at `size` (h, w), which is what `halve` was given."""
    return functional.interpolate(x, size=tuple(size), mode="nearest")


def refuse_unknown(
    label: Tensor | None, augment: Tensor | None, labelled: bool, augmented: bool
) -> None:
    """InputError for a condition that the network was not built for.

    Args:
        label: (n,) class.
        augment: (n, a) augment label.  None where it is not given.
    """
    if label is not None and not labelled:
        raise InputError("label given to a network without classes: build it with classes=N")
    if augment is not None and not augmented:
        raise InputError("augment given to a network without it: build it with augment=N")


class NoiseEmbedding(nn.Module):
    """c_noise (n,), label (n,) or None, augment (n, a) or None -> (n, channels).

    Sinusoids of c_noise at fixed frequencies, then two linear layers; between them a learned vector
    per label (`classes` is the null label's index) and a linear map of the augment label are added.
    """

    frequencies: Tensor

    def __init__(self, channels: int, classes: int, augment: int = 0) -> None:
        super().__init__()
        # c_noise = log(sigma) / 4 spans about 2.6 in EDM. The slowest wave turns less than once
        # over that, the fastest once per 0.8 nats of log sigma.
        frequencies = torch.logspace(-1, 5, channels // 2, base=2.0)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.first = nn.Linear(2 * len(frequencies), channels)
        self.second = nn.Linear(channels, channels)
        self.classes = classes
        self.label = nn.Embedding(classes + 1, channels) if classes else None
        self.augment = nn.Linear(augment, channels, bias=False) if augment else None

    def forward(
        self, c_noise: Tensor, label: Tensor | None = None, augment: Tensor | None = None
    ) -> Tensor:
        """Compute the angles in float32 whatever the weights are in."""
        refuse_unknown(label, augment, self.label is not None, self.augment is not None)
        angles = c_noise.to(torch.float32)[:, None] * self.frequencies.to(torch.float32)
        waves = torch.cat([angles.cos(), angles.sin()], dim=1)
        embedding = self.first(waves.to(self.first.weight.dtype))
        if self.label is not None:
            if label is None:
                label = torch.full_like(c_noise, self.classes, dtype=torch.long)
            embedding = embedding + self.label(label)
        if self.augment is not None and augment is not None:
            embedding = embedding + self.augment(augment.to(self.augment.weight.dtype))
        return functional.silu(self.second(functional.silu(embedding)))


class SelfAttention(nn.Module):
    """Every pixel attends to every other: (n, c, h, w) -> (n, c, h, w), the input added."""

    def __init__(self, channels: int, head_channels: int = 64) -> None:
        super().__init__()
        most = max(1, channels // head_channels)
        self.heads = next(h for h in range(most, 0, -1) if channels % h == 0)
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (n, c, h, w) -> (n, c, h, w)."""
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w)
        q, k, v = qkv.transpose(-1, -2).unbind(1)  # each (n, heads, pixels, channels per head)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(-1, -2).reshape(n, c, h, w))
        return x + out


class ResidualBlock(nn.Module):
    """Two convolutions, a scale and a shift from the embedding between them, and a shortcut.

    x (n, inputs, h, w), embedding (n, e) -> (n, outputs, h, w), half the size with `down`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        embedding: int,
        *,
        down: bool = False,
        attention: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.down = down
        self.norm_in = group_norm(inputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.norm_out = group_norm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.attention = SelfAttention(outputs) if attention else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (n, inputs, h, w), embedding (n, e) -> (n, outputs, h, w)."""
        h = functional.silu(self.norm_in(x))
        if self.down:
            x, h = halve(x), halve(h)
        h = self.conv_in(h)
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = functional.silu(torch.addcmul(shift, self.norm_out(h), 1 + scale))
        h = self.conv_out(self.dropout(h))
        out: Tensor = self.attention(self.shortcut(x) + h)
        return out


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


def with_given(x: Tensor, given: Tensor | None, channels: int) -> Tensor:
    """x (n, c, h, w) with the planes of its condition behind it, (n, c + channels, h, w).

    The planes are zeros where none are given.

    Raises:
        InputError: For planes that the network was not built for.
    """
    if given is None:
        return torch.cat([x, x.new_zeros(len(x), channels, *x.shape[2:])], 1) if channels else x
    if given.shape[1:] != (channels, *x.shape[2:]):
        raise InputError(
            f"given of shape {tuple(given.shape)} to a network with {channels} such channels:"
            " build it with given=N"
        )
    return torch.cat([x, given.to(x.dtype)], 1)


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
        for level, outputs in enumerate(widths):
            for i in range(blocks):
                down = level > 0 and i == 0
                self.encoder.append(block(channels, outputs, down=down, attention=attends[level]))
                channels = outputs
                skips.append(outputs)
        self.middle = block(channels, channels, attention=attends[-1])
        for level, outputs in reversed(list(enumerate(widths))):
            for _ in range(blocks):
                inputs = channels + skips.pop()
                self.decoder.append(block(inputs, outputs, attention=attends[level]))
                channels = outputs
        self.norm = group_norm(channels)
        self.out = nn.Conv2d(channels, shape[0], 3, padding=1)
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
        """(n, c, h, w) from x of that shape.

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
