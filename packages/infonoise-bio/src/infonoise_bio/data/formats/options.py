"""Options of reading a file, free of heavy imports: a command line is parsed by them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Around = Literal["feature", "start", "center", "end", "summit"]
Edge = Literal["drop", "mask", "error"]
ChrPrefix = Literal["keep", "add", "drop"]


@dataclass(frozen=True)
class Reading:
    """How a file becomes sequences."""

    feature: str | None = None
    """GenBank, EMBL, GFF, GTF: cut a window for each feature of this type, such as CDS"""
    genome: Path | None = None
    """BED, GFF, GTF: the sequences that they lie on (FASTA, 2bit, GenBank or EMBL)"""
    chr_prefix: ChrPrefix = "keep"
    """with --genome: names of chromosomes as they are, with chr added in front of them, or
    dropped"""
    around: Around = "feature"
    """the window: the whole feature (joined) and its flanks, or a place in it; summit is
    narrowPeak's, the middle where it has none"""
    upstream: int = 0
    """bases before the feature, or before the start, center, end or summit"""
    downstream: int = 0
    """bases after the feature, or from the start, center, end or summit on"""
    edge: Edge = "drop"
    """windows that leave a linear record; mask fills them with N"""
    sequence_column: str = "sequence"
    """tables: column of the sequences"""
    id_column: str = "id"
    """tables: column of the names; rows are numbered without it"""
