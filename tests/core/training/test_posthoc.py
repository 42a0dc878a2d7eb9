"""Averages of any width from those that were kept, against averages that were run."""

import pytest
import torch

from infonoise_core.training.ema import power_exponent, power_keep
from infonoise_core.training.posthoc import Kept, combine, mixed

STEPS, EVERY = 4000, 250
WIDTHS = (0.1, 0.05)
KEPT = [Kept(width, step) for step in range(EVERY, STEPS + 1, EVERY) for width in WIDTHS]


def weights(step: int) -> torch.Tensor:
    """A path that drifts, oscillates and settles."""
    t = step / STEPS
    return torch.tensor([t, t**3, (20 * t) ** 0.5, float(torch.sin(torch.tensor(12 * t)))]).double()


def averages(widths: tuple[float, ...], upto: int = STEPS) -> dict[Kept, torch.Tensor]:
    """Run step by step, as training does; as they were at each kept step."""
    keeps = {width: power_keep(width) for width in widths}
    now = dict.fromkeys(widths, weights(1))
    found = {}
    for step in range(1, upto + 1):
        for width, keep in keeps.items():
            now[width] = torch.lerp(weights(step), now[width], keep(step))
            if step % EVERY == 0:
                found[Kept(width, step)] = now[width]
    return found


def test_the_average_of_a_power_is_its_closed_form() -> None:
    """Of weights t^k: (gamma+1) / (gamma+1+k) T^k, but for the width of a step."""
    gamma = power_exponent(0.1)
    found = averages((0.1,))[Kept(0.1, STEPS)]
    for place, power in ((0, 1), (1, 3)):
        assert found[place] == pytest.approx((gamma + 1) / (gamma + 1 + power), rel=2e-3)


@pytest.mark.parametrize("width", [0.04, 0.05, 0.07, 0.1, 0.13, 0.2])
@pytest.mark.parametrize("step", [2000, STEPS])
def test_any_width_is_what_was_run(width: float, step: int) -> None:
    kept = [k for k in KEPT if k.step <= step]
    run = averages((*WIDTHS, width), step)
    made = combine(kept, width, step)
    assert sum(made.coefficients) == pytest.approx(1, abs=1e-9)
    assert made.error < 0.1
    state = mixed(({"w": run[k]} for k in kept), made.coefficients)["w"]
    # By Cauchy-Schwarz no farther than the profiles are, times the path's norm under the profile;
    # the path's values are of order 1, the largest 4.5.
    torch.testing.assert_close(
        state.double(), run[Kept(width, step)], atol=5 * made.error + 1e-5, rtol=0
    )


def test_a_width_that_was_kept_is_itself() -> None:
    made = combine(KEPT, 0.05, 3000)
    place = KEPT.index(Kept(0.05, 3000))
    assert made.error < 1e-6
    assert made.coefficients[place] == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_made_of_them_shows_in_the_error() -> None:
    assert combine([Kept(0.1, STEPS), Kept(0.05, STEPS)], 0.01, STEPS).error > 0.3


def test_weights_that_stand_still_stay_and_counts_are_the_last() -> None:
    made = combine(KEPT, 0.02, STEPS)
    states = ({"w": torch.full((3,), 7.0), "n": torch.tensor(k.step)} for k in KEPT)
    state = mixed(states, made.coefficients)
    torch.testing.assert_close(state["w"], torch.full((3,), 7.0))
    assert int(state["n"]) == STEPS
