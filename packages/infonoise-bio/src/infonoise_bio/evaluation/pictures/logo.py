"""Sequence logos: letters as high as their position's information (Schneider & Stephens 1990)."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES, MASKED, Codes
from infonoise_bio.evaluation.composition import base_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"A": "#2ca02c", "C": "#1f77b4", "G": "#e6a000", "T": "#d62728"}
# Letters below a hundredth of the plot's height cannot be read.
_VISIBLE = 0.01


def letter_heights(codes: Codes) -> NDArray[np.float64]:
    """(L, 4) share of A C G T times the position's information in bits.

    That is 2 minus the entropy, corrected for n sequences; 0 where no base is known.
    """
    share = np.nan_to_num(base_profile(codes))
    known = np.maximum(1, (codes != MASKED).sum(0))
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(1)
    # The entropy of n draws is too low by 3 / (2 n ln 2) bits on average.
    information = 2 - entropy - 3 / (2 * np.log(2) * known)
    heights: NDArray[np.float64] = share * information.clip(0)[:, None]
    return heights


def draw_logo(ax: "Axes", codes: Codes, top: float | None = None) -> None:
    """Letters of each position stacked, the most frequent on top.

    Args:
        top: Of the axis, in bits.
    """
    heights = letter_heights(codes)
    draw_letters(ax, heights, 0, top or 1.02 * max(0.05, float(heights.sum(1).max())))


def draw_letters(ax: "Axes", heights: NDArray[np.float64], low: float, high: float) -> None:
    """Letters of each position stacked, the highest on top, those below zero under the line.

    Args:
        ax: Where.
        heights: (L, 4) of A C G T.
        low, high: Ends of the axis.
    """
    for position, column in enumerate(heights):
        base = 0.0
        for i in np.argsort(column):
            height = float(column[i])
            if abs(height) > _VISIBLE * (high - low):
                place = Affine2D().scale(0.9, height).translate(position - 0.45, base)
                letter = place.transform_path(_letter(BASES[i]))
                ax.add_patch(PathPatch(letter, facecolor=_COLOURS[BASES[i]], linewidth=0))
            base += height if height > 0 else 0.0
    if low < 0:
        ax.axhline(0, color="black", linewidth=0.5)
    ax.set(xlim=(-0.5, len(heights) - 0.5), ylim=(low, high), xlabel="position, from 0",
           ylabel="bits")  # fmt: skip


@cache
def _letter(text: str) -> Path:
    """The outline of a letter in the unit square."""
    outline = TextPath((0, 0), text, size=1, prop=FontProperties(weight="bold"))
    box = outline.get_extents()
    fitted: Path = (
        Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height)
    ).transform_path(outline)
    return fitted
