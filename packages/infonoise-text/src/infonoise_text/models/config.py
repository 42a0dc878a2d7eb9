"""Sizes of the networks, by name."""

import re
from dataclasses import dataclass, replace

from infonoise_core.errors import InputError

# Widths of the SwiGLU are rounded up to this.
_MULTIPLE = 64
# Bits of a tuple or a group at most.
_MOST = 10
# Neighbours on each side at most; attention sees farther for less.
_FARTHEST = 16


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
        reach: Before attention and SwiGLU, each position takes up so many neighbours on each side.
        block: Positions of a block, if there are blocks (`models.blocks`).
        whole: With blocks, whether whole windows are learned too.
        blind: Of blocks of one token, that nothing is heard of its noisy bits: what they tell is
            known exactly, and is added to what is said.
        tuples: Of networks of bits: tokens are read by tuples of bits, and bits answered in groups
            (`models.tuples`); without, by one linear patch, and each bit alone.
        sdt: The network of CoBit's releases (`models.sdt`): width of its SwiGLU, numbers that a bit
            is read as, and width of its head.
    """

    width: int
    blocks: int
    heads: int
    shared: bool = True
    dropout: float = 0.0
    causal: bool = False
    reach: int = 0
    block: int = 0
    whole: bool = True
    blind: bool = False
    tuples: bool = False
    sdt: tuple[int, int, int] | None = None

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
        if self.blind and self.block != 1:
            raise InputError(f"blocks of {self.block} cannot be read blindly: give blocks of 1")
        if not 0 <= self.reach <= _FARTHEST:
            raise InputError(f"--reach {self.reach}: give 0 to {_FARTHEST} neighbours on each side")

    @property
    def hidden(self) -> int:
        """Width of the SwiGLU: 8/3 of the trunk's, rounded up."""
        return -(-8 * self.width // (3 * _MULTIPLE)) * _MULTIPLE


@dataclass(frozen=True)
class TupleConfig:
    """How tokens are read and answered.

    Attributes:
        tuples: M, how many overlapping tuples.
        tuple_bits: k of each, or all bits of a token if those are fewer.
        group_bits: Bits that are answered together; by default a few groups of at most five.
    """

    tuples: int = 8
    tuple_bits: int = 5
    group_bits: int | None = None

    def __post_init__(self) -> None:
        if self.tuples < 1:
            raise InputError(f"--tuples {self.tuples}: give at least 1")
        for option, bits in (("tuple-bits", self.tuple_bits), ("group-bits", self.group_bits)):
            if bits is not None and not 1 <= bits <= _MOST:
                raise InputError(f"--{option} {bits}: give 1 to {_MOST} bits")


# tiny and small train on two cores.  cobit-s and cobit-m are the sizes of CoBit (Batzolis et al.
# 2026), for 128 tokens of 15 bits and for 1024 tokens of 16, in their published form.  linear-patch
# are tiny and small in that form, as the first releases had them.
PRESETS = {
    "tiny": TrunkConfig(width=96, blocks=3, heads=4, reach=2, tuples=True),
    "small": TrunkConfig(width=128, blocks=4, heads=4, reach=2, tuples=True),
    "cobit-s": TrunkConfig(width=768, blocks=12, heads=12, shared=False, dropout=0.1),
    "cobit-m": TrunkConfig(width=1024, blocks=24, heads=16, shared=False, dropout=0.1),
    "linear-patch": TrunkConfig(width=96, blocks=3, heads=4),
    "linear-patch-small": TrunkConfig(width=128, blocks=4, heads=4),
}
# The network of CoBit's smaller releases, as published: wider heads, biases, its own null belief.
PRESETS["sdt"] = TrunkConfig(768, 12, 12, shared=False, sdt=(2048, 64, 128))
# What the first releases called the sizes of their networks -> their name today.
FORMERLY = {"tiny": "linear-patch", "small": "linear-patch-small"}


def preset(name: str, dropout: float | None = None, reach: int | None = None) -> TrunkConfig:
    """The sizes of that name, with another dropout if one is given.

    Args:
        reach: In place of its own, where the size takes up neighbours at all.
    """
    sizes = PRESETS.get(name) or _sdt(name)
    if sizes is None:
        raise InputError(f"--network {name}: no such size; give one of {', '.join(PRESETS)}")
    if reach is not None and sizes.reach:
        sizes = replace(sizes, reach=reach)
    return sizes if dropout is None else replace(sizes, dropout=dropout)


def sdt_name(sizes: TrunkConfig) -> str:
    """As --network has it: sdt:WIDTH:BLOCKS:HEADS:SWIGLU:CONTENT:HEAD."""
    return ":".join(map(str, ("sdt", sizes.width, sizes.blocks, sizes.heads, *(sizes.sdt or ()))))


def _sdt(name: str) -> TrunkConfig | None:
    """The sizes in such a name; None where it is none."""
    found = re.fullmatch(r"sdt((?::\d{1,5}){6})", name)
    if found is None:
        return None
    width, blocks, heads, *rest = (int(part) for part in found[1].split(":")[1:])
    hidden, content, head = rest
    return TrunkConfig(width, blocks, heads, shared=False, sdt=(hidden, content, head))
