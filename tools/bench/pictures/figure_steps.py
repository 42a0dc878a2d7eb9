"""The picture of measured levels: a model's profile, the levels chosen, and what they make."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictures.figure_style import BLUE, INK, Results, column, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTION = "fashion-epsilon"


def measured_steps(results: Results) -> "Figure":
    """Above, the profile over sigma; below it a row of levels for each solver and number of calls,
    and images of the same noises.
    """
    from matplotlib.figure import Figure

    strips = results["sections"][SECTION]["strips"]
    fig = Figure(figsize=(7.6, 4.4 + 0.55 * len(strips)))
    fig.set_layout_engine("constrained")
    heights = [3.0, 3.0] + [1.0] * len(strips)
    axes = fig.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}).tolist()
    _profile(axes[0], results)
    _levels(axes[1], results)
    axes[1].sharex(axes[0])
    for ax, strip in zip(axes[2:], strips, strict=True):
        pixels = values(strip)
        ax.imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray", aspect="auto")
        ax.set_axis_off()
        ax.set_title(strip["name"], fontsize=8, loc="left", pad=2)
    return fig


def _profile(ax: Any, results: Results) -> None:
    profile = table(results, SECTION, "Profile")
    ax.plot(column(profile, "sigma"), column(profile, "rate"), color=INK)
    ax.set(xscale="log", ylabel="nats per unit log sigma")
    ax.tick_params(labelbottom=False)
    ax.spines[["top", "right"]].set_visible(False)


def _levels(ax: Any, results: Results) -> None:
    chosen = table(results, SECTION, "Levels chosen")
    rows = list(zip(*(column(chosen, name) for name in ("solver", "calls", "levels")), strict=True))
    for place, (_, _, levels) in enumerate(rows):
        at = [float(level) for level in levels.split()]
        ax.plot(at, [place] * len(at), "|", color=BLUE, markersize=7)
    ax.set_yticks(
        range(len(rows)), [f"{solver}, {calls} calls" for solver, calls, _ in rows], fontsize=7
    )
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="noise level")
    ax.spines[["top", "right"]].set_visible(False)


def values(strip: Mapping[str, Any]) -> NDArray[np.uint8]:
    """(height, width, channels) of a strip in the results."""
    return np.frombuffer(base64.b64decode(strip["bytes"]), np.uint8).reshape(strip["shape"])
