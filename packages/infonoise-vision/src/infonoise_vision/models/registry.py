"""Networks by name, from a laptop's to EDM's: one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from infonoise_vision.models.blocks import level_sides
from infonoise_vision.models.dit import DiT
from infonoise_vision.models.edm.form import ADM, ADM_1, DDPMPP, DDPMPP_1, NCSNPP, Form
from infonoise_vision.models.edm.unet import EDMUNet
from infonoise_vision.models.options import check_network, is_own, parse_sizes
from infonoise_vision.models.own import own_network
from infonoise_vision.models.theirs import is_theirs, settings_of, their_network
from infonoise_vision.models.unet import UNet, preset

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Inputs:
    """What a network must fit.

    Attributes:
        shape: (c, h, w) of an image.
        classes: Number of classes, 0 for none.
        augment: Length of the augment label, 0 for none.
        dropout: None for the preset's own.
        given: Channels of the condition, 0 for none.
        outputs: Channels of the result, None for those of the image.
        network_format: 1 for EDM's networks as runs before format 2 have them.
        theirs: Settings of a network of Diffusers, None for those in the file of its name.
    """

    shape: Shape
    classes: int = 0
    augment: int = 0
    dropout: float | None = None
    given: int = 0
    outputs: int | None = None
    network_format: int = 2
    theirs: Mapping[str, Any] | None = None


# Forms by name, and as runs of format 1 have them.
_FORMS = {"ddpmpp": DDPMPP, "ncsnpp": NCSNPP, "adm": ADM}
_OLD = {"ddpmpp": DDPMPP_1, "adm": ADM_1}


def small(given: Inputs, narrower: int = 1) -> nn.Module:
    """A U-Net that grows with the image.

    Args:
        narrower: What its width is divided by.
    """
    sizes = preset(given.shape)
    sizes["width"] //= narrower
    return UNet(
        given.shape, **sizes,
        dropout=given.dropout or 0.0, classes=given.classes, augment=given.augment,
        given=given.given, outputs=given.outputs,
    )  # fmt: skip


def edm(
    name: str, width: int, multipliers: tuple[int, ...], blocks: int, dropout: float
) -> Callable[[Inputs], nn.Module]:
    """An EDM U-Net.

    DDPM++ attends at 16x16, ADM at 32x32 and below (EDM, table 7); where the image has no such
    level, at the largest below.
    """

    def make(given: Inputs) -> nn.Module:
        form = _form(name, given)
        sides = level_sides(given.shape, len(multipliers))
        attention = [side for side in sides if side <= 32]
        if not form.all_attend:
            attention = [side for side in sides if side <= 16][:1]
        return EDMUNet(
            given.shape, form, width, multipliers, blocks, attention,
            dropout if given.dropout is None else given.dropout, given.classes, given.augment,
            given.given, given.outputs,
        )  # fmt: skip

    return make


def dit(width: int, depth: int, heads: int) -> Callable[[Inputs], nn.Module]:
    """A diffusion transformer on patches of 2x2."""

    def make(given: Inputs) -> nn.Module:
        return DiT(
            given.shape, width, depth, heads, 2,
            given.dropout or 0.0, given.classes, given.augment, given.given,
            given.outputs,
        )  # fmt: skip

    return make


NETWORKS: dict[str, Callable[[Inputs], nn.Module]] = {
    # 0.06 to 0.4 M parameters up to 32x32: trials on one busy core.
    "tiny": partial(small, narrower=2),
    # 0.2 to 1.5 M parameters up to 32x32: two CPU cores.
    "small": small,
    # 2 M: two CPU cores, slowly.
    "dit-tiny": dit(128, 6, 4),
    # 7 M: a desktop GPU.
    "ddpmpp-small": edm("ddpmpp", 64, (1, 2, 2), 2, 0.1),
    # 33 M: DiT-S/2 of the paper.
    "dit-small": dit(384, 12, 6),
    # 55.7 M: EDM's for CIFAR-10.
    "ddpmpp-cifar10": edm("ddpmpp", 128, (2, 2, 2), 4, 0.13),
    # 61.8 M: EDM's for FFHQ at 64x64.
    "ddpmpp-ffhq64": edm("ddpmpp", 128, (1, 2, 2, 2), 4, 0.05),
    # 295.9 M: EDM's for ImageNet at 64x64.
    "adm-imagenet64": edm("adm", 192, (1, 2, 3, 4), 3, 0.1),
}


def make_network(name: str, given: Inputs) -> nn.Module:
    """A fresh network of that name, with torch's global generator; InputError for unknown names."""
    check_network(name)
    if is_theirs(name):
        settings = given.theirs or settings_of(name)
        return their_network(settings, given.shape, given.classes, given.dropout)
    if is_own(name):
        return _own(name, given)
    sizes = parse_sizes(name)
    if sizes is None:
        return NETWORKS[name](given)
    return EDMUNet(
        given.shape, _form(sizes.form, given), sizes.width, sizes.multipliers, sizes.blocks,
        sizes.attention, given.dropout or 0.0, given.classes, given.augment, given.given,
        given.outputs,
    )  # fmt: skip


def _own(name: str, given: Inputs) -> nn.Module:
    c, h, w = given.shape
    condition = {
        "label": torch.zeros(1 if given.classes else 0, dtype=torch.int64),
        "augment": torch.zeros(1 if given.augment else 0, given.augment),
        "given": torch.zeros(1 if given.given else 0, given.given, h, w),
    }
    condition = {key: value for key, value in condition.items() if len(value)}
    return own_network(name, given, torch.zeros(1, c, h, w), condition, given.outputs or c)


def _form(name: str, given: Inputs) -> Form:
    old = given.network_format < 2 and name in _OLD
    return _OLD[name] if old else _FORMS[name]
