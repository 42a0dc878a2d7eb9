"""Options of what is learned, free of heavy imports: a command line is parsed by them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes

from infonoise_bio.data.options import Examples, Strand
from infonoise_bio.models.options import Kind, check_encoding, preset
from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError

WEIGHT_NAMES = ("unit", "edm")
CROSS_ENTROPY, SQUARED_ERROR = LOSS_NAMES = ("cross-entropy", "squared-error")


@dataclass(frozen=True)
class Objective:
    """What is learned of the sequences; the same in train and compare."""

    strand: Strand
    """both: the other strand is as good an example (peaks, enhancers); forward: it is none
    (promoters, coding starts); `inspect` has a hint"""
    encoding: str = "one-hot"
    """one-hot (-1 and 1), one-hot-01, bits or tetrahedron"""
    scale: float = 1.0
    """what the codes are multiplied with"""
    network: Kind = "cnn"
    """cnn, transformer, or for long sequences coarse: a cnn with attention over means of bases"""
    size: str = "laptop"
    """laptop, small, medium or large"""
    equivariant: bool = False
    """a network that gives the same answer on both strands; with --strand both"""
    cond_dropout: Annotated[float, formerly("drop")] = 0.1
    """share of examples trained without their label or numbers, for guidance"""
    infill: float = 0.0
    """share of examples trained with bases given; their error is part of the profile"""
    sigma_min: float = 0.002
    """lowest noise level; --scale does not move it"""
    sigma_max: float = 80.0
    """highest noise level"""
    loss: str | None = None
    """cross-entropy of the bases, or squared-error of their points; default cross-entropy, but a
    run that was begun before there was this option keeps the squared error"""
    weight: str = "unit"
    """weight of the squared error: unit or edm"""

    def __post_init__(self) -> None:
        if self.strand not in ("both", "forward"):
            raise InputError(f"--strand {self.strand}: give both or forward")
        if self.equivariant and self.strand != "both":
            raise InputError("--equivariant is for --strand both: on forward there is one strand")
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise InputError(
                f"--sigma-min {self.sigma_min:g} and --sigma-max {self.sigma_max:g} do not span a"
                " range: give 0 < sigma-min < sigma-max"
            )
        for name, share in (("--cond-dropout", self.cond_dropout), ("--infill", self.infill)):
            if not 0 <= share <= 1:
                raise InputError(f"{name} {share:g}: give a share from 0 to 1")
        check_encoding(self.encoding, self.scale)
        if self.weight not in WEIGHT_NAMES:
            raise InputError(f"--weight {self.weight}: no such weight; give edm or unit")
        if self.loss not in (None, *LOSS_NAMES):
            raise InputError(f"--loss {self.loss}: no such loss; give {' or '.join(LOSS_NAMES)}")
        if self.cross_entropy and self.weight != "unit":
            raise InputError(
                f"--weight {self.weight} is one of the squared error: give --loss {SQUARED_ERROR}"
                " with it"
            )
        preset(self.size, self.network)

    @property
    def cross_entropy(self) -> bool:
        """Whether bases are learned by their cross entropy."""
        return self.loss == CROSS_ENTROPY

    def settled(self, begun: Mapping[str, Any] | None) -> "Objective":
        """With a loss, if none is given: that of the run that is to go on, or cross entropy.

        Args:
            begun: The objective of that run by its config.json.
        """
        if self.loss is not None:
            return self
        new = CROSS_ENTROPY if self.weight == "unit" else SQUARED_ERROR
        return replace(self, loss=new if begun is None else begun.get("loss"))


@dataclass(frozen=True)
class DnaOptions:
    """What is learned, and of which sequences; the same in train and compare."""

    objective: OmitArgPrefixes[Objective]
    examples: OmitArgPrefixes[Examples] = field(default_factory=Examples)
