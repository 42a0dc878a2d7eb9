"""What is learned of text, and by which method."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes

from infonoise_core.config.idle import Idle
from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError
from infonoise_core.training.config import RATE
from infonoise_text.data.options import CorpusOptions
from infonoise_text.models.config import TrunkConfig, TupleConfig, preset

MethodName = Literal["bits", "autoregressive", "masked", "embedding"]

# No weight of a network depends on the window's length, so only this keeps the settings of a model
# from elsewhere from asking for all memory there is.
_LONGEST = 1 << 17


@dataclass(frozen=True)
class Objective:
    """Windows of tokens and what is learned of them."""

    length: int = 64
    """tokens of a window"""
    codes: Literal["binary", "semantic"] | None = None
    """how tokens become bits; by default semantic, for linear patches and cobit binary"""
    network: str = "tiny"
    """size of the transformer: tiny or small; cobit-s and cobit-m, CoBit's sizes, or sdt, its
    network as released; for comparison linear-patch and linear-patch-small"""
    predict: Literal["tokens", "groups"] | None = None
    """of tiny and small: a distribution over all tokens, or one over each group of bits, whose cost
    hardly grows with the vocabulary; by default tokens of up to 16,384 where there are blocks, else
    groups
    """
    tuples: int = 8
    """of tiny and small: overlapping tuples of bits that a token is read by"""
    tuple_bits: int = 5
    """bits of each"""
    group_bits: int | None = None
    """of tiny and small: bits that are answered together, by default a few groups of at most 5"""
    reach: int = 2
    """of tiny and small: neighbours on each side that short convolutions take up"""
    block: int | None = None
    """of tiny and small: bits are learned and written from left to right too, so many tokens at a
    time behind clean ones; by default 1, 0 for whole windows alone"""
    ordered: float = 0.5
    """share of examples that are learned in blocks, the others are whole windows; 1 writes better
    from left to right, and cannot infill"""
    block_noise: bool = False
    """learn blocks at every noise level; without, a token alone in its block is learned from the
    text before it, as where noise hides it wholly, and what its noisy bits tell is added exactly
    """
    dropout: float | None = None
    """share of what its blocks add that is left out, by default the size's own"""
    sigma_min: float = 0.002
    """lowest noise level, in the unit of bits 0 and 1"""
    sigma_max: float = 80.0
    """highest noise level"""
    loss: Literal["groups", "edm", "bce"] | None = None
    """cross entropy of what is answered together, squared error with EDM's weight, or cross entropy
    of bits; by default groups, for linear patches and cobit edm"""
    self_cond: Annotated[float, formerly("self_conditioning")] = 0.5
    """share of examples that see what a first pass believed"""
    infill: float = 0.2
    """share of examples that are given a part of their tokens"""
    packing: bool = True
    """put documents one behind the other and cut windows anywhere; with --no-packing a window
    begins with a document, or a further piece of one, and no two documents meet; pairs never do"""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise InputError(f"--length {self.length}: give at least 1 token")
        if self.length > _LONGEST:
            raise InputError(f"--length {self.length}: give at most {_LONGEST} tokens")
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise InputError(
                f"--sigma-min {self.sigma_min:g} and --sigma-max {self.sigma_max:g} do not span a"
                " range: give 0 < sigma-min < sigma-max"
            )
        if self.loss not in (None, "groups", "bce", "edm"):
            raise InputError(f"--loss {self.loss}: no such loss; give groups, edm or bce")
        shares = {"self-cond": self.self_cond, "infill": self.infill, "ordered": self.ordered}
        for option, share in shares.items():
            if not 0 <= share <= 1:
                raise InputError(f"--{option} {share:g}: give a share between 0 and 1")
        TupleConfig(self.tuples, self.tuple_bits, self.group_bits)
        if self.block is not None and not 0 <= self.block <= self.length:
            raise InputError(
                f"--block {self.block}: give 1 to {self.length}, the tokens of a window, or 0 for"
                " whole windows"
            )
        if not self.sizes.tuples:
            self._refuse_with_single_bits()

    def _refuse_with_single_bits(self) -> None:
        """InputError for what only networks of tuples have."""
        network = f"with --network {self.network}"
        if self.loss == "groups":
            raise InputError(
                f"--loss groups {network}: it answers each bit alone; give bce or edm, or another"
                " network"
            )
        if self.predict is not None:
            raise InputError(
                f"--predict {self.predict} {network}: it answers each bit alone; give tiny or small"
            )
        if self.block:
            raise InputError(
                f"--block {self.block} {network}: it has no blocks; give tiny or small"
            )

    def idle(self) -> Iterator[Idle]:
        """Options of what the network does not have."""
        sizes = self.sizes
        if not sizes.tuples:
            why = f"is of tiny and small, and --network is {self.network}; give one of them"
            for name in ("tuples", "tuple_bits", "group_bits"):
                yield Idle(self, name, why)
            for name in ("ordered",) if sizes.reach else ("ordered", "reach"):
                yield Idle(self, name, why, none=0)
        elif self.block == 0:
            yield Idle(self, "ordered", "--block 0 learns nothing in order; give another", none=0)
        if self.in_blocks.block != 1 or self.predict == "groups" or self.cost != "groups":
            why = (
                "is of blocks of one token that is predicted as a whole, and others have noise"
                " anyway; give --block 1 and --predict tokens"
            )
            yield Idle(self, "block_noise", why)

    @property
    def sizes(self) -> TrunkConfig:
        """Of the transformer."""
        return preset(self.network, self.dropout, self.reach)

    @property
    def in_blocks(self) -> TrunkConfig:
        """The same, of bits that are learned in blocks where the network can."""
        sizes = self.sizes
        block = self.block if self.block is not None else int(sizes.tuples)
        if not (block and self.ordered):
            return sizes
        return replace(sizes, block=block, whole=self.ordered < 1)

    @property
    def blind(self) -> bool:
        """Whether what is learned in blocks could be learned without noise."""
        trunk = self.in_blocks
        return trunk.block == 1 and self.cost == "groups" and not self.block_noise

    @property
    def reading(self) -> TupleConfig:
        """How a network of tuples reads and answers tokens."""
        return TupleConfig(self.tuples, self.tuple_bits, self.group_bits)

    @property
    def book(self) -> Literal["binary", "semantic"]:
        """The codes, by default those that suit the network."""
        return self.codes or ("semantic" if preset(self.network).tuples else "binary")

    @property
    def cost(self) -> Literal["groups", "edm", "bce"]:
        """The loss, by default that which suits the network."""
        return self.loss or ("groups" if preset(self.network).tuples else "edm")


@dataclass(frozen=True)
class TextOptions:
    """What is learned of which text; the same in train and compare."""

    method: MethodName = "bits"
    """bits, or a baseline on the same trunk: autoregressive or masked, which have no noise levels,
    or embedding"""
    clusters: int | None = None
    """of bits: learn with each token which of so many clusters it belongs to, with noise of its
    own; a power of two"""
    corpus: OmitArgPrefixes[CorpusOptions] = field(default_factory=CorpusOptions)
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)

    def __post_init__(self) -> None:
        if self.clusters is not None and self.method != "bits":
            raise InputError(
                f"--clusters {self.clusters} with --method {self.method}: only bits have clusters"
            )
        plain = self.method == "bits" and self.clusters is None
        if self.objective.block and not plain:
            raise InputError(
                f"--block {self.objective.block}: only bits are learned in blocks; leave --clusters"
                " and other methods out"
            )
        if self.objective.predict == "tokens" and not plain:
            raise InputError(
                "--predict tokens: is of bits alone; leave --clusters and other methods out"
            )
        if preset(self.objective.network).sdt is not None and not plain:
            raise InputError(
                f"--network {self.objective.network}: is a network of bits alone; leave --clusters"
                " and other methods out"
            )

    def idle(self) -> Iterator[Idle]:
        """Options that the method does not take."""
        if self.method != "bits":
            why = f"is of bits, and --method is {self.method}; give --method bits"
            for name in ("tuples", "tuple_bits", "group_bits", "loss", "codes", "predict"):
                yield Idle(self.objective, name, why)
            yield Idle(self.objective, "block_noise", why)
            for name in ("self_cond", "infill", "ordered"):
                yield Idle(self.objective, name, why, none=0)
        elif self.clusters is not None:
            why = "with --clusters nothing is learned in order; leave those out"
            yield Idle(self.objective, "ordered", why, none=0)
            yield Idle(self.objective, "block_noise", why)

    @property
    def codes(self) -> Literal["binary", "semantic"]:
        """The code book; whole tokens need none, so theirs is the one that is always there."""
        return self.objective.book if self.method == "bits" else self.objective.codes or "binary"

    @property
    def rate(self) -> float:
        """The learning rate where none is given.

        Tiny networks of bits learn best at twice the rate of all others, at which masked tokens
        do not leave the plateau of their frequencies.
        """
        bits = self.method == "bits" and self.clusters is None
        return 2 * RATE if bits and self.objective.network == "tiny" else RATE

    @property
    def semantic(self) -> bool:
        """Whether the semantic codes of the corpus are needed."""
        return self.codes == "semantic" or self.clusters is not None
