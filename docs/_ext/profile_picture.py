"""The picture of the front page: where noise destroys three kinds of data, in closed form.

    python docs/_ext/profile_picture.py docs/_static/profile.svg

Nothing is trained, and the numbers are those that the packages use: digits (scikit-learn's) between
-1 and 1, letters (of Python's documentation) as bits 0 and 1, bases (equally frequent) as -1 and 1,
one number each. The profile is that of pixels, bits and bases that know nothing of each other,
for digits cut at that of the best linear denoiser.
"""

import pydoc_data.topics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib import rc_context
from sklearn.datasets import load_digits
from torch import Tensor

from infonoise_core import (
    EntropyRateProfile,
    LogNormal,
    VarianceExploding,
    independent_symbol_profile,
    linear_profile,
)
from infonoise_core.analytic.priors import OneHot
from infonoise_core.plot import figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANNEL = VarianceExploding(0.01, 30.0)
BINS = 128
# Noise levels at which an example is shown.
CELLS = 9
WORD, BASES = "language", "ACGT"
SITE = "TATAATGC"
# What lies outside these shares of the information counts as nothing left to learn.
LOW, HIGH = 0.01, 0.99
# Left edge and width of the rows, as shares of the picture's.
LEFT, WIDTH = 0.165, 0.82
# Okabe and Ito's colours, which all kinds of colour vision tell apart.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY = "0.15", "0.72"


@dataclass(frozen=True)
class Row:
    """One kind of data.

    Attributes:
        example: What is shown below the curve: (8, 8) pixels or (letters, width) numbers.
    """

    name: str
    unit: str
    color: str
    profile: EntropyRateProfile
    example: Tensor

    @property
    def share(self) -> Tensor:
        """(k,) of the information that is lost in each bin."""
        lost = self.profile.rate * self.profile.width
        return lost / lost.sum()


def rows() -> list[Row]:
    """The three kinds of data of the picture."""
    pixels = torch.from_numpy(load_digits().images) / 8 - 1
    bits = _bits(" ".join(pydoc_data.topics.topics.values())).mean(0)
    ones = torch.stack([1 - bits, bits], 1)
    letters = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    site = 2 * torch.eye(4)[[BASES.index(base) for base in SITE]] - 1
    bases = independent_symbol_profile(
        CHANNEL, torch.full((8, 4), 0.25), OneHot(-1.0, 1.0), bins=BINS
    )
    return [
        Row("Images", "handwritten digits", BLUE, _digits(pixels), pixels[3]),
        Row("Text", "letters as bits", ORANGE,
            independent_symbol_profile(CHANNEL, ones, letters, bins=BINS), _bits(WORD)),
        Row("DNA", "bases, one-hot", GREEN,
            bases, site),
    ]  # fmt: skip


def missed(row: Row) -> float:
    """Share of EDM's draws at levels where nothing is left to learn of this kind of data."""
    low, high = row.profile.quantile(torch.tensor([LOW, HIGH])).log().tolist()
    edges = CHANNEL.edges(4096).double()
    sigma, width = (edges[:-1] * edges[1:]).sqrt(), edges.log().diff()
    density = LogNormal(CHANNEL).density(sigma) * width
    outside = (sigma.log() < low) | (sigma.log() > high)
    return float(density[outside].sum() / density.sum())


def draw(path: Path) -> None:
    """Write the picture in the format that the name ends in."""
    fig, empty = figure(8.4, 5.2)
    empty.remove()
    fig.set_layout_engine("none")
    # Outlines in place of letters: the page shows the same picture with any fonts.
    with rc_context({"svg.fonttype": "path"}):
        _legend(fig)
        for top, row in zip((0.895, 0.605, 0.315), rows(), strict=True):
            _curve(fig.add_axes((LEFT, top - 0.155, WIDTH, 0.155)), row)
            _examples(fig.add_axes((LEFT, top - 0.245, WIDTH, 0.08)), row)
            fig.text(0.012, top - 0.095, row.name, color=row.color, fontsize=15, weight="bold")
            fig.text(0.013, top - 0.135, row.unit, color="0.35", fontsize=9)
        axis = fig.add_axes((LEFT, 0.058, WIDTH, 0.001))
        axis.set(xscale="log", xlim=(CHANNEL.sigma_min, CHANNEL.sigma_max), yticks=[])
        axis.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
        axis.spines[["top", "left", "right"]].set_visible(False)
        fig.text(0.012, 0.03, "noise level", fontsize=10)
        save_figure(fig, path, overwrite=True)


def _legend(fig: "Figure") -> None:
    """One line above the rows."""
    from matplotlib.patches import Patch

    names = {
        (*(BLUE, ORANGE, GREEN),): "where noise destroys the data: something is left to learn",
        (GREY,): "where a fixed schedule (EDM) trains",
    }
    patches = [
        tuple(Patch(facecolor=color, alpha=0.6, linewidth=0) for color in colors)
        for colors in names
    ]
    from matplotlib.legend_handler import HandlerTuple

    fig.legend(
        patches, [*names.values()], handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize=9.5,
        handlelength=1.8, columnspacing=2.2,
        borderaxespad=0.4,
    )  # fmt: skip


def _curve(ax: "Axes", row: Row) -> None:
    """What is lost per unit of log sigma, over EDM's draws; both have area 1."""
    sigma = row.profile.sigma.numpy()
    lost = (row.share / row.profile.width).numpy()
    fixed = LogNormal(CHANNEL).density(row.profile.sigma).numpy()
    ax.fill_between(sigma, 0, fixed, color=GREY, alpha=0.6, linewidth=0)
    ax.fill_between(sigma, 0, lost, color=row.color, alpha=0.25, linewidth=0)
    ax.plot(sigma, lost, color=row.color, linewidth=2)
    ax.set(xscale="log", xlim=(CHANNEL.sigma_min, CHANNEL.sigma_max), ylim=(0, 0.78))
    ax.axis("off")
    ax.axhline(0, color=INK, linewidth=0.8)
    text = f"{missed(row):.0%} of EDM's training\nfinds nothing to learn"
    ax.text(28, 0.42, text, color="0.25", fontsize=9.5, ha="right", va="center", linespacing=1.4)


def _examples(ax: "Axes", row: Row) -> None:
    """One example with noise of CELLS levels, and what can be read of it."""
    edges = CHANNEL.edges(CELLS)
    noise = torch.randn(row.example.shape, generator=torch.Generator().manual_seed(2))
    span = np.log(CHANNEL.sigma_max / CHANNEL.sigma_min)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    for sigma in (edges[:-1] * edges[1:]).sqrt().tolist():
        at = float(np.log(sigma / CHANNEL.sigma_min) / span)
        noisy = row.example + sigma * noise
        if row.name == "Images":
            inner = ax.inset_axes((at - 0.05, 0, 0.1, 1.0))
            inner.imshow((noisy / (1 + sigma**2) ** 0.5).numpy(), cmap="gray_r", vmin=-1, vmax=1)
            inner.axis("off")
            continue
        true, read = _letters(row.example), _letters(noisy)
        for j, (was, now) in enumerate(zip(true, read, strict=True)):
            ax.text(
                at + (j - 3.5) * 0.0114, 0.55, now, family="monospace", fontsize=9,
                ha="center", va="center", color=INK if was == now else row.color,
                weight="normal" if was == now else "bold",
            )  # fmt: skip


def _digits(pixels: Tensor) -> EntropyRateProfile:
    """The lower of two bounds at each level.

    Of independent pixels, and of cosine coefficients that are shrunk one by one.
    """
    from scipy.fft import dctn

    levels = ((pixels + 1) * 8).round().long().flatten(1)
    counts = torch.stack([(levels == level).double().sum(0) for level in range(17)], 1)
    table = (counts + 1 / 17) / (len(pixels) + 1)
    values = torch.linspace(-1, 1, 17, dtype=torch.float64)[:, None]
    alone = independent_symbol_profile(CHANNEL, table, values, bins=BINS)
    waves = torch.from_numpy(dctn(pixels.numpy(), axes=(1, 2), norm="ortho"))
    linear = linear_profile(CHANNEL, waves.var(0).flatten(), BINS)
    rate = torch.minimum(alone.rate, linear.rate)
    return EntropyRateProfile(alone.edges, rate, alone.stderr, alone.count, alone.dim)


def _bits(text: str) -> Tensor:
    """(letters, 8) of the ASCII codes, 0 or 1."""
    codes = np.frombuffer(text.encode("ascii", "ignore"), np.uint8)
    return torch.from_numpy(np.unpackbits(codes).reshape(-1, 8)).double()


def _letters(noisy: Tensor) -> list[str]:
    """The nearest letter of each row: (n, 8) bits or (n, 4) bases; a dot for what is no letter."""
    if noisy.shape[1] == len(BASES):
        return [BASES[i] for i in noisy.argmax(1).tolist()]
    codes = np.packbits((noisy > 0.5).numpy(), axis=1).ravel()
    return [chr(code) if 32 < code < 127 else "·" for code in codes.tolist()]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
