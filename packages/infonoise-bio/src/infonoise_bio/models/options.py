"""Sizes of networks and names of encodings, free of heavy imports."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from infonoise_core.errors import InputError

Kind = Literal["cnn", "transformer", "coarse"]

# What `encoding.make_encoding` makes.
ENCODING_NAMES = ("one-hot", "one-hot-01", "bits", "tetrahedron")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a network; `preset` has some."""

    kind: Kind = "cnn"
    """cnn (dilated), transformer, or coarse: a cnn with attention over means of bases"""
    width: int = 64
    """channels"""
    depth: int = 6
    """residual blocks"""
    kernel: int = 5
    """bases a convolution of the cnn sees, odd"""
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """spacings of the cnn's convolutions, in turn"""
    heads: int = 4
    """heads of attention"""
    stretch: int | None = None
    """bases that coarse attention sees as one, 32 by default; None, so that settings of runs from
    before it stay as they were"""
    positions: bool = True
    """learn what is special about each position: for aligned sequences"""
    equivariant: bool = False
    """the same answer on both strands, at twice the time of a step"""
    dropout: float = 0.0
    """share of activations dropped in training"""
    causal: bool = False
    """an output hangs on features at its place and before only"""

    def __post_init__(self) -> None:
        if self.causal and self.kind == "coarse":
            raise InputError(
                "a coarse network sees the bases after a place: it cannot be autoregressive; give"
                " --network cnn or transformer"
            )
        if self.causal and self.equivariant:
            raise InputError("a causal network reads one strand: it cannot be equivariant")
        if (
            min(self.width, self.depth, self.heads, self.stretch or 1, *self.dilations) < 1
            or not self.dilations
        ):
            raise InputError("sizes of a network: give whole numbers of at least 1")
        if self.stretch is not None and self.stretch < 1:
            raise InputError(f"stretch {self.stretch}: give at least one base")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"kernel {self.kernel}: give an odd number of bases")
        if self.kind != "cnn" and self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} with {self.heads} heads: give a multiple of {2 * self.heads}"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout:g}: give a share from 0 to below 1")


# Millions of parameters at 50 bases, CNN and transformer: laptop 0.3 and 0.4, small 2 and 3, medium
# 17 and 25, large 79 and 112.
SIZES = {
    "laptop": {"cnn": (64, 6), "transformer": (64, 4), "coarse": (64, 6)},
    "small": {"cnn": (144, 8), "transformer": (144, 6), "coarse": (144, 9)},
    "medium": {"cnn": (320, 14), "transformer": (320, 10), "coarse": (320, 12)},
    "large": {"cnn": (640, 16), "transformer": (576, 14), "coarse": (576, 15)},
}


def preset(
    size: str = "laptop",
    kind: Kind = "cnn",
    *,
    positions: bool = True,
    equivariant: bool = False,
) -> NetworkConfig:
    """A network by size: laptop (two cores), small, medium (a GPU) or large."""
    if size not in SIZES or kind not in SIZES[size]:
        raise InputError(
            f"network {kind}, {size}: give cnn, transformer or coarse, and one of"
            f" {', '.join(SIZES)}"
        )
    width, depth = SIZES[size][kind]
    config = NetworkConfig(kind, width, depth, positions=positions, equivariant=equivariant)
    return config if width < 256 else replace(config, heads=8, dilations=(1, 2, 4, 8, 16))


def check_encoding(name: str, scale: float) -> None:
    """InputError for an unknown encoding, and for a scale that is not positive."""
    if name not in ENCODING_NAMES:
        raise InputError(f"--encoding {name}: no such encoding; give {', '.join(ENCODING_NAMES)}")
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"--scale {scale:g}: give a positive number")
