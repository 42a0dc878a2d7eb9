"""The gallery page and its pictures, drawn from the results in docs/_static/gallery alone.

python docs/_ext/gallery.py
"""

import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from infonoise_core import LogNormal, VarianceExploding
from infonoise_core.plot import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1]
GALLERY = DOCS / "_static" / "gallery"
# Okabe and Ito's colours, which all kinds of colour vision tell apart.
COLORS = {"images": "#0072B2", "text": "#D55E00", "DNA": "#009E73"}
ROW = 0.55
PAGE = Path(__file__).with_name("gallery_page.txt")
# Part of the results -> its name on the page.
TRAINED = {
    "digits": "Digits",
    "fashion": "Fashion-MNIST",
    "text": "Python's documentation",
    "dna": "Promoters with planted motifs",
}
Content = dict[str, Any]


COMPARED = """## Quality against steps

Black and white digits under three schedules, two seeds each: one line is one training.
In so short a run EDM and infonoise are level, and log-uniform is late.

![Bits per dimension against training steps, six trainings](_static/gallery/comparison.svg)

"""


def read(folder: Path = GALLERY) -> Content:
    """Part -> what gallery_data.py found."""
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def draw(content: Content, folder: Path) -> None:
    """Write the pictures into the folder."""
    # Letters as letters: the outline of each would make the files three times as large.
    with rc_context({"svg.fonttype": "none", "font.size": 9.5, "axes.titlesize": 10}):
        save_figure(profiles(content), folder / "profiles.svg", overwrite=True)
        save_figure(trained(content), folder / "trained.svg", overwrite=True)
        if "comparison" in content:
            save_figure(comparison(content), folder / "comparison.svg", overwrite=True)
        save_figure(designs(content), folder / "designs.svg", overwrite=True)


def profiles(content: Content) -> Figure:
    """One row for each kind of data, over EDM's noise distribution."""
    order = {kind: i for i, kind in enumerate(COLORS)}
    rows = sorted(content["profiles"], key=lambda row: order[row["kind"]])
    fig = Figure(figsize=(8.4, 0.8 + ROW * len(rows)), layout="constrained")
    ax = fig.subplots()
    for i, row in enumerate(rows):
        _ridge(ax, len(rows) - 1 - i, row)
    sigma = rows[0]["sigma"]
    ax.set(
        xscale="log", xlim=(sigma[0], sigma[-1]), ylim=(-0.1, len(rows) + 0.15), yticks=[],
        xlabel="noise level",
    )  # fmt: skip
    ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)
    return fig


def _ridge(ax: "Axes", base: float, row: Content) -> None:
    color = COLORS[row["kind"]]
    sigma = torch.tensor(row["sigma"])
    fixed = LogNormal(VarianceExploding(row["sigma"][0], row["sigma"][-1])).density(sigma).numpy()
    ax.fill_between(sigma, base, base + 1.6 * fixed, color="0.72", alpha=0.5, linewidth=0)
    height = base + 0.9 * np.array(row["rate"])
    ax.fill_between(sigma, base, height, color=color, alpha=0.25, linewidth=0)
    ax.plot(sigma, height, color=color, linewidth=1.8)
    ax.axhline(base, color="0.15", linewidth=0.6)
    ax.text(45, base + 0.42, row["name"], color=color, fontsize=9.5, ha="right")


def trained(content: Content) -> Figure:
    """What short trainings measured: the rate, and its error where it is known."""
    fig = Figure(figsize=(8.4, 4.6), layout="constrained")
    for ax, (part, name) in zip(fig.subplots(2, 2).flat, TRAINED.items(), strict=True):
        profile = content[part]["profile"]
        edges = np.array(profile["edges"])
        sigma, rate = np.sqrt(edges[:-1] * edges[1:]), np.array(profile["rate"])
        ax.plot(sigma, rate, color="#0072B2", linewidth=1.8)
        ax.fill_between(sigma, 0, rate, color="#0072B2", alpha=0.2, linewidth=0)
        ax.set(xscale="log", ylim=(0, None), title=f"{name}, {content[part]['steps']} steps")
        ax.set(xlim=(max(edges[0], 0.01), edges[-1]))
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.6)
    fig.supxlabel("noise level", fontsize=9.5)
    fig.supylabel("nats lost per unit of log sigma", fontsize=9.5)
    return fig


def comparison(content: Content) -> Figure:
    """Quality against steps, a line for each seed."""
    found = content["comparison"]
    colors = {"infonoise": "#0072B2", "edm": "0.2", "log-uniform": "#E69F00"}
    fig = Figure(figsize=(6.4, 3.4), layout="constrained")
    ax = fig.subplots()
    for curve in found["curves"]:
        first = curve["seed"] == found["curves"][0]["seed"]
        ax.plot(
            curve["steps"], curve["values"], color=colors.get(curve["schedule"], "0.6"),
            linewidth=1.3, alpha=0.9, label=curve["schedule"] if first else None,
        )  # fmt: skip
    last = [value for curve in found["curves"] for value in curve["values"][-4:]]
    low, high = min(last), max(last)
    ax.set(
        xlabel="training steps", ylabel=f"{found['measure']}, lower is better",
        ylim=(low - 0.1 * (high - low), high + 0.3 * (high - low)),
    )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.legend(frameon=False)
    return fig


def designs(content: Content) -> Figure:
    """A logo of the designs: letters as high as what their place says, in bits."""
    from infonoise_bio.evaluation.pictures.logo import draw_logo

    letters = np.array([[*one] for one in content["dna"]["samples"]])
    codes = np.stack([letters == base for base in "ACGT"]).argmax(0).astype(np.uint8)
    fig = Figure(figsize=(8.4, 1.9), layout="constrained")
    ax = fig.subplots()
    draw_logo(ax, codes)
    ax.spines[["top", "right"]].set_visible(False)
    return fig


def page(content: Content) -> str:
    """The page, in Markdown."""
    texts = "\n\n".join(f"```text\n{_lines(one)}\n```" for one in content["text"]["samples"])
    shown = "\n".join(content["dna"]["samples"][:6])
    images = []
    for part in ("digits", "fashion"):
        says = f"{TRAINED[part]}, {content[part]['steps']} steps: forty samples"
        images += [f"![{says}](_static/gallery/{part}.png)", "", f"*{says}.*", ""]
    return Template(PAGE.read_text()).substitute(
        images="\n".join(images),
        texts=texts,
        designs=shown,
        text_steps=content["text"]["steps"],
        dna_steps=content["dna"]["steps"],
        comparison=COMPARED if "comparison" in content else "",
    )


def _lines(text: str) -> str:
    """Short enough for the column, and without what would end the block."""
    lines = [
        line[i : i + 96] for line in text.splitlines() for i in range(0, max(1, len(line)), 96)
    ]
    return "\n".join(lines).replace("```", "'''")


def main() -> None:
    """Write the page and its pictures."""
    content = read()
    draw(content, GALLERY)
    (DOCS / "gallery.md").write_text(page(content))


if __name__ == "__main__":
    main()
