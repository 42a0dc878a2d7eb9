"""Options of measuring, free of heavy imports: a command line is parsed by them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import UseAppendAction

from infonoise_core.errors import InputError

# What a profile is split by.
By = Literal["position", "base"]


@dataclass(frozen=True)
class EvaluateExtras:
    """What DNA adds to the verb `evaluate`."""

    label: str | None = None
    """only sequences of this class"""
    levels: int = 8
    """noise levels per sequence for the bits per base"""
    motifs: Path | None = None
    """matrices: JASPAR, MEME, TRANSFAC, HOMER, CIS-BP, or numbers under a line '>id name'"""
    motif: UseAppendAction[tuple[str, ...]] = ()
    """id or name of one of them, or NAME@LOW-HIGH: it shall begin best at LOW to HIGH, from 0
    and both included; may be repeated; all hits of all matrices without it"""
    motif_rate: float = 1e-4
    """false positives of a hit per place and strand"""
    designs: Path | None = None
    """FASTA file of sequences from elsewhere, measured in place of the run's own; where all of
    them have label=CLASS in their header, as `sample` writes it, classes are kept apart; the
    table goes to evaluation-NAME.json for NAME.fa"""
    oracle: Path | None = None
    """a model of your own as judge: what torch.export.save wrote (.pt2), from one-hot bases
    (n, 4, length) to features (n, k)"""
    html: Path | None = None
    """of the version before: `report` writes the page now"""

    def __post_init__(self) -> None:
        if self.html is not None:
            raise InputError(
                f"--html {self.html}: the page is written by `report` now; evaluate without it,"
                f" then infonoise-bio report RUN --out {self.html}"
            )
        if self.levels < 1:
            raise InputError(f"--levels {self.levels}: give at least 1")
        if self.motif and self.motifs is None:
            raise InputError(f"--motif {self.motif[0]}: give --motifs with a file of matrices")
        if not 0 < self.motif_rate < 1:
            raise InputError(f"--motif-rate {self.motif_rate:g}: give a rate between 0 and 1")


@dataclass(frozen=True)
class ProfileExtras:
    """What DNA adds to the verb `profile`."""

    by: By | None = None
    """measure the network's error on held-out sequences, split by position or by base; --out may
    then be a profile (.json), too"""
    data: str | None = None
    """--by: the sequences, if they have moved since training"""
    draws: int = 256
    """--by: noisy sequences for each of 64 noise levels"""

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise InputError(f"--draws {self.draws}: give at least 2, to know the error")
