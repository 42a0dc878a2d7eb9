"""Noise levels for diffusion training, drawn where the data's information is lost.

What is estimated is in `profiles`, how it becomes a density in `schedules.gates`, and how a
training loop uses it in `schedules.infonoise`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infonoise_core.analytic.priors import (
        EmpiricalBayesDenoiser,
        empirical_bayes_profile,
        independent_symbol_profile,
        linear_profile,
    )
    from infonoise_core.errors import InputError
    from infonoise_core.processes.channel import Channel, RectifiedFlow, VarianceExploding
    from infonoise_core.processes.denoiser import Denoiser, EDMDenoiser
    from infonoise_core.processes.discrete import DiscreteDDPM
    from infonoise_core.processes.functions import FunctionChannel
    from infonoise_core.processes.variance_preserving import (
        CosineCurve,
        LinearBetaCurve,
        VariancePreserving,
    )
    from infonoise_core.processes.weighting import (
        edm_weight,
        min_snr_weight,
        p2_weight,
        prediction_weight,
        sigmoid_weight,
        unit_weight,
    )
    from infonoise_core.profiles.dimension import intrinsic_dimension
    from infonoise_core.profiles.measured import measure_profile
    from infonoise_core.profiles.profile import EntropyRateProfile
    from infonoise_core.profiles.readout import (
        continuous_entropy,
        discrete_entropy,
        information_gap,
    )
    from infonoise_core.sampling.choose import LevelChoice, choose_levels
    from infonoise_core.sampling.churn import band_churn, constant_churn, rate_churn
    from infonoise_core.sampling.grids import (
        entropic_grid,
        karras_grid,
        kl_grid,
        log_uniform_grid,
        rescaled_entropic_grid,
    )
    from infonoise_core.sampling.solvers import Sample, solve
    from infonoise_core.schedules.fixed import (
        Cosine,
        FixedLaw,
        Laplace,
        LogitNormal,
        LogNormal,
        LogUniform,
        Schedule,
        UniformTime,
    )
    from infonoise_core.schedules.gates import (
        calibration_gate,
        fixed_gate,
        floor_gate,
        onset_gate,
        open_gate,
        power_law_gate,
        slope_gate,
    )
    from infonoise_core.schedules.infonoise import InfoNoise
    from infonoise_core.schedules.law import Law, context_law
    from infonoise_core.schedules.tasks import TaskSchedule

__version__ = "0.1.0"

__all__ = [
    "Channel",
    "Cosine",
    "CosineCurve",
    "Denoiser",
    "DiscreteDDPM",
    "EDMDenoiser",
    "EmpiricalBayesDenoiser",
    "EntropyRateProfile",
    "FixedLaw",
    "FunctionChannel",
    "InfoNoise",
    "InputError",
    "Laplace",
    "Law",
    "LevelChoice",
    "LinearBetaCurve",
    "LogNormal",
    "LogUniform",
    "LogitNormal",
    "RectifiedFlow",
    "Sample",
    "Schedule",
    "TaskSchedule",
    "UniformTime",
    "VarianceExploding",
    "VariancePreserving",
    "band_churn",
    "calibration_gate",
    "choose_levels",
    "constant_churn",
    "context_law",
    "continuous_entropy",
    "discrete_entropy",
    "edm_weight",
    "empirical_bayes_profile",
    "entropic_grid",
    "fixed_gate",
    "floor_gate",
    "independent_symbol_profile",
    "information_gap",
    "intrinsic_dimension",
    "karras_grid",
    "kl_grid",
    "linear_profile",
    "log_uniform_grid",
    "measure_profile",
    "min_snr_weight",
    "onset_gate",
    "open_gate",
    "p2_weight",
    "power_law_gate",
    "prediction_weight",
    "rate_churn",
    "rescaled_entropic_grid",
    "sigmoid_weight",
    "slope_gate",
    "solve",
    "unit_weight",
]

# Where each name is found; it is imported when it is first used, so that a command that only shows
# its help need not wait for torch.
_HOMES = {
    "analytic.priors": (
        "EmpiricalBayesDenoiser empirical_bayes_profile independent_symbol_profile linear_profile"
    ),
    "errors": "InputError",
    "processes.channel": "Channel RectifiedFlow VarianceExploding",
    "processes.denoiser": "Denoiser EDMDenoiser",
    "processes.discrete": "DiscreteDDPM",
    "processes.functions": "FunctionChannel",
    "processes.variance_preserving": "CosineCurve LinearBetaCurve VariancePreserving",
    "processes.weighting": (
        "edm_weight min_snr_weight p2_weight prediction_weight sigmoid_weight unit_weight"
    ),
    "profiles.dimension": "intrinsic_dimension",
    "profiles.measured": "measure_profile",
    "profiles.profile": "EntropyRateProfile",
    "profiles.readout": "continuous_entropy discrete_entropy information_gap",
    "sampling.choose": "LevelChoice choose_levels",
    "sampling.churn": "band_churn constant_churn rate_churn",
    "sampling.grids": "entropic_grid karras_grid kl_grid log_uniform_grid rescaled_entropic_grid",
    "sampling.solvers": "Sample solve",
    "schedules.fixed": (
        "Cosine FixedLaw Laplace LogNormal LogUniform LogitNormal Schedule UniformTime"
    ),
    "schedules.gates": (
        "calibration_gate fixed_gate floor_gate onset_gate open_gate power_law_gate slope_gate"
    ),
    "schedules.infonoise": "InfoNoise",
    "schedules.law": "Law context_law",
    "schedules.tasks": "TaskSchedule",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
