"""The gates that the tables compare."""

from collections.abc import Callable, Mapping

from infonoise_core.schedules.gates import (
    Gate,
    calibration_gate,
    fixed_gate,
    floor_gate,
    onset_gate,
    open_gate,
    power_law_gate,
    slope_gate,
)

# The pivot that the second version of the paper pins for DNA and text.
PIVOT = 0.2
# First the default of InfoNoise; a test checks that it is.
DEFAULT = "slope"
GATES: Mapping[str, Callable[[], Gate]] = {
    "slope": slope_gate,
    "floor": floor_gate,
    "calibration": calibration_gate,
    "open": open_gate,
    f"fixed {PIVOT:g}": lambda: fixed_gate(PIVOT),
    "onset": onset_gate,
    "power law": power_law_gate,
}
