"""The page of `evaluate --html`: table, logos and plots in one file that opens offline."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np

from infonoise_bio.alphabet import Codes, letters_of
from infonoise_bio.evaluation.composition import gc_content, kmer_counts
from infonoise_bio.evaluation.logo import draw_logo, letter_heights
from infonoise_bio.evaluation.measures import Assessment
from infonoise_core.files import write_text
from infonoise_core.plot import draw_profile, figure, to_svg
from infonoise_core.profiles.profile import EntropyRateProfile

_SHOWN = 12
# Names of the sets, in the colours of every plot.
_SETS = ("held out", "generated", "Markov")


def write_page(
    path: Path,
    title: str,
    assessment: Assessment,
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    profile: EntropyRateProfile | None,
    about: Mapping[str, str],
) -> None:
    """Write the page all or nothing. table: header and rows as text.

    Args:
        about: Facts of the run.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("infonoise_bio.evaluation", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    anchors = assessment.anchors
    sets = dict(zip(_SETS, (anchors.held_out, anchors.generated, anchors.markov), strict=True))
    top = 1.02 * max(0.05, *(float(letter_heights(codes).sum(1).max()) for codes in sets.values()))
    text = environment.get_template("page.html.j2").render(
        title=title,
        header=table[0],
        rows=table[1],
        logos={name: _logo(codes, top) for name, codes in sets.items()},
        plots=[
            ("GC content of a sequence.", _gc(sets)),
            ("Counts of 6-mers, against those of the held-out sequences.", _kmers(sets)),
            *([("Where noise destroys information.", _profile(profile))] if profile else []),
        ],
        samples={
            name: "\n".join(letters_of(codes[:_SHOWN])) for name, codes in list(sets.items())[:2]
        },
        about=about,
    )
    write_text(path, text)


def _logo(codes: Codes, top: float) -> str:
    fig, ax = figure(12, 1.8)
    ax.grid(visible=False)
    draw_logo(ax, codes, top)
    return to_svg(fig)


def _gc(sets: Mapping[str, Codes]) -> str:
    fig, ax = figure()
    for name, codes in sets.items():
        share = gc_content(codes)
        ax.hist(share[np.isfinite(share)], bins=25, range=(0, 1), histtype="step", label=name)
    ax.set(xlabel="GC content", ylabel="sequences")
    ax.legend(frameon=False, fontsize="small")
    return to_svg(fig)


def _kmers(sets: Mapping[str, Codes]) -> str:
    fig, ax = figure()
    k = min(6, next(iter(sets.values())).shape[1])
    real, *others = (kmer_counts(codes, k) for codes in sets.values())
    for i, (name, counts) in enumerate(zip(_SETS[1:], others, strict=True), 1):
        # On log scales, where none is half of one.
        ax.plot(
            real.clip(0.5), counts.clip(0.5), f"C{i}.", markersize=2, label=name, rasterized=True
        )
    ax.set(xscale="log", yscale="log", xlabel="held out", ylabel="count")
    ax.legend(frameon=False, fontsize="small")
    return to_svg(fig)


def _profile(profile: EntropyRateProfile) -> str:
    fig, ax = figure()
    draw_profile(ax, profile)
    return to_svg(fig)
