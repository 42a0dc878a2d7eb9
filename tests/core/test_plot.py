"""Pictures of profiles hold all that they draw."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.commands import cli
from infonoise_core.plot import draw_believed, draw_profiles
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.gates import slope_gate

SMALL = exact_profile(BinarySource(1), 0.01, 100.0)
LARGE = exact_profile(BinarySource(192), 0.01, 100.0)
# A network that leaves an error of 1 % of the variance at every level.
WEAK = replace(LARGE, raw=LARGE.rate + 1.92 / LARGE.sigma.square(), rate=LARGE.rate + 1.92, dim=192)


def draw(profiles: Mapping[str, EntropyRateProfile], gated: bool = False) -> Axes:
    ax = Figure().add_subplot()
    gate = slope_gate()
    parts = {name: gate(p) * p.rate for name, p in profiles.items()} if gated else None
    draw_profiles(ax, profiles, parts)
    return ax


def tops(ax: Axes) -> list[float]:
    return [float(np.max(np.asarray(line.get_ydata()))) for line in ax.lines]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")])
def test_the_tallest_sets_the_axis(names: tuple[str, ...], gated: bool) -> None:
    known = {"a": SMALL, "b": LARGE, "c": WEAK}
    ax = draw({name: known[name] for name in names}, gated)
    low, high = ax.get_ylim()
    assert low == 0
    assert max(tops(ax)) <= high < 2.3 * float(WEAK.rate.max())
    drawn = max(float(p.rate.max()) for p in known.values())
    assert any(top == pytest.approx(drawn) for top in tops(ax))


def test_a_ceiling_far_above_does_not_press_the_curve_down() -> None:
    thin = exact_profile(GaussianSource(100, rank=2), 0.01, 100.0)
    ax = draw({"thin": replace(thin, dim=100)}, gated=True)
    assert ax.get_ylim()[1] < 3


def test_the_raw_curve_and_the_ceiling_stand_beside_what_the_gate_believes() -> None:
    ax = draw({"weak": WEAK}, gated=True)
    styles = [str(line.get_linestyle()) for line in ax.lines]
    assert sorted(styles) == ["-", "--", ":"]
    ceiling = np.asarray(ax.lines[styles.index("--")].get_ydata())
    assert (ceiling == 192).all()
    raw = torch.as_tensor(np.asarray(ax.lines[styles.index(":")].get_ydata()))
    assert WEAK.raw is not None
    torch.testing.assert_close(raw, WEAK.raw.clamp_max(ax.get_ylim()[1]))
    # The band of the standard error, and the gated part.
    assert len(ax.collections) == 2


def test_what_draws_follow_holds_the_axis_and_not_what_the_network_cannot_do() -> None:
    assert WEAK.raw is not None
    weak = replace(WEAK, rate=WEAK.raw)
    ax, kept = Figure().add_subplot(), LARGE.rate
    draw_believed(ax, weak, kept)
    solid, dotted = (np.asarray(line.get_ydata()) for line in ax.lines)
    assert (solid == kept.numpy()).all()
    top = ax.get_ylim()[1]
    assert float(kept.max()) < top < 1.5 * float(kept.max()) < float(weak.rate.max())
    assert (dotted == np.minimum(weak.rate.numpy(), top)).all()
    assert {str(line.get_linestyle()) for line in ax.lines} == {"-", ":"}


def test_nothing_believed_leaves_the_losses_to_be_seen() -> None:
    ax = Figure().add_subplot()
    draw_believed(ax, LARGE, torch.zeros_like(LARGE.rate))
    assert ax.get_ylim()[1] > float(LARGE.rate.max())


def test_the_command_draws_them(tmp_path: Path) -> None:
    for name, profile in (("small", SMALL), ("weak", WEAK)):
        profile.save(tmp_path / f"{name}.json")
    files = [str(tmp_path / f"{name}.json") for name in ("small", "weak")]
    assert cli.main(["plot", *files, "--out", str(tmp_path / "both.svg")]) == 0
    assert (tmp_path / "both.svg").stat().st_size > 10_000
