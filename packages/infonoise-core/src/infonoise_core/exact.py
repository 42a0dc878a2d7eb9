"""The name that `analytic.exact` had in the first house, for scripts that have it."""

from infonoise_core.analytic.exact import (
    BinarySource,
    GaussianSource,
    SphereSource,
    exact_profile,
)

__all__ = ["BinarySource", "GaussianSource", "SphereSource", "exact_profile"]
