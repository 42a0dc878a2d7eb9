"""What U-Nets are built of: embeddings, attention and residual blocks.

Blocks modulated by the noise level, as in Dhariwal & Nichol 2021 (arXiv 2105.05233).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError


def level_sides(shape: tuple[int, int, int], levels: int) -> list[int]:
    """The longer side of the image at each of `levels` levels; every level halves, rounding up."""
    return [-(-max(shape[1:]) // 2**level) for level in range(levels)]


def group_norm(channels: int, eps: float = 1e-5) -> nn.GroupNorm:
    """Group norm of at most 32 groups, with 4 channels or more in each where that is possible."""
    most = max(1, min(32, channels // 4))
    groups = next(g for g in range(most, 0, -1) if channels % g == 0)
    return nn.GroupNorm(groups, channels, eps)


def halve(x: Tensor) -> Tensor:
    """(n, c, h, w) -> means of 2x2 cells; the last cell of an odd side is smaller: 7 becomes 4."""
    return functional.avg_pool2d(x, 2, ceil_mode=True)


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Repeat each pixel twice and cut at `size` (h, w), which is what `halve` was given."""
    return functional.interpolate(x, size=tuple(size), mode="nearest")


def filtered_half(x: Tensor, padding: int = 1) -> Tensor:
    """(n, c, h, w) -> half the side, by the filter (1, 3, 3, 1) / 8 along rows and columns."""
    kernel = _filter(x)
    return functional.conv2d(x, kernel, stride=2, padding=padding, groups=x.shape[1])


def filtered_double(x: Tensor, size: Sequence[int]) -> Tensor:
    """(n, c, h, w) -> twice the side by the same filter, cut at `size` (h, w)."""
    kernel = 4 * _filter(x)
    doubled = functional.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])
    return doubled[..., : size[0], : size[1]]


def _filter(x: Tensor) -> Tensor:
    row = x.new_tensor([1.0, 3.0, 3.0, 1.0])
    return (row[:, None] * row / 64).expand(x.shape[1], 1, 4, 4)


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

    def __init__(self, channels: int, head_channels: int = 64, eps: float = 1e-5) -> None:
        super().__init__()
        most = max(1, channels // head_channels)
        self.heads = next(h for h in range(most, 0, -1) if channels % h == 0)
        self.norm = group_norm(channels, eps)
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
