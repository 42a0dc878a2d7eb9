"""The picture of a profile: exact ones of three kinds of data, and EDM's law for comparison.

    python docs/_ext/profile_picture.py docs/_static/profile.svg

Nothing is measured: the sources are those of `infonoise_core.analytic.exact`, in closed form.
"""

import sys
from pathlib import Path

import torch
from matplotlib import rc_context

from infonoise_core import LogNormal, VarianceExploding
from infonoise_core.analytic.categorical import CategoricalSource
from infonoise_core.analytic.exact import BinarySource, GaussianSource, profile_on
from infonoise_core.plot import draw_profiles, figure, save_figure


def draw(path: Path) -> None:
    """Write the picture in the format that the name ends in."""
    channel = VarianceExploding(0.01, 100.0)
    edges = channel.edges(48)
    profiles = {
        "16 bits (0 or 1)": profile_on(BinarySource(16, 0.0, 1.0), edges),
        "8 letters of 4, one-hot": profile_on(CategoricalSource(torch.full((8, 4), 0.25)), edges),
        "Gaussian, 8 dimensions, sd 5": profile_on(GaussianSource(8, 5.0), edges),
    }
    fig, ax = figure(7.2, 3.4)
    draw_profiles(ax, profiles)
    ax.set_ylim(0, 9)
    law = LogNormal(channel)
    sigma = (edges[:-1] * edges[1:]).sqrt()
    share = ax.twinx()
    share.fill_between(
        sigma.numpy(), 0, law.density(sigma).numpy(), color="0.5", alpha=0.2, linewidth=0
    )
    share.set(ylim=(0, 1), yticks=[])
    share.spines[["top", "right"]].set_visible(False)
    share.text(0.07, 0.2, "EDM's fixed law", color="0.35", fontsize="small", ha="center")
    # Letters as letters: the outline of each would make the file three times as large.
    with rc_context({"svg.fonttype": "none"}):
        save_figure(fig, path, overwrite=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
