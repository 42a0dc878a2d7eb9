"""A picture of generated text: perplexity against the entropy within a window."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infonoise_core.plot import figure, save_figure
from infonoise_text.evaluation.quality import Quality

PERPLEXITY = "perplexity by n-grams"


def draw_frontier(qualities: Mapping[str, Quality], out: Path, overwrite: bool) -> None:
    """Perplexity over entropy: text that repeats itself lies to the left."""
    data, *made = qualities.items()
    fig, ax = figure()
    ax.plot(
        [q.entropy for _, q in made], [q.perplexity for _, q in made], "o-", color="0.15",
        linewidth=1.4,
    )  # fmt: skip
    for name, q in made:
        place: Any = (q.entropy, q.perplexity)
        ax.annotate(name, place, xytext=(4, 4), textcoords="offset points", fontsize="x-small")
    ax.plot([data[1].entropy], [data[1].perplexity], "*", color="C3", markersize=11, label=data[0])
    ax.set(xlabel="entropy of the tokens of a window, nats", ylabel=PERPLEXITY, yscale="log")
    ax.legend(frameon=False, fontsize="small")
    save_figure(fig, out, overwrite=overwrite)
