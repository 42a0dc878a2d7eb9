"""Losses that no honest denoiser would report do not drive the default gate to where nothing is.

The table itself, with the published gates beside it, is in docs/benchmarks/core.md.
"""

import pytest

from infonoise_core import InfoNoise, VarianceExploding, slope_gate
from infonoise_core.analytic.exact import BinarySource, exact_profile
from of_core import adversarial
from of_core.gates import DEFAULT, GATES

# Masks and bursts of NaN are said, as tests/core/schedules/test_health.py has it.
pytestmark = pytest.mark.filterwarnings("ignore:InfoNoise. (impossible|of .* left out):UserWarning")


def test_the_gate_of_the_tables_is_the_default() -> None:
    profile = exact_profile(BinarySource(4), 0.02, 50.0)
    default = InfoNoise(VarianceExploding(0.02, 50.0)).gate(profile)
    assert default.equal(GATES[DEFAULT]()(profile))
    assert default.equal(slope_gate()(profile))


@pytest.mark.parametrize("setting", adversarial.QUICK, ids=lambda setting: setting.name)
@pytest.mark.parametrize("scenario", adversarial.SCENARIOS)
def test_at_most_half_the_draws_are_wasted(
    setting: adversarial.ScheduleContext, scenario: str
) -> None:
    """An error of sigma^2 bears no trace of the data, so there the warm-up law is all there is."""
    (cell,) = adversarial.table([DEFAULT], [scenario], [setting], seeds=[7])
    if scenario == "answers x":
        assert cell.held
        assert cell.wasted <= cell.warmup + adversarial.SAMPLING
        return
    assert cell.held == scenario.startswith("answers")
    # Half is the goal; a fifth is already a failure of the gate.
    assert cell.wasted < 0.2


def test_the_table_tells_a_gate_that_fails() -> None:
    """Without a gate an error floor takes most of the draws; the number must show it."""
    (cell,) = adversarial.table(["open"], ["floor 1e-2"], [adversarial.QUICK[1]], seeds=[7])
    assert cell.wasted > 0.8
