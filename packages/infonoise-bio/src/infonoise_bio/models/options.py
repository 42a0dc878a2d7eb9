"""Sizes of networks and names of encodings, free of heavy imports."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from infonoise_core.errors import InputError

Kind = Literal["cnn", "transformer"]

# What `encoding.make_encoding` makes.
ENCODING_NAMES = ("one-hot", "one-hot-01", "bits", "tetrahedron")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a network; `preset` has some."""

    kind: Kind = "cnn"
    """cnn (dilated) or transformer"""
    width: int = 64
    """channels"""
    depth: int = 6
    """residual blocks"""
    kernel: int = 5
    """bases a convolution of the cnn sees, odd"""
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """spacings of the cnn's convolutions, in turn"""
    heads: int = 4
    """attention heads of the transformer"""
    positions: bool = True
    """learn what is special about each position: for aligned sequences"""
    equivariant: bool = False
    """the same answer on both strands, at twice the time of a step"""
    dropout: float = 0.0
    """share of activations dropped in training"""
    causal: bool = False
    """an output hangs on features at its place and before only"""

    def __post_init__(self) -> None:
        if self.causal and self.equivariant:
            raise InputError("a causal network reads one strand: it cannot be equivariant")
        if min(self.width, self.depth, self.heads, *self.dilations) < 1 or not self.dilations:
            raise InputError("sizes of a network: give whole numbers of at least 1")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"kernel {self.kernel}: give an odd number of bases")
        if self.kind == "transformer" and self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} with {self.heads} heads: give a multiple of {2 * self.heads}"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout:g}: give a share from 0 to below 1")


# Millions of parameters at 50 bases, CNN and transformer: laptop 0.3 and 0.4, small 2 and 3, medium
# 17 and 25, large 79 and 112.
SIZES = {
    "laptop": {"cnn": (64, 6), "transformer": (64, 4)},
    "small": {"cnn": (144, 8), "transformer": (144, 6)},
    "medium": {"cnn": (320, 14), "transformer": (320, 10)},
    "large": {"cnn": (640, 16), "transformer": (576, 14)},
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
            f"network {kind}, {size}: give cnn or transformer, and one of {', '.join(SIZES)}"
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
