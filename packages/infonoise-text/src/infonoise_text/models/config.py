"""Sizes of the networks, by name."""

from dataclasses import dataclass, replace

from infonoise_core.errors import InputError

# Widths of the SwiGLU are rounded up to this.
_MULTIPLE = 64


@dataclass(frozen=True)
class TrunkConfig:
    """Sizes of a trunk.

    Attributes:
        width: Of a position.
        blocks, heads: How many.
        shared: One modulation network for all blocks, each with offsets of its own; without,
            one per block, which costs a third of all parameters.
        dropout: Of what attention and SwiGLU add.
        causal: Positions see no later ones.
    """

    width: int
    blocks: int
    heads: int
    shared: bool = True
    dropout: float = 0.0
    causal: bool = False

    def __post_init__(self) -> None:
        if min(self.width, self.blocks, self.heads) < 1:
            raise InputError(
                f"width {self.width}, blocks {self.blocks}, heads {self.heads}: give at least 1"
            )
        if self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} and {self.heads} heads: rotary positions need an even number"
                " of channels per head; give a width that is a multiple of twice the heads"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout:g}: give 0 or more, below 1")

    @property
    def hidden(self) -> int:
        """Width of the SwiGLU: 8/3 of the trunk's, rounded up."""
        return -(-8 * self.width // (3 * _MULTIPLE)) * _MULTIPLE


# tiny and small train on two cores.  cobit-s and cobit-m are the sizes of CoBit (Batzolis et al.
# 2026), for 128 tokens of 15 bits and for 1024 tokens of 16.
PRESETS = {
    "tiny": TrunkConfig(width=96, blocks=3, heads=4),
    "small": TrunkConfig(width=128, blocks=4, heads=4),
    "cobit-s": TrunkConfig(width=768, blocks=12, heads=12, shared=False, dropout=0.1),
    "cobit-m": TrunkConfig(width=1024, blocks=24, heads=16, shared=False, dropout=0.1),
}


def preset(name: str, dropout: float | None = None) -> TrunkConfig:
    """The sizes of that name, with another dropout if one is given."""
    if name not in PRESETS:
        raise InputError(f"--network {name}: no such size; give one of {', '.join(PRESETS)}")
    sizes = PRESETS[name]
    return sizes if dropout is None else replace(sizes, dropout=dropout)
