"""The U-Nets of Karras et al. 2022 (EDM, 2206.00364, appendix F): DDPM++, NCSN++ and ADM.

DDPM++ and NCSN++ are of Song et al. 2021 (arXiv 2011.13456), ADM is of Dhariwal & Nichol 2021
(arXiv 2105.05233). All halve the image between levels, keep every block's output for the way back
up, and attend at the given resolutions. What sets them apart is in `Form`.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_vision.models.blocks import (
    SelfAttention,
    enlarge,
    filtered_double,
    filtered_half,
    group_norm,
    halve,
    level_sides,
    with_given,
)
from infonoise_vision.models.edm.form import Conditioning, Form
from infonoise_vision.models.unet import check_sizes

Resample = Literal["down", "up"]


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
        self.norm_in = group_norm(inputs, form.eps)
        self.conv_in = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs if form.modulated else outputs)
        self.norm_out = group_norm(outputs, form.eps)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = nn.Conv2d(outputs, outputs, 3, padding=1)
        projected = inputs != outputs or (form.projected and resample is not None)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if projected else nn.Identity()
        self.attention: SelfAttention | None = None
        if attention and form.attends(outputs):
            heads = form.head_channels or outputs
            self.attention = SelfAttention(outputs, heads, form.eps)

    def forward(self, x: Tensor, embedding: Tensor, size: Sequence[int]) -> Tensor:
        """`size` (h, w): what a block that doubles the side brings its output to."""
        h = functional.silu(self.norm_in(x))
        if self.resample == "down":
            down = filtered_half if self.form.residual else halve
            x, h = down(x), down(h)
        elif self.resample == "up":
            up = filtered_double if self.form.residual else enlarge
            x, h = up(x, size), up(h, size)
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


class _Kernel(nn.Conv2d):
    """Weights that are used in a step of its own; no adapter goes beside them."""


class Shrunk(nn.Module):
    """A convolution, then the filter of 4x4 at half the side: (n, c, h, w) -> (n, o, h/2, w/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _Kernel(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """As one step, the padding of both at once."""
        h = functional.conv2d(x, self.conv.weight, padding=2)
        bias: Tensor = self.conv.bias  # type: ignore[assignment]
        return filtered_half(h, padding=0) + bias[:, None, None]


class EDMUNet(nn.Module):
    """Raw network F(x, c_noise, label, augment, given) -> x's shape; zero before training.

    Args:
        form: DDPMPP, NCSNPP or ADM.  The other arguments are those of `model.UNet`; `blocks` is the
            number on the way down, and there is one more per level on the way up. Besides the
            resolutions in `attention`, one block at the bottom attends.
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

        self.embedding = Conditioning(width, classes, augment, form)
        channels = widths[0] if form.modulated else width
        self.stem = nn.Conv2d(shape[0] + given, channels, 3, padding=1)
        skips = [channels]
        self.encoder = nn.ModuleList()
        # NCSN++: the image again, at each level below the first.
        self.again = nn.ModuleList()
        source = shape[0] + given
        for level, wide in enumerate(widths):
            if level > 0:
                self.encoder.append(block(channels, channels, resample="down"))
                skips.append(channels)
                if form.residual:
                    self.again.append(Shrunk(source, channels))
                    source = channels
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
        self.norm = group_norm(channels, form.eps)
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
        image, again = x.to(h.dtype), iter(self.again)
        for block in self.encoder:
            h = block(h, embedding, h.shape[2:])
            if self.again and block.resample == "down":
                h = image = (h + next(again)(image)) * math.sqrt(0.5)
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
