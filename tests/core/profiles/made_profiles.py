"""Profiles made up for tests: tables of any rates, and power laws."""

import torch
from torch import Tensor

from infonoise_core import EntropyRateProfile
from infonoise_core.binning import log_edges

BASES = torch.tensor([0.3, 0.2, 0.1, 0.4])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def table(rate: Tensor, stderr: Tensor | None = None, dim: int | None = None) -> EntropyRateProfile:
    """A made-up profile between sigma 0.01 and 10."""
    stderr = torch.zeros_like(rate) if stderr is None else stderr
    edges = log_edges(0.01, 10.0, len(rate))
    return EntropyRateProfile(edges, rate, stderr, torch.ones_like(rate), dim)


def power_law(exponent: float, bins: int = 60) -> EntropyRateProfile:
    edges = log_edges(0.01, 10.0, bins)
    return table((edges[:-1] * edges[1:]).sqrt() ** exponent)
