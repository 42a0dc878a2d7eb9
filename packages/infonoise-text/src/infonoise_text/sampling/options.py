"""How text is generated."""

from dataclasses import dataclass

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig


@dataclass(frozen=True)
class TextSampler(SamplerConfig):
    """How text is generated."""

    lead: float = 0.0
    """of a run with clusters: share of its way that the clusters' level has made when that of the
    tokens begins"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.lead <= 1:
            raise InputError(f"--lead {self.lead:g}: give a share between 0 and 1")
