"""Options of reading a file, free of heavy imports: a command line is parsed by them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Around = Literal["feature", "start", "center", "end"]
Edge = Literal["drop", "mask", "error"]


@dataclass(frozen=True)
class Reading:
    """How a file becomes sequences."""

    feature: str | None = None
    """GenBank: cut a window for each feature of this type, such as CDS or promoter"""
    genome: Path | None = None
    """BED: the sequences that the intervals lie on (FASTA or GenBank)"""
    around: Around = "feature"
    """the window: the whole feature (joined) and its flanks, or a place in it"""
    upstream: int = 0
    """bases before the feature, or before the start, center or end"""
    downstream: int = 0
    """bases after the feature, or from the start, center or end on"""
    edge: Edge = "drop"
    """windows that leave a linear record"""
    sequence_column: str = "sequence"
    """tables: column of the sequences"""
    id_column: str = "id"
    """tables: column of the names; rows are numbered without it"""
