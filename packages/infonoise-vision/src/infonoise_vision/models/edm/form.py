"""What sets the U-Nets of Karras et al. 2022 apart, and how they are told of noise and classes."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_vision.models.blocks import refuse_unknown


@dataclass(frozen=True)
class Form:
    """What sets DDPM++, NCSN++ and ADM apart.

    Attributes:
        modulated: The embedding scales and shifts inside a block; else it only shifts.
        residual_scale: Of every sum of a block with its shortcut.
        projected: The shortcut has a 1x1 convolution wherever the block resamples.
        head_channels: Channels of an attention head; None means one head.
        all_attend: On the way up every block of an attending level attends; else only the last.
        label_after: A label is added after the embedding's linear layers; else before.
        eps: Of the norms.
        few_attend: Blocks of fewer channels than a head attend too, with one head.
        endless: Frequencies of the noise are 1e-4^(k/half), and cosines come first; else
            1e-4^(k/(half-1)), and sines do.
        residual: NCSN++: random frequencies that are kept with the weights, resampling by a
            filter of 4x4, and a second path of the image on the way down.
    """

    modulated: bool
    residual_scale: float
    projected: bool
    head_channels: int | None
    all_attend: bool
    label_after: bool
    eps: float = 1e-5
    few_attend: bool = True
    endless: bool = False
    residual: bool = False

    def attends(self, channels: int) -> bool:
        """Whether a block of so many channels may."""
        return self.few_attend or self.head_channels is None or channels >= self.head_channels


# As runs before format 2 have them: other numbers than EDM's in three places.
DDPMPP_1 = Form(
    modulated=False, residual_scale=math.sqrt(0.5), projected=True, head_channels=None,
    all_attend=False, label_after=False,
)  # fmt: skip
ADM_1 = Form(
    modulated=True, residual_scale=1.0, projected=False, head_channels=64,
    all_attend=True, label_after=True,
)  # fmt: skip
DDPMPP = replace(DDPMPP_1, eps=1e-6)
NCSNPP = replace(DDPMPP, residual=True)
ADM = replace(ADM_1, few_attend=False, endless=True)


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

    def __init__(self, width: int, classes: int, augment: int, form: Form) -> None:
        super().__init__()
        self.label_after = label_after = form.label_after
        self.cosines_first = form.endless
        self.register_buffer("frequencies", _frequencies(width, form), persistent=form.residual)
        half = len(self.frequencies)
        self.first = nn.Linear(2 * half, 4 * width)
        self.second = nn.Linear(4 * width, 4 * width)
        channels = 4 * width if label_after else 2 * half
        self.label = LabelVectors(classes, channels) if classes else None
        self.augment = nn.Linear(augment, 2 * half, bias=False) if augment else None

    def forward(self, c_noise: Tensor, label: Tensor | None, augment: Tensor | None) -> Tensor:
        """Compute the angles in float32 whatever the weights are in."""
        refuse_unknown(label, augment, self.label is not None, self.augment is not None)
        angles = c_noise.to(torch.float32)[:, None] * self.frequencies.to(torch.float32)
        dtype = self.first.weight.dtype
        waves = (angles.cos(), angles.sin()) if self.cosines_first else (angles.sin(), angles.cos())
        h = torch.cat(waves, dim=1).to(dtype)
        if self.augment is not None and augment is not None:
            h = h + self.augment(augment.to(dtype))
        given = self.label(label) if self.label is not None and label is not None else None
        if given is not None and not self.label_after:
            h = h + given
        h = self.second(functional.silu(self.first(h)))
        if given is not None and self.label_after:
            h = h + given
        return functional.silu(h)


def _frequencies(width: int, form: Form) -> Tensor:
    """(half,) radians per unit c_noise."""
    half = width // 2
    if form.residual:
        # Twice as many waves as the others have, 16 times a normal number of turns each.
        return 2 * math.pi * 16 * torch.randn(width)
    if form.endless:
        # In the order of EDM's operations, as float32 keeps differences of it.
        steps = torch.arange(half, dtype=torch.float32) / half
        frequencies: Tensor = (1 / 10000) ** steps
        return frequencies
    return torch.logspace(0, -4, half)
