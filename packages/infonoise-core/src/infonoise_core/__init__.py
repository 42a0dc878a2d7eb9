"""Noise levels for diffusion training, drawn where the data's information is lost.

The mathematics is in `profile` (what is estimated), `allocation` (how it becomes a density) and
`schedule` (how a training loop uses it).
"""

from infonoise_core.allocation import fixed_gate, floor_gate, onset_gate, open_gate
from infonoise_core.channel import Channel, RectifiedFlow, VarianceExploding
from infonoise_core.denoiser import Denoiser, EDMDenoiser
from infonoise_core.errors import InputError
from infonoise_core.grid import entropic_grid, karras_grid
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.schedule import FixedLaw, InfoNoise, LogNormal, LogUniform, Schedule
from infonoise_core.solver import Sample, solve
from infonoise_core.weighting import edm_weight, unit_weight

__version__ = "0.1.0"

__all__ = [
    "Channel",
    "Denoiser",
    "EDMDenoiser",
    "EntropyRateProfile",
    "FixedLaw",
    "InfoNoise",
    "InputError",
    "LogNormal",
    "LogUniform",
    "RectifiedFlow",
    "Sample",
    "Schedule",
    "VarianceExploding",
    "edm_weight",
    "entropic_grid",
    "fixed_gate",
    "floor_gate",
    "karras_grid",
    "onset_gate",
    "open_gate",
    "solve",
    "unit_weight",
]
