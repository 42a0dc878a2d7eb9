"""Rows of small images: pairs with what was drawn of them, and what was drawn freely."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pictures.figure_steps import values
from pictures.figure_style import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("edges", "colours")
SHOWN = ("grey", "binarised")


def drawn_pairs(results: Results) -> "Figure":
    """Both tasks below each other, a row each for pictures, true images and draws."""
    return _rows(results, SECTIONS)


def drawn_freely(results: Results) -> "Figure":
    """Both kinds below each other, a row of held-out images and some of drawn ones."""
    return _rows(results, SHOWN)


def _rows(results: Results, sections: Sequence[str]) -> "Figure":
    from matplotlib.figure import Figure

    strips = [strip for name in sections for strip in results["sections"][name]["strips"]]
    fig = Figure(figsize=(6.4, 0.85 * len(strips)))
    fig.set_layout_engine("constrained")
    for ax, strip in zip(fig.subplots(len(strips), 1).tolist(), strips, strict=True):
        pixels = values(strip)
        grey = pixels.shape[2] == 1
        ax.imshow(pixels[..., 0] if grey else pixels, cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        ax.set_title(strip["name"], fontsize=8, loc="left", pad=2)
    return fig
