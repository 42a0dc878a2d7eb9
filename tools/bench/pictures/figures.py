"""The pictures that benchmark pages open with, drawn from their results and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pictures import figure_core, figure_domains, figure_pairs, figure_steps
from pictures.figure_style import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Figure:
    """A picture of a suite's page.

    Attributes:
        name: Of its file in the folder `figures`, with the suite's before it.
        says: What is to be seen.
        draw: Results -> the picture.
        needs: Sections that it is drawn from.
    """

    name: str
    says: str
    draw: "Callable[[Results], Drawing]"
    needs: tuple[str, ...]


FIGURES = {
    "core": (
        Figure(
            "gates",
            "What each gate wastes when the losses are not those of a good denoiser.",
            figure_core.core_gates, ("adversarial",),
        ),
        Figure(
            "solvers",
            "Solvers and noise levels on an exact denoiser: what more calls buy.",
            figure_core.core_solvers, ("solvers",),
        ),
    ),
    "training": (
        Figure(
            "engines",
            "Two processes learn what one does, whichever engine splits the work.",
            figure_core.training_engines, ("two-processes",),
        ),
    ),
    "vision": (
        Figure(
            "quality",
            "Where training ends under each schedule; bars are standard errors over seeds.",
            figure_domains.vision_quality, ("binary", "grey", "tenth", "tenfold"),
        ),
        Figure(
            "samplers",
            "Distance of drawn from real images against calls, by solver and noise levels.",
            figure_domains.vision_samplers, ("samplers",),
        ),
    ),
    "pretrained": (
        Figure(
            "steps",
            "A model's profile, the levels measured for it, and images of the same noises.",
            figure_steps.measured_steps, ("fashion-epsilon",),
        ),
    ),
    "image-pairs": (
        Figure(
            "draws",
            "What was given, the true image, and two draws of each system.",
            figure_pairs.drawn_pairs, figure_pairs.SECTIONS,
        ),
    ),
    "image-show": (
        Figure(
            "grid",
            "Held-out images, and images as they come, grey and binarised.",
            figure_pairs.drawn_freely, figure_pairs.SHOWN,
        ),
    ),
    "image-laws": (
        Figure(
            "frontier",
            "Bits against pictures: what the value exponent c chooses, beside fixed laws.",
            figure_domains.vision_frontier, ("frontier-digits",),
        ),
    ),
    "text": (
        Figure(
            "quality",
            "Where training ends under each schedule; bars are standard errors over seeds.",
            figure_domains.text_quality, ("schedules",),
        ),
        Figure(
            "frontier",
            "What sampling costs and gives: perplexity against calls, and against variety.",
            figure_domains.text_frontier, ("sampling", "codes"),
        ),
        Figure(
            "cost",
            "Bits do not grow with the vocabulary; a softmax over tokens does.",
            figure_domains.text_cost, ("cost",),
        ),
    ),
    "bio": (
        Figure(
            "quality",
            "How well each distribution covers the closed form as encoding and scale change.",
            figure_domains.bio_quality, ("encodings",),
        ),
        Figure(
            "designs",
            "Designed sequences beside held-out ones and those of a Markov chain.",
            figure_domains.bio_designs, ("promoters", "planted", "peaks", "tata"),
        ),
    ),
}  # fmt: skip


def suite_of(results: Results) -> str:
    """The suite's name, from the command that measured it."""
    return str(results["command"].rpartition(":")[2])


def of(results: Results) -> list[Figure]:
    """The pictures that these results are enough for."""
    there = results["sections"].keys()
    return [one for one in FIGURES.get(suite_of(results), ()) if there >= {*one.needs}]


def links(results: Results) -> list[str]:
    """Markdown of the pictures, for the top of the page."""
    suite = suite_of(results)
    lines = []
    for one in of(results):
        lines += ["", f"![{one.says}](figures/{suite}-{one.name}.svg)", "", f"*{one.says}*"]
    return lines


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Write the pictures into the folder."""
    from matplotlib import rc_context

    from infonoise_core.plot import save_figure

    paths = []
    for one in of(results):
        path = folder / f"{suite_of(results)}-{one.name}.svg"
        # Letters as letters: the outline of each would make the file three times as large.
        with rc_context({"svg.fonttype": "none", "font.size": 9.5, "axes.titlesize": 10}):
            save_figure(one.draw(results), path, overwrite=True)
        paths.append(path)
    return paths
