"""The names of infonoise_core: fixed, found where the table says, and imported when used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import infonoise_core

NAMES = [
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


def test_the_public_names_stay() -> None:
    assert infonoise_core.__all__ == NAMES
    assert set(NAMES) <= set(dir(infonoise_core))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert getattr(infonoise_core, name).__name__ == name


def test_type_checkers_see_the_same_homes() -> None:
    """What is imported for type checkers is what the table finds."""
    tree = ast.parse(Path(infonoise_core.__file__).read_text())
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("infonoise_core")
        for alias in node.names
    }
    assert sorted(seen) == sorted(NAMES)
    for name, module in seen.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(infonoise_core, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        infonoise_core.nothing  # noqa: B018


def test_importing_it_needs_no_torch_before_a_name_is_used() -> None:
    code = (
        "import sys, infonoise_core; assert 'torch' not in sys.modules; "
        "from infonoise_core import LogUniform; assert 'torch' in sys.modules; "
        "from infonoise_core import *; print(solve.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "solve\n", done.stderr
