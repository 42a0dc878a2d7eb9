"""Base frequencies, on the strand that was read or on both."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from infonoise_bio.alphabet import MASKED, Codes

# both: the other strand is as good an example; forward: it is none.
Strand = Literal["both", "forward"]


def base_frequencies(codes: Codes, strand: Strand) -> Tensor:
    """(4,) float64 share of A C G T among the known bases of (n, L); on both strands, A and T have
    the same, and C and G.
    """
    counts = np.bincount(np.ravel(codes), minlength=MASKED + 1)[:MASKED]
    # One of each on top, so that none is impossible.
    table = torch.from_numpy(counts + 1).to(torch.float64)
    if strand == "both":
        table = table + table.flip(0)
    return table / table.sum()
