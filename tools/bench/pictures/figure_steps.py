"""The picture of measured levels: a model's profile, the levels chosen, and what they make."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictures.figure_style import BLUE, INK, PALE, Results, column, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTION = "fashion-epsilon"


def measured_steps(results: Results) -> "Figure":
    """Above, the profile over sigma with a row of levels for each number of calls; below, images of
    the same noises.
    """
    from matplotlib.figure import Figure

    strips = results["sections"][SECTION]["strips"]
    fig = Figure(figsize=(7.6, 3.4 + 0.55 * len(strips)))
    fig.set_layout_engine("constrained")
    heights = [5.0] + [1.0] * len(strips)
    axes = fig.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}).tolist()
    _profile(axes[0], results)
    for ax, strip in zip(axes[1:], strips, strict=True):
        pixels = values(strip)
        ax.imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray", aspect="auto")
        ax.set_axis_off()
        ax.set_title(strip["name"], fontsize=8, loc="left", pad=2)
    return fig


def _profile(ax: Any, results: Results) -> None:
    profile, chosen = (table(results, SECTION, title) for title in ("Profile", "Levels chosen"))
    rate = column(profile, "rate")
    ax.plot(column(profile, "sigma"), rate, color=INK)
    rows = list(zip(*(column(chosen, name) for name in ("solver", "calls", "levels")), strict=True))
    for place, (solver, calls, levels) in enumerate(rows):
        at = [float(level) for level in levels.split()]
        height = -0.08 * max(rate) * (place + 1)
        ax.plot(at, [height] * len(at), "|", color=BLUE, markersize=7)
        ax.annotate(
            f"{solver}, {calls} calls", (min(column(profile, "sigma")), height), (-4, 0),
            textcoords="offset points", ha="right", va="center", fontsize=7, color=PALE,
            annotation_clip=False,
        )  # fmt: skip
    ax.set(xscale="log", xlabel="noise level", ylabel="nats per unit log sigma")
    ax.spines[["top", "right"]].set_visible(False)


def values(strip: Mapping[str, Any]) -> NDArray[np.uint8]:
    """(height, width, channels) of a strip in the results."""
    return np.frombuffer(base64.b64decode(strip["bytes"]), np.uint8).reshape(strip["shape"])
