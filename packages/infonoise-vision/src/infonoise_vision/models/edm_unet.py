"""The two U-Nets of Karras et al. 2022 (EDM, arXiv 2206.00364, appendix F): DDPM++ and ADM.

DDPM++ is the network of Song et al. 2021 (arXiv 2011.13456), ADM that of Dhariwal & Nichol 2021
(arXiv 2105.05233). Both halve the image between levels, keep every block's output for the way back
up, and attend at the given resolutions. What sets them apart is in `Form`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_vision.models.blocks import (
    SelfAttention,
    enlarge,
    group_norm,
    halve,
    level_sides,
    refuse_unknown,
    with_given,
)
from infonoise_vision.models.unet import check_sizes


@dataclass(frozen=True)
class Form:
    """What sets DDPM++ and ADM apart.

    Attributes:
        modulated: The embedding scales and shifts inside a block; else it only shifts.
        residual_scale: Of every sum of a block with its shortcut.
        projected: The shortcut has a 1x1 convolution wherever the block resamples.
        head_channels: Channels of an attention head; None means one head.
        all_attend: On the way up every block of an attending level attends; else only the last.
        label_after: A label is added after the embedding's linear layers; else before.
    """

    modulated: bool
    residual_scale: float
    projected: bool
    head_channels: int | None
    all_attend: bool
    label_after: bool


DDPMPP = Form(
    modulated=False, residual_scale=math.sqrt(0.5), projected=True, head_channels=None,
    all_attend=False, label_after=False,
)  # fmt: skip
ADM = Form(
    modulated=True, residual_scale=1.0, projected=False, head_channels=64,
    all_attend=True, label_after=True,
)  # fmt: skip

Resample = Literal["down", "up"]


class LabelVectors(nn.Module):
    """label (n,) int64 -> (n, channels); zero for the null label `classes`.

    Without a bias: the linear layer that follows in DDPM++ has one.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.classes = classes
        self.weight = nn.Parameter(torch.randn(classes, channels))

    def forward(self, label: Tensor) -> Tensor:
        """As a product with one-hot rows, so that no value is looked at."""
        indices = torch.arange(self.classes, device=label.device)
        return (label[:, None] == indices).to(self.weight.dtype) @ self.weight


class Conditioning(nn.Module):
    """c_noise (n,), label (n,) or None, augment (n, a) or None -> (n, 4 width)."""

    frequencies: Tensor

    def __init__(self, width: int, classes: int, augment: int, label_after: bool) -> None:
        super().__init__()
        frequencies = torch.logspace(0, -4, width // 2)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.label_after = label_after
        self.first = nn.Linear(2 * len(frequencies), 4 * width)
        self.second = nn.Linear(4 * width, 4 * width)
        channels = 4 * width if label_after else 2 * len(frequencies)
        self.label = LabelVectors(classes, channels) if classes else None
        self.augment = nn.Linear(augment, 2 * len(frequencies), bias=False) if augment else None

    def forward(self, c_noise: Tensor, label: Tensor | None, augment: Tensor | None) -> Tensor:
        """Compute the angles in float32 whatever the weights are in."""
        refuse_unknown(label, augment, self.label is not None, self.augment is not None)
        angles = c_noise.to(torch.float32)[:, None] * self.frequencies.to(torch.float32)
        dtype = self.first.weight.dtype
        h = torch.cat([angles.sin(), angles.cos()], dim=1).to(dtype)
        if self.augment is not None and augment is not None:
            h = h + self.augment(augment.to(dtype))
        given = self.label(label) if self.label is not None and label is not None else None
        if given is not None and not self.label_after:
            h = h + given
        h = self.second(functional.silu(self.first(h)))
        if given is not None and self.label_after:
            h = h + given
        return functional.silu(h)


class Block(nn.Module):
    """Two convolutions with the embedding between them, a shortcut, and perhaps attention.

    x (n, inputs, h, w), embedding (n, e) -> (n, outputs, ...), at half or twice the side where
    `resample` says so. Starts as its shortcut: the second convolution is zero.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        embedding: int,
        form: Form,
        *,
        resample: Resample | None = None,
        attention: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.form, self.resample = form, resample
        self.norm_in = group_norm(inputs)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs if form.modulated else outputs)
        self.norm_out = group_norm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, padding=1)
        projected = inputs != outputs or (form.projected and resample is not None)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if projected else nn.Identity()
        self.attention: SelfAttention | None = None
        if attention:
            self.attention = SelfAttention(outputs, form.head_channels or outputs)

    def forward(self, x: Tensor, embedding: Tensor, size: Sequence[int]) -> Tensor:
        """`size` (h, w): what a block that doubles the side brings its output to."""
        h = functional.silu(self.norm_in(x))
        if self.resample == "down":
            x, h = halve(x), halve(h)
        elif self.resample == "up":
            x, h = enlarge(x, size), enlarge(h, size)
        h = self.conv_in(h)
        modulation = self.modulation(embedding)[:, :, None, None]
        if self.form.modulated:
            scale, shift = modulation.chunk(2, dim=1)
            h = torch.addcmul(shift, self.norm_out(h), 1 + scale)
        else:
            h = self.norm_out(h + modulation)
        h = self.conv_out(self.dropout(functional.silu(h)))
        out: Tensor = (self.shortcut(x) + h) * self.form.residual_scale
        if self.attention is not None:
            out = self.attention(out) * self.form.residual_scale
        return out


class EDMUNet(nn.Module):
    """Raw network F(x, c_noise, label, augment, given) -> x's shape; zero before training.

    Args:
        form: DDPMPP or ADM.  The other arguments are those of `model.UNet`; `blocks` is the
            number on the way down, and there is one more per level on the way up. Besides the
            resolutions in `attention`, one block at the bottom attends, in both forms.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        form: Form,
        width: int,
        multipliers: Sequence[int],
        blocks: int,
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
        block = partial(Block, embedding=4 * width, form=form, dropout=dropout)

        self.embedding = Conditioning(width, classes, augment, form.label_after)
        channels = widths[0] if form.modulated else width
        self.stem = nn.Conv2d(shape[0] + given, channels, 3, padding=1)
        skips = [channels]
        self.encoder = nn.ModuleList()
        for level, wide in enumerate(widths):
            if level > 0:
                self.encoder.append(block(channels, channels, resample="down"))
                skips.append(channels)
            for _ in range(blocks):
                self.encoder.append(block(channels, wide, attention=attends[level]))
                channels = wide
                skips.append(channels)
        self.middle = nn.ModuleList(
            [block(channels, channels, attention=True), block(channels, channels)]
        )
        self.decoder = nn.ModuleList()
        self.doubles: list[bool] = []  # which blocks of the decoder do
        for level, wide in reversed(list(enumerate(widths))):
            if level < len(widths) - 1:
                self.decoder.append(block(channels, channels, resample="up"))
                self.doubles.append(True)
            for i in range(blocks + 1):
                here = attends[level] and (form.all_attend or i == blocks)
                self.decoder.append(block(channels + skips.pop(), wide, attention=here))
                self.doubles.append(False)
                channels = wide
        self.norm = group_norm(channels)
        self.out = nn.Conv2d(channels, shape[0] if outputs is None else outputs, 3, padding=1)
        if not form.modulated:
            self.apply(spread_evenly)
        self.apply(silence)
        zeroed(self.out)

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
        h = self.stem(x.to(self.stem.weight.dtype)).contiguous(memory_format=torch.channels_last)
        skips = [h]
        for block in self.encoder:
            h = block(h, embedding, h.shape[2:])
            skips.append(h)
        for block in self.middle:
            h = block(h, embedding, h.shape[2:])
        for block, doubles in zip(self.decoder, self.doubles, strict=True):
            if not doubles:
                h = torch.cat([h, skips.pop()], dim=1)
            h = block(h, embedding, skips[-1].shape[2:] if doubles else h.shape[2:])
        out: Tensor = self.out(functional.silu(self.norm(h)))
        return out.contiguous()


def zeroed(layer: nn.Conv2d) -> None:
    """Set weights and bias to zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def silence(layer: nn.Module) -> None:
    """Set to zero what is added to a shortcut, so that blocks start as their shortcuts."""
    if isinstance(layer, Block):
        zeroed(layer.conv_out)
    if isinstance(layer, SelfAttention):
        zeroed(layer.out)


def spread_evenly(layer: nn.Module) -> None:
    """DDPM++'s start: weights uniform by fan-in and fan-out (Glorot), biases zero.

    What attention reads gets a fifth of the variance.
    """
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if isinstance(layer, SelfAttention):
        nn.init.xavier_uniform_(layer.qkv.weight, gain=math.sqrt(0.2))
