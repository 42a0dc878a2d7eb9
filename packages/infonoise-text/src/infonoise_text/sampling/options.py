"""How text is generated, and where it goes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError
from infonoise_core.files import check_output
from infonoise_core.sampling.options import SamplerConfig

# Of the network, for a window or a block.
CALLS = 64


@dataclass(frozen=True)
class TextSampler(SamplerConfig):
    """How text is generated."""

    steps: int = 0
    """calls of the network, of a window or of each block, a few more for some solvers; by default
    (0) 64, and 1 where tokens are written one by one and drawn from what the network says of them
    (without churn)"""
    lead: float = 0.0
    """of a run with clusters: share of its way that the clusters' level has made when that of the
    tokens begins"""
    whole: bool = False
    """write all tokens of a window at once, where a run could write from left to right; what goes
    into gaps and what is guided is written so in any case"""

    def __post_init__(self) -> None:
        if self.steps == 0:
            replace(self, steps=CALLS)  # which is checked
        else:
            super().__post_init__()
        if not 0 <= self.lead <= 1:
            raise InputError(f"--lead {self.lead:g}: give a share between 0 and 1")

    def settled(self, alone: bool) -> "TextSampler":
        """With a number of steps; fresh noise, where it is asked for, takes several.

        Args:
            alone: Whether tokens are written one by one, each of which the network says at once.
        """
        noisy = self.churn or self.s_churn
        return self if self.steps else replace(self, steps=1 if alone and not noisy else CALLS)


@dataclass(frozen=True)
class Output:
    """How many texts, how long, and where they go."""

    samples: Annotated[int, formerly("n")] = 4
    """how many texts"""
    length: int | None = None
    """tokens of a text, what is given among them; by default those of a window of training"""
    past_end: bool = False
    """go on behind the end of a document; infill fills its window in any case"""
    out: Path | None = None
    """write JSON lines here, in place of text to the terminal"""
    overwrite: bool = False
    """replace the file --out"""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"--samples {self.samples}: give at least 1")

    def check(self) -> None:
        """InputError where nothing can be written, before anything is computed."""
        if self.out is not None:
            check_output(self.out, self.overwrite)


def showing(ordered: bool, alone: bool) -> TextSampler:
    """How texts are made that are shown while a run trains: by a grid that needs no profile.

    In order every block takes the calls: fewer, so that showing does not take as long as learning.
    """
    steps = 1 if alone else 8 if ordered else CALLS
    return TextSampler(steps=steps, grid="karras", solver="euler", chunk=64)
